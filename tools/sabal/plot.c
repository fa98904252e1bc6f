/*
 * The points are painted into a picture of their own, at a multiple of the page's resolution, and laid into the
 * page as one image: 20,000 circles would make an SVG of megabytes, and painted translucent in mixed order they
 * show where the data is dense. Everything else, axes, centres and letters, is drawn as vectors over it.
 */
#include "plot.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "axis.h"
#include "cli.h"
#include "output.h"
#include "palette.h"

#ifdef SABAL_TOOL_PLOT
#include <cairo-pdf.h>
#include <cairo-svg.h>
#include <cairo.h>

/* fontconfig keeps its tables to the end of the process: no leak of ours (LeakSanitizer asks for these by name). */
#if defined(__SANITIZE_ADDRESS__)
__attribute__((visibility("default"))) const char *__lsan_default_suppressions(void);
__attribute__((visibility("default"))) const char *__lsan_default_options(void);
const char                                        *__lsan_default_suppressions(void)
{
    return "leak:libfontconfig";
}
const char *__lsan_default_options(void)
{
    return "print_suppressions=0";
}
#endif

#define WIDTH       760.0 /* points of 1/72 inch */
#define HEIGHT      560.0
#define LEFT        72.0
#define RIGHT       138.0
#define TOP         70.0
#define BOTTOM      58.0
#define POINT_SCALE 2.0 /* pixels of the points' picture for each point of the page */
#define PNG_SCALE   2.0
#define MOST_LEGEND 18
#define N_BINS      60

typedef struct page {
    cairo_t    *cairo;
    const plot *plot;
    axis        x, y;
    int64_t    *bins; /* (k, N_BINS) of a histogram */
} page;

/* --- small things ------------------------------------------------------------------------------------------ */

static void set_colour(cairo_t *cr, colour c, double alpha)
{
    cairo_set_source_rgba(cr, c.r, c.g, c.b, alpha);
}

static void set_grey(cairo_t *cr, double grey)
{
    cairo_set_source_rgb(cr, grey, grey, grey);
}

static void set_font(cairo_t *cr, double size, int bold)
{
    cairo_select_font_face(cr, "sans-serif", CAIRO_FONT_SLANT_NORMAL,
                           bold ? CAIRO_FONT_WEIGHT_BOLD : CAIRO_FONT_WEIGHT_NORMAL);
    cairo_set_font_size(cr, size);
}

/* Copies text so that cairo takes it: what is no UTF-8 becomes '?'. */
static void clean_text(char *to, size_t size, const char *text)
{
    const unsigned char *from = (const unsigned char *)text;
    size_t               n    = 0;

    while (*from && n + 5 < size) {
        int length = *from < 0x80 ? 1 : *from >= 0xc2 && *from < 0xe0 ? 2 : *from >= 0xe1 && *from < 0xed ? 3 : 0;

        for (int i = 1; i < length; i++)
            if ((from[i] & 0xc0) != 0x80)
                length = 0;
        if (!length || *from < 32) {
            to[n++] = '?';
            from++;
            continue;
        }
        memcpy(to + n, from, (size_t)length);
        n += (size_t)length;
        from += length;
    }
    to[n] = 0;
}

/* Text at x, y (its base line); anchor 0 begins there, 0.5 is centred, 1 ends there. Cut to width if that is > 0. */
static void put_text(cairo_t *cr, double x, double y, double anchor, double width, const char *text)
{
    char                 clean[300];
    cairo_text_extents_t extents;

    clean_text(clean, sizeof clean, text);
    cairo_text_extents(cr, clean, &extents);
    while (width > 0 && extents.x_advance > width && strlen(clean) > 4) {
        size_t n = strlen(clean) - 4;

        while (n && ((unsigned char)clean[n] & 0xc0) == 0x80)
            n--;
        strcpy(clean + n, "...");
        cairo_text_extents(cr, clean, &extents);
    }
    cairo_move_to(cr, x - anchor * extents.x_advance, y);
    cairo_show_text(cr, clean);
}

/* --- axes -------------------------------------------------------------------------------------------------- */

