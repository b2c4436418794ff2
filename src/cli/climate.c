/* The sample planet's temperature:
 *
 *   annual mean by latitude, colder on mountains and ice, with patches of warmer and colder land
 * + a year's cycle, small at sea and at the equator, large inside continents
 * + a day's cycle by local solar time, large over dry land
 * + weather: four noise patterns on the sphere, carried east by the westerlies (west by the trades), each at its own speed,
 *   mixed by weights that change over days, so that eddies travel, grow and fade.
 *
 * Initialisation runs on several threads, each with its own rows; afterwards everything is read-only. */
#include "cli/climate.h"

#include "base/mem.h"

#include <math.h>
#include <pthread.h>
#include <string.h>

/* ---- Noise ------------------------------------------------------------------------------------------------------- */

/* SplitMix64's finaliser (Steele, Lea and Flood 2014) over the lattice point. */
uint64_t noise_hash(uint64_t seed, int64_t a, int64_t b, int64_t c)
{
    uint64_t h = seed + 0x9e3779b97f4a7c15u * (uint64_t)a + 0xbf58476d1ce4e5b9u * (uint64_t)b + 0x94d049bb133111ebu * (uint64_t)c;
    h = (h ^ (h >> 30)) * 0xbf58476d1ce4e5b9u;
    h = (h ^ (h >> 27)) * 0x94d049bb133111ebu;
    return h ^ (h >> 31);
}

/* A random gradient's product with the offset: one of twelve edge directions (Perlin 2002). */
static double gradient(uint64_t seed, int64_t x, int64_t y, int64_t z, double dx, double dy, double dz)
{
    int h = (int)(noise_hash(seed, x, y, z) % 12);
    double u = h < 8 ? dx : dy, v = h < 4 ? dy : dz;
    return ((h & 1) ? -u : u) + ((h & 2) ? -v : v);
}

static double fade(double t) { return t * t * t * (t * (t * 6 - 15) + 10); }
static double mix(double a, double b, double t) { return a + t * (b - a); }

double noise_at(double x, double y, double z, uint64_t seed)
{
    int64_t i = (int64_t)floor(x), j = (int64_t)floor(y), k = (int64_t)floor(z);
    double dx = x - (double)i, dy = y - (double)j, dz = z - (double)k, u = fade(dx), v = fade(dy), w = fade(dz);
    double plane[2];
    for (int p = 0; p < 2; p++) {
        double a = mix(gradient(seed, i, j, k + p, dx, dy, dz - p), gradient(seed, i + 1, j, k + p, dx - 1, dy, dz - p), u);
        double b = mix(gradient(seed, i, j + 1, k + p, dx, dy - 1, dz - p),
                       gradient(seed, i + 1, j + 1, k + p, dx - 1, dy - 1, dz - p), u);
        plane[p] = mix(a, b, v);
    }
    return mix(plane[0], plane[1], w);
}

/* Octaves of noise at a place on the unit sphere, about unit variance. */
static double octaves(const double *at, double frequency, uint64_t seed)
{
    double x = at[0] * frequency, y = at[1] * frequency, z = at[2] * frequency;
    double sum = noise_at(x, y, z, seed) + 0.5 * noise_at(x * 2.1, y * 2.1, z * 2.1, seed + 1);
    return 3.1 * (sum + 0.22 * noise_at(x * 4.7, y * 4.7, z * 4.7, seed + 2));
}

/* The patterns at a place, which is moved a little by another noise first, so that they look stirred. */
static void textures_at(double lat, double lon, uint64_t seed, float *out)
{
    static const double frequency[CLIMATE_N_TEXTURES] = {2.6, 3.4, 4.3, 6.0};
    double f = lat * M_PI / 180, l = lon * M_PI / 180, at[3] = {cos(f) * cos(l), cos(f) * sin(l), sin(f)};
    double bend_x = 0.4 * noise_at(at[0] * 2.2, at[1] * 2.2, at[2] * 2.2, seed + 11);
    double bend_y = 0.4 * noise_at(at[0] * 2.2, at[1] * 2.2, at[2] * 2.2, seed + 12);
    at[0] += bend_x;
    at[1] += bend_y;
    for (int t = 0; t < CLIMATE_N_TEXTURES; t++) out[t] = (float)octaves(at, frequency[t], seed + 1000 * (uint64_t)(t + 1));
}

/* ---- Fixed fields ------------------------------------------------------------------------------------------------ */

