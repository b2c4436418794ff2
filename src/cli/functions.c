/* Functions of the language: finding them, matching arguments with parameters, reading arguments. The tables are in fn_*.c; what
 * tsr_map knows (sin, add, where ...) needs no line there. Stateless. */
#include "cli/eval.h"

#include "cli/command.h"

#include <stdio.h>
#include <string.h>

/* ---- Elementwise functions of the library ------------------------------------------------------------------------ */

static int map_arity(const char *name)
{
    int n;
    const char *known;
    for (int i = 0; (known = tsr_map_name(i, &n)); i++)
        if (strcmp(known, name) == 0) return n;
    return 0;
}

static tsr_status run_map(fn_call *c, value *out)
{
    tsr_variable *operands[3];
    int n = map_arity(c->name);
    for (int i = 0; i < n; i++) TRY(arg_variable(c, i, &operands[i]));
    return value_apply(c->name, n, operands, out);
}

static const function map_function = {"elementwise", "x", "", run_map};

static const function *const tables[] = {math_functions, reduce_functions, numeric_functions, place_functions, shape_functions,
                                         part_functions, select_functions, create_functions,  random_functions};
enum { N_TABLES = sizeof tables / sizeof *tables };

const function *function_find(const char *name)
{
    for (int t = 0; t < N_TABLES; t++)
        for (const function *f = tables[t]; f->name; f++)
            if (strcmp(f->name, name) == 0) return f;
    return map_arity(name) ? &map_function : NULL;
}

void functions_consider(nearest *n)
{
    const char *name;
    for (int t = 0; t < N_TABLES; t++)
        for (const function *f = tables[t]; f->name; f++) nearest_consider(n, f->name);
    for (int i = 0; (name = tsr_map_name(i, NULL)); i++) nearest_consider(n, name);
}

static void help_line(strbuf *out, bool roff, const char *name, const char *parameters, const char *help)
{
    if (roff)
        strbuf_printf(out, ".TP\n\\fB%s\\fR(%s)\n%s\n", name, parameters, help);
    else
        strbuf_printf(out, "  %s(%s)\n      %s\n", name, parameters, help);
}

void functions_help(strbuf *out, bool roff)
{
    static const char *const titles[] = {"Elementwise",
                                         "Reductions and statistics",
                                         "Products, searches, what runs along a dimension",
                                         "Masks and places",
                                         "Shapes and structure",
                                         "Comparing, cutting, several results",
                                         "Names, labels and groups",
                                         "Making arrays",
                                         "Random numbers"};
    static const char *const letters[] = {"", "x", "x, y", "x, y, z"};
    for (int t = 0; t < N_TABLES; t++) {
        strbuf_printf(out, roff ? ".SS \"%s\"\n" : "%s\n", titles[t]);
        for (const function *f = tables[t]; f->name; f++) help_line(out, roff, f->name, f->parameters, f->help);
        if (t > 0) continue;
        int n;
        const char *name;
        for (n = 1; n <= 3; n++) {
            int arity, column = 0;
            strbuf_printf(out, roff ? ".PP\nOf %d array%s (%s):\n" : "  of %d array%s (%s):\n", n, n > 1 ? "s" : "", letters[n]);
            for (int i = 0; (name = tsr_map_name(i, &arity)); i++) {
                if (arity != n) continue;
                if (column + strlen(name) > 84) {
                    strbuf_add(out, "\n");
                    column = 0;
                }
                strbuf_printf(out, "%s%s", column == 0 && !roff ? "      " : column ? " " : "", name);
                column += (int)strlen(name) + 1;
            }
            strbuf_add(out, "\n");
        }
    }
}

bool function_help(const char *name, strbuf *out)
{
    static const char *const letters[] = {"", "x", "x, y", "x, y, z"};
    const function *f = function_find(name);
    if (!f) return false;
    if (f == &map_function)
        strbuf_printf(out, "  %s(%s)\n      of each element, as in NumPy\n", name, letters[map_arity(name)]);
    else
        help_line(out, false, f->name, f->parameters, f->help);
    return true;
}

/* ---- Matching arguments ------------------------------------------------------------------------------------------ */