static void draw_axes(page *g)
{
    cairo_t    *cr    = g->cairo;
    double      right = LEFT + g->x.length, bottom = g->y.at, top = g->y.at + g->y.length;
    const axis *x = &g->x, *y = &g->y;
    char        text[32];

    set_font(cr, 11, 0);
    cairo_set_line_width(cr, 0.7);
    for (double v = x->first; v <= x->most + 1e-9 * x->step; v += x->step) {
        double at = axis_at(x, v);

        set_grey(cr, 0.91);
        cairo_move_to(cr, at, top);
        cairo_line_to(cr, at, bottom);
        cairo_stroke(cr);
        set_grey(cr, 0.35);
        axis_tick_text(text, sizeof text, x, v);
        put_text(cr, at, bottom + 17, 0.5, 0, text);
    }
    for (double v = y->first; v <= y->most + 1e-9 * y->step; v += y->step) {
        double at = axis_at(y, v);

        set_grey(cr, 0.91);
        cairo_move_to(cr, LEFT, at);
        cairo_line_to(cr, right, at);
        cairo_stroke(cr);
        set_grey(cr, 0.35);
        axis_tick_text(text, sizeof text, y, v);
        put_text(cr, LEFT - 7, at + 4, 1, 0, text);
    }
    set_grey(cr, 0.2);
    set_font(cr, 12, 0);
    put_text(cr, LEFT + x->length / 2, bottom + 40, 0.5, x->length, g->plot->x_label);
    cairo_save(cr);
    cairo_translate(cr, 24, (top + bottom) / 2);
    cairo_rotate(cr, -M_PI / 2);
    put_text(cr, 0, 0, 0.5, -y->length, g->plot->y_label);
    cairo_restore(cr);
}

static void draw_frame(page *g)
{
    cairo_t *cr = g->cairo;

    set_grey(cr, 0.55);
    cairo_set_line_width(cr, 0.9);
    cairo_rectangle(cr, LEFT, g->y.at + g->y.length, g->x.length, -g->y.length);
    cairo_stroke(cr);
    set_grey(cr, 0.1);
    set_font(cr, 17, 1);
    put_text(cr, LEFT, 31, 0, WIDTH - LEFT - 20, g->plot->title);
    set_grey(cr, 0.4);
    set_font(cr, 11.5, 0);
    put_text(cr, LEFT, 52, 0, WIDTH - LEFT - 20, g->plot->subtitle);
}

/* --- the data ---------------------------------------------------------------------------------------------- */

/* Rounds every channel to 32 levels: nobody sees it, and the file is a third smaller. */
static void round_levels(cairo_surface_t *picture)
{
    unsigned char *rows = cairo_image_surface_get_data(picture);
    size_t size = (size_t)cairo_image_surface_get_stride(picture) * (size_t)cairo_image_surface_get_height(picture);

    cairo_surface_flush(picture);
    for (size_t i = 0; i < size; i++)
        rows[i] = (unsigned char)((rows[i] & 0xf8) | rows[i] >> 5);
    cairo_surface_mark_dirty(picture);
}

/* 0, or -1 if there is no memory. */
static int draw_points(page *g)
{
    const plot      *p     = g->plot;
    int              width = (int)ceil(g->x.length * POINT_SCALE), height = (int)ceil(-g->y.length * POINT_SCALE);
    double           top = g->y.at + g->y.length, radius = 26 / pow((double)p->n + 1, 0.3);
    double           alpha   = p->n < 1000 ? 0.8 : p->n < 6000 ? 0.65 : 0.5;
    cairo_surface_t *picture = cairo_image_surface_create(CAIRO_FORMAT_ARGB32, width, height);
    cairo_t         *cr      = cairo_create(picture);
    int              st;

    radius = radius > 4 ? 4 : radius < 1.3 ? 1.3 : radius;
    cairo_scale(cr, POINT_SCALE, POINT_SCALE);
    cairo_translate(cr, -LEFT, -top);
    for (int64_t i = 0, at = 0; i < p->n; i++) {
        /* 7919 is a prime: all points, far from each other in turn, so that no cluster always lies on top. */
        at = p->n % 7919 ? (at + 7919) % p->n : i;
        set_colour(cr, palette_colour(p->labels[at], p->k), alpha);
        cairo_arc(cr, axis_at(&g->x, p->points[2 * at]), axis_at(&g->y, p->points[2 * at + 1]), radius, 0, 2 * M_PI);
        cairo_fill(cr);
    }
    st = cairo_status(cr);
    cairo_destroy(cr);
    if (!st) {
        round_levels(picture);
        cairo_save(g->cairo);
        cairo_rectangle(g->cairo, LEFT, top, g->x.length, -g->y.length);
        cairo_clip(g->cairo);
        cairo_translate(g->cairo, LEFT, top);
        cairo_scale(g->cairo, 1 / POINT_SCALE, 1 / POINT_SCALE);
        cairo_set_source_surface(g->cairo, picture, 0, 0);
        cairo_paint(g->cairo);
        cairo_restore(g->cairo);
    }
    cairo_surface_destroy(picture);
    return st ? -1 : 0;
}

