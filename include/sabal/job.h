/* Fork-join at the price of a call, loops and reductions over ranges. */
#ifndef SABAL_JOB_H
#define SABAL_JOB_H
#include <sabal/client.h>
#endif