/* The i-th parameter of "x, axis|dim=None, ...": its names and whether it has a default. False past the end. */
static bool parameter_at(const char *parameters, int i, const char **start, size_t *n, bool *has_default)
{
    const char *p = parameters;
    for (int k = 0; *p; k++) {
        /* Commas inside parentheses belong to a default. */
        size_t length = 0;
        int depth = 0;
        while (p[length] && (p[length] != ',' || depth > 0)) {
            depth += (p[length] == '(') - (p[length] == ')');
            length++;
        }
        if (k == i) {
            size_t name = strcspn(p, "=,");
            *start = p;
            *n = name < length ? name : length;
            *has_default = name < length;
            return true;
        }
        p += length;
        while (*p == ',' || *p == ' ') p++;
    }
    return false;
}

static bool is_open(const char *start, size_t n) { return n == 3 && memcmp(start, "...", 3) == 0; }

/* Is `name` one of the names "axis|dim"? */
static bool name_matches(const char *start, size_t n, const char *name)
{
    size_t length = strlen(name);
    for (size_t at = 0; at < n;) {
        size_t part = 0;
        while (at + part < n && start[at + part] != '|') part++;
        if (part == length && memcmp(start + at, name, part) == 0) return true;
        at += part + 1;
    }
    return false;
}

static int find_parameter(const function *f, const char *name, bool *takes_any)
{
    const char *start;
    size_t n;
    bool has_default;
    int found = -1;
    *takes_any = false;
    for (int i = 0; parameter_at(f->parameters, i, &start, &n, &has_default); i++) {
        if (is_open(start, n)) *takes_any = true;
        if (found < 0 && name_matches(start, n, name)) found = i;
    }
    return found;
}

static tsr_status unknown_keyword(const fn_call *c, const ast *keyword)
{
    nearest best = nearest_start(keyword->text);
    char names[MAX_PARAMETERS][32], hint[96];
    const char *start;
    size_t n;
    bool has_default;
    for (int i = 0; i < MAX_PARAMETERS && parameter_at(c->f->parameters, i, &start, &n, &has_default); i++) {
        snprintf(names[i], sizeof names[i], "%.*s", (int)n, start);
        for (char *rest = names[i], *name; (name = strtok_r(rest, "| ", &rest));) nearest_consider(&best, name);
    }
    nearest_hint(&best, hint, sizeof hint);
    return error_set(TSR_ERR_VALUE, "%s has no argument '%s'%s (%s(%s))", c->name, keyword->text, hint[0] ? hint : ";", c->name,
                     c->f->parameters);
}

static tsr_status match_keyword(fn_call *c, const ast *argument)
{
    bool takes_any;
    int i = find_parameter(c->f, argument->text, &takes_any);
    if (i <= 0 && takes_any) { /* a dimension may be called x: the array itself goes by position */
        c->rest[c->n_rest++] = argument;
        return TSR_OK;
    }
    if (i < 0) return fail_here(c->e, argument->token_at, unknown_keyword(c, argument));
    if (c->given[i] || (i == 0 && c->has_receiver))
        return fail_here(c->e, argument->token_at, error_set(TSR_ERR_VALUE, "%s: '%s' is given twice", c->name, argument->text));
    c->given[i] = argument->items[0];
    return TSR_OK;
}

static tsr_status match_arguments(fn_call *c)
{
    const char *start;
    size_t n;
    bool has_default;
    int next = c->has_receiver;
    for (int k = 1; k < c->node->n_items; k++) {
        const ast *argument = c->node->items[k];
        if (argument->kind == AST_KEYWORD) {
            TRY(match_keyword(c, argument));
            continue;
        }
        if (next >= MAX_PARAMETERS || !parameter_at(c->f->parameters, next, &start, &n, &has_default) || is_open(start, n))
            return fail_here(c->e, argument->at,
                             error_set(TSR_ERR_VALUE, "%s takes at most %d argument%s: %s(%s)", c->name, next,
                                       next == 1 ? "" : "s", c->name, c->f->parameters));
        c->given[next++] = argument;
    }
    for (int i = c->has_receiver; i < MAX_PARAMETERS && parameter_at(c->f->parameters, i, &start, &n, &has_default); i++)
        if (!c->given[i] && !has_default && !is_open(start, n))
            return fail_here(c->e, c->node->at,
                             error_set(TSR_ERR_VALUE, "%s needs an argument '%.*s': %s(%s)", c->name, (int)n, start, c->name,
                                       c->f->parameters));
    return TSR_OK;
}

