/* Layout: a box stands one layer below the lowest of those that point to it, boxes of a layer side by side in the order in which
 * they were added, layers centred. Good for the few boxes of an expression or a plan. */
#include "plan/draw.h"

#include <inttypes.h>
#include <stdio.h>

void drawing_fini(drawing *d)
{
    VEC_FINI(&d->boxes);
    VEC_FINI(&d->edges);
}

static tsr_status add_edge(drawing *d, int from, int to)
{
    return VEC_PUSH(&d->edges, (draw_edge){from, to}) ? TSR_OK : TSR_ERR_MEMORY;
}

/* ---- What is drawn --------------------------------------------------------------------------------------------------------- */

static int colour_of(const tsr_array *node)
{
    if (node->n_inputs == 0) return 0;
    if (node->op == NODE_MAP || node->op == NODE_CAST) return 1;
    return node->op == NODE_REDUCE || node->op == NODE_SCAN || node->op == NODE_QUANTILE || node->op == NODE_CONTRACT ? 2 : 3;
}

/* The value of a constant, or of a view of one: it is written into the boxes that use it. NULL for other nodes. */
static const tsr_array *constant_of(const tsr_array *node)
{
    while (node->op == NODE_VIEW || node->op == NODE_RESHAPE || node->op == NODE_RECHUNK) node = node->inputs[0];
    return node->op == NODE_FULL ? node : NULL;
}

static bool is_drawn(const tsr_array *user, int input)
{
    bool is_elementwise = user->op == NODE_MAP || user->op == NODE_CAST;
    return !is_elementwise || !constant_of(user->inputs[input]);
}

static draw_box box_of_node(const tsr_array *node)
{
    draw_box b = {.colour = colour_of(node)};
    int64_t chunks[TSR_MAX_NDIM];
    for (int d = 0; d < node->ndim; d++) chunks[d] = node->grid.axes[d].chunk;
    snprintf(b.lines[0], DRAW_TEXT, "%s", node_name(node));
    if (node->op == NODE_STORE) snprintf(b.lines[0], DRAW_TEXT, "%.90s", node->p.store.file->vars[node->p.store.var].name);
    for (int i = 0; i < node->n_inputs; i++) {
        if (is_drawn(node, i)) continue;
        const tsr_array *constant = constant_of(node->inputs[i]);
        char value[64];
        size_t n = strlen(b.lines[0]);
        element_format(&constant->p.full.value, constant->dtype, value, sizeof value);
        snprintf(b.lines[0] + n, DRAW_TEXT - n, " %.30s", value);
    }
    size_t used = strlen(shape_format(node->ndim, node->shape, b.lines[1], DRAW_TEXT));
    snprintf(b.lines[1] + used, DRAW_TEXT - used, " %s", tsr_dtype_name(node->dtype));
    if (node->n_inputs > 8) {
        snprintf(b.lines[2], DRAW_TEXT, "%d pieces, one shown", node->n_inputs);
    } else if (node->ndim > 0) {
        memcpy(b.lines[2], "chunks ", 8);
        shape_format(node->ndim, chunks, b.lines[2] + 7, DRAW_TEXT - 7);
    }
    return b;
}

typedef struct seen_node {
    const tsr_array *node;
    int box, next_input;
} seen_node;

static int find_box(const seen_node *seen, size_t n, const tsr_array *node)
{
    for (size_t i = 0; i < n; i++)
        if (seen[i].node == node) return seen[i].box;
    return -1;
}

tsr_status draw_expression(drawing *d, int n, tsr_array *const *roots)
{
    enum { MOST_BOXES = 2000 };
    VEC(seen_node) done = {0}, stack = {0};
    tsr_status status = TSR_OK;
    for (int r = 0; r < n && status == TSR_OK; r++) {
        if (find_box(done.items, done.n, roots[r]) >= 0) continue;
        if (!VEC_PUSH(&stack, (seen_node){roots[r], -1, 0})) status = TSR_ERR_MEMORY;
        while (status == TSR_OK && stack.n > 0) {
            seen_node *top = &stack.items[stack.n - 1];
            const tsr_array *node = top->node;
            int shown = node->n_inputs > 8 ? 1 : node->n_inputs;
            if (top->next_input < shown) {
                const tsr_array *input = node->inputs[top->next_input++];
                if (!is_drawn(node, top->next_input - 1)) continue;
                if (find_box(done.items, done.n, input) < 0 && !VEC_PUSH(&stack, (seen_node){input, -1, 0}))
                    status = TSR_ERR_MEMORY;
                continue;
            }
            stack.n--;
            if (find_box(done.items, done.n, node) >= 0) continue;
            if (d->boxes.n >= MOST_BOXES)
                status = error_set(TSR_ERR_UNSUPPORTED, "visualize: the expression has more than %d operations", MOST_BOXES);
            int number = (int)d->boxes.n;
            if (status == TSR_OK && (!VEC_PUSH(&d->boxes, box_of_node(node)) || !VEC_PUSH(&done, (seen_node){node, number, 0})))
                status = TSR_ERR_MEMORY;
            for (int i = 0; i < shown && status == TSR_OK; i++)
                if (is_drawn(node, i)) status = add_edge(d, find_box(done.items, done.n, node->inputs[i]), number);
        }
    }
    VEC_FINI(&done);
    VEC_FINI(&stack);
    return status;
}

