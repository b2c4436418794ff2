/* Plans as text, and the check of a plan's consistency. */
#include "plan/plan.h"

#include <inttypes.h>

static const char *const kind_names[] = {"map", "reduce", "scan", "quantile", "call", "contract"};

static void add_bytes(strbuf *out, int64_t bytes)
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB"};
    double v = (double)bytes;
    int u = 0;
    while (v >= 1024 && u < 5) {
        v /= 1024;
        u++;
    }
    strbuf_printf(out, u ? "%.1f %s" : "%.0f %s", v, units[u]);
}

static void add_shape(strbuf *out, int ndim, const int64_t *shape)
{
    char text[512];
    strbuf_add(out, shape_format(ndim, shape, text, sizeof text));
}

enum { SHOWN_DEPTH = 4, SHOWN_PIECES = 2 };

static void explain_operand(const plan *p, const operand *o, int number, int depth, strbuf *out)
{
    strbuf_printf(out, "%*s#%d ", 4 + 4 * depth, "", number);
    switch (o->kind) {
    case OPERAND_MEMORY: strbuf_add(out, "memory"); break;
    case OPERAND_STORE:
        if (!o->node->p.store.file->file) {
            strbuf_printf(out, "source %s", o->node->p.store.file->path);
        } else {
            strbuf_printf(out, "file %s:%s", o->node->p.store.file->path, o->node->p.store.file->vars[o->node->p.store.var].name);
        }
        break;
    case OPERAND_BLOCKS: strbuf_add(out, "persisted blocks"); break;
    case OPERAND_STAGE:
        strbuf_printf(out, "stage %d, %s", o->stage, node_name(p->stages[o->stage].outputs[o->output].node));
        break;
    case OPERAND_CONCAT: strbuf_printf(out, "%d pieces along axis %d", o->n_pieces, o->axis); break;
    case OPERAND_TAKE: strbuf_printf(out, "indices along axis %d", o->axis); break;
    case OPERAND_RESHAPE: strbuf_add(out, "reshape"); break;
    case OPERAND_WINDOW: strbuf_printf(out, "windows along axis %d", o->axis); break;
    case OPERAND_CALL:
        strbuf_printf(out, "%s of %d input%s", node_name(o->node), o->n_pieces, o->n_pieces == 1 ? "" : "s");
        break;
    case OPERAND_BODY: strbuf_printf(out, "%s", node_name(o->node)); break;
    }
    strbuf_add(out, " ");
    add_shape(out, o->ndim, o->node->shape);
    strbuf_printf(out, " %s%s\n", tsr_dtype_name(o->dtype), o->reused ? ", kept if memory allows" : "");
    for (int i = 0; i < o->n_pieces && i < SHOWN_PIECES && depth < SHOWN_DEPTH; i++) {
        const body *piece = o->pieces[i];
        if (!piece->passthrough) {
            strbuf_printf(out, "%*sprogram: ", 8 + 4 * depth, "");
            program_describe(piece->prog, out);
            strbuf_add(out, "\n");
        }
        for (int k = 0; k < piece->n_operands; k++) explain_operand(p, &piece->operands[k], k, depth + 1, out);
    }
    if (o->n_pieces > SHOWN_PIECES) strbuf_printf(out, "%*s...\n", 8 + 4 * depth, "");
}

static void explain_stage(const plan *p, int number, strbuf *out)
{
    const stage *s = &p->stages[number];
    strbuf_printf(out, "stage %d: %s over ", number, kind_names[s->kind]);
    add_shape(out, s->body->ndim, s->body->shape);
    strbuf_add(out, ", tiles ");
    int64_t tile[TSR_MAX_NDIM];
    for (int d = 0; d < s->tiles.ndim; d++) tile[d] = s->tiles.axes[d].chunk;
    add_shape(out, s->tiles.ndim, tile);
    strbuf_printf(out, ", %" PRId64 " task%s", s->n_needed, s->n_needed == 1 ? "" : "s");
    if (s->n_needed < s->n_tasks) strbuf_printf(out, " of %" PRId64, s->n_tasks);
    strbuf_add(out, "\n");
    if (s->kind != STAGE_CALL) {
        strbuf_add(out, "    program: ");
        if (s->kind == STAGE_CONTRACT) strbuf_printf(out, "add products of #0 and #1 %s", tsr_dtype_name(s->outputs[0].dtype));
        program_describe(s->body->prog, out);
        strbuf_add(out, "\n");
    }
    for (int i = 0; i < s->body->n_operands; i++) explain_operand(p, &s->body->operands[i], i, 0, out);
    for (int i = 0; i < s->n_outputs; i++) {
        strbuf_printf(out, "    -> %s ", node_name(s->outputs[i].node));
        add_shape(out, s->outputs[i].ndim, s->outputs[i].shape);
        strbuf_printf(out, " %s%s\n", tsr_dtype_name(s->outputs[i].dtype), s->outputs[i].root >= 0 ? ", result" : "");
    }
    strbuf_add(out, "    reads ");
    add_bytes(out, s->bytes_read);
    strbuf_add(out, " from files, makes ");
    add_bytes(out, s->bytes_made);
    strbuf_add(out, ", at most ");
    add_bytes(out, s->task_bytes);
    strbuf_add(out, " a task");
    if (s->partial_bytes > 0) {
        strbuf_add(out, ", ");
        add_bytes(out, s->partial_bytes);
        strbuf_add(out, " in partial results");
    }
    strbuf_add(out, "\n");
}

