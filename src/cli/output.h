/* Where results go: what can be seen to be wrong with a path before anything is computed. */
#ifndef TESSERA_CLI_OUTPUT_H
#define TESSERA_CLI_OUTPUT_H

#include "cli/command.h"

#include "base/arena.h"

/* How a file is written. */
typedef enum output_kind {
    OUTPUT_REPLACED, /* grows under another name and is renamed: only regular files can be replaced like that */
    OUTPUT_STREAMED  /* may be a device or a pipe */
} output_kind;

/* The file that `path` stands for: a symbolic link is followed, so that the file behind it is replaced and not the link. Fails
 * where the path is a directory, a device that cannot be replaced, in a folder that does not exist, or one of the `n` inputs
 * (paths, patterns, or name=PATTERN:variable). */
tsr_status output_resolve(arena *memory, const char *path, output_kind kind, int n, const char *const *inputs,
                          const char **out) MUST_CHECK;
/* Writes a text; a regular file appears whole or not at all. */
tsr_status output_write_text(const char *path, const char *text) MUST_CHECK;

/* Calls `each` for every file that a path or pattern stands for, in order; for the path itself where nothing matches. */
typedef tsr_status (*output_visit)(void *context, const char *path);
tsr_status paths_expand(const char *pattern, output_visit each, void *context) MUST_CHECK;

/* "name=PATTERN:variable", unless there is a file of that very name. */
bool source_is_named(const char *text);
/* Its parts, in `memory`; *variable is NULL where none is named. */
tsr_status source_split(arena *memory, const char *text, const char **name, const char **pattern,
                        const char **variable) MUST_CHECK;

#endif
