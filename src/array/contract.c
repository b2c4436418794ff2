/* Contractions: sums of products of two arrays. Any such sum is one CONTRACT node over a domain whose axes are in both arrays and
 * kept, in one of them, or in both and summed over; what is not of that form (diagonals, sums over axes of one array) is brought
 * into it first, and where nothing is summed it is an elementwise product.
 *
 * The tiles of the domain are chosen here, as part of the expression: the bits of a sum depend on them. */
#include "array/build.h"

#include <string.h>

/* ---- The domain -------------------------------------------------------------------------------------------------------- */

contract_domain contract_domain_of(const tsr_array *node)
{
    contract_domain d = {.ndim = node->ndim + node->p.contract.n_sum};
    uint32_t in_left = 0, in_right = 0;
    for (int i = 0; i < 2; i++) {
        const tsr_array *input = node->inputs[i];
        const int8_t *axes = i == 0 ? node->p.contract.left : node->p.contract.right;
        for (int k = 0; k < input->ndim; k++) {
            if (axes[k] < 0 || axes[k] >= d.ndim) continue; /* a bug, which graph_check reports */
            d.shape[axes[k]] = input->shape[k];
            *(i == 0 ? &in_left : &in_right) |= 1u << axes[k];
        }
    }
    for (int a = 0; a < d.ndim; a++) {
        bool both = (in_left & in_right) >> a & 1;
        d.side[a] = a >= node->ndim ? SIDE_SUM : both ? SIDE_BOTH : in_left >> a & 1 ? SIDE_LEFT : SIDE_RIGHT;
    }
    return d;
}

int64_t contract_extent(const contract_domain *d, contract_side side, const int64_t *lengths)
{
    int64_t lengths_of_side[TSR_MAX_NDIM];
    int n = 0;
    for (int a = 0; a < d->ndim; a++)
        if (d->side[a] == side) lengths_of_side[n++] = lengths[a];
    return shape_size(n, lengths_of_side);
}

/* ---- Tiles ------------------------------------------------------------------------------------------------------------- */

enum { LARGEST_SIDE = 1024, SMALLEST_SIDE = 256, WANTED_TILES = 32 };

static int64_t parts_of(int64_t length, int64_t part) { return length / part + (length % part != 0); }
static int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }

/* The length of a tile's sides: large ones move less memory for each operation, small ones give more threads something to do. */
static int64_t side_of_tiles(tsr_dtype dtype, const int64_t *extent)
{
    int64_t side = tsr_dtype_size(dtype) > 8 ? LARGEST_SIDE * 3 / 4 : LARGEST_SIDE;
    while (side > SMALLEST_SIDE) {
        double tiles = (double)extent[SIDE_BOTH];
        for (int s = SIDE_LEFT; s < N_SIDES; s++) tiles *= (double)parts_of(extent[s], side);
        if (tiles >= WANTED_TILES) break;
        side = side / 2 > SMALLEST_SIDE ? side / 2 : SMALLEST_SIDE;
    }
    return side;
}

/* Where one side is short, tiles are longer along the others, as long as no matrix of a tile has more than `cells` elements. */
static void lengthen(const int64_t *extent, int64_t *tile, int64_t cells)
{
    static const contract_side order[] = {SIDE_SUM, SIDE_LEFT, SIDE_RIGHT};
    static const contract_side others[][2] = {
        [SIDE_LEFT] = {SIDE_SUM, SIDE_RIGHT}, [SIDE_RIGHT] = {SIDE_SUM, SIDE_LEFT}, [SIDE_SUM] = {SIDE_LEFT, SIDE_RIGHT}};
    for (int i = 0; i < 3; i++) {
        contract_side s = order[i];
        int64_t x = tile[others[s][0]], y = tile[others[s][1]], most = cells / (x > y ? x : y);
        if (most > tile[s]) tile[s] = least(extent[s], most);
    }
    int64_t a = tile[SIDE_LEFT] * tile[SIDE_SUM], b = tile[SIDE_SUM] * tile[SIDE_RIGHT], c = tile[SIDE_LEFT] * tile[SIDE_RIGHT];
    int64_t largest = a > b ? a : b;
    if (c > largest) largest = c;
    tile[SIDE_BOTH] = least(extent[SIDE_BOTH], cells / largest > 1 ? cells / largest : 1);
}

/* `part` of an axis, so that parts are about equal, or are whole chunks where these are of a fitting length. */
static int64_t fitted(const axis_grid *g, int64_t part)
{
    if (g->length <= part) return g->length > 0 ? g->length : 1;
    if (!g->edges && g->phase == 0 && g->chunk > part / 2 && g->chunk <= part + part / 2) return g->chunk;
    if (!g->edges && g->phase == 0 && g->chunk <= part / 2) return part / g->chunk * g->chunk;
    return parts_of(g->length, parts_of(g->length, part));
}

