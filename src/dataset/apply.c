/* Elementwise functions of labelled arrays: alignment by name, coordinates, attributes; the arithmetic itself is array/'s. */
#include "base/mem.h"
#include "dataset/align.h"

#include <string.h>

enum { MAX_OPERANDS = 8 };

/* What happens to the attributes that describe the quantity. */
typedef enum unit_rule { UNITS_GO, UNITS_STAY, UNITS_STAY_WITHOUT_SCALARS } unit_rule;

static const struct {
    const char *ufunc;
    unit_rule rule;
} unit_rules[] = {
    {"add", UNITS_STAY_WITHOUT_SCALARS},
    {"subtract", UNITS_STAY_WITHOUT_SCALARS},
    {"hypot", UNITS_STAY_WITHOUT_SCALARS},
    {"remainder", UNITS_STAY},
    {"fmod", UNITS_STAY},
    {"mod", UNITS_STAY},
    {"maximum", UNITS_STAY},
    {"minimum", UNITS_STAY},
    {"fmax", UNITS_STAY},
    {"fmin", UNITS_STAY},
    {"clip", UNITS_STAY},
    {"where", UNITS_STAY},
    {"negative", UNITS_STAY},
    {"positive", UNITS_STAY},
    {"absolute", UNITS_STAY},
    {"abs", UNITS_STAY},
    {"fabs", UNITS_STAY},
    {"floor", UNITS_STAY},
    {"ceil", UNITS_STAY},
    {"trunc", UNITS_STAY},
    {"fix", UNITS_STAY},
    {"rint", UNITS_STAY},
    {"real", UNITS_STAY},
    {"imag", UNITS_STAY},
    {"nan_to_num", UNITS_STAY},
    {"conjugate", UNITS_STAY},
    {"copysign", UNITS_STAY},
    {"nextafter", UNITS_STAY},
};

static unit_rule rule_of(const char *ufunc)
{
    for (size_t i = 0; i < sizeof unit_rules / sizeof *unit_rules; i++)
        if (!strcmp(unit_rules[i].ufunc, ufunc)) return unit_rules[i].rule;
    return UNITS_GO;
}

