/* Commands and their options. One table per command drives parsing, --help, shell completion and the manual page, so the four
 * cannot disagree. */
#ifndef TESSERA_CLI_COMMAND_H
#define TESSERA_CLI_COMMAND_H

#include "base/error.h"
#include "base/strbuf.h"
#include "base/vec.h"

#include <stdint.h>

/* What the program returns to the shell. A signal that ends it gives 128 + its number (130 for Ctrl-C). */
typedef enum exit_code { EXIT_DONE = 0, EXIT_FAILED = 1, EXIT_USAGE = 2 } exit_code;

typedef struct option {
    const char *name;     /* "threads" for --threads */
    char letter;          /* 'o' for -o; 0: none */
    const char *argument; /* "N"; NULL: the option takes none. "FILE" and "DIR" are completed as such. "[=N]": may be left out */
    const char *choices;  /* "nc3 nc4": the only values; NULL: any */
    const char *help;
    bool is_hidden;
} option;

enum { MAX_OPTIONS = 40 };

typedef struct command command;

/* A command line that has been read. */
typedef struct invocation {
    const command *command;
    const char *values[MAX_OPTIONS]; /* by the option's place in the table; flags have "" when given, NULL otherwise */
    VEC(const char *) arguments;     /* the others, in order */
} invocation;

struct command {
    const char *name;
    const char *arguments; /* "EXPRESSIONS [FILE...]" */
    const char *summary;   /* one line, lower case, no stop */
    const char *text;      /* paragraphs for --help and the manual page; may be NULL */
    const option *options; /* ended by a NULL name */
    bool is_hidden;
    int (*run)(const invocation *call); /* returns an exit code; errors have been printed */
};

extern const command *const commands[]; /* ended by NULL */
extern const char exit_code_text[], program_text[], environment_text[];

const command *command_find(const char *name);

/* Options that every computing command has. */
#define OPTIONS_ENGINE                                                                                                           \
    {"threads", 'j', "N", NULL, "use N threads (default: the processors this process may use)"},                                 \
        {"memory", 'm', "SIZE", NULL, "budget for blocks, such as 512M or 4G (default: 60 % of what is left)"},                  \
    {                                                                                                                            \
        "scratch", 0, "DIR", NULL, "where blocks are spilled when the budget is short (default: TMPDIR or /tmp)"                 \
    }
/* Options of what runs on a cluster: see service.h. */
#define OPTIONS_SECURITY                                                                                                         \
    {"secret-file", 0, "FILE", NULL,                                                                                             \
     "a secret that both sides of every connection prove to know (default: TESSERA_SECRET_FILE)"},                               \
        {"ca", 0, "FILE", NULL, "for tls:// addresses: the authority's certificate; 'tessera cert' makes one"},                  \
        {"cert", 0, "FILE", NULL, "for tls:// addresses: the certificate of this process"},                                      \
    {                                                                                                                            \
        "key", 0, "FILE", NULL, "for tls:// addresses: the certificate's key"                                                    \
    }
#define OPTIONS_CLUSTER                                                                                                          \
    {"cluster", 0, "ADDR", NULL, "compute on the cluster whose scheduler listens there, such as tcp://head:8786"},               \
        OPTIONS_SECURITY
#define OPTIONS_LOG                                                                                                              \
    {"log-level", 0, "LEVEL", "debug info warning error", "the least important lines that are logged (default: info)"},          \
        {"log-format", 0, "FORMAT", "text json", "lines of text (default) or JSON objects"},                                     \
    {                                                                                                                            \
        "log-file", 0, "FILE", NULL, "append the log to FILE instead of standard error"                                          \
    }
#define OPTIONS_TALK                                                                                                             \
    {"progress", 'p', NULL, NULL, "show progress even when standard error is not a terminal"},                                   \
    {                                                                                                                            \
        "quiet", 'q', NULL, NULL, "show no progress and no remarks"                                                              \
    }
#define OPTIONS_END                                                                                                              \
    {"help", 'h', NULL, NULL, "show this help"}, { 0 }

/* Reads argv[0 .. argc - 1], the words after the command's name. TSR_ERR_VALUE for a usage error, with a suggestion. */
tsr_status command_parse(const command *c, int argc, char **argv, invocation *out) MUST_CHECK;
void invocation_fini(invocation *call);

/* The next word is the option's value. */
bool option_takes_word(const option *o);
/* The option's value, NULL if it was not given. The name must be in the command's table. */
const char *option_text(const invocation *call, const char *name);
bool option_given(const invocation *call, const char *name);
/* A whole number between low and high; *value stays as it is when the option was not given. */
tsr_status option_int(const invocation *call, const char *name, int64_t low, int64_t high, int64_t *value) MUST_CHECK;
/* "1024", "512M", "4G", "1.5GiB", "2TB": k, M, G, T are powers of 1024. */
tsr_status option_size(const invocation *call, const char *name, size_t *value) MUST_CHECK;
tsr_status size_parse(const char *text, size_t *bytes) MUST_CHECK;
/* "0.31 s", "2 min 05 s". Returns `buffer`. */
char *seconds_format(double seconds, char *buffer, size_t size);

/* Prints "tessera CMD: text" to standard error. */
void complain(const command *c, const char *text);
/* The same with the library's last error. Returns the exit code it stands for. */
int complain_status(const command *c, tsr_status status);

/* The help of a command, or (NULL) of the program. */
tsr_status command_help(const command *c, strbuf *out) MUST_CHECK;
/* Completion script for "bash", "zsh" or "fish". */
tsr_status completion_script(const char *shell, strbuf *out) MUST_CHECK;
/* The manual page of a command, or (NULL) of the program. */
void manual_page(const command *c, strbuf *out);
/* The functions of the expression language: "mean(x, axis=None, keepdims=False)" with a line each. */
void functions_help(strbuf *out, bool roff);
/* One function of them. False if there is none of that name. */
bool function_help(const char *name, strbuf *out);

#endif
