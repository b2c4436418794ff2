/* libhdf5, which is not thread-safe: the process's one lock around it, its errors as ours, its types as dtypes. */
#ifndef TESSERA_STORE_HDF5_LIB_H
#define TESSERA_STORE_HDF5_LIB_H

#include "base/error.h"
#include "store/store.h"

#include <hdf5.h>

/* What hdf5_lib_leave puts back. */
typedef struct hdf5_section {
    H5E_auto2_t print;
    void *context;
} hdf5_section;

/* Every call into libhdf5 happens between these two. Between them the library prints no errors. Not recursive. If entering fails,
 * because there is no such library, nothing is to be left. */
tsr_status hdf5_lib_enter(hdf5_section *s) MUST_CHECK;
void hdf5_lib_leave(hdf5_section *s);
/* For a program: nothing of the library runs at exit (it crashes there after a file that could not be completed, and complains
 * after one that was damaged). Before any other use of the library; whoever else uses it in this process has to close files. */
void hdf5_lib_leave_alone_at_exit(void);
/* Records "<what>: <the library's innermost reason>" and empties the library's error stack. Inside a section. */
tsr_status hdf5_lib_error(tsr_status code, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Opens a file for reading so that closing it closes all that was opened in it. TSR_ERR_FORMAT. Inside a section. */
tsr_status hdf5_lib_open(const char *path, hid_t *file) MUST_CHECK;

typedef enum hdf5_type_kind { HDF5_NUMERIC, HDF5_TEXT, HDF5_OTHER } hdf5_type_kind;

typedef struct hdf5_type {
    hdf5_type_kind kind;
    tsr_dtype dtype; /* for text: u8 */
    bool swapped;
    bool exact;       /* the bytes in the file are the dtype's own (swapped or not); else only the library can convert them */
    const char *what; /* of HDF5_OTHER: "compound" */
} hdf5_type;

/* Inside a section. */
hdf5_type hdf5_type_describe(hid_t type);
/* The library's type for a dtype in memory (in the other byte order if swapped), to be closed; negative on failure.
 * bool is one signed byte, complex a compound {r, i}. Inside a section. */
hid_t hdf5_type_make(tsr_dtype dtype, bool swapped);

#endif
