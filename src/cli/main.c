/* The program `tessera`: finds the command, reads its options by its table, runs it. */
#include "cli/ast.h"
#include "cli/commands.h"
#include "cli/eval.h"
#include "cli/figure.h"
#include "cli/interrupt.h"

#include "kernel/kernel.h"
#include "store/hdf5_lib.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- Tables ------------------------------------------------------------------------------------------------------ */

static const option eval_options[] = {
    {"output", 'o', "FILE", NULL, "write the result to FILE: .nc (NetCDF-3), .nc4 (NetCDF-4) or .npy"},
    {"format", 0, "FORMAT", "nc nc4 npy", "the format of FILE, whatever its name"},
    {"deflate", 0, "LEVEL", NULL, "compress NetCDF-4, 0 to 9 (default: 0)"},
    {"plot", 0, "FILE", NULL, "draw the result into FILE: .png, .svg or .pdf"},
    OPTIONS_FIGURE,
    OPTIONS_ENGINE,
    {"chunks", 0, "LENGTHS", NULL, "chunks of the files' variables and of new arrays: 1000,1000 or time=4,latitude=-1"},
    {"udf", 0, "FILE", NULL,
     "functions of your own from the C source FILE, called in EXPRESSIONS by their names (see docs/udf.md)"},
    {"explain", 0, NULL, NULL, "print how it would be computed; compute only with -o or --plot"},
    {"visualize", 0, "FILE", NULL, "draw the expression into FILE (.svg or .dot)"},
    {"graph", 0, "WHAT", "expression plan", "what --visualize draws (default: expression)"},
    {"trace", 0, "FILE", NULL, "write every task's time to FILE, for Perfetto or chrome://tracing"},
    {"json", 0, NULL, NULL, "print results as JSON"},
    OPTIONS_CLUSTER,
    OPTIONS_TALK,
    OPTIONS_END,
};

static const option plot_options[] = {
    {"output", 'o', "FILE", NULL, "the picture: .png, .svg or .pdf (default: plot.png)"},
    {"histogram", 0, NULL, NULL, "draw how the values are distributed"},
    {"bins", 0, "N", NULL, "bins of the histogram (default: 100)"},
    OPTIONS_FIGURE,
    OPTIONS_ENGINE,
    OPTIONS_CLUSTER,
    OPTIONS_TALK,
    OPTIONS_END,
};

static const option bench_options[] = {
    {"rounds", 0, "N", NULL, "evaluate N times (default: 5)"},
    {"setup", 0, "EXPRESSIONS", NULL, "evaluate these once before"},
    {"output", 'o', "FILE", NULL, "store the result"},
    {"udf", 0, "FILE", NULL,
     "functions of your own from the C source FILE, called in EXPRESSIONS by their names (see docs/udf.md)"},
    {"hold", 0, NULL, NULL, "keep the result in blocks instead of copying it out"},
    OPTIONS_ENGINE,
    OPTIONS_CLUSTER,
    {"chunks", 0, "LENGTHS", NULL, "chunks of the files' variables and of new arrays"},
    OPTIONS_TALK,
    OPTIONS_END,
};

static const option info_options[] = {{"json", 0, NULL, NULL, "print JSON"}, OPTIONS_END};

static const option sample_options[] = {
    {"days", 0, "N", NULL, "number of daily files (default: 30)"},
    {"start", 0, "DATE", NULL, "the first day (default: 2014-01-01)"},
    {"format", 0, "FORMAT", "nc3 nc4", "NetCDF-3 (default) or NetCDF-4"},
    {"deflate", 0, "LEVEL", NULL, "compress NetCDF-4 files, 0 to 9 (default: 0)"},
    {"dtype", 0, "TYPE", "i16 f4", "packed 16-bit integers with scale_factor and add_offset (default), or 32-bit floats"},
    {"grid", 0, "LATxLON", NULL, "number of latitudes and longitudes (default: 721x1440)"},
    {"images", 0, "N", NULL, "also write stack.npy: N frames of 512 x 512 16-bit pixels with drifting blobs (default: 0)"},
    {"seed", 0, "N", NULL, "another planet and other weather (default: 1)"},
    {"threads", 'j', "N", NULL, "use N threads (default: the processors this process may use)"},
    OPTIONS_TALK,
    OPTIONS_END,
};

