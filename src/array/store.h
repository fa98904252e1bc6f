/* How an array's rows get into a file that was begun. */
#ifndef SBL_ARRAY_STORE_H
#define SBL_ARRAY_STORE_H

#include "array/array.h"
#include "io/writer.h"

/** By the tasks that make them, wherever they run, each at its place in the file; of a writer that is flat. The writer stays the
    caller's. */
sabal_status sbl_store_shared(const sabal_array *array, sbl_writer *writer, sabal_error *err);

#endif
