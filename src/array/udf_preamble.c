/* The declarations before the source of a user's function. They repeat tessera.h in text; the numbers and the layout are checked,
 * here and by the compiler of the source. */
#include "array/udf_preamble.h"

#include "tessera.h"

#include <assert.h>

static_assert(TSR_ERR_INTERNAL == 11 && TSR_C128 == 12 && TSR_MAX_NDIM == 16, "the preamble repeats these");

const char udf_preamble[] =
    "#ifndef TESSERA_H\n"
    "#define TESSERA_H\n"
    "#include <stdbool.h>\n"
    "#include <stddef.h>\n"
    "#include <stdint.h>\n"
    "typedef enum tsr_status {\n"
    "    TSR_OK, TSR_ERR_VALUE, TSR_ERR_TYPE, TSR_ERR_INDEX, TSR_ERR_MEMORY, TSR_ERR_IO, TSR_ERR_FORMAT, TSR_ERR_NOT_FOUND,\n"
    "    TSR_ERR_UNSUPPORTED, TSR_ERR_CANCELLED, TSR_ERR_SYNTAX, TSR_ERR_INTERNAL\n"
    "} tsr_status;\n"
    "typedef enum tsr_dtype {\n"
    "    TSR_BOOL, TSR_I8, TSR_I16, TSR_I32, TSR_I64, TSR_U8, TSR_U16, TSR_U32, TSR_U64, TSR_F32, TSR_F64, TSR_C64, TSR_C128\n"
    "} tsr_dtype;\n"
    "enum { TSR_MAX_NDIM = 16 };\n"
    "typedef struct tsr_block {\n"
    "    void *data;\n"
    "    tsr_dtype dtype;\n"
    "    int ndim;\n"
    "    const int64_t *shape, *strides, *start, *index, *n_blocks, *array_shape;\n"
    "} tsr_block;\n"
    "_Static_assert(sizeof(tsr_block) == TSR_BLOCK_BYTES, \"another layout of tsr_block\");\n"
    "/* Set when the function is loaded. */\n"
    "__attribute__((visibility(\"default\"))) tsr_status (*tsr_fail)(tsr_status status, const char *reason);\n"
    "/* Elements of a block. */\n"
    "static inline int64_t tsr_block_size(const tsr_block *block)\n"
    "{\n"
    "    int64_t n = 1;\n"
    "    for (int d = 0; d < block->ndim; d++) n *= block->shape[d];\n"
    "    return n;\n"
    "}\n"
    "/* What `tessera eval` makes of name(x) when it is not told: the dtype of the result. */\n"
    "#define TSR_RESULT(name, dtype) const int name##_dtype = dtype\n"
    "#endif\n";