static const option scheduler_options[] = {
    {"listen", 0, "ADDR", NULL, "listen there (default: tcp://127.0.0.1:8786); port 0 takes any that is free"},
    {"journal", 0, "FILE", NULL, "note what exists in FILE, so that a scheduler that is started again with it goes on"},
    {"scheduler-file", 0, "FILE", NULL, "write the address to FILE (JSON) once it listens, for workers and clients that see it"},
    OPTIONS_SECURITY,
    OPTIONS_LOG,
    OPTIONS_END,
};

static const option worker_options[] = {
    OPTIONS_ENGINE,
    {"name", 0, "NAME", NULL, "its name for people (default: host and process number)"},
    {"scheduler-file", 0, "FILE", NULL,
     "instead of ADDR: wait for the FILE that 'tessera scheduler' writes, and read the address"},
    {"listen", 0, "ADDR", NULL, "where clients and other workers reach it (default: any port of the side facing the scheduler)"},
    {"resources", 0, "LIST", NULL, "what functions can ask for, such as 'GPU=1 license=2'"},
    {"libraries", 0, "DIRS", NULL, "run functions of shared libraries in these folders, with ':' between (default: none)"},
    {"python", 0, "[=PYTHON]", NULL,
     "run Python functions too: as PYTHON -m tessera worker (default: TESSERA_PYTHON, or python3)"},
    {"grace", 0, "SECONDS", NULL, "after a signal, others have so long to take over what it holds (default: 30)"},
    OPTIONS_SECURITY,
    OPTIONS_LOG,
    {"parent", 0, "PID", NULL, "end when that process does", true},
    OPTIONS_END,
};

static const option cluster_options[] = {
    {"workers", 'n', "N", NULL, "start N workers (default: 2)"},
    {"threads", 'j', "N", NULL, "use N threads in each (default: the processors, shared equally)"},
    {"memory", 'm', "SIZE", NULL, "budget for blocks of each, such as 512M or 4G (default: 60 % of what is left, shared)"},
    {"scratch", 0, "DIR", NULL, "where blocks are spilled when the budget is short (default: TMPDIR or /tmp)"},
    {"listen", 0, "ADDR", NULL, "listen there (default: tcp://127.0.0.1:8786); port 0 takes any that is free"},
    {"journal", 0, "FILE", NULL, "as for 'tessera scheduler'"},
    {"scheduler-file", 0, "FILE", NULL, "as for 'tessera scheduler'"},
    {"resources", 0, "LIST", NULL, "what functions can ask of each worker, such as 'GPU=1 license=2'"},
    {"libraries", 0, "DIRS", NULL, "as for 'tessera worker'"},
    {"python", 0, "[=PYTHON]", NULL, "workers run Python functions too, with PYTHON (default: TESSERA_PYTHON, or python3)"},
    OPTIONS_SECURITY,
    OPTIONS_LOG,
    OPTIONS_END,
};

static const option status_options[] = {
    {"watch", 'w', NULL, NULL, "show it anew every second, until Ctrl-C"},
    {"json", 0, NULL, NULL, "print JSON, one object a line"},
    OPTIONS_SECURITY,
    OPTIONS_END,
};

static const option stop_options[] = {OPTIONS_SECURITY, OPTIONS_END};

static const option cert_options[] = {
    {"name", 0, "NAME", NULL, "call the files NAME.pem and NAME.key (default: the first host; without hosts: tessera)"},
    {"days", 0, "N", NULL, "valid for N days (default: 3650)"},
    OPTIONS_END,
};

static const option help_options[] = {OPTIONS_END};

static int command_help_run(const invocation *call);
static int command_completion(const invocation *call);
static int command_manual(const invocation *call);