static void choose_tiles(tsr_array *proto)
{
    contract_domain d = contract_domain_of(proto);
    int64_t extent[N_SIDES], tile[N_SIDES];
    for (int s = 0; s < N_SIDES; s++) {
        extent[s] = contract_extent(&d, (contract_side)s, d.shape);
        if (extent[s] < 1) extent[s] = 1;
    }
    int64_t side = side_of_tiles(proto->dtype, extent);
    for (int s = 0; s < N_SIDES; s++) tile[s] = s == SIDE_BOTH ? 1 : least(extent[s], side);
    lengthen(extent, tile, side * side);
    const axis_grid *chunks[TSR_MAX_NDIM] = {NULL};
    for (int k = 0; k < proto->inputs[1]->ndim; k++) chunks[proto->p.contract.right[k]] = &proto->inputs[1]->grid.axes[k];
    for (int k = 0; k < proto->inputs[0]->ndim; k++) chunks[proto->p.contract.left[k]] = &proto->inputs[0]->grid.axes[k];
    for (int a = d.ndim - 1; a >= 0; a--) { /* the innermost axes of a side are whole first */
        int64_t *left = &tile[d.side[a]], part = fitted(chunks[a], *left);
        proto->p.contract.tile[a] = part;
        *left = *left / part > 1 ? *left / part : 1;
    }
}

/* ---- Making the node ----------------------------------------------------------------------------------------------------- */

/* An operand on its way into a node: labels of its axes, in order. */
typedef struct labelled {
    tsr_array *array; /* a reference */
    int labels[TSR_MAX_NDIM];
} labelled;

static void replace(labelled *x, tsr_array *made) { x->array = array_using(made, x->array); }

/* Axes of equal labels become one, the diagonal. */
static void take_diagonals(labelled *x)
{
    view_axis axes[TSR_MAX_NDIM];
    int64_t shape[TSR_MAX_NDIM];
    int labels[TSR_MAX_NDIM], n = 0;
    for (int d = 0; d < x->array->ndim; d++) {
        int64_t length = x->array->shape[d];
        int at = 0;
        while (at < n && labels[at] != x->labels[d]) at++;
        if (at == n) {
            labels[n] = x->labels[d];
            shape[n++] = length;
        } else if (shape[at] == 1) {
            shape[at] = length; /* of the two the one of length 1 is repeated */
        }
        axes[d] = (view_axis){at, 0, 1};
    }
    if (n == x->array->ndim) return;
    for (int d = 0; d < x->array->ndim; d++)
        if (x->array->shape[d] == 1 && shape[axes[d].axis] != 1) axes[d] = (view_axis){-1, 0, 0};
    memcpy(x->labels, labels, sizeof labels);
    replace(x, array_view(x->array, n, shape, axes));
}

/* Drops the axes whose labels are in the set: by summing, or, those of length 1, by looking at their one element. */
static void drop_axes(labelled *x, uint32_t labels, bool by_sum)
{
    int axes[TSR_MAX_NDIM], n = 0, kept = 0;
    int left[TSR_MAX_NDIM];
    for (int d = 0; d < x->array->ndim; d++) {
        if (labels >> x->labels[d] & 1) {
            axes[n++] = d;
        } else {
            left[kept++] = x->labels[d];
        }
    }
    if (n == 0) return;
    memcpy(x->labels, left, sizeof left);
    if (!by_sum) {
        replace(x, tsr_squeeze(x->array, n, axes));
        return;
    }
    tsr_dtype dtype = x->array->dtype;
    replace(x, dtype == TSR_BOOL ? tsr_any(x->array, n, axes, false) : tsr_sum(x->array, n, axes, false));
    if (x->array) replace(x, array_cast(x->array, dtype)); /* integers wrap, so a wider sum cut short is the narrow one */
}

static uint32_t labels_of(const labelled *x, bool only_ones)
{
    uint32_t mask = 0;
    for (int d = 0; d < x->array->ndim; d++)
        if (!only_ones || x->array->shape[d] == 1) mask |= 1u << x->labels[d];
    return mask;
}

/* The product without a sum, by broadcasting; or one array alone (b NULL) in the order of `out`. */
static tsr_array *arranged(const labelled *x, int n_out, const int *out)
{
    view_axis axes[TSR_MAX_NDIM];
    int64_t shape[TSR_MAX_NDIM];
    for (int k = 0; k < n_out; k++) shape[k] = 1;
    for (int d = 0; d < x->array->ndim; d++) {
        int at = 0;
        while (out[at] != x->labels[d]) at++;
        axes[d] = (view_axis){at, 0, 1};
        shape[at] = x->array->shape[d];
    }
    return array_view(x->array, n_out, shape, axes);
}

