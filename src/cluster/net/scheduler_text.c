/*
 * The scheduler file as text. jansson copies what it reads and frees it without wiping, so it never sees the secret: its
 * digits are taken out before, and zeros stand in their place.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include <jansson.h>
#include <sodium.h>

#include "base/alloc.h"
#include "base/error.h"
#include "cluster/net/scheduler_file.h"

#define FORMAT "sabal-scheduler"
enum { FORMAT_VERSION = 1 };

static const char KEY[] = "\"secret\": \"";

static const char *zeros(void)
{
    static const char ZEROS[] = "0000000000000000000000000000000000000000000000000000000000000000";

    _Static_assert(sizeof ZEROS == SBL_KEY_DIGITS + 1, "as long as the secret");
    return ZEROS;
}

/* --- writing -------------------------------------------------------------------------------------------------------- */

static json_t *json_of_addresses(const sbl_scheduler_file *file)
{
    json_t *list = json_array();

    for (int32_t i = 0; i < file->n_addresses; i++) {
        const sbl_address *a = &file->addresses[i];

        if (a->kind == SBL_ADDRESS_UNIX)
            json_array_append_new(list, json_pack("{s:s,s:s}", "kind", "unix", "path", a->path));
        else
            json_array_append_new(list, json_pack("{s:s,s:s,s:s,s:i}", "kind", "tcp", "interface", a->interface, "ip",
                                                  a->ip, "port", (int)a->port));
    }
    return list;
}

static json_t *json_of(const sbl_scheduler_file *file)
{
    char cluster[2 * SBL_CLUSTER_ID + 1];

    sbl_hex_write(cluster, file->cluster, SBL_CLUSTER_ID);
    return json_pack(
        "{s:s,s:i,s:s,s:s,s:s,s:s,s:s,s:I,s:I,s:I,s:I,s:s,s:I,s:I,s:o}", "format", FORMAT, "format_version",
        FORMAT_VERSION, "version", file->version, "cluster", cluster, "secret", zeros(), "host", file->node.host,
        "boot_id", file->node.boot, "pid_namespace", (json_int_t)file->node.pid_namespace, "pid", (json_int_t)file->pid,
        "pid_start", (json_int_t)file->pid_start, "uid", (json_int_t)file->uid, "job", file->job, "restarts",
        (json_int_t)file->restarts, "started", (json_int_t)file->started, "addresses", json_of_addresses(file));
}

sabal_status sbl_scheduler_file_print(char **text, size_t *n, const sbl_scheduler_file *file, sabal_error *err)
{
    json_t *json  = sbl_alloc_must_fail() ? NULL : json_of(file);
    char   *plain = json ? json_dumps(json, JSON_INDENT(2)) : NULL, *at = plain ? strstr(plain, KEY) : NULL;
    size_t  size = plain ? strlen(plain) : 0;

    *text = at ? sodium_malloc(size + 1) : NULL;
    if (*text) {
        memcpy(*text, plain, size);
        (*text)[size] = '\n';
        sbl_secret_write_hex(*text + (at - plain) + sizeof KEY - 1, file->secret);
        *n = size + 1;
    }
    json_decref(json);
    free(plain);
    return *text ? SABAL_OK : sbl_error_memory(err, sizeof *file, "the text of a scheduler file");
}

/* --- reading -------------------------------------------------------------------------------------------------------- */

/* SABAL_EFORMAT: "the scheduler file" is what callers put the path in place of, by a prefix. */
static sabal_status lacks(sabal_error *err, const char *name, const char *expected)
{
    return sbl_error_set(err, SABAL_EFORMAT, "\"%s\" is missing, or not %s: is it a scheduler file?", name, expected);
}

static sabal_status get_text(char *text, size_t size, json_t *json, const char *name, sabal_error *err)
{
    const char *value = json_string_value(json_object_get(json, name));

    if (!value || strlen(value) >= size)
        return lacks(err, name, "a text of the length it may have");
    memcpy(text, value, strlen(value) + 1);
    return SABAL_OK;
}

static sabal_status get_number(int64_t *number, json_t *json, const char *name, int64_t most, sabal_error *err)
{
    json_t *value = json_object_get(json, name);

    *number = json_integer_value(value);
    if (!json_is_integer(value) || *number < 0 || *number > most)
        return lacks(err, name, "a whole number that it may be");
    return SABAL_OK;
}

static sabal_status get_address(sbl_address *address, json_t *json, sabal_error *err)
{
    struct sockaddr_storage packed;
    char                    kind[8];
    int64_t                 port = 0;
    sabal_status            st   = get_text(kind, sizeof kind, json, "kind", err);

    if (!st && !strcmp(kind, "unix")) {
        address->kind = SBL_ADDRESS_UNIX;
        st            = get_text(address->path, sizeof address->path, json, "path", err);
    } else if (!st) {
        address->kind = strcmp(kind, "tcp") == 0 ? SBL_ADDRESS_TCP : (sbl_address_kind)0;
        st            = get_text(address->interface, sizeof address->interface, json, "interface", err);
        st            = st ? st : get_text(address->ip, sizeof address->ip, json, "ip", err);
        st            = st ? st : get_number(&port, json, "port", UINT16_MAX, err);
        address->port = (uint16_t)port;
    }
    if (!st && !sbl_address_pack(&packed, address))
        st = lacks(err, "addresses", "of addresses that can be reached");
    return st;
}

