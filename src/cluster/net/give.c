/*
 * The holder's half. A request waits for its answer, which may come from any thread; then its value is announced, with
 * the data if it is small and there is credit, or the segment that it lies in; else it stays until the other side takes
 * the data, or drops it.
 */
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "cluster/net/announce.h"
#include "cluster/net/give.h"
#include "cluster/net/lease.h"
#include "cluster/net/ucx.h"
#include "cluster/twin.h"

/* --- answers, from any thread ----------------------------------------------------------------------------------- */

sbl_value_name sbl_request_name(const sbl_request *request)
{
    return request->name;
}

void *sbl_request_pair_arg(const sbl_request *request)
{
    return request->pair->options.arg;
}

static void give_free(sbl_request *g)
{
    sbl_plane *plane = g->plane;

    if (g->encoded.pieces)
        sbl_encoded_clear(&g->encoded);
    if (g->segment)
        sbl_segment_release(g->segment);
    sbl_value_release(g->value);
    sbl_free(g);
    sbl_plane_release(plane);
}

static uint64_t next_segment(void *plane)
{
    return 1 + atomic_fetch_add_explicit(&((sbl_plane *)plane)->ids, 1, memory_order_relaxed);
}

/* What can be done away from the loop: encoding, naming the type, the copy into shared memory. */
static sabal_status prepare(sbl_request *g, sabal_error *err)
{
    const sabal_type *type = sbl_object_type(g->value);
    sabal_status      st   = SABAL_OK;
    char              what[320];

    if (type) {
        snprintf(what, sizeof what, "the sabal_type '%s', which should be a static variable,", type->name);
        st = sbl_code_name(&g->type, type, what, err);
    }
    if (!st)
        st = sbl_value_encode(&g->encoded, g->value, err);
    if (st)
        return st;
    for (int32_t i = 1; i < g->encoded.n_pieces; i++)
        g->total += g->encoded.pieces[i].size;
    if (g->total <= SBL_PACKET_SMALL || g->carrier != SBL_CARRIER_MEMFD)
        return SABAL_OK;
    if (sbl_twin_find(&g->segment, &g->segment_at, g->value, &g->encoded, g->plane->made, next_segment, g->plane, NULL))
        g->segment = NULL; /* no shared memory is to be had: it goes over the socket */
    return SABAL_OK;
}

static void answered(sbl_plane *plane, sbl_errand *errand);

void sbl_request_answer(sbl_request *g, sbl_value *value)
{
    g->value = value;
    g->error = (sabal_error)SABAL_ERROR_INIT;
    if (prepare(g, &g->error) && g->encoded.pieces)
        sbl_encoded_clear(&g->encoded);
    g->errand.run = answered;
    sbl_plane_post(g->plane, &g->errand);
}

void sbl_request_refuse(sbl_request *g, const sabal_error *why)
{
    if (why)
        g->error = *why;
    else
        sbl_error_set(&g->error, SABAL_ENOENT, "the value is not here");
    g->errand.run = answered;
    sbl_plane_post(g->plane, &g->errand);
}

/* --- the answer goes out ---------------------------------------------------------------------------------------- */

static void flow(sbl_request *g)
{
    sbl_pair *pair = g->pair;

    g->is_flowing = 1;
    sbl_list_push(&pair->giving, &g->queue);
    pair->n_giving++;
    sbl_pair_flow(pair, 1);
    if (SBL_CARRIERS_UCX & SBL_CARRIER_BIT(pair->carrier))
        sbl_ucx_give(g);
    else
        for (int32_t i = 0; i < pair->options.n_fds; i++)
            sbl_stream_kick(pair->streams[i]);
}

static void stop_flow(sbl_request *g)
{
    if (!g->is_flowing)
        return;
    g->is_flowing = 0;
    sbl_list_remove(&g->pair->giving, &g->queue);
    g->pair->n_giving--;
    sbl_pair_flow(g->pair, 0);
}

