/* Land and sea for the sample data: continents as polygons of a few dozen corners (degrees east and north, drawn by eye), whose
 * edges are broken by midpoint displacement (Fournier, Fussell and Carpenter 1982) so that they look like coasts. Rows are filled
 * by the even-odd rule. Stateless. */
#include "cli/climate.h"

#include "base/vec.h"

#include <math.h>
#include <stdlib.h>

typedef struct corner {
    float lon, lat;
} corner;

typedef VEC(corner) corner_list;

/* Ring after ring, each ended by {999, 0}. Longitudes run on past 180 where a ring crosses it. */
static const corner rings[] = {
    /* North America */
    {-168, 66},
    {-156, 71},
    {-141, 70},
    {-127, 70},
    {-115, 68},
    {-108, 68},
    {-95, 68},
    {-93, 62},
    {-94, 59},
    {-87, 56},
    {-82, 55},
    {-80, 51},
    {-79, 55},
    {-77, 61},
    {-70, 61},
    {-65, 59},
    {-61, 55},
    {-56, 52},
    {-65, 49},
    {-61, 46},
    {-66, 44},
    {-70, 42},
    {-74, 40},
    {-76, 36},
    {-81, 31},
    {-80, 26},
    {-82, 28},
    {-84, 30},
    {-90, 29},
    {-97, 27},
    {-97, 21},
    {-94, 18},
    {-90, 21},
    {-87, 21},
    {-88, 16},
    {-83, 15},
    {-83, 10},
    {-78, 9},
    {-80, 7},
    {-86, 11},
    {-93, 15},
    {-100, 17},
    {-105, 20},
    {-109, 25},
    {-113, 31},
    {-110, 23},
    {-115, 29},
    {-118, 34},
    {-124, 40},
    {-124, 48},
    {-131, 55},
    {-140, 60},
    {-150, 60},
    {-158, 56},
    {-162, 59},
    {-165, 62},
    {999, 0},
    /* Greenland */
    {-60, 82},
    {-33, 83},
    {-18, 80},
    {-20, 73},
    {-27, 70},
    {-40, 65},
    {-44, 60},
    {-51, 63},
    {-54, 70},
    {-60, 76},
    {-71, 78},
    {999, 0},
    /* Arctic islands */
    {-120, 75},
    {-95, 77},
    {-88, 81},
    {-65, 83},
    {-78, 77},
    {-90, 74},
    {-110, 72},
    {-124, 72},
    {999, 0},
    {-89, 73},
    {-78, 73},
    {-62, 66},
    {-66, 62},
    {-78, 65},
    {-73, 68},
    {-88, 70},
    {999, 0},
    /* South America */
    {-77, 8},
    {-72, 12},
    {-62, 10},
    {-52, 5},
    {-50, 0},
    {-44, -3},
    {-35, -6},
    {-39, -14},
    {-41, -22},
    {-48, -26},
    {-53, -34},
    {-58, -35},
    {-62, -39},
    {-65, -43},
    {-66, -48},
    {-69, -53},
    {-74, -52},
    {-75, -46},
    {-73, -38},
    {-71, -30},
    {-70, -19},
    {-76, -14},
    {-81, -6},
    {-80, 0},
    {999, 0},
    /* Africa */
    {-6, 36},
    {3, 37},
    {10, 37},
    {11, 33},
    {20, 31},
    {25, 32},
    {32, 31},
    {36, 24},
    {39, 16},
    {43, 12},
    {51, 12},
    {46, 3},
    {40, -4},
    {40, -15},
    {35, -20},
    {35, -25},
    {31, -30},
    {26, -34},
    {19, -34},
    {15, -27},
    {12, -17},
    {13, -8},
    {9, 0},
    {9, 4},
    {4, 6},
    {-4, 5},
    {-9, 5},
    {-14, 10},
    {-17, 15},
    {-16, 22},
    {-10, 30},
    {999, 0},
    /* Madagascar */
    {44, -17},
    {49, -12},
    {50, -16},
    {47, -25},
    {44, -24},
    {999, 0},
    /* Europe and Asia */
    {-9, 37},
    {-9, 43},
    {-2, 44},
    {-4, 48},
    {3, 51},
    {8, 54},
    {8, 57},
    {12, 54},
    {20, 55},
    {23, 59},
    {30, 60},
    {22, 61},
    {25, 65},
    {21, 64},
    {17, 60},
    {16, 56},
    {11, 59},
    {5, 59},
    {6, 63},
    {14, 68},
    {25, 71},
    {40, 67},
    {34, 65},
    {44, 66},
    {46, 68},
    {60, 69},
    {68, 72},
    {80, 73},
    {100, 77},
    {113, 74},
    {130, 71},
    {140, 73},
    {160, 70},
    {180, 69},
    {190, 66},
    {180, 63},
    {170, 60},
    {163, 58},
    {157, 51},
    {156, 57},
    {163, 62},
    {153, 59},
    {140, 58},
    {135, 54},
    {141, 52},
    {138, 46},
    {131, 43},
    {128, 40},
    {129, 36},
    {126, 35},
    {125, 39},
    {121, 40},
    {118, 38},
    {122, 37},
    {120, 33},
    {122, 29},
    {117, 23},
    {110, 21},
    {106, 19},
    {109, 13},
    {105, 9},
    {101, 13},
    {100, 8},
    {104, 1},
    {98, 8},
    {98, 15},
    {92, 22},
    {87, 21},
    {80, 15},
    {80, 10},
    {77, 8},
    {73, 17},
    {72, 21},
    {67, 25},
    {57, 26},
    {51, 30},
    {48, 30},
    {51, 24},
    {56, 26},
    {60, 22},
    {55, 17},
    {45, 13},
    {42, 17},
    {39, 22},
    {35, 29},
    {36, 36},
    {30, 36},
    {27, 38},
    {29, 41},
    {41, 42},
    {37, 46},
    {31, 46},
    {28, 43},
    {23, 40},
    {23, 37},
    {19, 41},
    {13, 45},
    {18, 40},
    {16, 38},
    {10, 44},
    {3, 43},
    {-1, 38},
    {-5, 36},
    {999, 0},
    /* Islands of Europe */
    {-5, 50},
    {1, 51},
    {1, 53},
    {-2, 57},
    {-5, 58},
    {-3, 54},
    {999, 0},
    {-10, 52},
    {-6, 52},
    {-6, 55},
    {-10, 54},
    {999, 0},
    {-24, 65},
    {-22, 64},
    {-18, 63},
    {-14, 65},
    {-16, 66},
    {-23, 66},
    {999, 0},
    /* Sumatra, Borneo, Java, Sulawesi, New Guinea, Philippines */
    {95, 5},
    {104, -2},
    {106, -6},
    {101, -3},
    {999, 0},
    {109, 2},
    {117, 7},
    {119, 4},
    {116, -4},
    {110, -3},
    {999, 0},
    {105, -6},
    {114, -7},
    {114, -9},
    {106, -7},
    {999, 0},
    {119, 1},
    {125, 1},
    {121, -1},
    {122, -5},
    {120, -5},
    {999, 0},
    {131, -1},
    {141, -3},
    {148, -6},
    {150, -10},
    {143, -8},
    {138, -8},
    {999, 0},
    {120, 18},
    {124, 13},
    {126, 7},
    {123, 9},
    {999, 0},
    /* Japan, Taiwan, Sri Lanka, Cuba, Hispaniola */
    {130, 31},
    {135, 34},
    {140, 35},
    {142, 40},
    {145, 43},
    {142, 46},
    {140, 41},
    {136, 36},
    {999, 0},
    {120, 23},
    {122, 25},
    {121, 22},
    {999, 0},
    {80, 9},
    {82, 7},
    {80, 6},
    {999, 0},
    {-85, 22},
    {-80, 23},
    {-74, 20},
    {-78, 21},
    {999, 0},
    {-74, 19},
    {-69, 19},
    {-71, 18},
    {999, 0},
    /* Australia, Tasmania, New Zealand */
    {114, -22},
    {122, -18},
    {127, -14},
    {131, -12},
    {136, -12},
    {136, -15},
    {140, -18},
    {142, -11},
    {146, -18},
    {153, -26},
    {151, -34},
    {147, -38},
    {141, -38},
    {137, -34},
    {131, -31},
    {124, -33},
    {115, -34},
    {999, 0},
    {145, -41},
    {148, -41},
    {147, -43},
    {999, 0},
    {173, -35},
    {178, -38},
    {175, -41},
    {999, 0},
    {173, -41},
    {170, -46},
    {167, -46},
    {999, 0},
    /* Antarctica */
    {-180, -78},
    {-150, -77},
    {-120, -74},
    {-100, -73},
    {-75, -72},
    {-58, -63},
    {-62, -70},
    {-60, -76},
    {-35, -78},
    {-10, -71},
    {20, -70},
    {50, -67},
    {70, -69},
    {90, -66},
    {120, -67},
    {145, -67},
    {170, -72},
    {165, -78},
    {180, -78},
    {180, -90},
    {-180, -90},
    {999, 0},
};

