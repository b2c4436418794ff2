/* Building programs: a list of instructions in single-assignment form, then registers by last use. */
#include "kernel/program.h"

#include <string.h>

tsr_status program_new(arena *memory, const kernels *k, program **out)
{
    program *p = ARENA_NEW(memory, program);
    if (!p) return TSR_ERR_MEMORY;
    p->memory = memory;
    p->kernels = k;
    *out = p;
    return TSR_OK;
}

/* Arena arrays grow by doubling; the old copy stays in the arena, which costs at most as much again. */
static void *grow(arena *memory, void *items, int n, size_t item_bytes)
{
    if (n > 0 && (n < 8 || (n & (n - 1)))) return items;
    void *grown = arena_alloc(memory, item_bytes * (size_t)(n < 8 ? 8 : n * 2));
    if (grown && n > 0) memcpy(grown, items, item_bytes * (size_t)n);
    return grown;
}

static instr *append(program *p, instr_kind kind, tsr_dtype dtype)
{
    if (p->n_instrs >= MAX_SLOTS) {
        (void)error_set(TSR_ERR_UNSUPPORTED, "the expression fuses more than %d operations in one pass", MAX_SLOTS);
        return NULL;
    }
    instr *grown = grow(p->memory, p->instrs, p->n_instrs, sizeof *p->instrs);
    if (!grown) return NULL;
    p->instrs = grown;
    instr *in = &p->instrs[p->n_instrs++];
    *in = (instr){.kind = kind, .dtype = dtype, .from = dtype, .reg = -1};
    return in;
}

tsr_status program_add_const(program *p, tsr_dtype dtype, element value, int *out)
{
    instr *in = append(p, INSTR_CONST, dtype);
    if (!in) return tsr_error_code();
    in->value = value;
    *out = p->n_instrs - 1;
    return TSR_OK;
}

tsr_status program_add_load(program *p, tsr_dtype dtype, bool swapped, int *out)
{
    instr *in = append(p, INSTR_LOAD, dtype);
    if (!in) return tsr_error_code();
    in->slot = p->n_operands++;
    in->swapped = swapped;
    *out = p->n_instrs - 1;
    return TSR_OK;
}

static tsr_status add_generator(program *p, instr *in)
{
    program_generator *grown = grow(p->memory, p->generators, p->n_generators, sizeof *grown);
    if (!grown) return TSR_ERR_MEMORY;
    p->generators = grown;
    in->slot = p->n_generators++;
    grown[in->slot] = (program_generator){0};
    return TSR_OK;
}

tsr_status program_add_index(program *p, int *out)
{
    instr *in = append(p, INSTR_INDEX, TSR_I64);
    if (!in) return tsr_error_code();
    *out = p->n_instrs - 1;
    return add_generator(p, in);
}

tsr_status program_add_random(program *p, random_kind kind, tsr_dtype dtype, const random_params *params, int *out)
{
    if (!p->kernels->random[kind][dtype]) return error_set(TSR_ERR_TYPE, "no random generator for %s", tsr_dtype_name(dtype));
    instr *in = append(p, INSTR_RANDOM, dtype);
    if (!in) return tsr_error_code();
    *out = p->n_instrs - 1;
    TRY(add_generator(p, in));
    p->generators[in->slot] = (program_generator){.kind = kind, .random = *params};
    return TSR_OK;
}

tsr_status program_add_cast(program *p, tsr_dtype dtype, int input, int *out)
{
    tsr_dtype from = p->instrs[input].dtype;
    if (from == dtype) {
        *out = input;
        return TSR_OK;
    }
    instr *in = append(p, INSTR_CAST, dtype);
    if (!in) return tsr_error_code();
    in->from = from;
    in->n_inputs = 1;
    in->inputs[0] = input;
    *out = p->n_instrs - 1;
    return TSR_OK;
}

tsr_status program_add_map(program *p, op_code op, tsr_dtype result, const int *inputs, int *out)
{
    const op_info *info = op_info_of(op);
    tsr_dtype loops[3] = {TSR_BOOL, TSR_BOOL, TSR_BOOL};
    for (int i = 0; i < info->arity; i++) loops[i] = p->instrs[inputs[i]].dtype;
    tsr_dtype kernel_dtype = op_kernel_dtype(op, loops);
    if (!p->kernels->map[op][kernel_dtype][FORM_VV]) {
        return error_set(TSR_ERR_TYPE, "%s: no loop for %s", info->name, tsr_dtype_name(kernel_dtype));
    }
    instr *in = append(p, INSTR_MAP, result);
    if (!in) return tsr_error_code();
    in->op = op;
    in->from = kernel_dtype;
    in->n_inputs = info->arity;
    for (int i = 0; i < info->arity; i++) in->inputs[i] = inputs[i];
    *out = p->n_instrs - 1;
    return TSR_OK;
}

