/* The program `tessera`: finds the command, reads its options by its table, runs it. */
#include "cli/ast.h"
#include "cli/commands.h"
#include "cli/interrupt.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* ---- Tables ------------------------------------------------------------------------------------------------------ */

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
    .arguments = "[COMMAND]",
    .summary = "explain a command",
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
    .arguments = "",
    .summary = "print the manual page as roff",
    .options = help_options,
    .is_hidden = true,
    .run = command_manual,
};

const command *const commands[] = {&info_command, &sample_command, &help_command, &completion_command, &manual_command, NULL};

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
    manual_page(&out);
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
    int result = flush_output(run_command(c, argc - 2, argv + 2));
    return result != EXIT_DONE && interrupt_signal() ? 128 + interrupt_signal() : result;
}
