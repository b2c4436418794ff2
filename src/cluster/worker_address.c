/* Which of this machine's addresses a worker listens on: the one that faces the scheduler. */
#include "base/mem.h"
#include "cluster/worker.h"

#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* The end of a datagram socket that is connected to it; nothing is sent. */
static bool find_facing(const struct addrinfo *to, address_scheme scheme, address *out)
{
    struct sockaddr_storage here;
    socklen_t size = sizeof here;
    char text[ADDRESS_TEXT_BYTES];
    int fd = socket(to->ai_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0) return false;
    const bool found = connect(fd, to->ai_addr, to->ai_addrlen) == 0 && getsockname(fd, (struct sockaddr *)&here, &size) == 0;
    close(fd);
    if (!found) return false;
    address_print_socket(scheme, &here, size, text, sizeof text);
    return address_parse(text, out) == TSR_OK;
}

static tsr_status facing_one(const char *scheduler, address *out)
{
    address to;
    struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_DGRAM}, *found = NULL;
    TRY(address_parse(scheduler, &to));
    if (to.scheme == ADDRESS_UNIX) return address_parse("tcp://127.0.0.1:0", out);
    int error = getaddrinfo(to.host, to.port, &hints, &found);
    if (error) return error_set(TSR_ERR_IO, "the scheduler's host '%s' is not known: %s", to.host, gai_strerror(error));
    bool is_found = false;
    for (const struct addrinfo *a = found; a && !is_found; a = a->ai_next) is_found = find_facing(a, to.scheme, out);
    freeaddrinfo(found);
    if (!is_found)
        return error_set(TSR_ERR_IO, "there is no way from here to the scheduler's host '%s'; say where to listen", to.host);
    return TSR_OK;
}

/* The first of the schedulers' that there is a way to. */
static tsr_status facing(const char *schedulers, address *out)
{
    const unsigned n = address_list_count(schedulers);
    char one[ADDRESS_TEXT_BYTES];
    tsr_status status = TSR_ERR_IO;
    for (unsigned i = 0; i < n && status != TSR_OK; i++) {
        status = address_list_get(schedulers, i, one, sizeof one);
        if (status == TSR_OK) status = facing_one(one, out);
    }
    return status;
}

tsr_status worker_listen_address(const char *scheduler, const char *wanted, char *out, size_t size)
{
    address a;
    if (wanted) {
        TRY(address_parse(wanted, &a));
    } else {
        TRY(facing(scheduler, &a));
        snprintf(a.port, sizeof a.port, "0");
    }
    address_print(&a, out, size);
    return TSR_OK;
}

tsr_status worker_public_address(const char *scheduler, char *text, size_t size)
{
    address a, mine;
    TRY(address_parse(text, &a));
    if (a.scheme == ADDRESS_UNIX || (strcmp(a.host, "0.0.0.0") != 0 && strcmp(a.host, "::") != 0)) return TSR_OK;
    TRY(facing(scheduler, &mine));
    memcpy(a.host, mine.host, sizeof a.host);
    address_print(&a, text, size);
    return TSR_OK;
}
