/* Options are read by table; every message ends as one line, whatever file names and errors hold. */
#include "cli.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include <unistd.h>

#include "progress.h"

/* --- messages --------------------------------------------------------------------------------------------- */

/* One write for one line, so that lines of several processes do not mix. */
static void say(const char *prefix, const char *suffix, const char *format, va_list args)
{
    char   line[2048];
    size_t room = sizeof line - 2 - strlen(suffix), length;

    length = (size_t)snprintf(line, room, "sabal: %s", prefix);
    vsnprintf(line + length, room - length, format, args);
    length = strlen(line);
    for (size_t i = 0; i < length; i++)
        if ((unsigned char)line[i] < 32 || line[i] == 127) /* a file's name may hold anything */
            line[i] = '?';
    length += (size_t)sprintf(line + length, "%s\n", suffix);
    progress_clear();
    if (write(STDERR_FILENO, line, length) < 0)
        return; /* there is nobody left to tell */
}

int cli_fail(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    say("", "", format, args);
    va_end(args);
    return CLI_FAILURE;
}

/* The library says what to do; but it knows no options of this command. */
int cli_error(const char *path, const sabal_error *err)
{
    const char *name   = strrchr(path, '/');
    const char *advice = err->status == SABAL_ENOMEM ? "; try --memory 0, or a smaller --chunk-rows" : "";

    if (strstr(err->message, name ? name + 1 : path)) /* the library has named the file */
        return cli_fail("%s%s", err->message, advice);
    return cli_fail("%s: %s%s", path, err->message, advice);
}

int cli_usage(const cli_command *command, const char *format, ...)
{
    char    suffix[80];
    va_list args;

    snprintf(suffix, sizeof suffix, "; see 'sabal %s%s--help'", command ? command->name : "", command ? " " : "");
    va_start(args, format);
    say("", suffix, format, args);
    va_end(args);
    return CLI_USAGE;
}

void cli_note(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    say("note: ", "", format, args);
    va_end(args);
}

int cli_finish_stdout(void)
{
    int failed = ferror(stdout);

    errno = 0;
    if (fflush(stdout))
        failed = 1;
    if (!failed)
        return CLI_OK;
    if (errno == EPIPE)
        return CLI_FAILURE;
    return cli_fail("the output could not be written: %s; free some space or write it elsewhere",
                    strerror(errno ? errno : EIO));
}

/* --- the help --------------------------------------------------------------------------------------------- */

#define HELP_INDENT 28

static void print_option(const cli_option *option)
{
    char        left[64], letter[8] = "    ";
    const char *text = option->text;
    int         width;

    if (option->letter)
        snprintf(letter, sizeof letter, "-%c, ", option->letter);
    width = snprintf(left, sizeof left, "  %s--%s%s%s", letter, option->name, option->value ? " " : "",
                     option->value ? option->value : "");
    printf("%s%*s", left, width < HELP_INDENT ? HELP_INDENT - width : 0, "");
    if (width >= HELP_INDENT)
        printf("\n%*s", HELP_INDENT, "");
    for (const char *end; (end = strchr(text, '\n')); text = end + 1)
        printf("%.*s\n%*s", (int)(end - text), text, HELP_INDENT, "");
    printf("%s\n", text);
}

static int print_help(const cli_command *command, const cli_option *options)
{
    printf("usage: sabal %s %s\n\n%s\n\n", command->name, command->usage, command->text);
    for (; options->name; options++)
        print_option(options);
    printf("\nMore: man sabal-%s\n", command->name);
    return cli_finish_stdout();
}

/* --- what was probably meant ------------------------------------------------------------------------------- */

/* Edits (a letter more, less, other, or two swapped) from a to b. Names are short: longer ones are cut. */
static size_t distance(const char *a, const char *b)
{
    enum { MOST = 40 };
    size_t rows[3][MOST + 1], n = strnlen(a, MOST), m = strnlen(b, MOST);

    for (size_t j = 0; j <= m; j++)
        rows[0][j] = j;
    for (size_t i = 1; i <= n; i++) {
        size_t *row = rows[i % 3], *above = rows[(i + 2) % 3], *above2 = rows[(i + 1) % 3];

        row[0] = i;
        for (size_t j = 1; j <= m; j++) {
            size_t least = above[j - 1] + (a[i - 1] != b[j - 1]);

            if (above[j] + 1 < least)
                least = above[j] + 1;
            if (row[j - 1] + 1 < least)
                least = row[j - 1] + 1;
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] && above2[j - 2] + 1 < least)
                least = above2[j - 2] + 1;
            row[j] = least;
        }
    }
    return rows[n % 3][m];
}

