/* See output.h. Stateless. */
#include "cli/output.h"

#include "base/mem.h"

#include <errno.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- Inputs ------------------------------------------------------------------------------------------------------ */

static bool is_name(const char *text, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        char c = text[i];
        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || (i > 0 && c >= '0' && c <= '9'))) return false;
    }
    return n > 0;
}

bool source_is_named(const char *text)
{
    const char *equals = strchr(text, '=');
    return equals && is_name(text, (size_t)(equals - text)) && access(text, F_OK) != 0;
}

tsr_status source_split(arena *memory, const char *text, const char **name, const char **pattern, const char **variable)
{
    const char *equals = strchr(text, '=');
    char *path = arena_strdup(memory, equals + 1);
    *name = arena_printf(memory, "%.*s", (int)(equals - text), text);
    if (!*name || !path) return TSR_ERR_MEMORY;
    char *colon = strrchr(path, ':');
    *variable = NULL;
    if (colon && colon != path && !strchr(colon, '/') && access(path, F_OK) != 0) {
        *colon = '\0';
        if (colon[1]) *variable = colon + 1;
    }
    *pattern = path;
    return TSR_OK;
}

tsr_status paths_expand(const char *pattern, output_visit each, void *context)
{
    glob_t found;
    struct stat facts;
    tsr_status status = TSR_OK;
    if (stat(pattern, &facts) == 0 || glob(pattern, 0, NULL, &found) != 0) return each(context, pattern);
    for (size_t i = 0; i < found.gl_pathc && status == TSR_OK; i++) status = each(context, found.gl_pathv[i]);
    globfree(&found);
    return status;
}

/* ---- The path ---------------------------------------------------------------------------------------------------- */

typedef struct collision {
    const struct stat *output;
    const char *path;
} collision;

static tsr_status check_input(void *context, const char *path)
{
    const collision *c = context;
    struct stat in;
    if (stat(path, &in) != 0 || in.st_dev != c->output->st_dev || in.st_ino != c->output->st_ino) return TSR_OK;
    return error_set(TSR_ERR_VALUE, "'%s' is also read; write to another file", c->path);
}

static tsr_status check_inputs(arena *memory, const char *path, const struct stat *output, int n, const char *const *inputs)
{
    for (int i = 0; i < n; i++) {
        const char *pattern = inputs[i], *name, *variable;
        if (source_is_named(pattern)) TRY(source_split(memory, inputs[i], &name, &pattern, &variable));
        TRY(paths_expand(pattern, check_input, &(collision){output, path}));
    }
    return TSR_OK;
}

static tsr_status check_folder(const char *path)
{
    const char *slash = strrchr(path, '/');
    struct stat facts;
    if (!slash || slash == path) return TSR_OK;
    char *folder = mem_printf("%.*s", (int)(slash - path), path);
    if (!folder) return TSR_ERR_MEMORY;
    tsr_status status = TSR_OK;
    if (stat(folder, &facts) != 0)
        status = error_errno(errno, "cannot write '%s': the folder '%s'", path, folder);
    else if (!S_ISDIR(facts.st_mode))
        status = error_set(TSR_ERR_VALUE, "cannot write '%s': '%s' is not a folder", path, folder);
    else if (access(folder, W_OK | X_OK) != 0)
        status = error_errno(errno, "cannot write '%s': the folder '%s'", path, folder);
    mem_free(folder);
    return status;
}

tsr_status output_resolve(arena *memory, const char *path, output_kind kind, int n, const char *const *inputs, const char **out)
{
    struct stat facts;
    *out = path;
    if (!path[0]) return error_set(TSR_ERR_VALUE, "the name of the output file is empty");
    bool is_special = stat(path, &facts) == 0 && !S_ISREG(facts.st_mode) && !S_ISDIR(facts.st_mode);
    if (is_special && kind == OUTPUT_STREAMED) return TSR_OK;
    if (is_special) return error_set(TSR_ERR_VALUE, "'%s' is not a regular file; it cannot be replaced", path);
    if (lstat(path, &facts) == 0 && S_ISLNK(facts.st_mode)) {
        char *real = realpath(path, NULL);
        if (!real) return error_errno(errno, "cannot follow the link '%s'", path);
        *out = arena_strdup(memory, real);
        free(real);
        if (!*out) return TSR_ERR_MEMORY;
    }
    if (stat(*out, &facts) != 0) {
        size_t length = strlen(path);
        if (path[length - 1] == '/') return error_set(TSR_ERR_VALUE, "'%s' names a directory; name a file", path);
        return check_folder(*out);
    }
    if (S_ISDIR(facts.st_mode)) return error_set(TSR_ERR_VALUE, "'%s' is a directory; name a file", path);
    TRY(check_inputs(memory, path, &facts, n, inputs));
    return check_folder(*out);
}

/* ---- Text -------------------------------------------------------------------------------------------------------- */

tsr_status output_write_text(const char *path, const char *text)
{
    struct stat facts;
    bool is_device = stat(path, &facts) == 0 && !S_ISREG(facts.st_mode);
    char *name = is_device ? mem_strdup(path) : mem_printf("%s.tmp-%ld", path, (long)getpid());
    if (!name) return TSR_ERR_MEMORY;
    FILE *f = fopen(name, "w");
    bool ok = f && fputs(text, f) >= 0;
    int errnum = errno;
    if (f && fclose(f) != 0 && ok) {
        ok = false;
        errnum = errno;
    }
    if (ok && !is_device && rename(name, path) != 0) {
        ok = false;
        errnum = errno;
    }
    if (!ok && f && !is_device) unlink(name);
    mem_free(name);
    return ok ? TSR_OK : error_errno(errnum, "cannot write '%s'", path);
}
