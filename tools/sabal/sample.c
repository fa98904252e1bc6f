/*
 * Rows are drawn from up to 128 windows that lie evenly over the array: enough to show data that is sorted, and few
 * enough for a file that is far larger than memory.
 *
 * The plane is found by subspace iteration on the rows themselves, without the d by d covariance: a few vectors more
 * than the two that are wanted make it converge fast (Rutishauser, Numer. Math. 16, 1970).
 */
#include "sample.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define N_WINDOWS 128

/* splitmix64 (Steele, Lea, Flood, OOPSLA 2014): good enough to pick rows for a picture. */
static uint64_t next_random(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15u;

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static double next_unit(uint64_t *state)
{
    return (double)(next_random(state) >> 11) * 0x1p-53;
}

/* Selection sampling (Knuth, vol. 2, 3.4.2, algorithm S): exactly quota of the window's rows, in order. */
static void pick_rows(sample *s, const sabal_ndarray *window, int64_t quota, uint64_t *state)
{
    int64_t left = sabal_ndarray_extent(window, 0), d = s->d;
    int     wide = sabal_ndarray_dtype(window) == SABAL_FLOAT64;

    for (int64_t i = 0; quota > 0; i++, left--) {
        double *to = s->rows + s->n * d;

        if ((double)left * next_unit(state) >= (double)quota)
            continue;
        if (wide)
            memcpy(to, (const double *)sabal_ndarray_data(window) + i * d, (size_t)d * sizeof *to);
        else
            for (int64_t j = 0; j < d; j++)
                to[j] = ((const float *)sabal_ndarray_data(window))[i * d + j];
        s->n++;
        quota--;
    }
}

sabal_status sample_take(sample *s, const sabal_array *x, int64_t wanted, sabal_error *err)
{
    sabal_client *client = sabal_array_client(x);
    int64_t       n = sabal_array_extent(x, 0), chunk = sabal_array_chunk_extent(x, 0, 0), window, n_windows, taken = 0;
    uint64_t      state = 1;

    s->n = 0;
    s->d = sabal_array_extent(x, 1);
    if (wanted > n)
        wanted = n;
    window    = chunk > 4 * wanted / N_WINDOWS + 1 ? chunk : 4 * wanted / N_WINDOWS + 1;
    n_windows = (n - 1) / window + 1;
    if (n_windows > N_WINDOWS)
        n_windows = N_WINDOWS;
    s->rows = malloc((size_t)(wanted * s->d) * sizeof *s->rows);
    if (!s->rows)
        return SABAL_ENOMEM;
    for (int64_t i = 0; i < n_windows; i++) {
        SABAL_SCOPE(client);
        int64_t        first = i * window, last, quota = (i + 1) * wanted / n_windows - taken;
        sabal_ndarray *rows;
        sabal_status   st;

        if (n_windows == N_WINDOWS) /* spread, each at the start of a chunk */
            first = (int64_t)((double)i / N_WINDOWS * (double)n) / chunk * chunk;
        last = first + window < n ? first + window : n;
        if (quota > last - first)
            quota = last - first;
        st = sabal_compute(&rows, sabal_array_rows(x, first, last), err);
        if (st)
            return st;
        pick_rows(s, rows, quota, &state);
        taken += quota;
    }
    return SABAL_OK;
}

void sample_clear(sample *s)
{
    free(s->rows);
    s->rows = NULL;
}

/* --- the plane --------------------------------------------------------------------------------------------- */

#define N_VECTORS   6
#define MOST_PASSES 100

static double dot(const double *a, const double *b, int64_t n)
{
    double sum = 0;

    for (int64_t i = 0; i < n; i++)
        sum += a[i] * b[i];
    return sum;
}

/* Gram-Schmidt, twice over; a vector that vanishes is set to zero. length gets the norms before. */
static void orthonormalise(double *vectors, int p, int64_t d, double *length)
{
    for (int i = 0; i < p; i++) {
        double *v = vectors + i * d, norm;

        length[i] = sqrt(dot(v, v, d));
        for (int round = 0; round < 2; round++)
            for (int j = 0; j < i; j++) {
                double c = dot(v, vectors + j * d, d);

                for (int64_t f = 0; f < d; f++)
                    v[f] -= c * vectors[j * d + f];
            }
        norm = sqrt(dot(v, v, d));
        for (int64_t f = 0; f < d; f++)
            v[f] = norm > 1e-12 * length[i] && norm > 0 ? v[f] / norm : 0;
    }
}

/* to = C * from for the covariance C of every step-th row; row has room for d. */
static void multiply(double *to, const double *from, int p, const sample *s, const double *mean, int64_t step,
                     double *row)
{
    int64_t d = s->d, used = (s->n - 1) / step + 1;

    memset(to, 0, (size_t)(p * d) * sizeof *to);
    for (int64_t i = 0; i < s->n; i += step) {
        for (int64_t f = 0; f < d; f++)
            row[f] = s->rows[i * d + f] - mean[f];
        for (int v = 0; v < p; v++) {
            double c = dot(row, from + v * d, d) / (double)used;

            for (int64_t f = 0; f < d; f++)
                to[v * d + f] += c * row[f];
        }
    }
}

/* Rotates the vectors so that the small matrix t, (p, p) and symmetric, becomes diagonal (Jacobi's method). */
static void rotate_to_axes(double t[N_VECTORS][N_VECTORS], double *vectors, int p, int64_t d)
{
    for (int sweep = 0; sweep < 30; sweep++)
        for (int a = 0; a < p; a++)
            for (int b = a + 1; b < p; b++) {
                double theta, tangent, c, sine;

                if (fabs(t[a][b]) <= 1e-15 * sqrt(fabs(t[a][a] * t[b][b])))
                    continue;
                theta   = (t[b][b] - t[a][a]) / (2 * t[a][b]);
                tangent = (theta < 0 ? -1 : 1) / (fabs(theta) + sqrt(theta * theta + 1));
                c       = 1 / sqrt(tangent * tangent + 1);
                sine    = tangent * c;
                for (int i = 0; i < p; i++) {
                    double x = t[i][a], y = t[i][b];

                    t[i][a] = c * x - sine * y;
                    t[i][b] = sine * x + c * y;
                }
                for (int i = 0; i < p; i++) {
                    double x = t[a][i], y = t[b][i];

                    t[a][i] = c * x - sine * y;
                    t[b][i] = sine * x + c * y;
                }
                for (int64_t f = 0; f < d; f++) {
                    double x = vectors[a * d + f], y = vectors[b * d + f];

                    vectors[a * d + f] = c * x - sine * y;
                    vectors[b * d + f] = sine * x + c * y;
                }
            }
}

/* The two largest of the diagonal become the axes; a sign is chosen so that the largest part of each is positive. */
static void choose_axes(plane *p, double t[N_VECTORS][N_VECTORS], const double *vectors, int n, double variance)
{
    int taken = -1;

    for (int axis = 0; axis < 2; axis++) {
        int     best = -1;
        double *to   = p->axes + axis * p->d;
        int64_t most = 0;

        for (int i = 0; i < n; i++)
            if (i != taken && (best < 0 || t[i][i] > t[best][best]))
                best = i;
        taken = best;
        memcpy(to, vectors + best * p->d, (size_t)p->d * sizeof *to);
        for (int64_t f = 0; f < p->d; f++)
            if (fabs(to[f]) > fabs(to[most]))
                most = f;
        if (to[most] < 0)
            for (int64_t f = 0; f < p->d; f++)
                to[f] = -to[f];
        p->share[axis] = variance > 0 ? t[best][best] / variance : 0;
    }
}

static void principal_axes(plane *p, const sample *s, double *vectors, double *work, double *row)
{
    int      n = s->d < N_VECTORS ? (int)s->d : N_VECTORS;
    int64_t  d = s->d, step = 1 + s->n * d / 2000000; /* enough rows for a picture, few enough to be quick */
    double   t[N_VECTORS][N_VECTORS], length[N_VECTORS], before = 0, variance = 0;
    uint64_t state = 7;

    for (int64_t i = 0; i < s->n; i++)
        for (int64_t f = 0; f < d; f++)
            p->mean[f] += s->rows[i * d + f] / (double)s->n;
    for (int64_t i = 0; i < s->n; i += step)
        for (int64_t f = 0; f < d; f++) {
            double e = s->rows[i * d + f] - p->mean[f];

            variance += e * e / (double)((s->n - 1) / step + 1);
        }
    for (int64_t i = 0; i < n * d; i++)
        vectors[i] = next_unit(&state) - 0.5;
    orthonormalise(vectors, n, d, length);
    for (int pass = 0; pass < MOST_PASSES; pass++) {
        double now;

        multiply(work, vectors, n, s, p->mean, step, row);
        memcpy(vectors, work, (size_t)(n * d) * sizeof *vectors);
        orthonormalise(vectors, n, d, length);
        now = length[0] + length[1];
        if (fabs(now - before) <= 1e-7 * now)
            break;
        before = now;
    }
    multiply(work, vectors, n, s, p->mean, step, row);
    for (int i = 0; i < n; i++)
        for (int j = 0; j < n; j++)
            t[i][j] = dot(vectors + i * d, work + j * d, d);
    rotate_to_axes(t, vectors, n, d);
    choose_axes(p, t, vectors, n, variance);
}

int plane_fit(plane *p, const sample *s)
{
    size_t  d       = (size_t)s->d;
    double *vectors = calloc(N_VECTORS * d, sizeof *vectors), *work = calloc(N_VECTORS * d, sizeof *work);
    double *row = calloc(d, sizeof *row);
    int     st  = -1;

    *p = (plane){.d = s->d, .mean = calloc(d, sizeof *p->mean), .axes = calloc(2 * d, sizeof *p->axes)};
    if (!vectors || !work || !row || !p->mean || !p->axes)
        goto done;
    if (s->d > 2)
        principal_axes(p, s, vectors, work, row);
    else
        p->axes[0] = p->axes[s->d == 2 ? 3 : 0] = 1;
    st = 0;
done:
    if (st)
        plane_clear(p);
    free(vectors);
    free(work);
    free(row);
    return st;
}

void plane_clear(plane *p)
{
    free(p->mean);
    free(p->axes);
    p->mean = p->axes = NULL;
}

void plane_map(double *to, const plane *p, const double *rows, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        for (int axis = 0; axis < 2; axis++) {
            double sum = 0;

            for (int64_t f = 0; f < p->d; f++)
                sum += (rows[i * p->d + f] - p->mean[f]) * p->axes[axis * p->d + f];
            to[2 * i + axis] = sum;
        }
}
