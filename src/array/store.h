/* How an array's rows get into a file that was begun. */
#ifndef SBL_ARRAY_STORE_H
#define SBL_ARRAY_STORE_H

#include "array/array.h"
#include "io/writer.h"

/** By this process, each chunk filtered by the task that makes it, wherever that runs; of a writer that has chunks, of which
    those of the array are multiples. The writer stays the caller's. */
sabal_status sbl_store_packed(const sabal_array *array, sbl_writer *writer, sabal_error *err);
/** By the tasks that make them, wherever they run, each at its place in the file; of a writer that is flat. The writer stays the
    caller's. */
sabal_status sbl_store_shared(const sabal_array *array, sbl_writer *writer, sabal_error *err);

#endif
