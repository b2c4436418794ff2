/* --help, the manual page and the shell completions, all from the tables of commands. Stateless. */
#include "cli/command.h"

#include <stdio.h>
#include <string.h>

const char program_text[] = "Tessera computes on arrays that are larger than memory, in chunks, on every core: NetCDF and .npy "
                            "files and images in, results, "
                            "files and pictures out.";

const char exit_code_text[] =
    "0 success; 1 the computation failed (bad data, unknown name, disk full ...); 2 the command line is wrong; "
    "130 interrupted by Ctrl-C (143 by a termination request). A failed or interrupted run leaves no "
    "unfinished file. A scheduler, worker or cluster that was asked to end, by a signal or by 'tessera stop', ends with 0.";

const char environment_text[] =
    "TESSERA_ISA forces an instruction set (x86-64-v2, x86-64-v3, x86-64-v4, generic); TMPDIR is where blocks are spilled "
    "unless --scratch says otherwise; TESSERA_SECRET_FILE is the --secret-file of a cluster; TESSERA_PYTHON is the Python of "
    "workers with --python; TESSERA_OPTIMIZE=0 computes "
    "expressions as they are written, without rewriting them.";

const command *command_find(const char *name)
{
    for (int i = 0; commands[i]; i++)
        if (strcmp(commands[i]->name, name) == 0) return commands[i];
    return NULL;
}

/* Adds text broken into lines of at most `width`, each with `indent` blanks. Lines that begin with a blank are kept as they are.
 */
static void add_wrapped(strbuf *out, const char *text, int indent, int width)
{
    while (*text) {
        const char *newline = strchr(text, '\n');
        size_t line = newline ? (size_t)(newline - text) : strlen(text);
        if (line == 0 || *text == ' ') {
            strbuf_printf(out, "%*s%.*s\n", line ? indent : 0, "", (int)line, text);
        } else {
            int column = 0;
            for (size_t at = 0; at < line;) {
                size_t word = strcspn(text + at, " \n");
                if (word > line - at) word = line - at;
                if (column > 0 && column + 1 + (int)word > width - indent) {
                    strbuf_add(out, "\n");
                    column = 0;
                }
                strbuf_printf(out, "%*s%.*s", column ? 1 : indent, "", (int)word, text + at);
                column += (int)word + (column > 0);
                at += word;
                while (at < line && text[at] == ' ') at++;
            }
            strbuf_add(out, "\n");
        }
        text += line + (newline ? 1 : 0);
    }
}

static void option_words(const option *o, char *buffer, size_t size)
{
    char letter[8] = "    ";
    if (o->letter) snprintf(letter, sizeof letter, "-%c, ", o->letter);
    snprintf(buffer, size, "%s--%s%s%s", letter, o->name, option_takes_word(o) ? " " : "", o->argument ? o->argument : "");
}

static void add_options(strbuf *out, const option *options)
{
    enum { COLUMN = 26, WIDTH = 100 };
    strbuf_add(out, "\nOptions:\n");
    for (const option *o = options; o->name; o++) {
        char words[80];
        if (o->is_hidden) continue;
        option_words(o, words, sizeof words);
        strbuf help = {0};
        add_wrapped(&help, o->help, COLUMN + 2, WIDTH);
        if (help.text && strlen(words) < COLUMN - 2)
            strbuf_printf(out, "  %-*s%s", COLUMN, words, help.text + COLUMN + 2);
        else
            strbuf_printf(out, "  %s\n%s", words, help.text ? help.text : "");
        strbuf_fini(&help);
    }
}

tsr_status command_help(const command *c, strbuf *out)
{
    if (c) {
        strbuf_printf(out, "Usage: tessera %s [OPTIONS]%s%s\n\n", c->name, c->arguments[0] ? " " : "", c->arguments);
        add_wrapped(out, c->summary, 0, 100);
        if (c->text) {
            strbuf_add(out, "\n");
            add_wrapped(out, c->text, 0, 100);
        }
        add_options(out, c->options);
        return TSR_OK;
    }
    strbuf_add(out, "Usage: tessera COMMAND [OPTIONS] ...\n\n");
    add_wrapped(out, program_text, 0, 100);
    strbuf_add(out, "\nCommands:\n");
    for (int i = 0; commands[i]; i++)
        if (!commands[i]->is_hidden) strbuf_printf(out, "  %-12s%s\n", commands[i]->name, commands[i]->summary);
    strbuf_add(out, "\n'tessera COMMAND --help' explains a command, 'tessera help functions' lists the functions of\n"
                    "expressions, 'tessera --version' shows the version.\n\nExit codes:\n");
    add_wrapped(out, exit_code_text, 2, 100);
    strbuf_add(out, "\nEnvironment:\n");
    add_wrapped(out, environment_text, 2, 100);
    return TSR_OK;
}