static const command eval_command = {
    .name = "eval",
    .arguments = "EXPRESSIONS [FILE...]",
    .summary = "compute expressions on the variables of files and print, write or draw the result",
    .text =
        "EXPRESSIONS are written as in NumPy; assignments are separated by ';' or newlines, and the last expression is the "
        "result. "
        "The variables of all FILES (paths or patterns, opened as one data set) go by their names; name=PATTERN:variable gives "
        "one variable another name. Dimensions go by name or number, labels by name, names that are not words in "
        "`backquotes`.\n\n"
        "  tessera eval '1 + 1'\n"
        "  tessera eval 'mean(t2m)' 'era/*.nc'\n"
        "  tessera eval 'z = (t2m - mean(t2m, time)) / std(t2m, time)' 'era/*.nc' -o z.nc\n"
        "  tessera eval 't2m[time=\"2014-01-05\", latitude=30:60].mean(time)' 'era/*.nc' --plot mean.png\n"
        "  tessera eval 'anomaly(t2m, time.month)' 'era/*.nc' -o anomaly.nc4 --deflate 4\n"
        "  tessera eval 'weighted_mean(t2m, cos(deg2rad(latitude)), (latitude, longitude))' 'era/*.nc'\n"
        "  tessera eval 'a - b' 'a=one.nc:tas' 'b=two.nc:tas' -o difference.nc\n"
        "  tessera eval 'random.normal(0, 1, size=2e8).mean()'\n"
        "  tessera eval --udf centroid.c 'recentre(data, chunks=(-1, 256, 256))' stack.npy -o recentred.npy\n\n"
        "Results of up to 1000 elements are printed; of larger ones shape, chunks and size, and min, mean and max where these "
        "take seconds (at most 4 GiB to read and 1e9 elements to go through). With -o all assigned names are written, but for "
        "those that begin with '_'; "
        "if the last statement is a bare expression, only that. 'tessera help functions' lists the functions.",
    .options = eval_options,
    .run = command_eval,
};

static const command plot_command = {
    .name = "plot",
    .arguments = "FILE... VARIABLE",
    .summary = "draw a variable: a map of two dimensions, a line of one, or a histogram",
    .text = "VARIABLE may be any expression.\n\n"
            "  tessera plot 2014-01-01.nc t2m -o map.png\n"
            "  tessera plot 'era/*.nc' 't2m[time=\"2014-01-05T06\"]' --robust -o map.pdf\n"
            "  tessera plot 'era/*.nc' 't2m.mean((latitude, longitude))' -o line.svg\n"
            "  tessera plot 'era/*.nc' t2m --histogram -o histogram.png\n",
    .options = plot_options,
    .run = command_plot,
};

static const command bench_command = {
    .name = "bench",
    .arguments = "EXPRESSION [FILE...]",
    .summary = "evaluate an expression several times and print the times as JSON",
    .options = bench_options,
    .is_hidden = true,
    .run = command_bench,
};

static const command info_command = {
    .name = "info",
    .arguments = "FILE...",
    .summary = "show what is in files: dimensions, variables, chunks, compression, sizes, attributes",
    .options = info_options,
    .run = command_info,
};

static const command sample_command = {
    .name = "sample",
    .arguments = "DIR",
    .summary = "write sample data: daily climate files and a stack of images",
    .text = "Writes DIR/2014-01-01.nc and so on: t2m(time 4, latitude 721, longitude 1440), the temperature of a made-up planet "
            "with continents, seasons, days and travelling weather. The same seed gives the same files.\n\n"
            "  tessera sample build/demo --days 31\n"
            "  tessera sample /tmp/data --days 365 --format nc4 --deflate 4 --dtype f4\n",
    .options = sample_options,
    .run = command_sample,
};

static const command scheduler_command = {
    .name = "scheduler",
    .arguments = "",
    .summary = "run the scheduler of a cluster, until a signal or 'tessera stop' ends it",
    .text =
        "The first line on standard output is the address it listens on. Beyond this machine it listens only with "
        "--secret-file, or with certificates on a tls:// address. Workers and clients wait for a scheduler that is gone; "
        "one that is started again at the same address (or at another of those that they know), with the same journal, goes on "
        "where the last one was.\n\n"
        "  tessera scheduler\n"
        "  tessera scheduler --listen tcp://0.0.0.0:8786 --secret-file ~/.tessera-secret --journal /var/lib/tessera/journal\n",
    .options = scheduler_options,
    .run = command_scheduler,
};

static const command worker_command = {
    .name = "worker",
    .arguments = "ADDR",
    .summary = "run a worker of the cluster at ADDR, until a signal or the cluster's end",
    .text = "The first line on standard output is the address it listens on. Workers come and go at any time: what a lost one "
            "held is computed again by others when it is needed. A worker whose scheduler is gone keeps what it has and tries to "
            "reach another one at the same address, or at the others if ADDR is several. A signal (SIGTERM, Ctrl-C) has it leave "
            "in good order: it gets nothing new to "
            "do, others fetch what only it has, and it ends; a second signal ends it at once.\n\n"
            "  tessera worker tcp://head:8786 --memory 64G --scratch /local/scratch --secret-file ~/.tessera-secret\n"
            "  tessera worker tcp://head:8786 --python --resources 'GPU=1'\n"
            "  tessera worker --scheduler-file /shared/me/scheduler.json\n"
            "  tessera worker tcp://head:8786,tcp://spare:8786 --secret-file ~/.tessera-secret\n",
    .options = worker_options,
    .run = command_worker,
};