static tsr_array *elementwise(const labelled *a, const labelled *b, int n_out, const int *out)
{
    tsr_array *x = arranged(a, n_out, out), *y = arranged(b, n_out, out);
    return array_using(array_using(x && y ? tsr_multiply(x, y) : NULL, x), y);
}

static tsr_array *make_node(const char *name, const labelled *a, const labelled *b, int n_out, const int *out, uint32_t summed)
{
    int domain[32];
    tsr_array *inputs[2] = {a->array, b->array};
    tsr_array proto = {.op = NODE_CONTRACT, .dtype = a->array->dtype, .ndim = n_out, .n_inputs = 2, .inputs = inputs};
    for (int k = 0; k < n_out; k++) domain[out[k]] = k;
    for (int label = 0; label < 32; label++)
        if (summed >> label & 1) domain[label] = n_out + proto.p.contract.n_sum++;
    if (n_out + proto.p.contract.n_sum > TSR_MAX_NDIM) {
        (void)error_set(TSR_ERR_VALUE, "%s: %d axes in the result and %d that are summed over, at most %d together are possible",
                        name, n_out, proto.p.contract.n_sum, TSR_MAX_NDIM);
        return NULL;
    }
    for (int d = 0; d < b->array->ndim; d++) proto.p.contract.right[d] = (int8_t)domain[b->labels[d]];
    for (int d = 0; d < a->array->ndim; d++) proto.p.contract.left[d] = (int8_t)domain[a->labels[d]];
    contract_domain d = contract_domain_of(&proto);
    choose_tiles(&proto);
    proto.grid.ndim = n_out;
    for (int k = 0; k < n_out; k++) {
        proto.shape[k] = d.shape[k];
        proto.grid.axes[k] = axis_grid_regular(d.shape[k], proto.p.contract.tile[k]);
    }
    return node_make(a->array->session, &proto);
}

static tsr_status check_lengths(const char *name, const labelled *a, const labelled *b)
{
    char x[256], y[256];
    for (int i = 0; i < a->array->ndim; i++) {
        for (int k = 0; k < b->array->ndim; k++) {
            int64_t m = a->array->shape[i], n = b->array->shape[k];
            if (a->labels[i] != b->labels[k] || m == n || m == 1 || n == 1) continue;
            return error_set(TSR_ERR_VALUE, "%s: axis %d of shape %s does not fit to axis %d of shape %s", name, i,
                             shape_format(a->array->ndim, a->array->shape, x, sizeof x), k,
                             shape_format(b->array->ndim, b->array->shape, y, sizeof y));
        }
    }
    return TSR_OK;
}

tsr_array *array_contract(const char *name, tsr_array *a, const int *left, tsr_array *b, const int *right, int n_out,
                          const int *out)
{
    tsr_array *result = NULL;
    uint32_t wanted = 0;
    if (!array_ready(a) || !array_ready(b)) return NULL;
    if (a->session != b->session) {
        (void)error_set(TSR_ERR_VALUE, "%s: the arrays belong to different sessions", name);
        return NULL;
    }
    tsr_dtype dtype = tsr_dtype_promote(a->dtype, b->dtype);
    labelled x = {array_cast(a, dtype), {0}}, y = {array_cast(b, dtype), {0}};
    if (!x.array || !y.array) goto done;
    if (a->ndim) memcpy(x.labels, left, sizeof *left * (size_t)a->ndim);
    if (b->ndim) memcpy(y.labels, right, sizeof *right * (size_t)b->ndim);
    for (int k = 0; k < n_out; k++) wanted |= 1u << out[k];
    take_diagonals(&x);
    if (x.array) take_diagonals(&y);
    if (!x.array || !y.array || check_lengths(name, &x, &y) != TSR_OK) goto done;
    /* An axis of length 1 beside a longer one, or one that the other has not, sums with nothing. */
    uint32_t ones_x = labels_of(&x, true), ones_y = labels_of(&y, true), in_x, in_y = labels_of(&y, false);
    drop_axes(&x, ones_x & (in_y | ~wanted) & ~(ones_y & wanted), false);
    if (!x.array) goto done;
    drop_axes(&y, ones_y & (labels_of(&x, false) | ~wanted), false);
    if (!y.array) goto done;
    in_x = labels_of(&x, false);
    in_y = labels_of(&y, false);
    drop_axes(&x, in_x & ~in_y & ~wanted, true);
    if (x.array) drop_axes(&y, in_y & ~in_x & ~wanted, true);
    if (!x.array || !y.array) goto done;
    in_x = labels_of(&x, false);
    in_y = labels_of(&y, false);
    uint32_t summed = in_x & in_y & ~wanted;
    /* Output axes that neither array has any more had length 1 in both. */
    result = summed ? make_node(name, &x, &y, n_out, out, summed) : elementwise(&x, &y, n_out, out);
done:
    node_unref(x.array);
    node_unref(y.array);
    return result;
}
