/* The entry points of the commands; see the tables in main.c. */
#ifndef TESSERA_CLI_COMMANDS_H
#define TESSERA_CLI_COMMANDS_H

#include "cli/command.h"

int command_eval(const invocation *call);
int command_info(const invocation *call);
int command_sample(const invocation *call);
int command_plot(const invocation *call);
int command_bench(const invocation *call);
int command_scheduler(const invocation *call);
int command_worker(const invocation *call);
int command_cluster(const invocation *call);
int command_status(const invocation *call);
int command_stop(const invocation *call);
int command_cert(const invocation *call);

#endif
