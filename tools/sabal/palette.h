/* Colours of clusters that stay apart for colour-blind eyes. */
#ifndef SABAL_TOOL_PALETTE_H
#define SABAL_TOOL_PALETTE_H

#include <stdint.h>

typedef struct colour {
    double r, g, b; /* 0 to 1, sRGB */
} colour;

/** The colour of cluster i of k. */
colour palette_colour(int32_t i, int32_t k);
/** 1 if dark letters read better on it than white ones. */
int palette_is_light(colour c);

#endif
