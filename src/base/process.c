/* Running another program. Its input lies in a file without a name, so that no pipe can fill up while we read what it says; the
 * descriptors are closed in programs that other threads start meanwhile. */
#define _GNU_SOURCE
#include "base/process.h"

#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

static tsr_status input_file(const char *input, FILE **out)
{
    FILE *f = tmpfile();
    if (!f) return error_errno(errno, "cannot make a temporary file");
    size_t n = strlen(input);
    if (fwrite(input, 1, n, f) != n || fflush(f) != 0 || fcntl(fileno(f), F_SETFD, FD_CLOEXEC) != 0) {
        tsr_status status = error_errno(errno, "cannot write a temporary file");
        fclose(f);
        return status;
    }
    rewind(f);
    *out = f;
    return TSR_OK;
}

static void read_all(int fd, strbuf *output)
{
    char piece[4096];
    for (;;) {
        ssize_t n = read(fd, piece, sizeof piece);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) return;
        strbuf_addn(output, piece, (size_t)n);
    }
}

static tsr_status start(const char *const *argv, int input, int output, pid_t *child)
{
    posix_spawn_file_actions_t actions;
    int error = posix_spawn_file_actions_init(&actions);
    if (error) return error_errno(error, "cannot run '%s'", argv[0]);
    error = posix_spawn_file_actions_adddup2(&actions, input, STDIN_FILENO);
    if (!error) error = posix_spawn_file_actions_adddup2(&actions, output, STDOUT_FILENO);
    if (!error) error = posix_spawn_file_actions_adddup2(&actions, output, STDERR_FILENO);
    if (!error) error = posix_spawnp(child, argv[0], &actions, NULL, (char *const *)(uintptr_t)argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    return error ? error_errno(error, "cannot run '%s'", argv[0]) : TSR_OK;
}

tsr_status process_run(const char *const *argv, const char *input, strbuf *output, int *exit_code)
{
    int ends[2] = {-1, -1}, state = 0;
    FILE *file = NULL;
    pid_t child;
    TRY(input_file(input, &file));
    tsr_status status = pipe2(ends, O_CLOEXEC) == 0 ? TSR_OK : error_errno(errno, "cannot make a pipe");
    if (status == TSR_OK) status = start(argv, fileno(file), ends[1], &child);
    if (ends[1] >= 0) close(ends[1]);
    if (status == TSR_OK) {
        read_all(ends[0], output);
        while (waitpid(child, &state, 0) < 0 && errno == EINTR) {
        }
        *exit_code = WIFEXITED(state) ? WEXITSTATUS(state) : 128 + WTERMSIG(state);
    }
    if (ends[0] >= 0) close(ends[0]);
    fclose(file);
    return status;
}
