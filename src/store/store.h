/* Stores: files of arrays. One file per format implements store_ops (reading) and writer_ops (writing); store.c holds the
 * table of formats. Nothing here knows about expressions, dimensions' meaning or CF: that is dataset/. */
#ifndef TESSERA_STORE_STORE_H
#define TESSERA_STORE_STORE_H

#include "base/error.h"
#include "block/shape.h"
#include "tessera.h"

#include <stdatomic.h>

/* An attribute: text (dtype ignored, text != NULL) or numbers in native byte order. */
typedef struct store_attr {
    char *name;
    char *text; /* NULL when numeric */
    tsr_dtype dtype;
    int64_t n_values;
    void *values;
} store_attr;

typedef struct store_dim {
    char *name;
    int64_t length;
    bool is_unlimited;
} store_dim;

typedef struct store_var {
    char *name;
    tsr_dtype dtype;
    bool is_text; /* characters or strings: listed by `info`, not readable as an array */
    bool swapped; /* read() gives values in the other byte order; the fused program swaps them */
    int ndim;
    int dims[TSR_MAX_NDIM]; /* indices into store.dims */
    int64_t shape[TSR_MAX_NDIM];
    int64_t chunk[TSR_MAX_NDIM]; /* the file's own chunks; the shape itself where the layout is contiguous */
    bool is_chunked;             /* reading a part of a chunk costs the whole chunk (compressed) */
    char *compression;           /* "deflate 4, shuffle"; NULL when none */
    int64_t stored_bytes;        /* in the file; -1 when unknown */
    int n_attrs;
    store_attr *attrs;
    void *format_data; /* owned by the format */
} store_var;

typedef struct store store;
struct cached_file;

typedef struct store_ops {
    const char *name; /* "NetCDF-3", as `info` prints it */
    /* Several such files become one array along a new dimension of this name (store/stack.h); NULL: they are joined along one
     * they have. */
    const char *stack_dim;
    /* Does a file that begins with these bytes (up to 512) belong to this format? Any thread, no side effects. */
    bool (*probe)(const unsigned char *head, size_t n, const char *path);
    /* Reads the metadata into s (path and file are set). On failure nothing is left behind: the caller calls close and frees
     * dims, vars and attrs, as many as their counts say. One thread. */
    tsr_status (*open)(store *s);
    /* Reads a strided region of a variable into `out`, dense C order, file byte order if var->swapped. Called from many
     * threads at once, may block on disk; start + (count-1)*step is inside the shape, steps are >= 1, counts >= 1.
     * Adds the bytes read from the file to *bytes_read. */
    tsr_status (*read)(store *s, const store_var *var, const box *region, const int64_t *step, void *out, int64_t *bytes_read);
    /* Releases format_data of the store and of its variables. Called also after a failed open, whatever is NULL then. */
    void (*close)(store *s);
} store_ops;

struct store {
    const store_ops *ops;
    char *path;
    struct cached_file *file; /* open for reading before ops->open is called: store/fdcache.h */
    char *variant;            /* "64-bit offset", "classic model"; may be NULL */
    atomic_int refs;
    int n_dims, n_vars, n_attrs;
    store_dim *dims;
    store_var *vars;
    store_attr *attrs;
    void *format_data;
};

/* Opens a file by its content. TSR_ERR_IO, TSR_ERR_FORMAT. The text always begins with the path. */
tsr_status store_open(const char *path, store **out) MUST_CHECK;
store *store_ref(store *s);
void store_unref(store *s);
/* The variable of that name, or NULL. */
const store_var *store_find(const store *s, const char *name);
const store_attr *store_var_attr(const store_var *var, const char *name);
/* Checks the bounds and reads (store_ops.read). step may be NULL (all ones) and so may bytes_read. TSR_ERR_TYPE for text. */
tsr_status store_read(store *s, const store_var *var, const box *region, const int64_t *step, void *out,
                      int64_t *bytes_read) MUST_CHECK;