static tsr_status add_stage_edges(drawing *d, const body *t, int first_stage, int to)
{
    for (int i = 0; i < t->n_operands; i++) {
        const operand *o = &t->operands[i];
        if (o->kind == OPERAND_STAGE) TRY(add_edge(d, first_stage + o->stage, to));
        int n_shown = o->kind == OPERAND_CALL ? o->n_pieces : o->n_pieces > 0;
        for (int k = 0; k < n_shown; k++) TRY(add_stage_edges(d, o->pieces[k], first_stage, to));
    }
    return TSR_OK;
}

tsr_status draw_plan(drawing *d, const plan *p)
{
    static const char *const kinds[] = {"map", "reduce", "scan", "quantile", "call"};
    for (int i = 0; i < p->n_stages; i++) {
        const stage *s = &p->stages[i];
        draw_box b = {.colour = s->kind == STAGE_MAP ? 1 : 2};
        size_t used = (size_t)snprintf(b.lines[0], DRAW_TEXT, "stage %d: %s", i, kinds[s->kind]);
        for (int k = 0; k < s->n_outputs && used < DRAW_TEXT; k++)
            used += (size_t)snprintf(b.lines[0] + used, DRAW_TEXT - used, "%s %s", k ? "," : "", node_name(s->outputs[k].node));
        snprintf(b.lines[1], DRAW_TEXT, "%" PRId64 " tasks, %d operations fused", s->n_tasks, s->body->prog->n_instrs);
        snprintf(b.lines[2], DRAW_TEXT, "reads %.1f MB, makes %.1f MB", (double)s->bytes_read / 1e6, (double)s->bytes_made / 1e6);
        if (!VEC_PUSH(&d->boxes, b)) return TSR_ERR_MEMORY;
    }
    for (int i = 0; i < p->n_stages; i++) TRY(add_stage_edges(d, p->stages[i].body, 0, i));
    return TSR_OK;
}

/* ---- Text --------------------------------------------------------------------------------------------------------------------
 */

static void add_escaped(strbuf *out, const char *text, bool xml)
{
    for (; *text; text++) {
        if (xml && *text == '<') {
            strbuf_add(out, "&lt;");
        } else if (xml && *text == '&') {
            strbuf_add(out, "&amp;");
        } else {
            if (!xml && (*text == '"' || *text == '\\')) strbuf_add(out, "\\");
            strbuf_addn(out, text, 1);
        }
    }
}

static const char *const fills[] = {"#d5e8d4", "#dae8fc", "#ffe6cc", "#eeeeee"};

void draw_dot(const drawing *d, strbuf *out)
{
    strbuf_add(out, "digraph tessera {\n  node [shape=box, style=\"rounded,filled\", fontname=\"sans-serif\"];\n");
    for (size_t i = 0; i < d->boxes.n; i++) {
        strbuf_printf(out, "  n%zu [fillcolor=\"%s\", label=\"", i, fills[d->boxes.items[i].colour]);
        for (int k = 0; k < DRAW_LINES; k++) {
            if (!d->boxes.items[i].lines[k][0]) continue;
            if (k) strbuf_add(out, "\\n");
            add_escaped(out, d->boxes.items[i].lines[k], false);
        }
        strbuf_add(out, "\"];\n");
    }
    for (size_t i = 0; i < d->edges.n; i++) strbuf_printf(out, "  n%d -> n%d;\n", d->edges.items[i].from, d->edges.items[i].to);
    strbuf_add(out, "}\n");
}

enum { BOX_WIDTH = 250, BOX_HEIGHT = 62, GAP_X = 30, GAP_Y = 46, MARGIN = 20 };

