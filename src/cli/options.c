/* Reading command lines by a command's table. Stateless. */
#include "cli/ast.h"
#include "cli/command.h"
#include "cli/text.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { HINT_SIZE = 128 };

static int find_option(const command *c, const char *name, size_t n)
{
    for (int i = 0; c->options[i].name; i++)
        if (strlen(c->options[i].name) == n && memcmp(c->options[i].name, name, n) == 0) return i;
    return -1;
}

static int find_letter(const command *c, char letter)
{
    for (int i = 0; c->options[i].name; i++)
        if (c->options[i].letter == letter && letter) return i;
    return -1;
}

static tsr_status unknown_option(const command *c, const char *name, size_t n)
{
    char wanted[64], hint[HINT_SIZE];
    snprintf(wanted, sizeof wanted, "%.*s", (int)(n < 60 ? n : 60), name);
    nearest best = nearest_start(wanted);
    for (int i = 0; c->options[i].name; i++)
        if (!c->options[i].is_hidden) nearest_consider(&best, c->options[i].name);
    if (best.best)
        snprintf(hint, sizeof hint, "did you mean --%s?", best.best);
    else
        snprintf(hint, sizeof hint, "see 'tessera %s --help'", c->name);
    return error_set(TSR_ERR_VALUE, "unknown option --%s; %s", wanted, hint);
}

static bool is_choice(const char *choices, const char *value)
{
    size_t n = strlen(value);
    for (const char *p = choices; n > 0 && (p = strstr(p, value)); p += n)
        if ((p == choices || p[-1] == ' ') && (p[n] == ' ' || p[n] == '\0')) return true;
    return false;
}

static tsr_status set_option(const command *c, int i, const char *value, invocation *out)
{
    const option *o = &c->options[i];
    if (o->choices && !is_choice(o->choices, value))
        return error_set(TSR_ERR_VALUE, "--%s does not know '%s'; it takes one of: %s", o->name, value, o->choices);
    if (out->values[i] && o->argument && strcmp(o->argument, "FILE") == 0) /* of two files, one would not be written */
        return error_set(TSR_ERR_VALUE, "--%s is given twice: '%s' and '%s'", o->name, out->values[i], value);
    out->values[i] = value;
    return TSR_OK;
}

bool option_takes_word(const option *o) { return o->argument && o->argument[0] != '['; }

/* --name, --name=value, --name value. Advances *at over a separate value. */
static tsr_status parse_long(const command *c, int argc, char **argv, int *at, invocation *out)
{
    const char *name = argv[*at] + 2, *equals = strchr(name, '=');
    size_t n = equals ? (size_t)(equals - name) : strlen(name);
    int i = find_option(c, name, n);
    if (i < 0) return unknown_option(c, name, n);
    if (!c->options[i].argument) {
        if (equals) return error_set(TSR_ERR_VALUE, "--%s takes no value, found '%s'", c->options[i].name, equals + 1);
        return set_option(c, i, "", out);
    }
    if (equals) return set_option(c, i, equals + 1, out);
    if (!option_takes_word(&c->options[i])) return set_option(c, i, "", out);
    if (*at + 1 >= argc) return error_set(TSR_ERR_VALUE, "--%s needs a value: --%s %s", name, name, c->options[i].argument);
    return set_option(c, i, argv[++*at], out);
}

/* -q, -qp, -oFILE, -o FILE. */
static tsr_status parse_short(const command *c, int argc, char **argv, int *at, invocation *out)
{
    for (const char *p = argv[*at] + 1; *p; p++) {
        int i = find_letter(c, *p);
        if (i < 0) return error_set(TSR_ERR_VALUE, "unknown option -%c; see 'tessera %s --help'", *p, c->name);
        if (!option_takes_word(&c->options[i])) {
            TRY(set_option(c, i, "", out));
            continue;
        }
        if (p[1]) return set_option(c, i, p + 1, out);
        if (*at + 1 >= argc) return error_set(TSR_ERR_VALUE, "-%c needs a value: -%c %s", *p, *p, c->options[i].argument);
        return set_option(c, i, argv[++*at], out);
    }
    return TSR_OK;
}

