/*
 * Events are written as text into a buffer of the thread's slot and go to the file when that is full, so that
 * threads meet only there. Each event is a whole: the file is valid JSON once its end is written.
 */
#include "graph/trace.h"

#include <sabal/pool.h>

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/grow.h"
#include "base/log.h"

#define N_SLOTS    16
#define SLOT_BYTES (32 << 10)
#define MAX_EVENT  2048

struct slot {
    pthread_mutex_t lock;
    size_t          n;
    char            text[SLOT_BYTES];
};

struct sbl_trace {
    int             fd;
    int             error;     /* the first errno of writing */
    int64_t         opened_ns; /* times count from here */
    uint64_t        id;        /* tells traces apart for threads that note where they gave their name */
    pthread_mutex_t file_lock; /* guards fd, error */
    struct slot     slots[N_SLOTS];
    char            path[];
};

/* This thread's number in the process, its id in the system, and the trace that has its name. */
static __thread uint32_t slot_number; /* from 1; 0: none yet */
static __thread int      thread_id;
static __thread uint64_t named_in;

static struct slot *own_slot(sbl_trace *trace)
{
    static _Atomic uint32_t threads;

    if (!slot_number) {
        slot_number = 1 + atomic_fetch_add_explicit(&threads, 1, memory_order_relaxed) % N_SLOTS;
        thread_id   = (int)syscall(SYS_gettid);
    }
    return &trace->slots[slot_number - 1];
}

/* --- the file --------------------------------------------------------------------------------------------------- */

static void write_out(sbl_trace *trace, const char *text, size_t n)
{
    pthread_mutex_lock(&trace->file_lock);
    while (n && !trace->error) {
        ssize_t written = sbl_grow_write(trace->fd, text, n);

        if (written < 0 && errno != EINTR)
            trace->error = errno;
        if (written > 0) {
            text += written;
            n -= (size_t)written;
        }
    }
    pthread_mutex_unlock(&trace->file_lock);
}

/* With the slot's lock held. */
static void append(sbl_trace *trace, struct slot *slot, const char *text, size_t n)
{
    if (slot->n + n > SLOT_BYTES) {
        write_out(trace, slot->text, slot->n);
        slot->n = 0;
    }
    memcpy(slot->text + slot->n, text, n);
    slot->n += n;
}

sabal_status sbl_trace_open(sbl_trace **out, const char *path, sabal_error *err)
{
    static _Atomic uint64_t ids;
    sbl_trace              *trace = sbl_calloc(1, sizeof *trace + strlen(path) + 1);
    char                    head[256];

    if (!trace)
        return sbl_error_memory(err, sizeof *trace, "a trace");
    trace->fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (trace->fd < 0) {
        sbl_free(trace);
        return sbl_error_errno(err, errno, "the trace '%s' can't be written", path);
    }
    memcpy(trace->path, path, strlen(path) + 1);
    trace->id        = 1 + atomic_fetch_add_explicit(&ids, 1, memory_order_relaxed);
    trace->opened_ns = sbl_clock_ns();
    pthread_mutex_init(&trace->file_lock, NULL);
    for (int i = 0; i < N_SLOTS; i++)
        pthread_mutex_init(&trace->slots[i].lock, NULL);
    /* the first event stands alone, so that all others begin with their comma */
    snprintf(head, sizeof head,
             "{\"displayTimeUnit\":\"ns\",\"traceEvents\":[\n"
             "{\"ph\":\"M\",\"name\":\"process_name\",\"pid\":%d,\"tid\":%d,\"args\":{\"name\":\"sabal\"}}",
             (int)getpid(), (int)getpid());
    write_out(trace, head, strlen(head));
    *out = trace;
    return SABAL_OK;
}

void sbl_trace_close(sbl_trace *trace)
{
    char text[96];

    if (!trace)
        return;
    for (int i = 0; i < N_SLOTS; i++) {
        write_out(trace, trace->slots[i].text, trace->slots[i].n);
        pthread_mutex_destroy(&trace->slots[i].lock);
    }
    write_out(trace, "\n]}\n", 4);
    if (close(trace->fd) && !trace->error)
        trace->error = errno;
    if (trace->error)
        sbl_log(SABAL_LOG_ERROR, "the trace '%s' is not complete: %s", trace->path,
                strerror_r(trace->error, text, sizeof text));
    pthread_mutex_destroy(&trace->file_lock);
    sbl_free(trace);
}

/* --- events ----------------------------------------------------------------------------------------------------- */

