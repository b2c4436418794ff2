/* Libraries of users' functions, for layers that look names up one by one. */
#ifndef TESSERA_ARRAY_UDF_H
#define TESSERA_ARRAY_UDF_H

#include "array/pack.h"
#include "base/error.h"

typedef struct udf_library udf_library;

/* Compiles the C source of a file (or finds it compiled). The session owns the library until it closes. */
tsr_status udf_library_compile(tsr_session *session, const char *path, const char *flags, udf_library **out) MUST_CHECK;
/* The function of that name; false if the source has none. */
bool udf_library_find(const udf_library *u, const char *symbol, tsr_function *out);
/* The dtype that the source says its function's result has (TSR_RESULT); false if it says nothing. */
bool udf_library_dtype(const udf_library *u, const char *symbol, tsr_dtype *out);
/* Compiles C source (or finds it compiled) and loads it; *handle is the caller's to dlclose. `name` is for errors. */
tsr_status udf_source_load(const char *name, const char *source, const char *flags, void **handle) MUST_CHECK;

/* How a function that was compiled from source travels to processes that may run what they are sent: `name` of the packed
 * function is UDF_PACKED then; other functions leave *out as it is. */
#define UDF_PACKED "C source"
tsr_status udf_pack(tsr_session *session, const tsr_function *f, arena *memory, packed_function *out) MUST_CHECK;
/* Compiles it, unless the session has it. */
tsr_status udf_unpack(tsr_session *session, const void *bytes, size_t size, tsr_function *out) MUST_CHECK;

#endif
