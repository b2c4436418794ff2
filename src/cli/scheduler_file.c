/* See scheduler_file.h. Stateless. */
#include "cli/scheduler_file.h"

#include "base/mem.h"
#include "cli/interrupt.h"
#include "tessera.h"

#include <arpa/inet.h>
#include <errno.h>
#include <jansson.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static const useconds_t LOOK_US = 50000;

/* The number of this host on the interface that leads to others; nothing is sent. False: it has none. */
static bool outward_address(char *out, socklen_t size)
{
    struct sockaddr_in there = {.sin_family = AF_INET, .sin_port = htons(9)}, here;
    socklen_t n = sizeof here;
    const int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0) return false;
    (void)inet_pton(AF_INET, "192.0.2.1", &there.sin_addr); /* RFC 5737: nobody's */
    const bool good =
        connect(fd, (struct sockaddr *)&there, sizeof there) == 0 && getsockname(fd, (struct sockaddr *)&here, &n) == 0;
    (void)close(fd);
    return good && inet_ntop(AF_INET, &here.sin_addr, out, size);
}

/* The address as others can use it. */
static void print_reachable(const char *address, const char *host, char *out, size_t size)
{
    static const char *const all[] = {"://0.0.0.0:", "://[::]:"};
    char number[INET_ADDRSTRLEN];
    const bool is_tls = strncmp(address, "tls:", 4) == 0;
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        const char *at = strstr(address, all[i]);
        if (!at) continue;
        if (is_tls || !outward_address(number, sizeof number)) snprintf(number, sizeof number, "%s", "");
        snprintf(out, size, "%.3s://%s:%s", address, number[0] ? number : host, at + strlen(all[i]));
        return;
    }
    snprintf(out, size, "%s", address);
}

tsr_status scheduler_file_write(const char *path, const char *address)
{
    char host[256] = "", temporary[4096], reachable[512];
    (void)gethostname(host, sizeof host - 1);
    print_reachable(address, host, reachable, sizeof reachable);
    if (snprintf(temporary, sizeof temporary, "%s.%s-%ld", path, host, (long)getpid()) >= (int)sizeof temporary)
        return error_set(TSR_ERR_VALUE, "--scheduler-file: the path '%.200s...' is too long", path);
    json_t *said = json_pack("{s:s, s:s, s:s, s:s, s:I}", "type", "Scheduler", "address", reachable, "version", tsr_version(),
                             "host", host, "pid", (json_int_t)getpid());
    tsr_status status = TSR_OK;
    if (!said) return error_memory(sizeof host);
    errno = 0;
    if (json_dump_file(said, temporary, JSON_INDENT(2)) != 0 || rename(temporary, path) != 0) {
        status = error_errno(errno ? errno : EIO, "--scheduler-file: cannot write '%s'", path);
        (void)unlink(temporary);
    }
    json_decref(said);
    return status;
}

/* NULL while there is no such file. */
static tsr_status load(const char *path, json_t **out)
{
    json_error_t why;
    *out = NULL;
    FILE *f = fopen(path, "r");
    if (!f) return errno == ENOENT ? TSR_OK : error_errno(errno, "--scheduler-file: cannot read '%s'", path);
    *out = json_loadf(f, 0, &why);
    (void)fclose(f);
    return *out ? TSR_OK : error_set(TSR_ERR_FORMAT, "--scheduler-file: '%s' is no JSON: %s", path, why.text);
}

tsr_status scheduler_file_read(const char *path, char **out)
{
    json_t *said;
    *out = NULL;
    TRY(load(path, &said));
    if (!said) return TSR_OK;
    const char *address = json_string_value(json_object_get(said, "address"));
    tsr_status status = TSR_OK;
    if (!address)
        status =
            error_set(TSR_ERR_FORMAT, "--scheduler-file: '%s' names no scheduler; it is a JSON object with an \"address\"", path);
    else if (!(*out = mem_strdup(address)))
        status = TSR_ERR_MEMORY;
    json_decref(said);
    return status;
}

void scheduler_file_remove(const char *path)
{
    char host[256] = "";
    json_t *said;
    (void)gethostname(host, sizeof host - 1);
    if (load(path, &said) != TSR_OK) return;
    const char *whose = json_string_value(json_object_get(said, "host"));
    if (whose && strcmp(whose, host) == 0 && json_integer_value(json_object_get(said, "pid")) == getpid()) (void)unlink(path);
    json_decref(said);
}

tsr_status scheduler_file_wait(const char *path, char **out)
{
    *out = NULL;
    for (;;) {
        TRY(scheduler_file_read(path, out));
        if (*out) return TSR_OK;
        if (interrupt_signal()) return error_set(TSR_ERR_CANCELLED, "interrupted");
        (void)usleep(LOOK_US);
    }
}
