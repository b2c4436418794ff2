/* The program `tessera`: finds the command, reads its options by its table, runs it. */
#include "cli/ast.h"
#include "cli/commands.h"
#include "cli/figure.h"
#include "cli/interrupt.h"

#include "store/hdf5_lib.h"

#include <errno.h>
#include <stdio.h>
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
    OPTIONS_TALK,
    OPTIONS_END,
};

static const option plot_options[] = {
    {"output", 'o', "FILE", NULL, "the picture: .png, .svg or .pdf (default: plot.png)"},
    {"histogram", 0, NULL, NULL, "draw how the values are distributed"},
    {"bins", 0, "N", NULL, "bins of the histogram (default: 100)"},
    OPTIONS_FIGURE,
    OPTIONS_ENGINE,
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
        "Results of up to 1000 elements are printed. With -o all assigned names are written, but for those that begin with '_'; "
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

static const command help_command = {
    .name = "help",
    .arguments = "[COMMAND | functions]",
    .summary = "explain a command, or list the functions of expressions",
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

const command *const commands[] = {&eval_command,       &info_command,   &plot_command,
                                   &sample_command,     &bench_command,  &help_command,
                                   &completion_command, &manual_command, NULL};

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
    if (topic && !c) return unknown_command(topic);
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
    if (command_parse(c, argc, argv, &call) != TSR_OK) {
        complain(c, tsr_error_message());
        return EXIT_USAGE;
    }
    int result;
    if (option_given(&call, "help")) {
        strbuf out = {0};
        result = command_help(c, &out) == TSR_OK ? print_text(&out) : EXIT_FAILED;
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
