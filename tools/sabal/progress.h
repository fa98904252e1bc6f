/* A bar on stderr while something takes its time: only on a terminal, only past the first second. */
#ifndef SABAL_TOOL_PROGRESS_H
#define SABAL_TOOL_PROGRESS_H

#include <stddef.h>

/** Says what is going on in text and returns how much of it is done, 0 to 1; negative if nobody knows. Any thread. */
typedef double progress_fn(void *user, char *text, size_t size);

/** Starts to ask fn ten times a second and to draw. One bar at a time; ends with progress_stop(), also if not shown. */
void progress_start(progress_fn *fn, void *user);
void progress_stop(void);
/** Takes the bar off the screen, so that a line can be written there. */
void progress_clear(void);
/** The same, from a signal handler. */
void progress_clear_async(void);

#endif
