/* What a cluster is and does, for people and programs. */
#ifndef SABAL_TOOL_CLUSTER_STATUS_H
#define SABAL_TOOL_CLUSTER_STATUS_H

/** Asks the scheduler of a file, and prints what it says. The status to exit with. */
int status_show(const char *file, int as_json);

#endif