/* ---- Writing ----------------------------------------------------------------------------------------------------- */

/* What a file will hold. The arrays are borrowed for the duration of store_create. */
typedef struct store_schema {
    int n_dims, n_vars, n_attrs;
    const store_dim *dims;
    const store_var *vars; /* name, dtype, ndim, dims, shape, chunk (0 = let the format choose), attrs */
    const store_attr *attrs;
    int deflate_level; /* 0..9, HDF5 only */
    bool shuffle;
} store_schema;

/* An array that lies in a file without chunks: layout.h reads and writes regions of it. */
typedef struct file_layout {
    int64_t begin; /* the byte of element (0, 0, ...) */
    size_t item_bytes;
    int ndim;
    int64_t strides[TSR_MAX_NDIM]; /* C order: a stride is at least as long as what the dimensions after it span */
} file_layout;

/* Where a variable without chunks lies in the file that grows: any process that sees the file can write regions of it. */
typedef struct store_place {
    file_layout layout;
    bool swap; /* the bytes of each item are reversed in the file */
} store_place;

typedef struct store_writer store_writer;
typedef struct writer_ops {
    const char *name;       /* "nc", as --format accepts it */
    const char *extensions; /* ".nc .cdf", separated by blanks */
    bool deflates;          /* it heeds the schema's deflate_level */
    /* Opens `temporary`, which exists and is empty, and writes its header. */
    tsr_status (*create)(store_writer *w, const store_schema *schema);
    /* Writes a dense C-order native-endian block. Called from many threads at once, on regions that do not overlap;
     * for chunked formats a region covers whole chunks (or ends at the array's edge). */
    tsr_status (*write)(store_writer *w, int var, const box *region, const void *data);
    /* Where the variable lies; false: regions go through `write` only. May be NULL. */
    bool (*place)(store_writer *w, int var, store_place *out);
    /* Flushes and closes; the caller renames. */
    tsr_status (*finish)(store_writer *w);
    /* Closes whatever is open. Called after finish as well as after a failure. */
    void (*close)(store_writer *w);
} writer_ops;

struct store_writer {
    const writer_ops *ops;
    char *path, *temporary; /* the file is opened by the name `temporary` */
    char *hidden;           /* its name, beside the final one, while it has that one not yet */
    int unnamed;            /* a file that has no name before it is finished, so that nothing can stay behind; -1 */
    bool is_exposed;        /* an unnamed file got its hidden name already */
    atomic_bool given_up;   /* the file will be aborted: a write may end early, with TSR_ERR_CANCELLED */
    atomic_bool in_hurry;   /* and somebody waits for nothing but that */
    int n_vars;
    /* Per variable: what the format decided. The chunk grid that write() must be called on; contiguous formats set the shape. */
    store_var *vars;
    void *format_data;
};

/* Begins a file; the format comes from `format` ("nc", "nc4", "npy", ...) or, when NULL, from the path's extension. */
tsr_status store_create(const char *path, const char *format, const store_schema *schema, store_writer **out) MUST_CHECK;
tsr_status store_write(store_writer *w, int var, const box *region, const void *data) MUST_CHECK;
/* For other processes to write parts of the variable: where it lies, and the absolute name that the growing file has from now on.
 * False: there is no such place, or no such name. */
bool store_expose(store_writer *w, int var, store_place *place, char **path, uint64_t *inode);
/* Makes the file appear under its name, whole. Frees the writer, also on failure. */
tsr_status store_finish(store_writer *w) MUST_CHECK;
/* The file will not be finished, for the reason `why`: writes that go on in other threads end soon, with an error. store_abort is
 * still to come. It does not wait until the system has its disk space back if the reason is TSR_ERR_CANCELLED; otherwise it does,
 * as the disk may be full. */
void store_give_up(store_writer *w, tsr_status why);
/* Throws the unfinished file away and frees the writer. NULL is fine. */
void store_abort(store_writer *w);

#endif
