/* Every format of stores, for the tables in store.c. */
#ifndef TESSERA_STORE_FORMATS_H
#define TESSERA_STORE_FORMATS_H

#include "store/store.h"

extern const store_ops npy_store_ops;

extern const writer_ops npy_writer_ops;

#endif