tsr_status command_parse(const command *c, int argc, char **argv, invocation *out)
{
    *out = (invocation){.command = c};
    bool options_ended = false;
    tsr_status status = TSR_OK;
    for (int at = 0; at < argc; at++) {
        const char *word = argv[at];
        if (!options_ended && strcmp(word, "--") == 0)
            options_ended = true;
        else if (!options_ended && strncmp(word, "--", 2) == 0)
            GUARD(parse_long(c, argc, argv, &at, out));
        else if (!options_ended && word[0] == '-' && find_letter(c, word[1]) >= 0)
            GUARD(parse_short(c, argc, argv, &at, out));
        else if (!options_ended && word[0] == '-' && word[1] && ((word[1] | 0x20) >= 'a' && (word[1] | 0x20) <= 'z') && !word[2])
            GUARD(parse_short(c, argc, argv, &at, out));
        else if (!VEC_PUSH(&out->arguments, word))
            GUARD(TSR_ERR_MEMORY);
    }
done:
    if (status != TSR_OK) invocation_fini(out);
    return status;
}

void invocation_fini(invocation *call) { VEC_FINI(&call->arguments); }

const char *option_text(const invocation *call, const char *name)
{
    int i = find_option(call->command, name, strlen(name));
    return i < 0 ? NULL : call->values[i];
}

bool option_given(const invocation *call, const char *name) { return option_text(call, name) != NULL; }

tsr_status option_int(const invocation *call, const char *name, int64_t low, int64_t high, int64_t *value)
{
    const char *text = option_text(call, name);
    if (!text) return TSR_OK;
    char *end;
    errno = 0;
    long long n = strtoll(text, &end, 10);
    if (end == text || *end) return error_set(TSR_ERR_VALUE, "--%s needs a whole number, found '%s'", name, text);
    if (errno == ERANGE || n < low || n > high)
        return error_set(TSR_ERR_VALUE, "--%s is %s; it must lie between %lld and %lld", name, text, (long long)low,
                         (long long)high);
    *value = n;
    return TSR_OK;
}

tsr_status size_parse(const char *text, size_t *bytes)
{
    char *end;
    double n = strtod(text, &end);
    if (end == text || !(n >= 0) || isinf(n)) return error_set(TSR_ERR_VALUE, "'%s' is not a size; write 512M or 4G", text);
    static const char prefixes[] = "kMGTP";
    const char *prefix = *end ? strchr(prefixes, *end == 'K'   ? 'k'
                                                 : *end == 'm' ? 'M'
                                                 : *end == 'g' ? 'G'
                                                 : *end == 't' ? 'T'
                                                               : *end)
                              : NULL;
    if (prefix) {
        n *= pow(1024, (double)(prefix - prefixes + 1));
        end++;
        if (*end == 'i') end++;
    }
    if (*end == 'B' || *end == 'b') end++;
    if (*end) return error_set(TSR_ERR_VALUE, "'%s' is not a size; write 512M or 4G", text);
    if (n >= 0x1p63) return error_set(TSR_ERR_VALUE, "the size %s is larger than any memory", text);
    *bytes = (size_t)n;
    return TSR_OK;
}

tsr_status option_size(const invocation *call, const char *name, size_t *value)
{
    const char *text = option_text(call, name);
    if (!text) return TSR_OK;
    if (size_parse(text, value) != TSR_OK) return error_prefix("--%s", name);
    return TSR_OK;
}

char *seconds_format(double seconds, char *buffer, size_t size)
{
    if (seconds < 0.01)
        snprintf(buffer, size, "%.1f ms", seconds * 1e3);
    else if (seconds < 9.995)
        snprintf(buffer, size, "%.2f s", seconds);
    else if (seconds < 99.95)
        snprintf(buffer, size, "%.1f s", seconds);
    else if (seconds < 7200)
        snprintf(buffer, size, "%d min %02d s", (int)(seconds / 60), (int)seconds % 60);
    else
        snprintf(buffer, size, "%d h %02d min", (int)(seconds / 3600), (int)(seconds / 60) % 60);
    return buffer;
}

void complain(const command *c, const char *text)
{
    fprintf(stderr, "tessera%s%s: ", c ? " " : "", c ? c->name : "");
    text_put(stderr, text, false);
    fputs("\n", stderr);
}

int complain_status(const command *c, tsr_status status)
{
    if (status == TSR_ERR_CANCELLED) {
        complain(c, "interrupted");
        return EXIT_FAILED; /* main turns it into 128 + the signal */
    }
    complain(c, tsr_error_message());
    return EXIT_FAILED;
}
