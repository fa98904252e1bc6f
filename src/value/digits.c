/*
 * The shortest digits that read back as the same number are found by trying: 1 digit, 2, ... 17, each correctly
 * rounded by the C library. Below a power of two numbers lie closer than above it, so there the digits rounded up may
 * do when the nearest ones, rounded down, don't. (Slower than Ryu and its kin, but a thousand numbers are the most
 * that is printed.) Of the library's text only the digits are used, since the point is the locale's.
 */
#include "value/digits.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST = 17 };

/* d.ddd * 10^exponent */
struct digits {
    int  n, exponent;
    char digit[MOST + 1];
};

/* n digits, correctly rounded. text gets the library's own writing of them. */
static void round_to(struct digits *d, char *text, size_t size, double magnitude, int n)
{
    d->n = 0;
    snprintf(text, size, "%.*e", n - 1, magnitude);
    for (const char *c = text; *c != 'e'; c++)
        if (*c >= '0' && *c <= '9')
            d->digit[d->n++] = *c;
    d->exponent = atoi(strchr(text, 'e') + 1);
}

static int reads_back(const char *text, double magnitude, int single)
{
    return single ? strtof(text, NULL) == (float)magnitude : strtod(text, NULL) == magnitude;
}

/* Adds one to the last digit, in d and in text; 0 if that would need a digit more. */
static int step_up(struct digits *d, char *text)
{
    char *last = strchr(text, 'e') - 1;

    if (*last == '9')
        return 0;
    ++*last;
    d->digit[d->n - 1]++;
    return 1;
}

static void shortest(struct digits *d, double magnitude, int single)
{
    char text[64];
    int  exponent, is_power = frexp(magnitude, &exponent) == 0.5;

    if (magnitude == 0) {
        *d = (struct digits){.n = 1, .digit = "0"};
        return;
    }
    for (int n = 1; n <= MOST; n++) {
        round_to(d, text, sizeof text, magnitude, n);
        if (reads_back(text, magnitude, single) ||
            (is_power && step_up(d, text) && reads_back(text, magnitude, single)))
            break;
    }
    while (d->n > 1 && d->digit[d->n - 1] == '0')
        d->n--;
}

static char *put_sign(char *at, double x, int plus)
{
    if (signbit(x))
        *at++ = '-';
    else if (plus)
        *at++ = '+';
    return at;
}

/* The library's text of so many digits behind the point, with a point of ours, and without the last zeros. */
static char *put_rounded(char *at, double magnitude, int precision)
{
    char text[SBL_NUMBER_ROOM], *start = at;
    int  point = 0;

    snprintf(text, sizeof text, "%.*f", precision, magnitude);
    for (const char *c = text; *c; c++)
        if (*c >= '0' && *c <= '9')
            *at++ = *c;
        else if (!point) {
            *at++ = '.';
            point = 1;
        }
    while (point && at > start && at[-1] == '0')
        at--;
    if (!point)
        *at++ = '.';
    return at;
}

size_t sbl_number_positional(char *text, double x, const sbl_number_style *style)
{
    char         *at = put_sign(text, x, style->plus);
    struct digits d;

    shortest(&d, fabs(x), style->single);
    if (style->precision >= 0 && d.n - 1 - d.exponent > style->precision) {
        at = put_rounded(at, fabs(x), style->precision);
    } else {
        if (d.exponent < 0)
            *at++ = '0';
        for (int i = 0; i <= d.exponent; i++)
            *at++ = i < d.n ? d.digit[i] : '0';
        *at++ = '.';
        for (int i = d.exponent + 1; i < d.n; i++)
            *at++ = i < 0 ? '0' : d.digit[i];
    }
    *at = 0;
    return (size_t)(at - text);
}

size_t sbl_number_scientific(char *text, double x, const sbl_number_style *style)
{
    char         *at = put_sign(text, x, style->plus), library[64];
    struct digits d;

    shortest(&d, fabs(x), style->single);
    if (style->precision >= 0 && d.n - 1 > style->precision) {
        round_to(&d, library, sizeof library, fabs(x), style->precision + 1);
        while (d.n > 1 && d.digit[d.n - 1] == '0')
            d.n--;
    }
    if (d.n - 1 < style->min_digits) /* what follows are the number's own digits, not zeros */
        round_to(&d, library, sizeof library, fabs(x), style->min_digits + 1);
    *at++ = d.digit[0];
    *at++ = '.';
    memcpy(at, d.digit + 1, (size_t)(d.n - 1));
    at += d.n - 1;
    at += sprintf(at, "e%c%0*d", d.exponent < 0 ? '-' : '+', style->exp_digits, abs(d.exponent));
    return (size_t)(at - text);
}