/* Text as it may stand in a JSON string; bytes beyond ASCII are taken as Latin-1, so that any text is valid. */
static void escape(char *to, size_t size, const char *from)
{
    size_t n = 0;

    for (; from && *from && n + 7 < size; from++) {
        unsigned char c = (unsigned char)*from;

        if (c == '"' || c == '\\')
            n += (size_t)snprintf(to + n, size - n, "\\%c", c);
        else if (c < 0x20 || c >= 0x7f)
            n += (size_t)snprintf(to + n, size - n, "\\u%04x", c);
        else
            to[n++] = (char)c;
    }
    to[n] = 0;
}

/* With the slot's lock held: what the thread is called, once a trace. */
static void name_thread(sbl_trace *trace, struct slot *slot, const sabal_future *f)
{
    char event[256];
    int  place = sbl_pool_place(sbl_client_pool(f->client)), n;

    if (named_in == trace->id)
        return;
    named_in = trace->id;
    n        = snprintf(event, sizeof event,
                        ",\n{\"ph\":\"M\",\"name\":\"thread_name\",\"pid\":%d,\"tid\":%d,\"args\":{\"name\":\"%s %d\"}}",
                        (int)getpid(), thread_id, place < 0 ? "thread" : "worker", place < 0 ? thread_id : place);
    append(trace, slot, event, (size_t)n);
}

/* Nanoseconds as microseconds; not by %f, whose point is the locale's. */
static void write_us(char *to, size_t size, int64_t ns)
{
    snprintf(to, size, "%" PRId64 ".%03d", ns / 1000, (int)(ns % 1000));
}

static void write_event(sbl_trace *trace, const sabal_future *f, const char *kind, int64_t started_ns, sabal_status st,
                        size_t n_bytes)
{
    struct slot *slot = own_slot(trace);
    char         made_up[64], plain_key[64], name[256], key[256], where[512], ts[32], event[MAX_EVENT];
    int          n;

    sbl_future_write_key(f, plain_key, sizeof plain_key);
    escape(name, sizeof name, sbl_future_name(f, made_up, sizeof made_up));
    escape(key, sizeof key, plain_key);
    escape(where, sizeof where, f->site->where);
    write_us(ts, sizeof ts, started_ns - trace->opened_ns);
    n = snprintf(event, sizeof event,
                 ",\n{%s,\"name\":\"%s\",\"cat\":\"task\",\"ts\":%s,\"pid\":%d,\"tid\":%d,\"args\":{\"key\":\"%s\","
                 "\"bytes\":%zu,\"status\":\"%s\",\"where\":\"%s\"}}",
                 kind, name, ts, (int)getpid(), thread_id, key, n_bytes, sabal_status_name(st), where);
    pthread_mutex_lock(&slot->lock);
    name_thread(trace, slot, f);
    append(trace, slot, event, (size_t)n);
    pthread_mutex_unlock(&slot->lock);
}

void sbl_trace_run(sbl_trace *trace, const sabal_future *f, int64_t started_ns, sabal_status st, size_t n_bytes)
{
    char duration[32], kind[64];

    write_us(duration, sizeof duration, sbl_clock_ns() - started_ns);
    snprintf(kind, sizeof kind, "\"ph\":\"X\",\"dur\":%s", duration);
    write_event(trace, f, kind, started_ns, st, n_bytes);
}

void sbl_trace_unrun(sbl_trace *trace, const sabal_future *f)
{
    write_event(trace, f, "\"ph\":\"i\",\"s\":\"t\"", sbl_clock_ns(), f->failed ? f->result.failure->error.status : 0,
                0);
}

void sbl_trace_workers(sbl_trace *trace, const sabal_client *client)
{
    struct slot       *slot = own_slot(trace);
    sabal_worker_stats s    = {.struct_size = sizeof s};
    char               name[32], ts[32], searching[32], event[MAX_EVENT];
    int                n;

    write_us(ts, sizeof ts, sbl_clock_ns() - trace->opened_ns);
    for (int32_t i = 0; sabal_client_worker_get(client, i, &s) == SABAL_OK; i++) {
        snprintf(name, sizeof name, s.thread < 0 ? "others" : "worker %d", (int)s.thread);
        write_us(searching, sizeof searching, s.searching_ns);
        n = snprintf(
            event, sizeof event,
            ",\n{\"ph\":\"C\",\"name\":\"%s\",\"cat\":\"pool\",\"ts\":%s,\"pid\":%d,\"args\":{\"runs\":%" PRId64
            ",\"offered\":%" PRId64 ",\"steals\":%" PRId64 ",\"far_takes\":%" PRId64 ",\"sleeps\":%" PRId64
            ",\"searching_us\":%s}}",
            name, ts, (int)getpid(), s.runs, s.offered, s.steals, s.far_takes, s.sleeps, searching);
        pthread_mutex_lock(&slot->lock);
        append(trace, slot, event, (size_t)n);
        pthread_mutex_unlock(&slot->lock);
    }
}
