/* Attributes: reference-counted lists that never change once shared. */
#ifndef TESSERA_DATASET_ATTRS_H
#define TESSERA_DATASET_ATTRS_H

#include "store/store.h"

typedef struct attrs {
    atomic_int refs;
    int n, capacity;
    store_attr *items;
} attrs;

/* A copy of `n` attributes, with one reference. */
tsr_status attrs_new(int n, const store_attr *items, attrs **out) MUST_CHECK;
attrs *attrs_ref(attrs *a);
void attrs_unref(attrs *a);

/* NULL if there is none. */
const store_attr *attrs_find(const attrs *a, const char *name);
const char *attrs_text(const attrs *a, const char *name);
bool attrs_number(const attrs *a, const char *name, double *value);
/* The number of a store attribute; text that is a number counts. False otherwise. */
bool attr_number(const store_attr *attr, double *value);

/* Changing, only while the list is not shared yet. */
tsr_status attrs_set_text(attrs *a, const char *name, const char *text) MUST_CHECK;
tsr_status attrs_add(attrs *a, const store_attr *attr) MUST_CHECK;
void attrs_remove(attrs *a, const char *name);
bool attr_equal(const store_attr *a, const store_attr *b);

#endif