const char *cli_nearest(const char *name, const char *const *first, size_t step, size_t n)
{
    const char *best  = NULL;
    size_t      least = SIZE_MAX, length = strlen(name);

    for (size_t i = 0; i < n; i++) {
        const char *other = *(const char *const *)((const char *)first + i * step);
        size_t      d     = distance(name, other);

        if (length >= 2 && !strncmp(name, other, length)) /* the beginning of one: sure enough */
            d = 1;
        if (d < least && d <= 1 + strlen(other) / 3) {
            least = d;
            best  = other;
        }
    }
    return best;
}

/* --- values ------------------------------------------------------------------------------------------------ */

/* A whole number, also as 1e8. */
static int read_int(int64_t *value, const char *text)
{
    char  *end;
    double real;

    errno  = 0;
    *value = strtoll(text, &end, 10);
    if (end != text && !*end)
        return !errno;
    if (strpbrk(text, "xXpP")) /* no hexadecimal numbers, which strtod takes */
        return 0;
    real = strtod(text, &end);
    if (end == text || *end || !(fabs(real) < 9007199254740992.0) || real != floor(real))
        return 0;
    *value = (int64_t)real;
    return 1;
}

static int read_bytes(int64_t *value, const char *text)
{
    static const char SUFFIXES[] = "KMGT";
    char             *end;
    double            n;
    const char       *suffix;

    n = strtod(text, &end);
    if (end == text || !isfinite(n) || n < 0)
        return 0;
    suffix = *end ? strchr(SUFFIXES, toupper((unsigned char)*end)) : NULL;
    if (suffix) {
        n *= pow(1024, (double)(suffix - SUFFIXES + 1));
        end++;
        end += !strcasecmp(end, "iB") ? 2 : !strcasecmp(end, "B") ? 1 : 0;
    }
    if (*end || n > 9e18)
        return 0;
    *value = (int64_t)n;
    return 1;
}

static int read_real(double *value, const char *text)
{
    char *end;

    *value = strtod(text, &end);
    return end != text && !*end && isfinite(*value);
}

static int read_seed(uint64_t *value, const char *text)
{
    char *end;

    errno  = 0;
    *value = strtoull(text, &end, 10);
    return isdigit((unsigned char)text[0]) && !*end && !errno;
}

/* given is the option as the user wrote it: "-k" or "--tol". */
static int set_value(const cli_command *command, const cli_option *o, const char *given, const char *text)
{
    int64_t whole;
    double  real;

    switch (o->kind) {
    case CLI_TEXT:
        if (!*text)
            return cli_usage(command, "%s: expected %s, not an empty text", given, o->value);
        *(const char **)o->target = text;
        break;
    case CLI_INT:
        if (!read_int(&whole, text) || whole < o->min || whole > o->max) {
            if (o->max == INT64_MAX)
                return cli_usage(command, "%s '%s': expected a whole number from %" PRId64 " on", given, text, o->min);
            return cli_usage(command, "%s '%s': expected a whole number from %" PRId64 " to %" PRId64, given, text,
                             o->min, o->max);
        }
        *(int64_t *)o->target = whole;
        break;
    case CLI_SEED:
        if (!read_seed(o->target, text))
            return cli_usage(command, "%s '%s': expected a whole number from 0 to 2^64 - 1", given, text);
        break;
    case CLI_REAL:
        if (!read_real(&real, text) || real < (double)o->min)
            return cli_usage(command, "%s '%s': expected a number from %" PRId64 " on, such as 1e-4", given, text,
                             o->min);
        *(double *)o->target = real;
        break;
    case CLI_BYTES:
        if (!read_bytes(o->target, text))
            return cli_usage(command, "%s '%s': expected a number of bytes, such as 500M or 16G", given, text);
        break;
    case CLI_FLAG:
    case CLI_HELP:
        break;
    }
    return CLI_GO_ON;
}

/* --- the parser -------------------------------------------------------------------------------------------- */

static const cli_option *find_long(const cli_option *options, const char *name, size_t length)
{
    for (; options->name; options++)
        if (strlen(options->name) == length && !memcmp(options->name, name, length))
            return options;
    return NULL;
}

