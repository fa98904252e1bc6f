/* The file that is asked for: what can be said about it before it is opened. */
#ifndef SABAL_TOOL_INPUT_H
#define SABAL_TOOL_INPUT_H

/** Copies the file's path, without a data set, to path (PATH_MAX bytes). CLI_GO_ON, or the status to exit with:
    no such file (with the nearest name there is), a directory, a device. */
int input_check(char *path, const char *text);

#endif
