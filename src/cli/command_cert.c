/* tessera cert: an authority, made when there is none, and a certificate that it signs. */
#include "cli/commands.h"
#include "cli/service.h"

#include "cluster/cert.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { DAYS = 3650, MAX_HOSTS = 64 };

static tsr_status make_authority(const char *folder, int n_days)
{
    struct stat facts;
    char *path = mem_printf("%s/ca.pem", folder);
    if (!path) return TSR_ERR_MEMORY;
    bool is_there = stat(path, &facts) == 0;
    mem_free(path);
    if (is_there) return TSR_OK;
    TRY(cert_make_authority(folder, "Tessera cluster", n_days));
    printf("%s/ca.pem and %s/ca.key: the authority; keep the key where only you can read it\n", folder, folder);
    return TSR_OK;
}

static tsr_status run(const invocation *call)
{
    char self[256] = "";
    const char *usual[] = {"localhost", "127.0.0.1", "::1", self};
    const char *name = option_text(call, "name"), *const *hosts = call->arguments.items + 1;
    int64_t n_days = DAYS;
    int n_hosts = (int)call->arguments.n - 1;
    TRY(option_int(call, "days", 1, 36500, &n_days));
    if (n_hosts < 0) return error_set(TSR_ERR_VALUE, "a folder is needed: tessera cert DIR [HOST...]");
    if (n_hosts > MAX_HOSTS) return error_set(TSR_ERR_VALUE, "a certificate is for %d hosts at most, not %d", MAX_HOSTS, n_hosts);
    const char *folder = call->arguments.items[0];
    if (n_hosts == 0) {
        if (gethostname(self, sizeof self - 1) != 0) return error_errno(errno, "cannot find out the name of this host");
        hosts = usual;
        n_hosts = self[0] && strcmp(self, "localhost") != 0 ? 4 : 3;
    }
    if (!name) name = call->arguments.n > 1 ? hosts[0] : "tessera";
    if (mkdir(folder, 0700) != 0 && errno != EEXIST) return error_errno(errno, "cannot make the folder '%s'", folder);
    TRY(make_authority(folder, (int)n_days));
    TRY(cert_make(folder, name, hosts, n_hosts, (int)n_days));
    printf("%s/%s.pem and %s/%s.key: for", folder, name, folder, name);
    for (int i = 0; i < n_hosts; i++) printf(" %s", hosts[i]);
    printf("\n");
    return TSR_OK;
}

int command_cert(const invocation *call)
{
    tsr_status status = run(call);
    return status == TSR_OK ? EXIT_DONE : service_complain(call, status);
}