tsr_status function_call(evaluator *e, const function *f, const char *name, const ast *node, const value *receiver, value *out)
{
    static const char *const parameters[] = {"x", "x", "x, y", "x, y, z"};
    const function by_name = {name, parameters[map_arity(name)], "", run_map};
    if (f == &map_function) f = &by_name;
    fn_call c = {.e = e, .f = f, .name = name, .node = node, .has_receiver = receiver != NULL};
    if (receiver) c.receiver = *receiver;
    c.rest = ARENA_ARRAY(&e->memory, const ast *, node->n_items);
    if (!c.rest) return TSR_ERR_MEMORY;
    tsr_status status = match_arguments(&c);
    if (status == TSR_OK) status = f->run(&c, out);
    return fail_here(e, node->at, status);
}

/* ---- Reading arguments ------------------------------------------------------------------------------------------- */

span arg_place(const fn_call *c, int i) { return c->given[i] ? c->given[i]->at : c->node->at; }

tsr_status arg_value(fn_call *c, int i, value *out)
{
    if (i == 0 && c->has_receiver) {
        *out = c->receiver;
        return TSR_OK;
    }
    if (!c->given[i]) {
        *out = (value){0};
        return TSR_OK;
    }
    return evaluate(c->e, c->given[i], out);
}

bool arg_given(const fn_call *c, int i)
{
    if (i == 0 && c->has_receiver) return true;
    return c->given[i] && !(c->given[i]->kind == AST_NAME && strcmp(c->given[i]->text, "None") == 0);
}

tsr_status arg_variable(fn_call *c, int i, tsr_variable **out)
{
    value v;
    TRY(arg_value(c, i, &v));
    return fail_here(c->e, arg_place(c, i), value_to_variable(c->e, &v, out));
}

tsr_status arg_array(fn_call *c, int i, tsr_array **out)
{
    value v;
    TRY(arg_value(c, i, &v));
    return fail_here(c->e, arg_place(c, i), value_to_array(c->e, &v, out));
}

tsr_status arg_int(fn_call *c, int i, int64_t *out)
{
    value v;
    if (!arg_given(c, i)) return TSR_OK;
    TRY(arg_value(c, i, &v));
    return fail_here(c->e, arg_place(c, i), value_to_int(c->e, &v, out));
}

tsr_status arg_double(fn_call *c, int i, double *out)
{
    value v;
    if (!arg_given(c, i)) return TSR_OK;
    TRY(arg_value(c, i, &v));
    return fail_here(c->e, arg_place(c, i), value_to_double(c->e, &v, out));
}

tsr_status arg_bool(fn_call *c, int i, bool *out)
{
    value v;
    if (!arg_given(c, i)) return TSR_OK;
    TRY(arg_value(c, i, &v));
    if (v.kind != VALUE_NUMBER || !number_is_integer(v.number))
        return fail_here(c->e, arg_place(c, i),
                         error_set(TSR_ERR_TYPE, "True or False is needed here, found %s", value_words(&v)));
    *out = number_int(v.number) != 0;
    return TSR_OK;
}

tsr_status arg_text(fn_call *c, int i, const char **out)
{
    value v;
    if (!arg_given(c, i)) return TSR_OK;
    TRY(arg_value(c, i, &v));
    if (v.kind != VALUE_STRING)
        return fail_here(c->e, arg_place(c, i),
                         error_set(TSR_ERR_TYPE, "a string in quotes is needed here, found %s", value_words(&v)));
    *out = v.text;
    return TSR_OK;
}

tsr_status arg_dtype(fn_call *c, int i, tsr_dtype *out)
{
    value v;
    if (!arg_given(c, i)) return TSR_OK;
    TRY(arg_value(c, i, &v));
    if (v.kind == VALUE_DTYPE) {
        *out = v.number.dtype;
        return TSR_OK;
    }
    if (v.kind != VALUE_STRING)
        return fail_here(c->e, arg_place(c, i),
                         error_set(TSR_ERR_TYPE, "a dtype such as float32 is needed here, found %s", value_words(&v)));
    return fail_here(c->e, arg_place(c, i), tsr_dtype_parse(v.text, out));
}

