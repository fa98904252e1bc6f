/* A value on disk: its bytes in the spill file, and what is needed to make the same value of them again. */
#ifndef SBL_GRAPH_DISK_COPY_H
#define SBL_GRAPH_DISK_COPY_H

#include "graph/spill_file.h"
#include "value/value.h"

typedef struct sbl_disk_copy sbl_disk_copy;

/** Errors: SABAL_EUNSUPPORTED (it has no encode(), or that fails), SABAL_ENOMEM, as sbl_spill_write(). */
sabal_status sbl_disk_copy_write(sbl_disk_copy **copy, const sbl_value *value, sbl_spill_file *file, sabal_error *err);
/** The value, made anew in memory that the client's engine gives. own: the bytes that it keeps. */
sabal_status sbl_disk_copy_read(sbl_value **value, const sbl_disk_copy *copy, sbl_spill_file *file, size_t own,
                                sabal_client *client, sabal_error *err);
/** Frees the space. */
void sbl_disk_copy_free(sbl_disk_copy *copy, sbl_spill_file *file);

#endif
