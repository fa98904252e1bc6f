/* Floating point numbers as text, as NumPy writes them: no more digits than tell the number apart. Without locale. */
#ifndef SBL_VALUE_DIGITS_H
#define SBL_VALUE_DIGITS_H

#include <stddef.h>

enum { SBL_NUMBER_ROOM = 400 }; /* for the text of any number with up to 17 digits */

/** How to write a number; single: it is a float32, and fewer digits tell it apart. */
typedef struct sbl_number_style {
    int single;
    int plus;       /* a sign before positive numbers, too                                               */
    int precision;  /* digits behind the point at most; negative: as many as it takes                    */
    int min_digits; /* scientific only: digits behind the point at least                                 */
    int exp_digits; /* scientific only: digits of the exponent at least, 2 or more                       */
} sbl_number_style;

/** "-12.5", "3." : the point is always there. x is finite. Returns the length. */
size_t sbl_number_positional(char *text, double x, const sbl_number_style *style);
/** "-1.25e+01", "3.e-07" */
size_t sbl_number_scientific(char *text, double x, const sbl_number_style *style);

#endif
