/* Points of the plane coloured by cluster, with the clusters' centres, as SVG, PDF or PNG. */
#ifndef SABAL_TOOL_PLOT_H
#define SABAL_TOOL_PLOT_H

#include <stdint.h>

typedef struct plot {
    int64_t        n;      /* points                                                                         */
    const double  *points; /* (n, 2); only the first of each two counts if histogram is set                  */
    const int32_t *labels; /* (n,) 0 .. k - 1                                                                 */
    int32_t        k;
    const double  *centers;   /* (k, 2)                                                                          */
    const int64_t *sizes;     /* (k,) rows of each cluster in the whole data                                    */
    int            histogram; /* one feature only: bars of counts in place of points                           */
    const char    *title, *subtitle, *x_label, *y_label;
} plot;

/** Whether path ends in an ending that plot_write() knows, and this build can draw. */
int plot_can_write(const char *path);
/** 1 if this build can draw at all. */
int plot_available(void);
/** Writes path, in full or not at all. 0, or -1 with a message of at most 200 bytes. */
int plot_write(const plot *p, const char *path, char *message);

#endif
