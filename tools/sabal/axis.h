/* One axis of a picture: which values it spans, where they lie on the page, and its ticks. */
#ifndef SABAL_TOOL_AXIS_H
#define SABAL_TOOL_AXIS_H

#include <stddef.h>

typedef struct axis {
    double least, most; /* data at both ends                       */
    double at, length;  /* where it starts on the page, and how long it is there; negative length: upwards */
    double step, first; /* ticks                                   */
    int    decimals;    /* of the ticks' labels; -1: as %g does    */
} axis;

/** Spans least to most, and margin times as much more at both ends; something around them if they are the same. */
void axis_range(axis *a, double least, double most, double margin);
/** Chooses about n ticks, 1, 2 or 5 times a power of ten apart. */
void axis_ticks(axis *a, int n);
/** Where value lies on the page. */
double axis_at(const axis *a, double value);
/** The label of a tick. */
void axis_tick_text(char *text, size_t size, const axis *a, double value);

#endif