/* Attributes that say what the numbers are, and are wrong for other numbers. */
static bool describes_quantity(const char *attribute)
{
    static const char *const names[] = {"units",       "standard_name", "long_name",   "valid_min",     "valid_max",
                                        "valid_range", "actual_range",  "calendar",    "cell_methods",  "bounds",
                                        "axis",        "positive",      "flag_values", "flag_meanings", "climatology"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (!strcmp(attribute, names[i])) return true;
    return !strncmp(attribute, "valid_", 6);
}

/* Limits do not survive arithmetic, whatever the units do. */
static bool is_limit(const char *attribute) { return !strncmp(attribute, "valid_", 6) || !strcmp(attribute, "actual_range"); }

/* The attributes all labelled operands agree on. */
static tsr_status merge_attributes(tsr_variable *result, const char *ufunc, int n, tsr_variable *const *operands)
{
    unit_rule rule = rule_of(ufunc);
    bool has_scalar = false;
    const tsr_variable *first = NULL;
    int start = !strcmp(ufunc, "where") ? 1 : 0; /* a condition's attributes say nothing of the result */
    for (int i = start; i < n; i++) {
        if (operands[i]->is_weak)
            has_scalar = true;
        else if (!first)
            first = operands[i];
    }
    if (!first) return TSR_OK;
    bool keeps_units = rule == UNITS_STAY || (rule == UNITS_STAY_WITHOUT_SCALARS && !has_scalar);
    attrs *to;
    TRY(variable_own_attrs(result, &to));
    for (int k = 0; k < first->attrs->n; k++) {
        const store_attr *attr = &first->attrs->items[k];
        bool agreed = keeps_units ? !is_limit(attr->name) : !describes_quantity(attr->name);
        for (int i = start; agreed && i < n; i++) {
            if (operands[i]->is_weak || operands[i] == first) continue;
            const store_attr *other = attrs_find(operands[i]->attrs, attr->name);
            agreed = other && attr_equal(attr, other);
        }
        if (agreed) TRY(attrs_add(to, attr));
    }
    variable_find_time(result);
    return TSR_OK;
}

static const char *common_name(int n, tsr_variable *const *operands)
{
    const char *name = NULL;
    for (int i = 0; i < n; i++) {
        if (operands[i]->is_weak) continue;
        if (name && strcmp(name, operands[i]->name) != 0) return NULL;
        name = operands[i]->name;
    }
    return name;
}

/* The dtype that plain numbers meet: the promoted one of the other operands (without the condition of a select). False if there
 * is none. */
static bool strong_dtype(const char *ufunc, int n, tsr_variable *const *operands, tsr_dtype *dtype)
{
    bool found = false;
    for (int i = !strcmp(ufunc, "where") ? 1 : 0; i < n; i++) {
        if (operands[i]->is_weak) continue;
        *dtype = found ? tsr_dtype_promote(*dtype, operands[i]->dtype) : operands[i]->dtype;
        found = true;
    }
    return found;
}

static tsr_array *operand_array(const tsr_variable *v, bool has_strong, tsr_dtype strong)
{
    if (!v->is_weak || !has_strong) return variable_array(v);
    tsr_array *like = tsr_full(v->session, tsr_int(0), strong, 0, NULL, NULL);
    tsr_array *number = like ? tsr_scalar_like(like, v->scalar) : NULL;
    tsr_release(like);
    return number;
}

static tsr_status check_operands(const char *ufunc, int n, tsr_variable *const *operands)
{
    if (n < 1 || n > MAX_OPERANDS) return error_set(TSR_ERR_VALUE, "%s: %d operands are not possible", ufunc, n);
    for (int i = 1; i < n; i++)
        if (operands[i]->session != operands[0]->session)
            return error_set(TSR_ERR_VALUE, "%s: the operands belong to different sessions", ufunc);
    return TSR_OK;
}

/* Elementwise functions that are no ufuncs to NumPy, but go by the same rules. */
static tsr_array *apply_arrays(const char *ufunc, int n, tsr_array *const *arrays)
{
    if (!strcmp(ufunc, "clip") && n == 3) return tsr_clip(arrays[0], arrays[1], arrays[2]);
    if (!strcmp(ufunc, "isclose") && n == 2) return tsr_isclose(arrays[0], arrays[1], 1e-5, 1e-8, false);
    return tsr_map(ufunc, n, arrays);
}

static tsr_status apply(const char *ufunc, int n, tsr_variable *const *operands, tsr_variable **out)
{
    tsr_variable *result = NULL;
    tsr_array *arrays[MAX_OPERANDS] = {0}, *value = NULL;
    int map[MAX_OPERANDS][TSR_MAX_NDIM] = {{0}};
    alignment a;
    tsr_status status;
    GUARD(check_operands(ufunc, n, operands));
    if (align_dims(n, operands, &a, map) != TSR_OK) GUARD(error_prefix("%s", ufunc));
    tsr_dtype strong = TSR_F64;
    bool has_strong = strong_dtype(ufunc, n, operands, &strong);
    for (int i = 0; i < n; i++) {
        tsr_array *plain = operand_array(operands[i], has_strong, strong);
        arrays[i] = align_array(plain, &a, map[i]);
        tsr_release(plain);
        GUARD(array_status(arrays[i]));
    }
    value = apply_arrays(ufunc, n, arrays);
    GUARD(array_status(value));
    GUARD(variable_new(operands[0]->session, common_name(n, operands), &result));
    for (int d = 0; d < a.ndim; d++) GUARD(variable_add_dim(result, a.dims[d], a.shape[d]));
    variable_take_array(result, node_ref(value));
    if (align_coords(result, n, operands) != TSR_OK) GUARD(error_prefix("%s", ufunc));
    GUARD(merge_attributes(result, ufunc, n, operands));
    *out = result;
    result = NULL;
done:
    variable_unref(result);
    tsr_release(value);
    for (int i = 0; i < n && i < MAX_OPERANDS; i++) tsr_release(arrays[i]);
    return status;
}

tsr_variable *tsr_variable_apply(const char *ufunc, int n, tsr_variable *const *operands)
{
    for (int i = 0; i < n; i++)
        if (!operands[i]) return NULL;
    tsr_variable *out = NULL;
    return variable_result(apply(ufunc, n, operands, &out), &out);
}