static double bump(double lat, double lon, double at_lat, double at_lon, double d_lat, double d_lon)
{
    double x = remainder(lon - at_lon, 360) / d_lon, y = (lat - at_lat) / d_lat;
    return exp(-(x * x + y * y));
}

/* Height of the land in km. */
static double height_at(double lat, double lon)
{
    double h = 4.6 * bump(lat, lon, 33, 88, 6, 14) + 1.8 * bump(lat, lon, 45, 90, 8, 22) + 1.6 * bump(lat, lon, 33, 52, 6, 9);
    h += 2.2 * bump(lat, lon, 42, -110, 12, 7) + 1.6 * bump(lat, lon, 58, -125, 9, 8) + 1.9 * bump(lat, lon, 22, -102, 6, 4);
    h += 3.6 * bump(lat, lon, -18, -68, 13, 3.5) + 2.0 * bump(lat, lon, -38, -71, 9, 2) + 2.4 * bump(lat, lon, 2, -77, 7, 3);
    h += 1.7 * bump(lat, lon, 8, 38, 6, 4) + 1.2 * bump(lat, lon, -5, 33, 12, 5) + 1.2 * bump(lat, lon, -28, 27, 6, 6);
    h += 2.6 * bump(lat, lon, 74, -40, 9, 13) + 3.0 * bump(lat, lon, -85, 60, 13, 150) + 1.4 * bump(lat, lon, 46, 10, 2, 6);
    return h;
}

/* Slow blur along and across rows: how continental a place is. */
static void blur(float *field, float *scratch, int64_t n_lat, int64_t n_lon, int64_t radius)
{
    for (int64_t y = 0; y < n_lat; y++) {
        double sum = 0;
        const float *row = field + y * n_lon;
        for (int64_t x = -radius; x <= radius; x++) sum += row[((x % n_lon) + n_lon) % n_lon];
        for (int64_t x = 0; x < n_lon; x++) {
            scratch[y * n_lon + x] = (float)(sum / (double)(2 * radius + 1));
            sum += row[(x + radius + 1) % n_lon] - row[((x - radius) % n_lon + n_lon) % n_lon];
        }
    }
    for (int64_t x = 0; x < n_lon; x++)
        for (int64_t y = 0; y < n_lat; y++) {
            int64_t low = y - radius < 0 ? 0 : y - radius, high = y + radius >= n_lat ? n_lat - 1 : y + radius;
            field[y * n_lon + x] = (scratch[low * n_lon + x] + 2 * scratch[y * n_lon + x] + scratch[high * n_lon + x]) / 4;
        }
}

static void fill_place(climate *c, int64_t y, int64_t x, float inland, uint64_t seed)
{
    int64_t i = y * c->n_lon + x;
    double lat = c->lat[y], lon = c->lon[x], f = lat * M_PI / 180, l = lon * M_PI / 180;
    double px = cos(f) * cos(l), py = cos(f) * sin(l), s = sin(f);
    double land = c->land[i], rough = 2.5 * noise_at(px * 9, py * 9, s * 9, seed + 100);
    double height = land * fmax(height_at(lat, lon), 0) * (1 + 0.12 * rough);
    double mean = 300.5 - 44 * s * s - 9 * s * s * s * s + (lat < 0 ? -4 * s * s : 0);
    mean += land * (2.0 * cos(f) * cos(f) - 5.5 * s * s - 5.8 * height + 1.1 * rough - (lat < -60 ? 11 : 0));
    mean += (1 - land) *
            (4.5 * bump(lat, lon, 58, -5, 14, 35) + 3 * bump(lat, lon, 38, -55, 6, 22) + 2.5 * bump(lat, lon, 33, 145, 7, 18) -
             3.5 * bump(lat, lon, -15, -80, 14, 8) - 3 * bump(lat, lon, -20, 8, 12, 6) - 2 * bump(lat, lon, 27, -120, 9, 7));
    c->normal[i] = (float)mean;
    double dry = land * (bump(lat, lon, 23, 15, 9, 32) + bump(lat, lon, 23, 45, 9, 12) + bump(lat, lon, -25, 133, 8, 16) + 0.6);
    c->seasonal[i] = (float)(s * (2.5 + 3.5 * fabs(s)) + (lat < -60 ? -7.0 * land : 0) +
                             inland * 19.0 * s * sqrt(fabs(s)) * (lat > 0 ? 1 : 0.55));
    c->diurnal[i] = (float)(0.4 + land * (2.2 + 3.6 * dry) * cos(f) * cos(f));
}

