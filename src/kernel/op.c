/* The table of elementwise operations, and NumPy 2's choice of the loop that runs for given operands. */
#include "kernel/op.h"

#include <string.h>

static const op_info infos[OP_COUNT] = {
#define X(name, text, arity, rule) [OP_##name] = {text, arity, rule},
    OP_LIST(X)
#undef X
#define X(name, kernel, ...) [OP_##name] = {#kernel, 3, RULE_SAMPLE},
        SAMPLE_LIST(X)
#undef X
};

/* The dtypes of operations that have their own: three operands and the result. */
static const uint8_t sample_dtypes[OP_COUNT - OP_NAMED_COUNT][4] = {
#define X(name, kernel, a, b, c, result) [OP_##name - OP_NAMED_COUNT] = {TSR_##a, TSR_##b, TSR_##c, TSR_##result},
    SAMPLE_LIST(X)
#undef X
};

const op_info *op_info_of(op_code op) { return &infos[op]; }

op_code op_find(const char *name)
{
    for (int i = 0; i < OP_NAMED_COUNT; i++) {
        if (strcmp(infos[i].name, name) == 0) return (op_code)i;
    }
    return OP_COUNT;
}

static tsr_status no_loop(op_code op, const tsr_dtype *operands)
{
    if (infos[op].arity == 1)
        return error_set(TSR_ERR_TYPE, "%s: not defined for %s", infos[op].name, tsr_dtype_name(operands[0]));
    return error_set(TSR_ERR_TYPE, "%s: not defined for %s and %s", infos[op].name, tsr_dtype_name(operands[0]),
                     tsr_dtype_name(operands[1]));
}

/* Operations of the numeric families that have no complex loop. */
static bool real_only(op_code op) { return op == OP_FLOOR_DIVIDE || op == OP_REMAINDER || op == OP_FMOD; }
/* Operations of the integer family that have no bool loop. */
static bool integers_only(op_code op) { return op == OP_GCD || op == OP_LCM; }

/* The float dtype that both operands can be cast to. It may be smaller than the promoted dtype's: int8 and uint16 meet in int32,
 * but each is exact in float32. */
static tsr_dtype inexact_of_all(const tsr_dtype *operands, int n)
{
    tsr_dtype t = dtype_inexact(operands[0]);
    for (int i = 1; i < n; i++) t = tsr_dtype_promote(t, dtype_inexact(operands[i]));
    return t;
}

tsr_status op_resolve(op_code op, const tsr_dtype *operands, tsr_dtype *loops, tsr_dtype *result)
{
    int n = infos[op].arity;
    tsr_dtype t = operands[n == 3 ? 1 : 0];
    if (n >= 2) t = tsr_dtype_promote(t, operands[n - 1]);
    for (int i = 0; i < n; i++) loops[i] = t;
    *result = t;
    switch (infos[op].rule) {
    case RULE_NUMERIC:
        if (op == OP_CONJUGATE && t == TSR_BOOL) t = TSR_I8;
        break;
    case RULE_NOT_BOOL:
        if (t == TSR_BOOL) return no_loop(op, operands);
        break;
    case RULE_ARITH_INT:
        if (t == TSR_BOOL) t = TSR_I8;
        if (real_only(op) && dtype_is_complex(t)) return no_loop(op, operands);
        break;
    case RULE_REAL:
        if (dtype_is_complex(t)) return no_loop(op, operands);
        break;
    case RULE_INEXACT: t = inexact_of_all(operands, n); break;
    case RULE_FLOAT:
        if (dtype_is_complex(t)) return no_loop(op, operands);
        t = inexact_of_all(operands, n);
        break;
    case RULE_DIVIDE:
        if (op == OP_I0 && dtype_is_complex(t)) return no_loop(op, operands);
        t = dtype_is_inexact(t) ? t : TSR_F64;
        break;
    case RULE_COUNT:
        if (dtype_is_inexact(t)) return no_loop(op, operands);
        loops[0] = t == TSR_BOOL ? TSR_I8 : t;
        *result = TSR_U8;
        return TSR_OK;
    case RULE_PAIR:
        if (dtype_is_complex(t)) return no_loop(op, operands);
        loops[0] = loops[1] = dtype_is_inexact(t) ? t : TSR_F64;
        *result = dtype_complex(loops[0]);
        return TSR_OK;
    case RULE_INTEGER:
        if (dtype_is_inexact(t) || (t == TSR_BOOL && integers_only(op))) return no_loop(op, operands);
        break;
    case RULE_SHIFT:
        if (dtype_is_inexact(t)) return no_loop(op, operands);
        if (t == TSR_BOOL) t = TSR_I8;
        break;
    case RULE_COMPARE:
    case RULE_ORDER:
    case RULE_TEST:
        if (op == OP_SIGNBIT) {
            if (dtype_is_complex(t)) return no_loop(op, operands);
            loops[0] = dtype_inexact(t);
        }
        *result = TSR_BOOL;
        return TSR_OK;
    case RULE_PART: *result = dtype_real(t); return TSR_OK;
    case RULE_LDEXP:
        if (dtype_is_complex(operands[0]) || dtype_is_inexact(operands[1]) || operands[1] == TSR_U64)
            return no_loop(op, operands);
        loops[0] = *result = dtype_inexact(operands[0]);
        loops[1] = TSR_I64;
        return TSR_OK;
    case RULE_EXPONENT:
        if (dtype_is_complex(t)) return no_loop(op, operands);
        loops[0] = dtype_inexact(t);
        *result = TSR_I32;
        return TSR_OK;
    case RULE_SELECT: loops[0] = TSR_BOOL; return TSR_OK;
    case RULE_SAMPLE:
        for (int i = 0; i < n; i++) loops[i] = (tsr_dtype)sample_dtypes[op - OP_NAMED_COUNT][i];
        *result = (tsr_dtype)sample_dtypes[op - OP_NAMED_COUNT][n];
        return TSR_OK;
    }
    for (int i = 0; i < n; i++) loops[i] = t;
    *result = t;
    return TSR_OK;
}

tsr_dtype op_kernel_dtype(op_code op, const tsr_dtype *loops) { return op == OP_LDEXP ? loops[0] : loops[infos[op].arity - 1]; }

static tsr_dtype widened(tsr_dtype dtype)
{
    return dtype_is_inexact(dtype) ? dtype : dtype_is_unsigned(dtype) ? TSR_U64 : TSR_I64;
}

tsr_status op_fold_dtype(op_code op, tsr_dtype dtype, const tsr_dtype *asked, tsr_dtype *out)
{
    const bool is_logical = op == OP_LOGICAL_AND || op == OP_LOGICAL_OR || op == OP_LOGICAL_XOR;
    tsr_dtype from = asked ? *asked : is_logical ? TSR_BOOL : op == OP_ADD || op == OP_MULTIPLY ? widened(dtype) : dtype;
    tsr_dtype operands[2] = {from, op == OP_LDEXP && asked ? TSR_I64 : from}, loops[2], result;
    TRY(op_resolve(op, operands, loops, &result));
    if (result != loops[0] || (asked && result != *asked) || (loops[1] != result && op != OP_LDEXP))
        return error_set(TSR_ERR_TYPE, "%s: no loop takes %s%s and gives it again", infos[op].name, tsr_dtype_name(from),
                         asked ? ", the dtype asked for," : "");
    if (op == OP_LDEXP && dtype_is_inexact(dtype)) return no_loop(op, (tsr_dtype[]){dtype, dtype});
    *out = result;
    return TSR_OK;
}