static int place(drawing *d, int *n_layers)
{
    int widest = 1;
    *n_layers = 1;
    for (size_t i = 0; i < d->boxes.n; i++) { /* edges lead to later boxes only */
        for (size_t e = 0; e < d->edges.n; e++) {
            if (d->edges.items[e].to != (int)i) continue;
            int above = d->boxes.items[d->edges.items[e].from].layer + 1;
            if (above > d->boxes.items[i].layer) d->boxes.items[i].layer = above;
        }
        if (d->boxes.items[i].layer + 1 > *n_layers) *n_layers = d->boxes.items[i].layer + 1;
    }
    for (int pass = 0; pass < 2; pass++) {
        for (int layer = 0; layer < *n_layers; layer++) {
            int n = 0, width = 0;
            for (size_t i = 0; i < d->boxes.n; i++) width += d->boxes.items[i].layer == layer;
            if (width > widest) widest = width;
            for (size_t i = 0; i < d->boxes.n; i++) {
                if (d->boxes.items[i].layer == layer)
                    d->boxes.items[i].x = MARGIN + (widest - width) * (BOX_WIDTH + GAP_X) / 2 + n++ * (BOX_WIDTH + GAP_X);
            }
        }
    }
    return widest;
}

/* Is the vertical line at x, through the layers between two boxes, clear of other boxes? */
static bool lane_is_free(const drawing *d, int x, int above, int below)
{
    for (size_t i = 0; i < d->boxes.n; i++) {
        const draw_box *b = &d->boxes.items[i];
        if (b->layer > above && b->layer < below && x > b->x - 8 && x < b->x + BOX_WIDTH + 8) return false;
    }
    return true;
}

/* The free lane nearest to `wanted`; `wanted` itself where there is none. */
static int find_lane(const drawing *d, int wanted, int width, int above, int below)
{
    for (int away = 0; away < width; away += 5) {
        if (wanted - away > 6 && lane_is_free(d, wanted - away, above, below)) return wanted - away;
        if (wanted + away < width - 6 && lane_is_free(d, wanted + away, above, below)) return wanted + away;
    }
    return wanted;
}

/* A curve from box to box; past the layers in between it runs straight down a lane between their boxes. */
static void add_path(const drawing *d, const draw_box *a, const draw_box *b, int width, strbuf *out)
{
    int step = BOX_HEIGHT + GAP_Y, x0 = a->x + BOX_WIDTH / 2, x1 = b->x + BOX_WIDTH / 2;
    int y0 = MARGIN + a->layer * step + BOX_HEIGHT, y1 = MARGIN + b->layer * step;
    strbuf_printf(out, "<path d=\"M%d %d", x0, y0);
    if (b->layer > a->layer + 1) {
        int lane = find_lane(d, x0, width, a->layer, b->layer), top = y0 + GAP_Y, bottom = y1 - GAP_Y;
        strbuf_printf(out, " C%d %d %d %d %d %d L%d %d", x0, y0 + GAP_Y / 2, lane, top - GAP_Y / 2, lane, top, lane, bottom);
        x0 = lane;
        y0 = bottom;
    }
    strbuf_printf(out, " C%d %d %d %d %d %d\" fill=\"none\" stroke=\"#666666\" stroke-width=\"1.5\"/>\n", x0, y0 + GAP_Y / 2, x1,
                  y1 - GAP_Y / 2, x1, y1);
    strbuf_printf(out, "<path d=\"M%d %d l-4 -8 l8 0 z\" fill=\"#666666\"/>\n", x1, y1);
}

void draw_svg(drawing *d, strbuf *out)
{
    int n_layers, widest = place(d, &n_layers), step = BOX_HEIGHT + GAP_Y;
    int width = 2 * MARGIN + widest * (BOX_WIDTH + GAP_X) - GAP_X, height = 2 * MARGIN + n_layers * step - GAP_Y;
    strbuf_printf(out,
                  "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\" viewBox=\"0 0 %d %d\" "
                  "font-family=\"sans-serif\">\n",
                  width, height, width, height);
    strbuf_add(out, "<rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n");
    for (size_t i = 0; i < d->edges.n; i++) {
        const draw_edge *e = &d->edges.items[i];
        add_path(d, &d->boxes.items[e->from], &d->boxes.items[e->to], width, out);
    }
    for (size_t i = 0; i < d->boxes.n; i++) {
        const draw_box *b = &d->boxes.items[i];
        int y = MARGIN + b->layer * step;
        strbuf_printf(out, "<rect x=\"%d\" y=\"%d\" width=\"%d\" height=\"%d\" rx=\"7\" fill=\"%s\" stroke=\"#555555\"/>\n", b->x,
                      y, BOX_WIDTH, BOX_HEIGHT, fills[b->colour]);
        for (int k = 0; k < DRAW_LINES; k++) {
            strbuf_printf(out, "<text x=\"%d\" y=\"%d\" text-anchor=\"middle\" font-size=\"%d\" fill=\"#222222\"%s>",
                          b->x + BOX_WIDTH / 2, y + 19 + 17 * k, k ? 11 : 13, k ? "" : " font-weight=\"bold\"");
            add_escaped(out, b->lines[k], true);
            strbuf_add(out, "</text>\n");
        }
    }
    strbuf_add(out, "</svg>\n");
}