tsr_status program_add_store(program *p, int input, int *output_slot)
{
    tsr_dtype dtype = p->instrs[input].dtype;
    instr *in = append(p, INSTR_STORE, dtype);
    if (!in) return tsr_error_code();
    in->n_inputs = 1;
    in->inputs[0] = input;
    *output_slot = in->slot = p->n_outputs++;
    return TSR_OK;
}

tsr_status program_add_fold(program *p, monoid op, const acc_params *params, int input, int weight, int *accumulator_slot)
{
    tsr_dtype dtype = p->instrs[input].dtype;
    const acc_ops *ops = kernels_acc(p->kernels, op, dtype);
    if (!ops) return error_set(TSR_ERR_TYPE, "%s: not defined for %s", monoid_name(op), tsr_dtype_name(dtype));
    instr *in = append(p, INSTR_FOLD, dtype);
    if (!in) return tsr_error_code();
    in->n_inputs = weight >= 0 ? 2 : 1;
    in->inputs[0] = input;
    in->inputs[1] = weight;
    program_accumulator *grown = grow(p->memory, p->accumulators, p->n_accumulators, sizeof *grown);
    if (!grown) return TSR_ERR_MEMORY;
    p->accumulators = grown;
    *accumulator_slot = in->slot = p->n_accumulators++;
    grown[in->slot] = (program_accumulator){.op = op, .dtype = dtype, .ops = ops, .params = *params};
    return TSR_OK;
}

bool program_chain_op(const instr *in, int position, chain_op *op)
{
    if (in->kind != INSTR_MAP || in->from != in->dtype || (in->dtype != TSR_F32 && in->dtype != TSR_F64)) return false;
    switch (in->op) {
    case OP_ADD: *op = CHAIN_ADD; return true;
    case OP_SUBTRACT: *op = position == 0 ? CHAIN_SUBTRACT : CHAIN_SUBTRACT_FROM; return true;
    case OP_MULTIPLY: *op = CHAIN_MULTIPLY; return true;
    case OP_DIVIDE: *op = position == 0 ? CHAIN_DIVIDE : CHAIN_DIVIDE_INTO; return true;
    case OP_NEGATIVE: *op = CHAIN_NEGATIVE; return true;
    case OP_ABSOLUTE: *op = CHAIN_ABSOLUTE; return true;
    case OP_SQUARE: *op = CHAIN_SQUARE; return true;
    case OP_SQRT: *op = CHAIN_SQRT; return true;
    default: return false;
    }
}

static bool is_sum(const program *p, const instr *in)
{
    monoid op = in->kind == INSTR_FOLD ? p->accumulators[in->slot].op : N_MONOIDS;
    return (op == MONOID_SUM || op == MONOID_MEAN) && (in->dtype == TSR_F32 || in->dtype == TSR_F64);
}

/* What a tree of arithmetic takes: values held at a time, and links of a chain. */
typedef struct tree {
    int held, links;
} tree;

/* Instruction i takes what it can from registers: values that nobody else uses, as long as one value put aside is enough. */
static void grow_tree(program *p, int i, tree *trees, const int *n_uses)
{
    instr *in = &p->instrs[i];
    chain_op op;
    bool is_sink = in->kind == INSTR_STORE || is_sum(p, in);
    if (!is_sink && !program_chain_op(in, 0, &op)) return;
    tree t = {.held = 1, .links = 1};
    int n_fed = 0;
    for (int k = 0; k < in->n_inputs; k++) {
        instr *from = &p->instrs[in->inputs[k]];
        const tree *branch = &trees[in->inputs[k]];
        if (n_uses[in->inputs[k]] != 1 || !program_chain_op(from, 0, &op) || from->dtype != in->dtype) continue;
        /* The branch that holds more comes first; its result is put aside while the other one is worked out. */
        int held = n_fed == 0 || branch->held != t.held ? (branch->held > t.held ? branch->held : t.held) : t.held + 1;
        if (held > 2 || t.links + branch->links + 1 > CHAIN_MAX_LINKS) continue;
        t = (tree){.held = held, .links = t.links + branch->links};
        from->feeds = i;
        n_fed++;
    }
    t.links += n_fed == 0; /* a load to start with */
    trees[i] = t;
    in->held = t.held;
}

static void find_trees(program *p, int *last_use, const int *n_uses, tree *trees)
{
    for (int i = 0; i < p->n_instrs; i++) grow_tree(p, i, trees, n_uses);
    /* A tree is worked out where it ends, so the operands of all its parts are used there. */
    for (int i = p->n_instrs - 1; i >= 0; i--) {
        const instr *in = &p->instrs[i];
        if (in->feeds < 0) continue;
        int end = in->feeds;
        while (p->instrs[end].feeds >= 0) end = p->instrs[end].feeds;
        for (int k = 0; k < in->n_inputs; k++)
            if (last_use[in->inputs[k]] < end) last_use[in->inputs[k]] = end;
    }
}