static void draw_bars(page *g)
{
    const plot *p   = g->plot;
    double      bin = (g->x.most - g->x.least) / N_BINS;

    for (int b = 0; b < N_BINS; b++) {
        double  left = axis_at(&g->x, g->x.least + b * bin), right = axis_at(&g->x, g->x.least + (b + 1) * bin);
        int64_t below = 0;

        for (int32_t c = 0; c < p->k; c++) {
            int64_t n  = g->bins[(int64_t)c * N_BINS + b];
            double  y0 = axis_at(&g->y, (double)below), y1 = axis_at(&g->y, (double)(below + n));

            if (!n)
                continue;
            set_colour(g->cairo, palette_colour(c, p->k), 0.85);
            cairo_rectangle(g->cairo, left + 0.4, y1, right - left - 0.8, y0 - y1);
            cairo_fill(g->cairo);
            below += n;
        }
    }
}

/* A disk with the cluster's number, ringed in white so that it stands off from its points. */
static void draw_badge(cairo_t *cr, double x, double y, double radius, int32_t i, int32_t k)
{
    colour               c = palette_colour(i, k);
    cairo_text_extents_t extents;
    char                 text[16];

    cairo_arc(cr, x, y, radius + 2.6, 0, 2 * M_PI);
    cairo_set_source_rgb(cr, 0.15, 0.15, 0.15);
    cairo_fill(cr);
    cairo_arc(cr, x, y, radius + 1.8, 0, 2 * M_PI);
    cairo_set_source_rgb(cr, 1, 1, 1);
    cairo_fill(cr);
    cairo_arc(cr, x, y, radius, 0, 2 * M_PI);
    set_colour(cr, c, 1);
    cairo_fill(cr);
    if (radius < 6)
        return;
    snprintf(text, sizeof text, "%d", i);
    set_font(cr, radius * (strlen(text) > 2 ? 0.95 : 1.25), 1);
    cairo_text_extents(cr, text, &extents);
    set_grey(cr, palette_is_light(c) ? 0.08 : 1);
    cairo_move_to(cr, x - extents.width / 2 - extents.x_bearing, y - extents.height / 2 - extents.y_bearing);
    cairo_show_text(cr, text);
}

static void draw_centers(page *g)
{
    const plot *p      = g->plot;
    double      radius = p->k <= 30 ? 8.5 : p->k <= 100 ? 7 : 3, top = g->y.at + g->y.length;

    for (int32_t c = 0; c < p->k; c++) {
        double x = axis_at(&g->x, p->centers[2 * c]);
        double y = p->histogram ? top + 18 : axis_at(&g->y, p->centers[2 * c + 1]);

        if (p->histogram) {
            set_grey(g->cairo, 0.15);
            cairo_set_line_width(g->cairo, 1.2);
            cairo_move_to(g->cairo, x, y);
            cairo_line_to(g->cairo, x, g->y.at);
            cairo_stroke(g->cairo);
        }
        draw_badge(g->cairo, x, y, radius, c, p->k);
    }
}

static void draw_legend(page *g)
{
    const plot *p  = g->plot;
    cairo_t    *cr = g->cairo;
    double      x = LEFT + g->x.length + 22, y = TOP + 6;
    int32_t     shown = p->k <= MOST_LEGEND ? p->k : MOST_LEGEND - 1;
    int64_t     all   = 0;
    char        text[64];

    for (int32_t c = 0; c < p->k; c++)
        all += p->sizes[c];
    set_grey(cr, 0.2);
    set_font(cr, 12, 1);
    put_text(cr, x - 7, y + 4, 0, 0, "Cluster");
    put_text(cr, WIDTH - 22, y + 4, 1, 0, "Rows");
    for (int32_t c = 0; c < shown; c++) {
        y += 24;
        draw_badge(cr, x, y, 7, c, p->k);
        set_grey(cr, 0.25);
        set_font(cr, 11.5, 0);
        snprintf(text, sizeof text, "%.1f%%", all ? 100.0 * (double)p->sizes[c] / (double)all : 0.0);
        put_text(cr, WIDTH - 22, y + 4, 1, 0, text);
    }
    if (shown < p->k) {
        snprintf(text, sizeof text, "and %d more", p->k - shown);
        put_text(cr, x - 7, y + 28, 0, 0, text);
    }
}

/* --- the page ---------------------------------------------------------------------------------------------- */

static void find_ranges(page *g)
{
    const plot *p        = g->plot;
    double      least[2] = {INFINITY, INFINITY}, most[2] = {-INFINITY, -INFINITY};

    for (int64_t i = 0; i < p->n + p->k; i++) {
        const double *point = i < p->n ? p->points + 2 * i : p->centers + 2 * (i - p->n);

        for (int j = 0; j < 2; j++) {
            least[j] = fmin(least[j], point[j]);
            most[j]  = fmax(most[j], point[j]);
        }
    }
    g->x.at     = LEFT;
    g->x.length = WIDTH - LEFT - RIGHT;
    g->y.at     = HEIGHT - BOTTOM;
    g->y.length = -(HEIGHT - BOTTOM - TOP);
    axis_range(&g->x, least[0], most[0], 0.04);
    axis_range(&g->y, least[1], most[1], 0.04);
    axis_ticks(&g->x, 7);
    axis_ticks(&g->y, 6);
}

