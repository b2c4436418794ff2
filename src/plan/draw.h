/* Small layered graphs as DOT and as SVG. */
#ifndef TESSERA_PLAN_DRAW_H
#define TESSERA_PLAN_DRAW_H

#include "base/vec.h"
#include "plan/plan.h"

enum { DRAW_LINES = 3, DRAW_TEXT = 96 };

typedef struct draw_box {
    char lines[DRAW_LINES][DRAW_TEXT]; /* empty lines are left out */
    int colour;                        /* 0 source, 1 elementwise or map, 2 reduction, 3 structure */
    int layer, x;                      /* set by the layout */
} draw_box;
typedef struct draw_edge {
    int from, to;
} draw_edge;
typedef struct drawing {
    VEC(draw_box) boxes; /* a box comes after all that point to it */
    VEC(draw_edge) edges;
} drawing;

void drawing_fini(drawing *d);
tsr_status draw_expression(drawing *d, int n, tsr_array *const *roots) MUST_CHECK;
tsr_status draw_plan(drawing *d, const plan *p) MUST_CHECK;
void draw_dot(const drawing *d, strbuf *out);
void draw_svg(drawing *d, strbuf *out);

#endif