/* ---- The manual page --------------------------------------------------------------------------------------------- */

/* Text for roff: backslashes, hyphens and leading dots are escaped; lines that begin with a blank become examples. */
static void add_roff(strbuf *out, const char *text)
{
    bool is_example = false;
    for (const char *p = text; *p;) {
        const char *newline = strchr(p, '\n');
        size_t n = newline ? (size_t)(newline - p) : strlen(p);
        if ((n > 0 && *p == ' ') != is_example) {
            is_example = !is_example;
            strbuf_add(out, is_example ? ".PP\n.nf\n.RS\n" : ".RE\n.fi\n.PP\n");
        } else if (n == 0) {
            strbuf_add(out, ".PP\n");
        }
        for (size_t i = 0; i < n; i++) {
            if (is_example && i < 2 && p[i] == ' ') continue;
            if (p[i] == '\\')
                strbuf_add(out, "\\e");
            else if (p[i] == '-')
                strbuf_add(out, "\\-");
            else if ((p[i] == '.' || p[i] == '\'') && i == 0)
                strbuf_printf(out, "\\&%c", p[i]);
            else
                strbuf_addn(out, p + i, 1);
        }
        if (n) strbuf_add(out, "\n");
        p += n + (newline ? 1 : 0);
    }
    if (is_example) strbuf_add(out, ".RE\n.fi\n");
}

static void add_roff_options(strbuf *out, const command *c)
{
    for (const option *o = c->options; o->name; o++) {
        if (o->is_hidden) continue;
        strbuf_add(out, ".TP\n");
        if (o->letter) strbuf_printf(out, "\\fB\\-%c\\fR, ", o->letter);
        strbuf_printf(out, "\\fB\\-\\-%s\\fR", o->name);
        if (o->argument) strbuf_printf(out, "%s\\fI%s\\fR", option_takes_word(o) ? " " : "", o->argument);
        strbuf_add(out, "\n");
        add_roff(out, o->help);
        if (o->choices) strbuf_printf(out, ".br\nOne of: %s\n", o->choices);
    }
}

static bool has_page(const command *c) { return !c->is_hidden && strcmp(c->name, "help") != 0; }

static void add_title(strbuf *out, const char *name)
{
    strbuf_add(out, ".\\\" Written by 'tessera manual'; change the program's tables instead (src/cli/main.c).\n.TH ");
    for (const char *p = name; *p; p++) strbuf_printf(out, "%c", *p >= 'a' && *p <= 'z' ? *p - 'a' + 'A' : *p);
    strbuf_printf(out, " 1 \"\" \"Tessera %s\" \"User Commands\"\n.SH NAME\n", tsr_version());
}

static void command_page(strbuf *out, const command *c)
{
    char name[64];
    snprintf(name, sizeof name, "tessera-%s", c->name);
    add_title(out, name);
    strbuf_printf(out, "tessera\\-%s \\- ", c->name);
    add_roff(out, c->summary);
    strbuf_printf(out, ".SH SYNOPSIS\n.B tessera %s\n[\\fIOPTIONS\\fR] %s\n.SH DESCRIPTION\n", c->name, c->arguments);
    add_roff(out, c->text ? c->text : c->summary);
    strbuf_add(out, ".SH OPTIONS\n");
    add_roff_options(out, c);
    strbuf_add(out, ".SH \"EXIT STATUS\"\n");
    add_roff(out, exit_code_text);
    strbuf_add(out, ".SH ENVIRONMENT\n");
    add_roff(out, environment_text);
    strbuf_add(out, ".SH \"SEE ALSO\"\n.BR tessera (1)\n");
}