tsr_status arg_ints(fn_call *c, int i, int capacity, int *n, int64_t *out)
{
    value v;
    *n = 0;
    if (!arg_given(c, i)) return TSR_OK;
    TRY(arg_value(c, i, &v));
    if (v.kind != VALUE_LIST) {
        *n = 1;
        return fail_here(c->e, arg_place(c, i), value_to_int(c->e, &v, out));
    }
    if (v.n_items > capacity)
        return fail_here(c->e, arg_place(c, i),
                         error_set(TSR_ERR_VALUE, "at most %d numbers fit here, found %d", capacity, v.n_items));
    for (; *n < v.n_items; (*n)++) TRY(fail_here(c->e, arg_place(c, i), value_to_int(c->e, &v.items[*n], &out[*n])));
    return TSR_OK;
}

tsr_status arg_doubles(fn_call *c, int i, int64_t *n, double **out)
{
    value v;
    TRY(arg_value(c, i, &v));
    *n = v.kind == VALUE_LIST ? v.n_items : 1;
    *out = ARENA_ARRAY(&c->e->memory, double, *n ? *n : 1);
    if (!*out) return TSR_ERR_MEMORY;
    for (int64_t k = 0; k < *n; k++)
        TRY(fail_here(c->e, arg_place(c, i), value_to_double(c->e, v.kind == VALUE_LIST ? &v.items[k] : &v, &(*out)[k])));
    return TSR_OK;
}

tsr_status arg_variables(fn_call *c, int i, int *n, tsr_variable ***out)
{
    value v;
    TRY(arg_value(c, i, &v));
    if (v.kind != VALUE_LIST || v.n_items == 0)
        return fail_here(c->e, arg_place(c, i), error_set(TSR_ERR_TYPE, "a list of arrays is needed here: %s([a, b])", c->name));
    *n = v.n_items;
    *out = ARENA_ARRAY(&c->e->memory, tsr_variable *, *n);
    if (!*out) return TSR_ERR_MEMORY;
    for (int k = 0; k < *n; k++) TRY(fail_here(c->e, arg_place(c, i), value_to_variable(c->e, &v.items[k], &(*out)[k])));
    return TSR_OK;
}

/* One item of chunks=: a number, -1, None, "auto", or a list of lengths, which must be equal but for the last. */
static tsr_status chunk_length(evaluator *e, const value *v, int64_t *out)
{
    if (v->kind == VALUE_STRING) {
        if (strcmp(v->text, "auto") != 0)
            return error_set(TSR_ERR_VALUE, "chunks are numbers, -1 or \"auto\", found \"%s\"", v->text);
        *out = 0;
        return TSR_OK;
    }
    if (v->kind == VALUE_NONE) {
        *out = -1;
        return TSR_OK;
    }
    if (v->kind == VALUE_LIST && v->n_items > 0) {
        int64_t other;
        TRY(value_to_int(e, &v->items[0], out));
        for (int k = 1; k < v->n_items; k++) {
            TRY(value_to_int(e, &v->items[k], &other));
            if (other > *out || (other < *out && k + 1 < v->n_items))
                return error_set(TSR_ERR_UNSUPPORTED, "chunks along a dimension must be equal (but for the last)");
        }
        return TSR_OK;
    }
    TRY(value_to_int(e, v, out));
    if (*out < -1) return error_set(TSR_ERR_VALUE, "a chunk cannot have the length %lld", (long long)*out);
    return TSR_OK;
}

tsr_status arg_chunks(fn_call *c, int i, int ndim, int64_t *storage, const int64_t **out)
{
    value v;
    *out = NULL;
    for (int d = 0; d < ndim; d++) storage[d] = 0;
    if (!arg_given(c, i)) {
        for (size_t k = 0; k < c->e->chunks.n && k < (size_t)ndim; k++)
            if (!c->e->chunks.items[k].name) {
                storage[k] = c->e->chunks.items[k].length;
                *out = storage;
            }
        return TSR_OK;
    }
    TRY(arg_value(c, i, &v));
    if (v.kind == VALUE_LIST && v.n_items != ndim)
        return fail_here(c->e, arg_place(c, i),
                         error_set(TSR_ERR_VALUE, "chunks has %d items for an array of %d dimensions", v.n_items, ndim));
    for (int d = 0; d < ndim; d++)
        TRY(fail_here(c->e, arg_place(c, i), chunk_length(c->e, v.kind == VALUE_LIST ? &v.items[d] : &v, &storage[d])));
    *out = storage;
    return TSR_OK;
}

/* ---- Dimensions -------------------------------------------------------------------------------------------------- */