/* Fills every second place of every second row (of the rows given) with textures; the rest is interpolated afterwards. */
static void fill_coarse_row(climate *c, int64_t y, uint64_t seed)
{
    float values[CLIMATE_N_TEXTURES];
    for (int64_t x = 0; x < c->n_lon; x += 2) {
        textures_at(c->lat[y], c->lon[x], seed, values);
        for (int t = 0; t < CLIMATE_N_TEXTURES; t++) c->texture[t][y * c->n_lon + x] = values[t];
    }
    for (int64_t x = 1; x < c->n_lon; x += 2)
        for (int t = 0; t < CLIMATE_N_TEXTURES; t++) {
            float *row = c->texture[t] + y * c->n_lon;
            row[x] = (row[x - 1] + row[(x + 1) % c->n_lon]) / 2;
        }
}

typedef struct filler {
    climate *c;
    const float *inland;
    uint64_t seed;
    int64_t first, step;
} filler;

static void *fill_rows(void *context)
{
    filler *f = context;
    for (int64_t y = f->first; y < f->c->n_lat; y += f->step) {
        bool is_coarse = y % 2 == 0 || y == f->c->n_lat - 1;
        if (is_coarse) fill_coarse_row(f->c, y, f->seed);
        for (int64_t x = 0; x < f->c->n_lon; x++) fill_place(f->c, y, x, f->inland[y * f->c->n_lon + x], f->seed);
    }
    return NULL;
}

static tsr_status allocate(climate *c, int64_t n_lat, int64_t n_lon)
{
    size_t bytes = (size_t)(n_lat * n_lon) * sizeof(float);
    *c = (climate){.n_lat = n_lat, .n_lon = n_lon};
    c->lat = mem_alloc((size_t)n_lat * sizeof(double));
    c->lon = mem_alloc((size_t)n_lon * sizeof(double));
    float **fields[] = {&c->land, &c->normal, &c->seasonal, &c->diurnal};
    bool ok = c->lat && c->lon;
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) ok = ok && (*fields[i] = mem_alloc(bytes));
    for (int i = 0; i < CLIMATE_N_TEXTURES; i++) ok = ok && (c->texture[i] = mem_alloc(bytes));
    if (!ok) return TSR_ERR_MEMORY;
    for (int64_t y = 0; y < n_lat; y++) c->lat[y] = n_lat == 1 ? 0 : 90 - 180.0 * (double)y / (double)(n_lat - 1);
    for (int64_t x = 0; x < n_lon; x++) c->lon[x] = 360.0 * (double)x / (double)n_lon;
    return TSR_OK;
}

tsr_status climate_init(climate *c, int64_t n_lat, int64_t n_lon, uint64_t seed, int n_threads)
{
    enum { MAX_THREADS = 64 };
    tsr_status status = TSR_OK;
    pthread_t threads[MAX_THREADS];
    filler fillers[MAX_THREADS] = {{0}};
    size_t n = (size_t)(n_lat * n_lon);
    float *inland = NULL, *scratch = NULL;
    int started = 0;
    GUARD(allocate(c, n_lat, n_lon));
    inland = mem_alloc(n * sizeof *inland);
    scratch = mem_alloc(n * sizeof *scratch);
    if (!inland || !scratch) GUARD(TSR_ERR_MEMORY);
    GUARD(land_fill(c->land, n_lat, n_lon, c->lat, seed));
    memcpy(inland, c->land, n * sizeof *inland);
    for (int i = 0; i < 3; i++) blur(inland, scratch, n_lat, n_lon, n_lon / 60);
    for (size_t i = 0; i < n; i++) inland[i] *= c->land[i];
    n_threads = n_threads > MAX_THREADS ? MAX_THREADS : n_threads < 1 ? 1 : n_threads;
    for (int i = 0; i < n_threads; i++) fillers[i] = (filler){c, inland, seed, i, n_threads};
    for (int i = 1; i < n_threads; i++) {
        if (pthread_create(&threads[started], NULL, fill_rows, &fillers[i]) != 0)
            fill_rows(&fillers[i]); /* no thread to be had: do its rows here */
        else
            started++;
    }
    fill_rows(&fillers[0]);
    for (int i = 0; i < started; i++) pthread_join(threads[i], NULL);
    for (int t = 0; t < CLIMATE_N_TEXTURES; t++)
        for (int64_t y = 1; y < n_lat - 1; y += 2)
            for (int64_t x = 0; x < n_lon; x++) {
                float *at = c->texture[t] + y * n_lon + x;
                *at = (at[-n_lon] + at[n_lon]) / 2;
            }
done:
    mem_free(inland);
    mem_free(scratch);
    if (status != TSR_OK) climate_fini(c);
    return status;
}

