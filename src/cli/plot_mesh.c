/* Curvilinear grids: values whose longitudes and latitudes are two-dimensional (ocean models, satellite swaths, projected maps)
 * are painted cell by cell onto a regular grid of degrees, which is then drawn as any other map. A cell reaches half-way to its
 * neighbours; a grid point belongs to the cell that covers it; what no cell covers is missing. Stateless. */
#include "cli/plot.h"

#include "base/mem.h"

#include <math.h>

enum { GRID_WIDTH = 1200, GRID_MOST = 1200 };

typedef struct mesh {
    int64_t ny, nx;
    const double *lon, *lat;
} mesh;

typedef struct point {
    double x, y;
} point;

static double wrap(double degrees) { return degrees - 360 * floor((degrees + 180) / 360); } /* -180 .. 180 */

/* ---- Where the grid lies ----------------------------------------------------------------------------------------- */

/* The shortest range of longitudes that holds all: it ends at the widest gap. All around the globe where no gap is wide. */
static bool find_west_east(const mesh *m, double *west, double *east)
{
    enum { BINS = 720, NARROW = 12 };
    bool used[BINS] = {false}, any = false;
    for (int64_t i = 0; i < m->ny * m->nx; i++) {
        if (!isfinite(m->lon[i]) || !isfinite(m->lat[i])) continue;
        int bin = (int)floor((wrap(m->lon[i]) + 180) * 2);
        used[bin < 0 ? 0 : bin >= BINS ? BINS - 1 : bin] = any = true;
    }
    int widest = 0, gap_end = 0;
    for (int i = 0, run = 0; i < 2 * BINS; i++) {
        run = used[i % BINS] ? 0 : run + 1;
        if (run > widest && run <= BINS) {
            widest = run;
            gap_end = (i + 1) % BINS;
        }
    }
    *west = widest < NARROW ? -180 : gap_end / 2.0 - 180;
    *east = widest < NARROW ? 180 : *west + (BINS - widest) / 2.0;
    return any;
}

static void find_south_north(const mesh *m, double *south, double *north)
{
    *south = 90;
    *north = -90;
    for (int64_t i = 0; i < m->ny * m->nx; i++) {
        if (!isfinite(m->lat[i]) || !isfinite(m->lon[i])) continue;
        *south = fmin(*south, m->lat[i]);
        *north = fmax(*north, m->lat[i]);
    }
    double margin = fmax((*north - *south) * 0.01, 0.01);
    *south = fmax(*south - margin, -90);
    *north = fmin(*north + margin, 90);
}

/* Around a pole: the grid's own rows and columns make a better map than meridians drawn side by side. */
bool plot_mesh_is_polar(int64_t ny, int64_t nx, const double *lon, const double *lat)
{
    enum { LOWEST = 20 };
    mesh m = {ny, nx, lon, lat};
    double west, east, south, north;
    if (!find_west_east(&m, &west, &east)) return false;
    find_south_north(&m, &south, &north);
    return east - west > 359 && (south > LOWEST || north < -LOWEST);
}

/* ---- Cells ------------------------------------------------------------------------------------------------------- */

/* The centre of a cell, its longitude near `near`; outside the mesh the row or column is continued in a straight line. */
static point centre(const mesh *m, int64_t j, int64_t i, double near)
{
    int64_t jj = j < 0 ? 0 : j >= m->ny ? m->ny - 1 : j, ii = i < 0 ? 0 : i >= m->nx ? m->nx - 1 : i;
    int64_t at = jj * m->nx + ii;
    point p = {near + wrap(m->lon[at] - near), m->lat[at]};
    if (jj != j && m->ny > 1) {
        point inner = centre(m, jj + (jj - j), ii, near);
        p = (point){2 * p.x - inner.x, 2 * p.y - inner.y};
    }
    if (ii != i && m->nx > 1) {
        point inner = centre(m, jj, ii + (ii - i), near);
        p = (point){2 * p.x - inner.x, 2 * p.y - inner.y};
    }
    return p;
}

/* The four corners, each the mean of the four centres around it. False for cells without a place or torn apart at a pole. */
static bool corners(const mesh *m, int64_t j, int64_t i, point *out)
{
    enum { WIDEST = 60 };
    static const int around[4][2] = {{-1, -1}, {-1, 0}, {0, 0}, {0, -1}};
    double near = m->lon[j * m->nx + i], low = INFINITY, high = -INFINITY;
    for (int k = 0; k < 4; k++) {
        out[k] = (point){0, 0};
        for (int a = -1; a <= 0; a++)
            for (int b = -1; b <= 0; b++) {
                point p = centre(m, j + a - around[k][0], i + b - around[k][1], near);
                out[k].x += p.x / 4;
                out[k].y += p.y / 4;
            }
        if (!isfinite(out[k].x) || !isfinite(out[k].y)) return false;
        low = fmin(low, out[k].x);
        high = fmax(high, out[k].x);
    }
    return high - low < WIDEST;
}