static void program_page(strbuf *out)
{
    add_title(out, "tessera");
    strbuf_add(out, "tessera \\- computes on arrays larger than memory\n.SH SYNOPSIS\n");
    for (int i = 0; commands[i]; i++)
        if (!commands[i]->is_hidden)
            strbuf_printf(out, ".B tessera %s\n[\\fIOPTIONS\\fR] %s\n.br\n", commands[i]->name, commands[i]->arguments);
    strbuf_add(out, ".SH DESCRIPTION\n");
    add_roff(out, program_text);
    strbuf_add(out, ".SH COMMANDS\n");
    for (int i = 0; commands[i]; i++) {
        if (commands[i]->is_hidden) continue;
        strbuf_printf(out, ".SS \"tessera %s\"\n", commands[i]->name);
        add_roff(out, commands[i]->summary);
        if (commands[i]->text) {
            strbuf_add(out, ".PP\n");
            add_roff(out, commands[i]->text);
        }
        add_roff_options(out, commands[i]);
    }
    strbuf_add(out, ".SH FUNCTIONS\nThe functions of expressions, with their arguments and defaults.\n");
    functions_help(out, true);
    strbuf_add(out, ".SH \"EXIT STATUS\"\n");
    add_roff(out, exit_code_text);
    strbuf_add(out, ".SH ENVIRONMENT\n");
    add_roff(out, environment_text);
    strbuf_add(out, ".SH \"SEE ALSO\"\n");
    const char *comma = "";
    for (int i = 0; commands[i]; i++) {
        if (!has_page(commands[i])) continue;
        strbuf_printf(out, "%s.BR tessera\\-%s (1)", comma, commands[i]->name);
        comma = ",\n";
    }
    strbuf_add(out, "\n");
}

void manual_page(const command *c, strbuf *out)
{
    if (c)
        command_page(out, c);
    else
        program_page(out);
}

/* ---- Completion -------------------------------------------------------------------------------------------------- */

static void bash_script(strbuf *out)
{
    strbuf_add(out, "# bash completion for tessera; written by 'tessera completion bash'.\n_tessera()\n{\n"
                    "    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} command=${COMP_WORDS[1]} options=\n"
                    "    if [ \"$COMP_CWORD\" -eq 1 ]; then\n        COMPREPLY=($(compgen -W '");
    for (int i = 0; commands[i]; i++)
        if (!commands[i]->is_hidden) strbuf_printf(out, "%s ", commands[i]->name);
    strbuf_add(out, "--help --version' -- \"$cur\"))\n        return\n    fi\n    case $command in\n");
    for (int i = 0; commands[i]; i++) {
        if (commands[i]->is_hidden) continue;
        strbuf_printf(out, "    %s)\n        options='", commands[i]->name);
        for (const option *o = commands[i]->options; o->name; o++)
            if (!o->is_hidden) strbuf_printf(out, "--%s ", o->name);
        strbuf_add(out, "'\n        case $prev in\n");
        for (const option *o = commands[i]->options; o->name; o++) {
            if (o->is_hidden || !option_takes_word(o)) continue;
            char letter[8] = "";
            if (o->letter) snprintf(letter, sizeof letter, "|-%c", o->letter);
            if (o->choices)
                strbuf_printf(out, "        --%s%s) COMPREPLY=($(compgen -W '%s' -- \"$cur\")); return ;;\n", o->name, letter,
                              o->choices);
            else if (strcmp(o->argument, "DIR") == 0)
                strbuf_printf(out, "        --%s%s) COMPREPLY=($(compgen -d -- \"$cur\")); return ;;\n", o->name, letter);
            else if (strcmp(o->argument, "FILE") != 0)
                strbuf_printf(out, "        --%s%s) return ;;\n", o->name, letter);
        }
        strbuf_add(out, "        esac ;;\n");
    }
    strbuf_add(out,
               "    esac\n    if [[ $cur == -* ]]; then\n        COMPREPLY=($(compgen -W \"$options\" -- \"$cur\"))\n    else\n"
               "        COMPREPLY=($(compgen -f -- \"$cur\"))\n    fi\n}\ncomplete -o filenames -F _tessera tessera\n");
}