static double signed_hash(uint64_t seed, int64_t a, int64_t b, int64_t c)
{
    return (double)(noise_hash(seed, a, b, c) >> 11) / (double)(1ull << 53) * 2 - 1;
}

/* Adds the points between a and b, `depth` halvings of the edge, without b. */
static bool break_edge(corner_list *out, corner a, corner b, int depth, uint64_t seed)
{
    if (depth == 0 || a.lat <= -89) return VEC_PUSH(out, a);
    float dx = b.lon - a.lon, dy = b.lat - a.lat;
    float shift = 0.16f * (float)signed_hash(seed, lrintf(a.lon * 64), lrintf(a.lat * 64), lrintf((b.lon + 3 * b.lat) * 64));
    corner middle = {a.lon + dx / 2 - dy * shift, a.lat + dy / 2 + dx * shift};
    return break_edge(out, a, middle, depth - 1, seed) && break_edge(out, middle, b, depth - 1, seed);
}

static int compare_doubles(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Adds one ring's inside to a row: every other stretch between crossings is land. */
static void fill_row(float *row, int64_t n_lon, const double *crossings, size_t n)
{
    double cells = (double)n_lon / 360;
    for (size_t i = 0; i + 1 < n; i += 2) {
        int64_t first = (int64_t)ceil(crossings[i] * cells), last = (int64_t)floor(crossings[i + 1] * cells);
        for (int64_t x = first; x <= last; x++) row[((x % n_lon) + n_lon) % n_lon] = 1;
    }
}

static tsr_status fill_ring(float *land, int64_t n_lat, int64_t n_lon, const double *lat, const corner_list *ring)
{
    VEC(double) crossings = {0};
    tsr_status status = TSR_OK;
    for (int64_t y = 0; y < n_lat && status == TSR_OK; y++) {
        double at = lat[y] + 1e-4;
        crossings.n = 0;
        for (size_t i = 0; i < ring->n; i++) {
            corner a = ring->items[i], b = ring->items[(i + 1) % ring->n];
            if ((a.lat <= at) == (b.lat <= at)) continue;
            if (!VEC_PUSH(&crossings, a.lon + (at - a.lat) / (b.lat - a.lat) * (b.lon - a.lon))) status = TSR_ERR_MEMORY;
        }
        if (crossings.n) qsort(crossings.items, crossings.n, sizeof *crossings.items, compare_doubles);
        fill_row(land + y * n_lon, n_lon, crossings.items, crossings.n);
    }
    VEC_FINI(&crossings);
    return status;
}

tsr_status land_fill(float *land, int64_t n_lat, int64_t n_lon, const double *lat, uint64_t seed)
{
    enum { N = sizeof rings / sizeof *rings, DEPTH = 5 };
    corner_list ring = {0};
    tsr_status status = TSR_OK;
    for (int64_t i = 0; i < n_lat * n_lon; i++) land[i] = 0;
    size_t start = 0;
    for (size_t i = 0; i < N && status == TSR_OK; i++) {
        bool is_end = rings[i].lon > 900;
        if (!is_end) {
            corner next = rings[i + 1].lon > 900 ? rings[start] : rings[i + 1];
            if (!break_edge(&ring, rings[i], next, DEPTH, seed)) status = TSR_ERR_MEMORY;
            continue;
        }
        status = fill_ring(land, n_lat, n_lon, lat, &ring);
        ring.n = 0;
        start = i + 1;
    }
    VEC_FINI(&ring);
    return status;
}