static bool is_inside(const point *quad, double x, double y)
{
    bool left = true, right = true;
    for (int k = 0; k < 4; k++) {
        const point *a = &quad[k], *b = &quad[(k + 1) % 4];
        double side = (b->x - a->x) * (y - a->y) - (b->y - a->y) * (x - a->x);
        left = left && side >= 0;
        right = right && side <= 0;
    }
    return left || right;
}

typedef struct raster {
    int64_t ny, nx;
    double west, south, step_x, step_y;
    float *values;
} raster;

static void paint(raster *r, const point *quad, double shift, float value)
{
    double x0 = INFINITY, x1 = -INFINITY, y0 = INFINITY, y1 = -INFINITY;
    for (int k = 0; k < 4; k++) {
        x0 = fmin(x0, quad[k].x + shift);
        x1 = fmax(x1, quad[k].x + shift);
        y0 = fmin(y0, quad[k].y);
        y1 = fmax(y1, quad[k].y);
    }
    int64_t i0 = (int64_t)fmax(ceil((x0 - r->west) / r->step_x - 0.5), 0),
            j0 = (int64_t)fmax(ceil((y0 - r->south) / r->step_y - 0.5), 0);
    int64_t i1 = (int64_t)fmin(floor((x1 - r->west) / r->step_x - 0.5), (double)(r->nx - 1)),
            j1 = (int64_t)fmin(floor((y1 - r->south) / r->step_y - 0.5), (double)(r->ny - 1));
    for (int64_t j = j0; j <= j1; j++)
        for (int64_t i = i0; i <= i1; i++)
            if (is_inside(quad, r->west + ((double)i + 0.5) * r->step_x - shift, r->south + ((double)j + 0.5) * r->step_y))
                r->values[j * r->nx + i] = value;
}

static void paint_all(raster *r, const mesh *m, const float *values)
{
    for (int64_t j = 0; j < m->ny; j++)
        for (int64_t i = 0; i < m->nx; i++) {
            point quad[4];
            float value = values[j * m->nx + i];
            if (value != value || !isfinite(m->lon[j * m->nx + i]) || !corners(m, j, i, quad)) continue;
            for (int turn = -2; turn <= 2; turn++) {
                double shift = 360.0 * turn, x = quad[0].x + shift, width = (double)r->nx * r->step_x;
                if (x > r->west - 60 && x < r->west + width + 60) paint(r, quad, shift, value);
            }
        }
}

/* ---- The regular grid -------------------------------------------------------------------------------------------- */

tsr_status plot_mesh(const char *path, const plot_style *style, int64_t ny, int64_t nx, const double *lon, const double *lat,
                     const float *values)
{
    mesh m = {ny, nx, lon, lat};
    raster r = {.nx = GRID_WIDTH};
    double east, north, *x = NULL, *y = NULL;
    tsr_status status = TSR_OK;
    if (!find_west_east(&m, &r.west, &east))
        return error_set(TSR_ERR_VALUE, "the grid's longitudes and latitudes are all missing; nothing can be drawn");
    find_south_north(&m, &r.south, &north);
    r.step_x = (east - r.west) / GRID_WIDTH;
    r.ny = (int64_t)fmin(fmax(ceil((north - r.south) / r.step_x), 2), GRID_MOST);
    r.step_y = (north - r.south) / (double)r.ny;
    x = mem_alloc((size_t)r.nx * sizeof *x);
    y = mem_alloc((size_t)r.ny * sizeof *y);
    r.values = mem_alloc((size_t)(r.nx * r.ny) * sizeof *r.values);
    if (!x || !y || !r.values) GUARD(TSR_ERR_MEMORY);
    for (int64_t i = 0; i < r.nx; i++) x[i] = r.west + ((double)i + 0.5) * r.step_x;
    for (int64_t j = 0; j < r.ny; j++) y[j] = r.south + ((double)j + 0.5) * r.step_y;
    for (int64_t k = 0; k < r.nx * r.ny; k++) r.values[k] = NAN;
    paint_all(&r, &m, values);
    plot_axis across = {.kind = AXIS_LONGITUDE, .n = r.nx, .values = x}, up = {.kind = AXIS_LATITUDE, .n = r.ny, .values = y};
    GUARD(plot_map(path, style, &across, &up, r.values));
done:
    mem_free(r.values);
    mem_free(x);
    mem_free(y);
    return status;
}