static const command cluster_command = {
    .name = "cluster",
    .arguments = "",
    .summary = "run a cluster on this machine, until a signal or 'tessera stop' ends it",
    .text = "The first line on standard output is the scheduler's address. Each worker is a process; one that dies is started "
            "again. All of them end with this one.\n\n"
            "  tessera cluster --workers 4\n"
            "  tessera cluster --workers 2 --threads 8 --memory 16G --python\n",
    .options = cluster_options,
    .run = command_cluster,
};

static const command status_command = {
    .name = "status",
    .arguments = "ADDR",
    .summary = "show the workers and the computations of a cluster",
    .text = "Memory is used of budget; SPILLED, IN and OUT are bytes since the worker began: written to its scratch file, and "
            "from and to other processes. Rates are of the last second.\n\n"
            "  tessera status tcp://head:8786 --watch\n",
    .options = status_options,
    .run = command_status,
};

static const command stop_command = {
    .name = "stop",
    .arguments = "ADDR [WORKER...]",
    .summary = "end a cluster, or some of its workers",
    .text = "Workers that are named (by name or address) end after others have taken over what they hold.\n\n"
            "  tessera stop tcp://head:8786\n"
            "  tessera stop tcp://head:8786 worker-3\n",
    .options = stop_options,
    .run = command_stop,
};

static const command cert_command = {
    .name = "cert",
    .arguments = "DIR [HOST...]",
    .summary = "make an authority and a certificate, for clusters on tls:// addresses",
    .text = "The first call makes the authority, DIR/ca.pem and DIR/ca.key. Every call makes a certificate for the HOSTs (names "
            "and IP addresses; default: this one). Scheduler, workers and clients take --ca DIR/ca.pem --cert DIR/NAME.pem --key "
            "DIR/NAME.key; the authority's key is needed on none of them.\n\n"
            "  tessera cert certs head 10.0.0.1\n"
            "  tessera cert certs node1 10.0.0.2\n"
            "  tessera cert certs --name user localhost\n",
    .options = cert_options,
    .run = command_cert,
};

static const command help_command = {
    .name = "help",
    .arguments = "[COMMAND | functions | FUNCTION]",
    .summary = "explain a command or a function, or list the functions of expressions",
    .options = help_options,
    .run = command_help_run,
};

static const command completion_command = {
    .name = "completion",
    .arguments = "SHELL",
    .summary = "print the completion script for bash, zsh or fish",
    .text = "  source <(tessera completion bash)\n"
            "  tessera completion zsh > ~/.zfunc/_tessera\n"
            "  tessera completion fish > ~/.config/fish/completions/tessera.fish\n",
    .options = help_options,
    .run = command_completion,
};

static const command manual_command = {
    .name = "manual",
    .arguments = "[COMMAND]",
    .summary = "print a manual page as roff",
    .options = help_options,
    .is_hidden = true,
    .run = command_manual,
};

const command *const commands[] = {&eval_command,      &info_command,   &plot_command,       &sample_command, &cluster_command,
                                   &scheduler_command, &worker_command, &status_command,     &stop_command,   &cert_command,
                                   &bench_command,     &help_command,   &completion_command, &manual_command, NULL};

/* ---- Small commands ---------------------------------------------------------------------------------------------- */

static int print_text(strbuf *b)
{
    char *text = strbuf_take(b);
    if (!text) return complain_status(NULL, TSR_ERR_MEMORY);
    fputs(text, stdout);
    mem_free(text);
    return EXIT_DONE;
}

static int unknown_command(const char *name)
{
    char hint[80], text[256];
    nearest best = nearest_start(name);
    for (int i = 0; commands[i]; i++)
        if (!commands[i]->is_hidden) nearest_consider(&best, commands[i]->name);
    nearest_hint(&best, hint, sizeof hint);
    snprintf(text, sizeof text, "unknown command '%.100s'%s", name, hint[0] ? hint : "; see 'tessera --help'");
    complain(NULL, text);
    return EXIT_USAGE;
}