static bool variable_has_dim(const tsr_variable *v, const char *name)
{
    for (int d = 0; d < tsr_variable_ndim(v); d++) {
        const char *dim = tsr_variable_dim(v, d);
        if (dim && strcmp(dim, name) == 0) return true;
    }
    return false;
}

static tsr_status dim_of_value(fn_call *c, const value *v, const char **out)
{
    if (v->kind == VALUE_STRING || v->kind == VALUE_DIM) {
        *out = v->text;
        return TSR_OK;
    }
    if (v->kind == VALUE_NUMBER && number_is_integer(v->number)) {
        *out = arena_printf(&c->e->memory, "%lld", (long long)number_int(v->number));
        return *out ? TSR_OK : TSR_ERR_MEMORY;
    }
    /* A coordinate names its dimension. */
    if (v->kind == VALUE_VARIABLE && tsr_variable_ndim(v->variable) == 1 && tsr_variable_dim(v->variable, 0)) {
        *out = tsr_variable_dim(v->variable, 0);
        return TSR_OK;
    }
    return error_set(TSR_ERR_TYPE, "a dimension is named by its name or number, found %s", value_words(v));
}

/* A bare name means the dimension, whatever else has that name; a name that is assigned may hold a number or a string. */
static tsr_status dim_of_node(fn_call *c, const ast *node, tsr_variable *of, const char **out)
{
    value v;
    tsr_status status;
    if (node->kind == AST_NAME && (!of || variable_has_dim(of, node->text))) {
        *out = node->text;
        return TSR_OK;
    }
    if (node->kind == AST_NAME && (!evaluator_lookup(c->e, node->text, false, &v, &status) || v.kind == VALUE_FUNCTION ||
                                   v.kind == VALUE_MODULE || v.kind == VALUE_VARIABLE)) {
        *out = node->text; /* the library names what there is */
        return TSR_OK;
    }
    TRY(evaluate(c->e, node, &v));
    return dim_of_value(c, &v, out);
}

static tsr_status add_dim(fn_call *c, const ast *node, tsr_variable *of, dim_list *out)
{
    const char *name = NULL;
    if (out->n == TSR_MAX_NDIM) return error_set(TSR_ERR_VALUE, "more than %d dimensions are named", TSR_MAX_NDIM);
    TRY(fail_here(c->e, node->at, dim_of_node(c, node, of, &name)));
    int axis = tsr_variable_axis(of, name);
    if (axis < 0) return fail_here(c->e, node->at, tsr_error_code());
    for (int k = 0; k < out->n; k++)
        if (out->axes[k] == axis)
            return fail_here(c->e, node->at, error_set(TSR_ERR_VALUE, "the dimension '%s' is named twice", name));
    out->names[out->n] = name;
    out->axes[out->n++] = axis;
    return TSR_OK;
}

tsr_status arg_dims(fn_call *c, int i, tsr_variable *of, dim_list *out)
{
    out->n = 0;
    if (!arg_given(c, i)) return TSR_OK;
    const ast *node = c->given[i];
    if (node->kind == AST_TUPLE || node->kind == AST_LIST) {
        for (int k = 0; k < node->n_items; k++) TRY(add_dim(c, node->items[k], of, out));
        if (node->n_items == 0) return fail_here(c->e, node->at, error_set(TSR_ERR_VALUE, "no dimension is named"));
        return TSR_OK;
    }
    value v;
    tsr_status status;
    bool is_local =
        node->kind == AST_NAME && !variable_has_dim(of, node->text) && evaluator_lookup(c->e, node->text, false, &v, &status);
    if (is_local && v.kind == VALUE_LIST) { /* dims = (0, 1); mean(x, dims) */
        for (int k = 0; k < v.n_items; k++) {
            const char *name;
            TRY(fail_here(c->e, node->at, dim_of_value(c, &v.items[k], &name)));
            ast item = {.kind = AST_STRING, .at = node->at, .text = name, .height = 1};
            TRY(add_dim(c, &item, of, out));
        }
        return TSR_OK;
    }
    return add_dim(c, node, of, out);
}

tsr_status arg_name(fn_call *c, int i, const char **out)
{
    value v;
    if (!arg_given(c, i)) return TSR_OK;
    const ast *node = c->given[i];
    if (node->kind == AST_NAME || node->kind == AST_STRING) {
        *out = node->text;
        return TSR_OK;
    }
    TRY(arg_value(c, i, &v));
    return fail_here(c->e, node->at, dim_of_value(c, &v, out));
}
