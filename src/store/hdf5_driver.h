/* libhdf5 on an open descriptor: a file that is made needs no name while it grows. */
#ifndef TESSERA_STORE_HDF5_DRIVER_H
#define TESSERA_STORE_HDF5_DRIVER_H

#include "store/hdf5_lib.h"

#include <stdbool.h>
#if H5_VERSION_GE(1, 13, 0)
#include <H5FDdevelop.h>
#endif

/* Where the library's file lies. The caller's, who keeps it and the descriptor until the library has closed the file. */
typedef struct hdf5_target {
    H5FD_t library;             /* first: the library's part */
    haddr_t allocated, written; /* ends: of what the library has given out, of what it wrote itself */
    int fd;
    bool given_up; /* nothing is written any more, and it all succeeds: the file can be closed, whatever became of the disk */
} hdf5_target;

/* Makes H5Fcreate with this access list write through `target`, whatever name it is given. Inside a section. */
tsr_status hdf5_driver_set(hid_t access, hdf5_target *target) MUST_CHECK;

#endif
