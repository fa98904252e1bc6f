/* A fixture: each test of the file has a client with two threads. */
#ifndef SBL_TESTS_CLIENT_H
#define SBL_TESTS_CLIENT_H

#include "support/arrays.h"

static sabal_client *client;

static void open_client(void)
{
    client = open_engine(2);
}

static void close_client(void)
{
    sabal_close(client);
}

#endif