static void leave(sbl_request *g)
{
    sbl_pair *pair = g->pair;

    if (!pair)
        return;
    sbl_ids_remove(&pair->gives, &g->link);
    pair->n_gives--;
    stop_flow(g);
    g->pair = NULL;
}

/* Once nothing reads its memory. */
static void end(sbl_request *g)
{
    leave(g);
    if (g->is_answered && !g->busy)
        give_free(g);
}

void sbl_give_let_go(sbl_request *g)
{
    if (!g->busy)
        end(g);
}

void sbl_give_failed(sbl_request *g, const sabal_error *err)
{
    uint8_t body[8 + sizeof err->message];
    size_t  length = strlen(err->message);

    memcpy(body, &(uint64_t){(uint64_t)err->status}, 8);
    memcpy(body + 8, err->message, length);
    sbl_pair_send(g->pair, &(sbl_packet){.type = SBL_PACKET_FAIL, .size = (uint32_t)(8 + length), .id = g->link.id},
                  body, -1);
    end(g);
}

static int has_credit(sbl_pair *pair, size_t size)
{
    if (pair->credit_answers < 1 || pair->credit_bytes < (int64_t)size)
        return 0;
    pair->credit_answers--;
    pair->credit_bytes -= (int64_t)size;
    return 1;
}

static void announce(sbl_request *g)
{
    sbl_pair    *pair = g->pair;
    sbl_announce a    = {
           .total = g->total, .n_pieces = g->encoded.n_pieces - 1, .type = g->type, .head = g->encoded.pieces[0]};
    sabal_error err = SABAL_ERROR_INIT;
    size_t      size;
    uint8_t    *body;
    int         fd = -1;

    a.has_data = g->total <= SBL_PACKET_SMALL;
    a.has_data = a.has_data && has_credit(pair, sbl_announce_size(&a));
    size       = sbl_announce_size(&a) + 24; /* with a segment, perhaps */
    body       = sbl_alloc(size);
    if (!body) {
        sbl_error_memory(&err, size, "telling another process of a value");
        sbl_give_failed(g, &err);
        return;
    }
    if (g->segment) {
        a.segment      = g->segment->id;
        a.segment_size = g->segment->size;
        a.offset       = g->segment_at;
        a.is_shared    = sbl_lease_give(&fd, pair, g->segment);
        if (a.is_shared)
            g->segment = NULL; /* the lease has it now */
    }
    a.flows = g->total && !a.has_data && !a.is_shared && g->total <= g->admitted && pair->n_giving < SBL_PAIR_FLOWS &&
              pair->options.n_fds == 1 &&
              !(SBL_CARRIERS_UCX & SBL_CARRIER_BIT(pair->carrier)); /* the same way: it can't be overtaken */
    sbl_announce_put(body, &a, g->encoded.pieces + 1);
    sbl_pair_send(pair,
                  &(sbl_packet){.type = SBL_PACKET_GIVE, .size = (uint32_t)sbl_announce_size(&a), .id = g->link.id},
                  body, fd);
    sbl_free(body);
    if (a.has_data || a.is_shared || g->total == 0)
        end(g);
    else
        g->is_offered = 1;
    if (a.flows)
        flow(g);
}

static void answered(sbl_plane *plane, sbl_errand *errand)
{
    sbl_request *g = (sbl_request *)(void *)((char *)errand - offsetof(sbl_request, errand));

    g->is_answered = 1;
    if (!g->pair)
        give_free(g);
    else if (g->error.status)
        sbl_give_failed(g, &g->error);
    else
        announce(g);
}