static sabal_status get_addresses(sbl_scheduler_file *file, json_t *json, sabal_error *err)
{
    json_t      *list = json_object_get(json, "addresses");
    sabal_status st   = SABAL_OK;

    if (!json_is_array(list) || json_array_size(list) == 0 || json_array_size(list) > SBL_MOST_ADDRESSES)
        return lacks(err, "addresses", "a list of 1 to 64 addresses");
    file->n_addresses = (int32_t)json_array_size(list);
    for (int32_t i = 0; i < file->n_addresses && !st; i++)
        st = get_address(&file->addresses[i], json_array_get(list, (size_t)i), err);
    return st;
}

/* What has to be right before the rest can be expected to be there. */
static sabal_status check_format(sbl_scheduler_file *file, json_t *json, sabal_error *err)
{
    char         format[32];
    int64_t      version;
    sabal_status st = get_text(format, sizeof format, json, "format", err);

    if (!st && strcmp(format, FORMAT) != 0)
        st = lacks(err, "format", "\"" FORMAT "\"");
    st = st ? st : get_number(&version, json, "format_version", INT32_MAX, err);
    st = st ? st : get_text(file->version, sizeof file->version, json, "version", err);
    if (!st && version != FORMAT_VERSION)
        st = sbl_error_set(
            err, SABAL_EUNSUPPORTED,
            "its format has version %d, and this sabal (%s) reads version %d: use one sabal for scheduler, "
            "workers and clients",
            (int)version, sabal_version(), FORMAT_VERSION);
    if (!st && strcmp(file->version, sabal_version()) != 0)
        st = sbl_error_set(
            err, SABAL_EUNSUPPORTED,
            "its scheduler is of sabal %s, and this is %s: use one sabal for scheduler, workers and clients",
            file->version, sabal_version());
    return st;
}

static sabal_status get_all(sbl_scheduler_file *file, json_t *json, sabal_error *err)
{
    char         cluster[2 * SBL_CLUSTER_ID + 1];
    char         blank[SBL_KEY_DIGITS + 1];
    int64_t      pid, start, space, uid;
    sabal_status st = check_format(file, json, err);

    st = st ? st : get_text(cluster, sizeof cluster, json, "cluster", err);
    if (!st && (strlen(cluster) != 2 * SBL_CLUSTER_ID || !sbl_hex_read(file->cluster, cluster, SBL_CLUSTER_ID)))
        st = lacks(err, "cluster", "32 hexadecimal digits");
    st = st ? st : get_text(blank, sizeof blank, json, "secret", err);
    if (!st && strcmp(blank, zeros()) != 0) /* what was taken out was another text */
        st = lacks(err, "secret", "64 hexadecimal digits");
    st = st ? st : get_text(file->node.host, sizeof file->node.host, json, "host", err);
    st = st ? st : get_text(file->node.boot, sizeof file->node.boot, json, "boot_id", err);
    st = st ? st : get_number(&space, json, "pid_namespace", INT64_MAX, err);
    st = st ? st : get_number(&pid, json, "pid", INT32_MAX, err);
    st = st ? st : get_number(&start, json, "pid_start", INT64_MAX, err);
    st = st ? st : get_number(&uid, json, "uid", UINT32_MAX, err);
    st = st ? st : get_text(file->job, sizeof file->job, json, "job", err);
    st = st ? st : get_number(&file->restarts, json, "restarts", INT32_MAX, err);
    st = st ? st : get_number(&file->started, json, "started", INT64_MAX, err);
    st = st ? st : get_addresses(file, json, err);
    if (st)
        return st;
    file->pid                = (pid_t)pid;
    file->pid_start          = (uint64_t)start;
    file->node.pid_namespace = (uint64_t)space;
    file->uid                = (uid_t)uid;
    return SABAL_OK;
}

/* Takes the digits out, and leaves zeros. Only the form that sbl_scheduler_file_print() writes is known. */
static sabal_status take_secret(sbl_secret **secret, char *text, size_t n, sabal_error *err)
{
    char        *at = memmem(text, n, KEY, sizeof KEY - 1);
    size_t       left;
    sabal_status st;

    if (!at)
        return lacks(err, "secret", "64 hexadecimal digits");
    at += sizeof KEY - 1;
    left = n - (size_t)(at - text);
    if (left < SBL_KEY_DIGITS + 1 || at[SBL_KEY_DIGITS] != '"') {
        sodium_memzero(at, left);
        return lacks(err, "secret", "64 hexadecimal digits");
    }
    st = sbl_secret_create_from_hex(secret, at, err);
    memcpy(at, zeros(), SBL_KEY_DIGITS);
    return st;
}

sabal_status sbl_scheduler_file_parse(sbl_scheduler_file *file, char *text, size_t n, sabal_error *err)
{
    json_error_t why;
    json_t      *json = NULL;
    sabal_status st;

    memset(file, 0, sizeof *file);
    if (n == 0)
        return sbl_error_set(err, SABAL_EFORMAT, "it is empty");
    st   = take_secret(&file->secret, text, n, err);
    json = st ? NULL : json_loadb(text, n, JSON_REJECT_DUPLICATES, &why);
    if (!st && !json)
        st = sbl_error_set(err, SABAL_EFORMAT, "it is half-written or malformed: JSON ends to make sense in line %d",
                           why.line);
    st = st ? st : get_all(file, json, err);
    json_decref(json);
    if (st)
        sbl_scheduler_file_clear(file);
    return st;
}
