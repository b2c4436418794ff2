/* See place.h. The file is the client's, who renames it when it is whole; here it is only opened, never made. Regions of
 * different blocks do not overlap, so threads write at once; the lock guards opening and closing. */
#include "cluster/place.h"

#include "base/mem.h"
#include "store/layout.h"

#include <fcntl.h>
#include <pthread.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct file_place {
    char *path;
    uint64_t inode;
    file_layout layout;
    bool swap;
    pthread_mutex_t lock;
    int fd;         /* -1: not open */
    bool is_absent; /* it could not be opened: not tried again */
    int n_writing;
};

static bool is_sane(const Tessera__Cluster__FilePlace *said, const stage_output *o)
{
    int64_t end;
    if (said->path[0] != '/' || said->n_strides != (size_t)o->ndim || said->item_bytes != tsr_dtype_size(o->dtype)) return false;
    if (said->begin > INT64_MAX) return false;
    end = (int64_t)said->begin;
    for (int d = 0; d < o->ndim; d++) {
        int64_t span;
        if (said->strides[d] < (int64_t)said->item_bytes || __builtin_mul_overflow(said->strides[d], o->shape[d], &span) ||
            __builtin_add_overflow(end, span, &end))
            return false;
    }
    return true;
}

tsr_status file_place_new(const Tessera__Cluster__FilePlace *said, const stage_output *o, file_place **out)
{
    *out = NULL;
    if (!is_sane(said, o)) return error_set(TSR_ERR_VALUE, "there is no such place in a file");
    file_place *p = mem_calloc(1, sizeof *p);
    if (!p) return TSR_ERR_MEMORY;
    *p = (file_place){.inode = said->inode, .swap = said->swap, .fd = -1, .path = mem_strdup(said->path)};
    p->layout = (file_layout){.begin = (int64_t)said->begin, .item_bytes = said->item_bytes, .ndim = o->ndim};
    for (int d = 0; d < o->ndim; d++) p->layout.strides[d] = said->strides[d];
    pthread_mutex_init(&p->lock, NULL);
    if (!p->path) {
        file_place_free(p);
        return TSR_ERR_MEMORY;
    }
    *out = p;
    return TSR_OK;
}

static void open_file(file_place *p)
{
    struct stat info;
    p->fd = open(p->path, O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
    if (p->fd >= 0 && fstat(p->fd, &info) == 0 && S_ISREG(info.st_mode) && (uint64_t)info.st_ino == p->inode) return;
    if (p->fd >= 0) close(p->fd);
    p->fd = -1;
    p->is_absent = true;
}

bool file_place_write(file_place *p, const box *part, const void *data)
{
    pthread_mutex_lock(&p->lock);
    if (p->fd < 0 && !p->is_absent) open_file(p);
    const int fd = p->fd;
    p->n_writing += fd >= 0;
    pthread_mutex_unlock(&p->lock);
    if (fd < 0) return false;
    const tsr_status status = file_layout_write(fd, &p->layout, part, data, p->swap);
    pthread_mutex_lock(&p->lock);
    p->n_writing--;
    pthread_mutex_unlock(&p->lock);
    return status == TSR_OK;
}

void file_place_close(file_place *p)
{
    pthread_mutex_lock(&p->lock);
    if (p->fd >= 0 && p->n_writing == 0) {
        close(p->fd);
        p->fd = -1;
    }
    pthread_mutex_unlock(&p->lock);
}

void file_place_free(file_place *p)
{
    if (!p) return;
    if (p->fd >= 0) close(p->fd);
    pthread_mutex_destroy(&p->lock);
    mem_free(p->path);
    mem_free(p);
}