void sbl_give_asked(sbl_pair *pair, const sbl_packet *packet, const uint8_t *body)
{
    sbl_request *g;
    uint64_t     name[3];

    if (sbl_ids_find(&pair->gives, packet->id) || pair->n_gives == SBL_PAIR_GIVES) {
        sbl_pair_broken(pair, "it asks twice under one number, or for too much at a time");
        return;
    }
    g = sbl_calloc(1, sizeof *g);
    if (!g) {
        sabal_error err = SABAL_ERROR_INIT;

        sbl_error_memory(&err, sizeof *g, "a request of another process");
        sbl_pair_fail(pair, &err);
        return;
    }
    memcpy(name, body, sizeof name);
    g->link.id  = packet->id;
    g->name     = (sbl_value_name){name[0], name[1]};
    g->admitted = name[2];
    g->plane    = pair->plane;
    g->pair     = pair;
    g->carrier  = pair->carrier;
    sbl_error_clear(&g->error);
    sbl_plane_retain(g->plane);
    sbl_ids_add(&pair->gives, &g->link);
    pair->n_gives++;
    pair->plane->options.lookup(pair->plane->options.arg, g);
}

/* --- data ------------------------------------------------------------------------------------------------------- */

void sbl_give_taken(sbl_pair *pair, uint64_t id)
{
    sbl_request *g = (sbl_request *)sbl_ids_find(&pair->gives, id);

    if (!g)
        return; /* it could not be had after all, which FAIL tells */
    if (!g->is_offered || g->is_flowing || g->is_dropped || pair->flows > SBL_PAIR_GIVING)
        sbl_pair_broken(pair, "it takes what was not offered, or too much at a time");
    else
        flow(g);
}

void sbl_give_dropped(sbl_pair *pair, uint64_t id)
{
    sbl_request *g = (sbl_request *)sbl_ids_find(&pair->gives, id);

    if (!g)
        return; /* it has ended meanwhile */
    if (!g->busy) {
        end(g);
        return;
    }
    g->is_dropped = 1; /* what is begun of it is sent, and then it ends */
    stop_flow(g);
}

void sbl_gives_end(sbl_pair *pair)
{
    sbl_id_link *link;

    while ((link = sbl_ids_any(&pair->gives))) {
        sbl_request *g = (sbl_request *)link;

        if (!(SBL_CARRIERS_UCX & SBL_CARRIER_BIT(pair->carrier)))
            g->busy = 0; /* the connections are closed */
        end(g);
    }
}

int sbl_give_cut(sbl_request *g, sbl_packet *packet, struct iovec *runs, size_t most, int32_t most_runs)
{
    size_t  size = 0;
    int32_t n    = 0;

    packet->id     = g->link.id;
    packet->offset = g->offset;
    while (n < most_runs && size < most && g->piece < g->encoded.n_pieces - 1) {
        const sabal_piece *p    = &g->encoded.pieces[1 + g->piece];
        size_t             part = p->size - g->at;

        part = part < most - size ? part : most - size;
        if (part)
            runs[n++] = (struct iovec){(char *)(uintptr_t)p->data + g->at, part};
        size += part;
        g->at += part;
        if (g->at == p->size) {
            g->piece++;
            g->at = 0;
        }
    }
    g->offset += size;
    return n;
}

/* Of those that flow the first two have turns; the others wait until one has ended. */
int sbl_give_next(sbl_pair *pair, sbl_packet *packet, struct iovec *runs, size_t most)
{
    sbl_request *two[SBL_PAIR_FLOWS];
    int32_t      n = 0;

    for (sbl_list_link *q = pair->giving.first; q && n < SBL_PAIR_FLOWS; q = q->next) {
        sbl_request *g = (sbl_request *)(void *)((char *)q - offsetof(sbl_request, queue));

        if (g->offset < g->total)
            two[n++] = g;
    }
    if (!n)
        return 0;
    two[0] = two[pair->turn++ % (uint32_t)n];
    two[0]->busy++;
    return sbl_give_cut(two[0], packet, runs, most, SBL_PACKET_RUNS);
}

void sbl_give_sent(sbl_pair *pair, uint64_t id)
{
    sbl_request *g = (sbl_request *)sbl_ids_find(&pair->gives, id);

    if (!g)
        return;
    g->busy--;
    if (!g->busy && (g->is_dropped || g->offset == g->total))
        end(g);
}