/* Counts the bins and sets the upward axis to them. 0, or -1 if there is no memory. */
static int find_bins(page *g)
{
    const plot *p       = g->plot;
    int64_t     highest = 1;

    g->bins = calloc((size_t)p->k * N_BINS, sizeof *g->bins);
    if (!g->bins)
        return -1;
    for (int64_t i = 0; i < p->n; i++) {
        int bin = (int)((p->points[2 * i] - g->x.least) / (g->x.most - g->x.least) * N_BINS);

        g->bins[(int64_t)p->labels[i] * N_BINS + (bin < N_BINS ? bin : N_BINS - 1)]++;
    }
    for (int b = 0; b < N_BINS; b++) {
        int64_t n = 0;

        for (int32_t c = 0; c < p->k; c++)
            n += g->bins[(int64_t)c * N_BINS + b];
        highest = n > highest ? n : highest;
    }
    g->y.least = 0;
    g->y.most  = 1.15 * (double)highest;
    axis_ticks(&g->y, 6);
    return 0;
}

static int draw_page(cairo_t *cr, const plot *p)
{
    page g  = {.cairo = cr, .plot = p};
    int  st = 0;

    find_ranges(&g);
    if (p->histogram)
        st = find_bins(&g);
    if (st)
        return st;
    set_grey(cr, 1);
    cairo_paint(cr);
    draw_axes(&g);
    if (p->histogram)
        draw_bars(&g);
    else
        st = draw_points(&g);
    draw_frame(&g);
    draw_centers(&g);
    draw_legend(&g);
    free(g.bins);
    return st;
}

/* --- files ------------------------------------------------------------------------------------------------- */

static cairo_status_t write_bytes(void *file, const unsigned char *data, unsigned int size)
{
    return fwrite(data, 1, size, file) == size ? CAIRO_STATUS_SUCCESS : CAIRO_STATUS_WRITE_ERROR;
}

static cairo_status_t draw_to(FILE *file, const char *path, const plot *p)
{
    int              png = output_has_ending(path, ".png");
    cairo_surface_t *surface;
    cairo_t         *cr;
    cairo_status_t   st = CAIRO_STATUS_SUCCESS;

    if (png)
        surface = cairo_image_surface_create(CAIRO_FORMAT_RGB24, (int)(WIDTH * PNG_SCALE), (int)(HEIGHT * PNG_SCALE));
    else if (output_has_ending(path, ".pdf"))
        surface = cairo_pdf_surface_create_for_stream(write_bytes, file, WIDTH, HEIGHT);
    else
        surface = cairo_svg_surface_create_for_stream(write_bytes, file, WIDTH, HEIGHT);
    cr = cairo_create(surface);
    if (png)
        cairo_scale(cr, PNG_SCALE, PNG_SCALE);
    if (draw_page(cr, p))
        st = CAIRO_STATUS_NO_MEMORY;
    if (!st)
        st = cairo_status(cr);
    cairo_destroy(cr);
    if (!st && png)
        st = cairo_surface_write_to_png_stream(surface, write_bytes, file);
    cairo_surface_finish(surface);
    if (!st)
        st = cairo_surface_status(surface);
    cairo_surface_destroy(surface);
    return st;
}

int plot_write(const plot *p, const char *path, char *message)
{
    const char    *temporary = output_begin(path);
    FILE          *file      = temporary ? fopen(temporary, "we") : NULL;
    cairo_status_t st;
    int            cause = errno;

    if (!file) {
        snprintf(message, 200, "%s", temporary ? strerror(cause) : "the name is too long");
        output_abort();
        return -1;
    }
    errno = 0;
    st    = draw_to(file, path, p);
    cause = errno;
    if (fclose(file) && !st) {
        st    = CAIRO_STATUS_WRITE_ERROR;
        cause = errno;
    }
    if (st) {
        snprintf(message, 200, "%s",
                 st == CAIRO_STATUS_WRITE_ERROR && cause ? strerror(cause) : cairo_status_to_string(st));
        output_abort();
        return -1;
    }
    if (output_commit(path)) {
        snprintf(message, 200, "%s", strerror(errno));
        return -1;
    }
    return 0;
}

int plot_available(void)
{
    return 1;
}

#else

int plot_write(const plot *p, const char *path, char *message)
{
    snprintf(message, 200, "this build draws no pictures");
    return -1;
}

int plot_available(void)
{
    return 0;
}
#endif

int plot_can_write(const char *path)
{
    return output_has_ending(path, ".svg") || output_has_ending(path, ".pdf") || output_has_ending(path, ".png");
}