/* How often every value is used, where last, and by whom. */
static void find_uses(program *p, int *last_use, int *n_uses)
{
    for (int i = 0; i < p->n_instrs; i++) {
        instr *in = &p->instrs[i];
        chain_op op;
        in->feeds = -1;
        in->only_chained = true;
        last_use[i] = i;
        for (int k = 0; k < in->n_inputs; k++) {
            last_use[in->inputs[k]] = i;
            n_uses[in->inputs[k]]++;
            p->instrs[in->inputs[k]].only_chained &= program_chain_op(in, k, &op);
        }
    }
}

/* How many values may vary along the rows or the columns only, and be used where more varies? */
static int count_hoisted(const program *p, const int *last_use)
{
    int n = 0;
    for (int i = 0; i < p->n_instrs && n < PROGRAM_MAX_HOISTED; i++) {
        const instr *in = &p->instrs[i], *user = &p->instrs[last_use[i]];
        n += in->kind != INSTR_CONST && in->kind != INSTR_LOAD && user != in && (user->n_inputs > 1 || user->kind != INSTR_MAP);
    }
    return n;
}

tsr_status program_finish(program *p)
{
    int n = p->n_instrs;
    int *last_use = ARENA_ARRAY(p->memory, int, n + 1), *n_uses = ARENA_ARRAY(p->memory, int, n + 1);
    int *free_regs = ARENA_ARRAY(p->memory, int, n + 1), *dying = ARENA_ARRAY(p->memory, int, n + 1); /* at i, then by `next` */
    int *next = ARENA_ARRAY(p->memory, int, n + 1);
    tree *trees = ARENA_ARRAY(p->memory, tree, n + 1);
    if (!last_use || !n_uses || !free_regs || !dying || !next || !trees) return TSR_ERR_MEMORY;
    size_t widest = 1;
    for (int i = 0; i < n; i++) {
        if (tsr_dtype_size(p->instrs[i].dtype) > widest) widest = tsr_dtype_size(p->instrs[i].dtype);
        dying[i] = -1;
    }
    find_uses(p, last_use, n_uses);
    p->n_hoisted = count_hoisted(p, last_use);
    find_trees(p, last_use, n_uses, trees);
    int n_free = 0;
    for (int i = 0; i < n; i++) {
        instr *in = &p->instrs[i];
        if (in->kind != INSTR_STORE && in->kind != INSTR_FOLD && in->kind != INSTR_CONST)
            in->reg = n_free ? free_regs[--n_free] : p->n_regs++;
        next[i] = dying[last_use[i]];
        dying[last_use[i]] = i;
        /* Kernels may not write over an operand of another size, so inputs die after the result has its register. */
        for (int v = dying[i]; v >= 0; v = next[v])
            if (p->instrs[v].reg >= 0) free_regs[n_free++] = p->instrs[v].reg;
    }
    /* A narrow program takes longer strips, so that the cost of a kernel call is spread over as many bytes. */
    p->patch_elements = (int)(PROGRAM_PATCH_BYTES / widest);
    if (p->patch_elements > 4096) p->patch_elements = 4096;
    p->scratch_bytes =
        (size_t)(p->n_regs + PROGRAM_SPARE_STRIPS + p->n_hoisted) * PROGRAM_PATCH_BYTES + (size_t)n * PROGRAM_INSTR_BYTES;
    return TSR_OK;
}

void program_describe(const program *p, strbuf *out)
{
    for (int i = 0; i < p->n_instrs; i++) {
        const instr *in = &p->instrs[i];
        const char *type = tsr_dtype_name(in->dtype);
        if (i) strbuf_add(out, ", ");
        switch (in->kind) {
        case INSTR_CONST: {
            char text[160];
            strbuf_add(out, element_format(&in->value, in->dtype, text, sizeof text));
            break;
        }
        case INSTR_LOAD: strbuf_printf(out, "load #%d %s%s", in->slot, type, in->swapped ? " swapped" : ""); break;
        case INSTR_INDEX: strbuf_add(out, "index"); break;
        case INSTR_RANDOM: {
            static const char *const names[] = {"uniform", "normal", "integers"};
            strbuf_printf(out, "random %s %s", names[p->generators[in->slot].kind], type);
            break;
        }
        case INSTR_CAST: strbuf_printf(out, "cast %s", type); break;
        case INSTR_MAP: strbuf_add(out, op_info_of(in->op)->name); break;
        case INSTR_STORE: strbuf_printf(out, "store %s", type); break;
        case INSTR_FOLD: strbuf_printf(out, "fold %s", monoid_name(p->accumulators[in->slot].op)); break;
        }
    }
}
