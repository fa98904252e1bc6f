/*
 * Up to 7 clusters get Okabe and Ito's colours (Color Universal Design, 2008), up to 10 Paul Tol's 'muted' ones
 * (SRON/EPS/TN/09-002) with a grey. Beyond that no palette can be told apart by hue alone: hues go round by the
 * golden angle at three lightnesses of OKLCH (Ottosson, 2020), and the numbers at the centres say the rest.
 */
#include "palette.h"

#include <math.h>

static const uint32_t FEW[]  = {0x0072b2, 0xe69f00, 0x009e73, 0xcc79a7, 0x56b4e9, 0xd55e00, 0x7a6f00};
static const uint32_t SOME[] = {0x332288, 0xddaa33, 0x117733, 0xcc6677, 0x88ccee,
                                0x882255, 0x44aa99, 0x999933, 0xaa4499, 0x777777};
#define N_FEW  ((int32_t)(sizeof FEW / sizeof *FEW))
#define N_SOME ((int32_t)(sizeof SOME / sizeof *SOME))

static colour from_hex(uint32_t hex)
{
    return (colour){(hex >> 16 & 255) / 255.0, (hex >> 8 & 255) / 255.0, (hex & 255) / 255.0};
}

static double gamma_of(double linear)
{
    linear = linear < 0 ? 0 : linear > 1 ? 1 : linear;
    return linear <= 0.0031308 ? 12.92 * linear : 1.055 * pow(linear, 1 / 2.4) - 0.055;
}

static colour from_oklch(double lightness, double chroma, double hue)
{
    double a = chroma * cos(hue), b = chroma * sin(hue);
    double l = pow(lightness + 0.3963377774 * a + 0.2158037573 * b, 3);
    double m = pow(lightness - 0.1055613458 * a - 0.0638541728 * b, 3);
    double s = pow(lightness - 0.0894841775 * a - 1.2914855480 * b, 3);

    return (colour){gamma_of(4.0767416621 * l - 3.3077115913 * m + 0.2309699292 * s),
                    gamma_of(-1.2684380046 * l + 2.6097574011 * m - 0.3413193965 * s),
                    gamma_of(-0.0041960863 * l - 0.7034186147 * m + 1.7076147010 * s)};
}

colour palette_colour(int32_t i, int32_t k)
{
    static const double LIGHTNESS[] = {0.55, 0.75, 0.42};

    if (k <= N_FEW)
        return from_hex(FEW[i]);
    if (k <= N_SOME)
        return from_hex(SOME[i]);
    return from_oklch(LIGHTNESS[i % 3], 0.13, 2.399963229728653 * i + 4.4);
}

int palette_is_light(colour c)
{
    return 0.299 * c.r + 0.587 * c.g + 0.114 * c.b > 0.6;
}