/* Text inside single quotes, as one line; `special` takes a backslash. A quote is written as `quote`. */
static void add_quoted(strbuf *out, const char *text, const char *special, const char *quote)
{
    for (const char *p = text; *p; p++) {
        if (*p == '\'') {
            strbuf_add(out, quote);
        } else {
            if (strchr(special, *p)) strbuf_add(out, "\\");
            strbuf_addn(out, *p == '\n' ? " " : p, 1);
        }
    }
}

/* A description of zsh's: it ends at a bracket, and the quotes of its shell know no escapes. */
static void add_zsh(strbuf *out, const char *text) { add_quoted(out, text, "\\[]:", "'\\''"); }

static void add_fish(strbuf *out, const char *text) { add_quoted(out, text, "\\", "\\'"); }

static void zsh_script(strbuf *out)
{
    strbuf_add(out, "#compdef tessera\n# zsh completion for tessera; written by 'tessera completion zsh'.\n_tessera()\n{\n"
                    "    local -a names\n    names=(\n");
    for (int i = 0; commands[i]; i++) {
        if (commands[i]->is_hidden) continue;
        strbuf_printf(out, "        '%s:", commands[i]->name);
        add_zsh(out, commands[i]->summary);
        strbuf_add(out, "'\n");
    }
    strbuf_add(out, "    )\n    if (( CURRENT == 2 )); then\n        _describe command names\n        return\n    fi\n"
                    "    local command=$words[2]\n    shift words\n    (( CURRENT-- ))\n    case $command in\n");
    for (int i = 0; commands[i]; i++) {
        if (commands[i]->is_hidden) continue;
        strbuf_printf(out, "    %s) _arguments", commands[i]->name);
        for (const option *o = commands[i]->options; o->name; o++) {
            if (o->is_hidden) continue;
            strbuf_add(out, " \\\n        ");
            if (o->letter)
                strbuf_printf(out, "'(-%c --%s)'{-%c,--%s}'[", o->letter, o->name, o->letter, o->name);
            else
                strbuf_printf(out, "'--%s[", o->name);
            add_zsh(out, o->help);
            strbuf_add(out, "]");
            if (o->choices)
                strbuf_printf(out, ":%s:(%s)", o->argument, o->choices);
            else if (option_takes_word(o))
                strbuf_printf(out, ":%s:%s", o->argument,
                              strcmp(o->argument, "DIR") == 0    ? "_files -/"
                              : strcmp(o->argument, "FILE") == 0 ? "_files"
                                                                 : " ");
            strbuf_add(out, "'");
        }
        strbuf_add(out, " \\\n        '*:file:_files' ;;\n");
    }
    strbuf_add(out, "    esac\n}\n_tessera \"$@\"\n");
}

static void fish_script(strbuf *out)
{
    strbuf_add(out, "# fish completion for tessera; written by 'tessera completion fish'.\n");
    for (int i = 0; commands[i]; i++) {
        const command *c = commands[i];
        if (c->is_hidden) continue;
        strbuf_printf(out, "complete -c tessera -n __fish_use_subcommand -f -a %s -d '", c->name);
        add_fish(out, c->summary);
        strbuf_add(out, "'\n");
        for (const option *o = c->options; o->name; o++) {
            if (o->is_hidden) continue;
            strbuf_printf(out, "complete -c tessera -n '__fish_seen_subcommand_from %s' -l %s", c->name, o->name);
            if (o->letter) strbuf_printf(out, " -s %c", o->letter);
            if (o->choices)
                strbuf_printf(out, " -x -a '%s'", o->choices);
            else if (option_takes_word(o))
                strbuf_add(out, strcmp(o->argument, "FILE") == 0 || strcmp(o->argument, "DIR") == 0 ? " -r" : " -x");
            strbuf_add(out, " -d '");
            add_fish(out, o->help);
            strbuf_add(out, "'\n");
        }
    }
}

tsr_status completion_script(const char *shell, strbuf *out)
{
    if (strcmp(shell, "bash") == 0)
        bash_script(out);
    else if (strcmp(shell, "zsh") == 0)
        zsh_script(out);
    else if (strcmp(shell, "fish") == 0)
        fish_script(out);
    else
        return error_set(TSR_ERR_VALUE, "no completion for the shell '%s'; there is bash, zsh and fish", shell);
    return TSR_OK;
}