static int unknown_topic(const char *name)
{
    char hint[80], text[256];
    nearest best = nearest_start(name);
    nearest_consider(&best, "functions");
    for (int i = 0; commands[i]; i++)
        if (!commands[i]->is_hidden) nearest_consider(&best, commands[i]->name);
    functions_consider(&best);
    nearest_hint(&best, hint, sizeof hint);
    snprintf(text, sizeof text, "'%.100s' is no command and no function%s", name, hint[0] ? hint : "; see 'tessera --help'");
    complain(NULL, text);
    return EXIT_USAGE;
}

static int command_help_run(const invocation *call)
{
    strbuf out = {0};
    if (call->arguments.n > 1) {
        complain(call->command, "one topic at a time");
        return EXIT_USAGE;
    }
    const char *topic = call->arguments.n ? call->arguments.items[0] : NULL;
    if (topic && strcmp(topic, "functions") == 0) {
        functions_help(&out, false);
        return print_text(&out);
    }
    const command *c = topic ? command_find(topic) : NULL;
    if (topic && !c && function_help(topic, &out)) return print_text(&out);
    if (topic && !c) return unknown_topic(topic);
    if (command_help(c, &out) != TSR_OK) return complain_status(call->command, tsr_error_code());
    return print_text(&out);
}

static int command_completion(const invocation *call)
{
    strbuf out = {0};
    if (call->arguments.n != 1) {
        complain(call->command, "the name of a shell is needed: bash, zsh or fish");
        return EXIT_USAGE;
    }
    if (completion_script(call->arguments.items[0], &out) != TSR_OK) {
        complain(call->command, tsr_error_message());
        strbuf_fini(&out);
        return EXIT_USAGE;
    }
    return print_text(&out);
}

static int command_manual(const invocation *call)
{
    strbuf out = {0};
    const command *c = call->arguments.n ? command_find(call->arguments.items[0]) : NULL;
    if (call->arguments.n && !c) return unknown_command(call->arguments.items[0]);
    manual_page(c, &out);
    return print_text(&out);
}

/* ---- main -------------------------------------------------------------------------------------------------------- */

static int run_command(const command *c, int argc, char **argv)
{
    invocation call;
    const kernels *k; /* asked for here because most commands use them late, or not at all */
    if (command_parse(c, argc, argv, &call) != TSR_OK) {
        complain(c, tsr_error_message());
        return EXIT_USAGE;
    }
    int result;
    if (option_given(&call, "help")) {
        strbuf out = {0};
        result = command_help(c, &out) == TSR_OK ? print_text(&out) : EXIT_FAILED;
    } else if (c->options != help_options && kernels_select(getenv("TESSERA_ISA"), &k) != TSR_OK) {
        complain(c, tsr_error_message());
        result = EXIT_USAGE;
    } else {
        result = c->run(&call);
    }
    invocation_fini(&call);
    return result;
}

/* A full disk behind a pipe or a redirection must not look like success. */
static int flush_output(int result)
{
    if (fflush(stdout) == 0 && !ferror(stdout)) return result;
    if (result == EXIT_DONE) fprintf(stderr, "tessera: cannot write to standard output: %s\n", strerror(errno));
    return result == EXIT_DONE ? EXIT_FAILED : result;
}

int main(int argc, char **argv)
{
    strbuf out = {0};
    if (argc < 2) {
        (void)!command_help(NULL, &out);
        char *text = strbuf_take(&out);
        fputs(text ? text : "", stderr);
        mem_free(text);
        return EXIT_USAGE;
    }
    if (strcmp(argv[1], "--version") == 0 || strcmp(argv[1], "-V") == 0) {
        printf("tessera %s\n", tsr_version());
        return flush_output(EXIT_DONE);
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)
        return flush_output(command_help(NULL, &out) == TSR_OK ? print_text(&out) : EXIT_FAILED);
    const command *c = command_find(argv[1]);
    if (!c) return unknown_command(argv[1]);
    interrupt_install();
    hdf5_lib_leave_alone_at_exit();
    int result = flush_output(run_command(c, argc - 2, argv + 2));
    return result != EXIT_DONE && interrupt_signal() ? 128 + interrupt_signal() : result;
}
