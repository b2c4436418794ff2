/* See paths.h. No state, no threads. */
#include "dataset/paths.h"

#include <ctype.h>
#include <errno.h>
#include <glob.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { MAX_FILES = 10000000 };

/* The significant digits at *p, which moves behind them. */
static size_t digits(const char **p, const char **begin)
{
    while (**p == '0') (*p)++;
    *begin = *p;
    while (isdigit((unsigned char)**p)) (*p)++;
    return (size_t)(*p - *begin);
}

int path_compare(const char *a, const char *b)
{
    const char *x = a, *y = b;
    while (*x && *y) {
        if (isdigit((unsigned char)*x) && isdigit((unsigned char)*y)) {
            const char *i, *j;
            size_t n = digits(&x, &i), m = digits(&y, &j);
            if (n != m) return n < m ? -1 : 1;
            int order = memcmp(i, j, n);
            if (order != 0) return order;
        } else if (*x != *y) {
            break;
        } else {
            x++, y++;
        }
    }
    if (*x != *y) return (unsigned char)*x < (unsigned char)*y ? -1 : 1;
    return strcmp(a, b); /* numbers that differ in leading zeros */
}

static int compare(const void *a, const void *b) { return path_compare(*(char *const *)a, *(char *const *)b); }

static tsr_status add_path(path_list *list, const char *path)
{
    char *copy = mem_strdup(path);
    if (copy && VEC_PUSH(list, copy)) return TSR_OK;
    mem_free(copy);
    return TSR_ERR_MEMORY;
}

static tsr_status add_matches(path_list *list, const char *path)
{
    struct stat info;
    if (!strpbrk(path, "*?[") || stat(path, &info) == 0) return add_path(list, path);
    glob_t found = {0};
    int code = glob(path, GLOB_NOSORT, NULL, &found);
    tsr_status status = TSR_OK;
    if (code == GLOB_NOMATCH)
        status = error_errno(ENOENT, "no file matches '%s'", path);
    else if (code == GLOB_NOSPACE)
        status = error_memory(strlen(path));
    else if (code != 0)
        status = error_set(TSR_ERR_IO, "cannot read the folder of '%s'", path);
    if (found.gl_pathc > 0) qsort(found.gl_pathv, found.gl_pathc, sizeof *found.gl_pathv, compare);
    for (size_t i = 0; status == TSR_OK && i < found.gl_pathc; i++) status = add_path(list, found.gl_pathv[i]);
    globfree(&found);
    return status;
}

tsr_status paths_find(path_list *list, int n, const char *const *paths)
{
    tsr_status status = TSR_OK;
    *list = (path_list){0};
    if (n < 1) return error_set(TSR_ERR_IO, "there are no files to open");
    for (int i = 0; i < n && status == TSR_OK; i++) status = add_matches(list, paths[i]);
    if (status == TSR_OK && list->n > MAX_FILES)
        status = error_set(TSR_ERR_VALUE, "%zu files are more than can be opened as one", list->n);
    if (status != TSR_OK) paths_fini(list);
    return status;
}

void paths_fini(path_list *list)
{
    for (size_t i = 0; i < list->n; i++) mem_free(list->items[i]);
    VEC_FINI(list);
}
