/* Threads for what may wait, begun as they are needed. */
#include "cluster/errands.h"

#include "base/thread.h"

void sbl_errands_init(sbl_errands *e)
{
    pthread_mutex_init(&e->lock, NULL);
    pthread_cond_init(&e->changed, NULL);
    e->last = &e->first;
}

/* With the lock held. NULL: there is none. */
static sbl_work *take(sbl_errands *e)
{
    sbl_work *work = e->first;

    if (!work)
        return NULL;
    e->n_waiting--;
    e->first = work->next;
    if (!e->first)
        e->last = &e->first;
    return work;
}

static void *run(void *arg)
{
    sbl_errands *e = arg;

    pthread_mutex_lock(&e->lock);
    for (;;) {
        sbl_work *work = take(e);

        if (work) {
            pthread_mutex_unlock(&e->lock);
            work->run(work);
            pthread_mutex_lock(&e->lock);
        } else if (e->is_over) {
            break;
        } else {
            e->n_idle++;
            pthread_cond_wait(&e->changed, &e->lock);
            e->n_idle--;
        }
    }
    pthread_mutex_unlock(&e->lock);
    return NULL;
}

void sbl_errand(sbl_errands *e, sbl_work *work)
{
    work->next = NULL;
    pthread_mutex_lock(&e->lock);
    if (e->n_idle <= e->n_waiting && e->n_threads < SBL_MOST_ERRAND_THREADS &&
        !sbl_thread_start(&e->threads[e->n_threads], run, e))
        e->n_threads++;
    if (!e->n_threads) {
        pthread_mutex_unlock(&e->lock);
        work->run(work);
        return;
    }
    *e->last = work;
    e->last  = &work->next;
    e->n_waiting++;
    pthread_cond_signal(&e->changed);
    pthread_mutex_unlock(&e->lock);
}

void sbl_errands_end(sbl_errands *e)
{
    pthread_mutex_lock(&e->lock);
    e->is_over = 1;
    pthread_cond_broadcast(&e->changed);
    pthread_mutex_unlock(&e->lock);
    for (int i = 0; i < e->n_threads; i++)
        pthread_join(e->threads[i], NULL);
    pthread_cond_destroy(&e->changed);
    pthread_mutex_destroy(&e->lock);
}
