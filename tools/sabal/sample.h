/* A few rows of an array, spread evenly over it, and where they lie on the plane that shows most of them. */
#ifndef SABAL_TOOL_SAMPLE_H
#define SABAL_TOOL_SAMPLE_H

#include <sabal/sabal.h>

typedef struct sample {
    int64_t n, d;
    double *rows; /* (n, d) */
} sample;

/** At most about wanted rows of x, (rows, d) float32 or float64; reads at most 128 pieces of it. The same x, chunks
    and wanted give the same rows. */
sabal_status sample_take(sample *s, const sabal_array *x, int64_t wanted, sabal_error *err);
void         sample_clear(sample *s);

/** The plane of the two features of a (.., 2) array, or the first two principal components of a sample. */
typedef struct plane {
    int64_t d;
    double *mean, *axes; /* (d,), (2, d) orthonormal */
    double  share[2];    /* of the sample's variance that each axis shows */
} plane;
/** 0, or -1 if there is no memory. */
int  plane_fit(plane *p, const sample *s);
void plane_clear(plane *p);
/** to (n, 2) from rows (n, d). */
void plane_map(double *to, const plane *p, const double *rows, int64_t n);

#endif