static const cli_option *find_letter(const cli_option *options, char letter)
{
    for (; options->name; options++)
        if (options->letter == letter)
            return options;
    return NULL;
}

static int unknown_option(const cli_command *command, const cli_option *options, const char *name, int length)
{
    size_t      n = 0;
    char        text[64];
    const char *near;

    while (options[n].name)
        n++;
    snprintf(text, sizeof text, "%.*s", length, name);
    near = cli_nearest(text, &options->name, sizeof *options, n);
    if (near)
        return cli_usage(command, "unknown option --%s: did you mean --%s?", text, near);
    return cli_usage(command, "unknown option --%s", text);
}

int cli_parse(const cli_command *command, const cli_option *options, const char **operand, int argc, char **argv)
{
    int only_operands = 0;

    *operand = NULL;
    for (int i = 1; i < argc; i++) {
        const char       *word = argv[i], *value = NULL;
        const cli_option *option;
        char              given[64];
        int               st;

        if (!only_operands && !strcmp(word, "--")) {
            only_operands = 1;
            continue;
        }
        if (only_operands || word[0] != '-' || !word[1]) {
            if (!command->operand)
                return cli_usage(command, "'%s' is one word too many", word);
            if (*operand)
                return cli_usage(command, "one %s at a time: '%s' is one too many", command->operand, word);
            if (!*word)
                return cli_usage(command, "%s is empty", command->operand);
            *operand = word;
            continue;
        }
        if (word[1] == '-') {
            size_t length = strcspn(word + 2, "=");

            option = find_long(options, word + 2, length);
            if (!option)
                return unknown_option(command, options, word + 2, (int)(length < 60 ? length : 60));
            if (word[2 + length])
                value = word + 2 + length + 1;
            snprintf(given, sizeof given, "--%s", option->name);
        } else {
            option = find_letter(options, word[1]);
            snprintf(given, sizeof given, "-%c", word[1]);
            if (!option)
                return cli_usage(command, "unknown option %s", given);
            if (word[2])
                value = word[2] == '=' ? word + 3 : word + 2;
        }
        if (option->kind == CLI_HELP)
            return print_help(command, options);
        if (!option->value && value)
            return cli_usage(command, "%s takes no value", given);
        if (option->kind == CLI_FLAG) {
            *(int *)option->target = 1;
            continue;
        }
        if (!value && i + 1 < argc)
            value = argv[++i];
        if (!value)
            return cli_usage(command, "%s needs a value: %s", given, option->value);
        st = set_value(command, option, given, value);
        if (st != CLI_GO_ON)
            return st;
    }
    if (command->operand && command->operand[0] != '[' && !*operand)
        return cli_usage(command, "no %s given", command->operand);
    return CLI_GO_ON;
}

/* --- numbers for people ------------------------------------------------------------------------------------ */

const char *cli_count(char *text, int64_t n)
{
    char plain[24], *to = text;
    int  length = snprintf(plain, sizeof plain, "%" PRId64, n);

    for (int i = 0; i < length; i++) {
        if (i && (length - i) % 3 == 0 && plain[i - 1] != '-')
            *to++ = ',';
        *to++ = plain[i];
    }
    *to = 0;
    return text;
}

const char *cli_bytes(char *text, double bytes)
{
    static const char *const UNITS[] = {"bytes", "KiB", "MiB", "GiB", "TiB", "PiB"};
    size_t                   unit    = 0;

    while (bytes >= 1023.95 && unit + 1 < sizeof UNITS / sizeof *UNITS) {
        bytes /= 1024;
        unit++;
    }
    snprintf(text, 32, "%.*f %s", unit ? 1 : 0, bytes, UNITS[unit]);
    return text;
}

const char *cli_seconds(char *text, double seconds)
{
    if (seconds < 0.00095)
        snprintf(text, 32, "%.0f us", seconds * 1e6);
    else if (seconds < 0.0995)
        snprintf(text, 32, "%.1f ms", seconds * 1e3);
    else if (seconds < 9.995)
        snprintf(text, 32, "%.2f s", seconds);
    else if (seconds < 99.95)
        snprintf(text, 32, "%.1f s", seconds);
    else
        snprintf(text, 32, "%.0f min %02.0f s", floor(floor(seconds + 0.5) / 60), fmod(floor(seconds + 0.5), 60));
    return text;
}

double cli_now(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}
