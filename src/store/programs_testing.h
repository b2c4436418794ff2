/* Programs that tests of the stores run: ncdump, nccopy, CDO. After cmocka.h. */
#ifndef TESSERA_STORE_PROGRAMS_TESTING_H
#define TESSERA_STORE_PROGRAMS_TESTING_H

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

static bool have_program(const char *name)
{
    char command[128];
    snprintf(command, sizeof command, "command -v %s >/dev/null 2>&1", name);
    if (system(command) == 0) return true;
    print_message("skipped: the program %s is not installed\n", name);
    return false;
}

/* Runs a command, returns what it printed (from malloc) and fails the test unless it succeeds. */
static char *run(const char *format, ...)
{
    char command[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(command, sizeof command, format, args);
    va_end(args);
    FILE *pipe = popen(command, "r");
    assert_non_null(pipe);
    char *text = calloc(1, 1 << 16);
    size_t n = fread(text, 1, (1 << 16) - 1, pipe);
    text[n] = '\0';
    if (pclose(pipe) != 0) fail_msg("'%s' failed and printed: %s", command, text);
    return text;
}

#endif