void plan_explain(const plan *p, strbuf *out)
{
    tsr_prediction all;
    int64_t kept = 0;
    plan_totals(p, &all);
    for (int i = 0; i < p->n_stages; i++) kept += p->stages[i].bytes_kept;
    strbuf_printf(out, "plan: %d stage%s, %" PRId64 " task%s, reads ", p->n_stages, p->n_stages == 1 ? "" : "s", all.tasks,
                  all.tasks == 1 ? "" : "s");
    add_bytes(out, all.bytes_read);
    strbuf_add(out, " from files");
    if (kept > 0) {
        strbuf_add(out, " (");
        add_bytes(out, all.bytes_read + kept);
        strbuf_add(out, " if blocks cannot be kept)");
    }
    strbuf_add(out, "\n");
    optimize_describe(&p->rewrites, out);
    for (int i = 0; i < p->n_stages; i++) explain_stage(p, i, out);
}

void plan_explain_memory(size_t peak_bytes, int n_threads, strbuf *out)
{
    strbuf_add(out, "memory: at most ");
    add_bytes(out, (int64_t)peak_bytes);
    strbuf_printf(out, " in blocks at a time with %d thread%s, besides what is persisted\n", n_threads,
                  n_threads == 1 ? "" : "s");
}

void plan_explain_run(const tsr_stats *stats, size_t predicted_bytes, strbuf *out)
{
    strbuf_printf(out, "last run: %" PRId64 " task%s, %.3g s, read ", stats->tasks, stats->tasks == 1 ? "" : "s", stats->seconds);
    add_bytes(out, stats->bytes_read);
    strbuf_add(out, " from files, at most ");
    add_bytes(out, (int64_t)stats->peak_bytes);
    strbuf_add(out, " in blocks (predicted with what was there before: ");
    add_bytes(out, (int64_t)predicted_bytes);
    strbuf_add(out, ")\n");
}

static tsr_status check_operands(const plan *p, const body *t, int stage_number)
{
    for (int i = 0; i < t->n_operands; i++) {
        const operand *o = &t->operands[i];
        if (o->kind == OPERAND_STAGE && o->stage >= stage_number) {
            return error_set(TSR_ERR_INTERNAL, "plan: stage %d reads stage %d, which comes later", stage_number, o->stage);
        }
        box whole = box_of_shape(t->ndim, t->shape);
        if (box_size(&whole) == 0) continue;
        region domain = region_of_box(&whole), source = operand_region(o, &domain);
        for (int d = 0; d < o->ndim; d++) {
            int64_t first = source.box.start[d], last = first + (source.box.count[d] - 1) * source.step[d];
            if (first < 0 || last >= o->node->shape[d]) {
                return error_set(TSR_ERR_INTERNAL,
                                 "plan: stage %d, operand %d reads %" PRId64 "..%" PRId64 " of axis %d of length %" PRId64,
                                 stage_number, i, first, last, d, o->node->shape[d]);
            }
        }
        for (int k = 0; k < o->n_pieces; k++) TRY(check_operands(p, o->pieces[k], stage_number));
    }
    return TSR_OK;
}

tsr_status plan_check(const plan *p)
{
    for (int i = 0; i < p->n_stages; i++) {
        const stage *s = &p->stages[i];
        TRY(check_operands(p, s->body, i));
        for (int d = 0; d < s->tiles.ndim; d++) {
            const axis_grid *g = &s->tiles.axes[d];
            if (g->length != s->body->shape[d])
                return error_set(TSR_ERR_INTERNAL, "plan: stage %d, axis %d: tiles do not cover it", i, d);
            for (int64_t k = 0; g->edges && k < g->n_blocks; k++) {
                if (g->edges[k + 1] <= g->edges[k])
                    return error_set(TSR_ERR_INTERNAL, "plan: stage %d, axis %d: edges do not increase", i, d);
            }
        }
    }
    return TSR_OK;
}