void climate_fini(climate *c)
{
    mem_free(c->lat);
    mem_free(c->lon);
    mem_free(c->land);
    mem_free(c->normal);
    mem_free(c->seasonal);
    mem_free(c->diurnal);
    for (int i = 0; i < CLIMATE_N_TEXTURES; i++) mem_free(c->texture[i]);
    *c = (climate){0};
}

/* ---- A moment ---------------------------------------------------------------------------------------------------- */

/* How strong the weather is at a latitude, in K: storm tracks at 50 degrees, calm tropics. */
static double storminess(double lat)
{
    double a = (fabs(lat) - 52) / 22;
    return 0.7 + 5.2 * exp(-a * a) + 1.6 * pow(fabs(sin(lat * M_PI / 180)), 3);
}

/* How far east a pattern has moved after some days, in degrees: a steady drift, and a shear between the latitudes that sways to
 * and fro, so that eddies are bent but never wound up. */
static double drift(double lat, int texture, double days)
{
    static const double speed[CLIMATE_N_TEXTURES] = {4.5, 7.5, 11.5, 15};
    double storms = (fabs(lat) - 48) / 24, trades = lat / 16;
    double profile = exp(-storms * storms) - 0.6 * exp(-trades * trades);
    return speed[texture] * days + 13 * profile * sin(days / (3.3 + 0.9 * texture) + 1.7 * texture);
}

/* Adds weight * texture, moved east by `shift` cells, to a row. */
static void add_moved(float *out, const float *row, int64_t n, double shift, float weight)
{
    double back = fmod(shift, (double)n);
    if (back < 0) back += (double)n;
    int64_t whole = (int64_t)back;
    float f = (float)(back - (double)whole), near = weight * (1 - f), far = weight * f;
    int64_t j = (n - whole) % n; /* out[0] reads row[j] and row[j - 1] */
    float before = row[(j + n - 1) % n];
    for (int64_t x = 0; x < n; x++) {
        out[x] += near * row[j] + far * before;
        before = row[j];
        if (++j == n) j = 0;
    }
}

static void temperature_row(const climate *c, int64_t y, double days, float *out)
{
    int64_t n = c->n_lon, at = y * n;
    /* The year turns at the end of July in the north; the sun's height follows the declination. */
    float year = (float)cos(2 * M_PI * (days - 201) / 365.25);
    double declination = -23.4 * cos(2 * M_PI * (days + 10) / 365.25);
    float sun = (float)fmax(cos((c->lat[y] - declination) * M_PI / 180), 0);
    double hour = days - floor(days);
    double step = 2 * M_PI / (double)n, phase = 2 * M_PI * (hour - 0.61); /* warmest at 14:40 local time */
    double cosine = cos(phase), sine = sin(phase), turn_cos = cos(step), turn_sin = sin(step);
    for (int64_t x = 0; x < n; x++) {
        out[x] = c->normal[at + x] + year * c->seasonal[at + x] + sun * c->diurnal[at + x] * (float)cosine;
        double next = cosine * turn_cos - sine * turn_sin;
        sine = sine * turn_cos + cosine * turn_sin;
        cosine = next;
    }
    for (int t = 0; t < CLIMATE_N_TEXTURES; t++) {
        double mood = 0.75 + 0.35 * sin(days / (3.1 + 1.7 * t) + 2.3 * t + c->lat[y] / 25);
        double shift = drift(c->lat[y], t, days) * (double)n / 360;
        static const double share[CLIMATE_N_TEXTURES] = {0.62, 0.58, 0.45, 0.34};
        add_moved(out, c->texture[t] + at, n, shift, (float)(storminess(c->lat[y]) * mood * share[t]));
    }
}

void climate_temperature(const climate *c, double days, float *out)
{
    for (int64_t y = 0; y < c->n_lat; y++) temperature_row(c, y, days, out + y * c->n_lon);
}
