/* See axis.h. */
#include "axis.h"

#include <math.h>
#include <stdio.h>

double axis_at(const axis *a, double value)
{
    return a->at + (value - a->least) / (a->most - a->least) * a->length;
}

void axis_ticks(axis *a, int n)
{
    double raw = (a->most - a->least) / n, power = pow(10, floor(log10(raw))), rest = raw / power;
    double largest = fmax(fabs(a->least), fabs(a->most));

    a->step     = power * (rest < 1.5 ? 1 : rest < 3.5 ? 2 : rest < 7.5 ? 5 : 10);
    a->first    = ceil(a->least / a->step - 1e-9) * a->step;
    a->decimals = (int)fmax(0, -floor(log10(a->step) + 1e-9));
    if (a->decimals > 5 || largest >= 1e6)
        a->decimals = -1;
}

void axis_range(axis *a, double least, double most, double margin)
{
    double span = most - least;

    if (!(span > 1e-12 * fmax(fabs(least), fabs(most)))) /* all the same */
        span = fmax(fabs(most), 1) * 0.2;
    a->least = least - margin * span;
    a->most  = most + margin * span;
    if (a->most == a->least)
        a->most++;
}

void axis_tick_text(char *text, size_t size, const axis *a, double value)
{
    if (fabs(value) < 1e-9 * a->step)
        value = 0;
    if (a->decimals < 0)
        snprintf(text, size, "%.6g", value);
    else
        snprintf(text, size, "%.*f", a->decimals, value);
}
