/* A file driver for libhdf5 that reads and writes a descriptor somebody else opened.
 *
 * The library's own driver wants a name, follows it when it is a link, and so cannot be led to a file that has none. This one
 * also knows when a file is given up. That matters at the end: closing writes what the library still holds back, and when that
 * fails, on a full disk, the library (1.10) keeps a broken file in its tables and crashes when the process ends.
 *
 * Everything here is called by the library, inside a section. Other threads write data to other places of the same descriptor
 * meanwhile, so the driver counts only what it wrote itself and never shortens the file below what was allocated. */
#include "store/hdf5_driver.h"

#include "store/fdcache.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

/* The library opens a file that it makes twice, one time after the other: whether it is open already, and to make it. */
static H5FD_t *driver_open(const char *name, unsigned flags, hid_t access, haddr_t most)
{
    hdf5_target *const *info = H5Pget_driver_info(access);
    if (!info) return NULL;
    hdf5_target *target = *info;
    memset(&target->library, 0, sizeof target->library);
    target->allocated = target->written = 0;
    return &target->library;
}

static herr_t driver_close(H5FD_t *file) { return 0; }

static int driver_compare(const H5FD_t *a, const H5FD_t *b)
{
    int x = ((const hdf5_target *)a)->fd, y = ((const hdf5_target *)b)->fd;
    return (x > y) - (x < y);
}

/* As the library's own driver does, but for the handle: it would be taken for a file with a name. */
static herr_t driver_query(const H5FD_t *file, unsigned long *flags)
{
    if (flags)
        *flags = H5FD_FEAT_AGGREGATE_METADATA | H5FD_FEAT_ACCUMULATE_METADATA | H5FD_FEAT_DATA_SIEVE |
                 H5FD_FEAT_AGGREGATE_SMALLDATA | H5FD_FEAT_DEFAULT_VFD_COMPATIBLE;
    return 0;
}

static haddr_t driver_allocated(const H5FD_t *file, H5FD_mem_t type) { return ((const hdf5_target *)file)->allocated; }

static herr_t driver_allocate(H5FD_t *file, H5FD_mem_t type, haddr_t end)
{
    ((hdf5_target *)file)->allocated = end;
    return 0;
}

static haddr_t driver_written(const H5FD_t *file, H5FD_mem_t type) { return ((const hdf5_target *)file)->written; }

static herr_t fail(const char *what)
{
    H5Epush2(H5E_DEFAULT, __FILE__, __func__, __LINE__, H5E_ERR_CLS, H5E_IO, H5E_WRITEERROR, "%s", what);
    return -1;
}

/* What was never written reads as zeros, as in a file with holes. */
static herr_t driver_read(H5FD_t *file, H5FD_mem_t type, hid_t transfer, haddr_t at, size_t n, void *out)
{
    hdf5_target *t = (hdf5_target *)file;
    size_t there = at >= t->written ? 0 : t->written - at < n ? (size_t)(t->written - at) : n;
    memset((char *)out + there, 0, n - there);
    if (t->given_up) memset(out, 0, there);
    if (t->given_up || fd_read_at(t->fd, out, there, (int64_t)at) == TSR_OK) return 0;
    return fail(tsr_error_message());
}

static herr_t driver_write(H5FD_t *file, H5FD_mem_t type, hid_t transfer, haddr_t at, size_t n, const void *data)
{
    hdf5_target *t = (hdf5_target *)file;
    if (!t->given_up && fd_write_at(t->fd, data, n, (int64_t)at) != TSR_OK) return fail(tsr_error_message());
    if (at + n > t->written) t->written = at + n;
    return 0;
}

/* The file gets the length that the library's header says it has. */
static herr_t driver_truncate(H5FD_t *file, hid_t transfer, hbool_t closing)
{
    hdf5_target *t = (hdf5_target *)file;
    if (!t->given_up && ftruncate(t->fd, (off_t)t->allocated) != 0) return fail(strerror(errno));
    t->written = t->allocated;
    return 0;
}

static const H5FD_class_t driver = {
#ifdef H5FD_CLASS_VERSION
    .version = H5FD_CLASS_VERSION,
    .value = (H5FD_class_value_t)0x7e55, /* of the numbers that nobody has registered */
#endif
    .name = "tessera",
    .maxaddr = (haddr_t)INT64_MAX,
    .fc_degree = H5F_CLOSE_STRONG,
    .fapl_size = sizeof(hdf5_target *),
    .open = driver_open,
    .close = driver_close,
    .cmp = driver_compare,
    .query = driver_query,
    .get_eoa = driver_allocated,
    .set_eoa = driver_allocate,
    .get_eof = driver_written,
    .read = driver_read,
    .write = driver_write,
    .truncate = driver_truncate,
    .fl_map = H5FD_FLMAP_DICHOTOMY,
};

tsr_status hdf5_driver_set(hid_t access, hdf5_target *target)
{
    hid_t id = H5FDregister(&driver);
    if (id < 0 || H5Pset_driver(access, id, &target) < 0)
        return hdf5_lib_error(TSR_ERR_MEMORY, "cannot prepare the writing of an HDF5 file");
    H5FDunregister(id); /* the list, and a file opened with it, have references of their own */
    return TSR_OK;
}
