/* tessera sample: daily files of a made-up climate and a stack of images. Days are generated and written by several threads, one
 * file at a time each; the main thread shows the progress. The first failure stops all. */
#include "cli/climate.h"
#include "cli/commands.h"
#include "cli/interrupt.h"
#include "cli/progress.h"

#include "base/mem.h"
#include "base/os.h"
#include "store/store.h"

#include <errno.h>
#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

enum { STEPS_PER_DAY = 4, FILL_VALUE = -32767, IMAGE_SIZE = 512 };

static const double PACK_SCALE = 0.0025, PACK_OFFSET = 255.0; /* 173 .. 337 K in 16 bits */

typedef struct sample {
    const char *dir, *format;
    int64_t n_days, n_lat, n_lon, n_images, n_threads, deflate;
    uint64_t seed;
    int64_t first_day; /* days since 1970-01-01 */
    bool is_packed;
    climate planet;

    atomic_int_fast64_t next; /* the next piece of work: days, then images */
    atomic_int_fast64_t done, bytes;
    pthread_mutex_t lock; /* guards the failure */
    pthread_cond_t ended; /* a thread has ended */
    int n_running;        /* also guarded by the lock */
    tsr_status status;
    char error[512];
    store_writer *stack;
} sample;

/* ---- Dates ------------------------------------------------------------------------------------------------------- */

/* Days since 1970-01-01 in the proleptic Gregorian calendar, and back (Howard Hinnant, "chrono-compatible low-level date
 * algorithms"). */
static int64_t days_of_date(int64_t y, int m, int d)
{
    y -= m <= 2;
    int64_t era = (y >= 0 ? y : y - 399) / 400, year = y - era * 400;
    int64_t day = (153 * (m + (m > 2 ? -3 : 9)) + 2) / 5 + d - 1;
    return era * 146097 + year * 365 + year / 4 - year / 100 + day - 719468;
}

static void date_of_days(int64_t days, int *y, int *m, int *d)
{
    days += 719468;
    int64_t era = (days >= 0 ? days : days - 146096) / 146097, rest = days - era * 146097;
    int64_t year = (rest - rest / 1460 + rest / 36524 - rest / 146096) / 365;
    int64_t day = rest - (365 * year + year / 4 - year / 100), month = (5 * day + 2) / 153;
    *d = (int)(day - (153 * month + 2) / 5 + 1);
    *m = (int)(month < 10 ? month + 3 : month - 9);
    *y = (int)(year + era * 400 + (*m <= 2));
}

static tsr_status parse_date(const char *text, int64_t *days)
{
    int y, m, d, used = 0, back[3];
    if (sscanf(text, "%4d-%2d-%2d%n", &y, &m, &d, &used) != 3 || text[used] || m < 1 || m > 12 || d < 1 || d > 31)
        return error_set(TSR_ERR_VALUE, "--start needs a date such as 2014-01-01, found '%s'", text);
    *days = days_of_date(y, m, d);
    date_of_days(*days, &back[0], &back[1], &back[2]);
    if (back[1] != m || back[2] != d) return error_set(TSR_ERR_VALUE, "--start: there is no %s", text);
    return TSR_OK;
}

/* ---- One day ----------------------------------------------------------------------------------------------------- */

static store_attr text_attr(const char *name, const char *text)
{
    return (store_attr){.name = (char *)(uintptr_t)name, .text = (char *)(uintptr_t)text, .n_values = (int64_t)strlen(text)};
}

static tsr_status create_day(const sample *s, const char *path, store_writer **out)
{
    double scale = PACK_SCALE, offset = PACK_OFFSET;
    int16_t fill = FILL_VALUE;
    store_dim dims[] = {{.name = "time", .length = STEPS_PER_DAY, .is_unlimited = true},
                        {.name = "latitude", .length = s->n_lat},
                        {.name = "longitude", .length = s->n_lon}};
    store_attr time_attrs[] = {text_attr("units", "hours since 1900-01-01 00:00:00"), text_attr("long_name", "time"),
                               text_attr("standard_name", "time"), text_attr("calendar", "gregorian"), text_attr("axis", "T")};
    store_attr lat_attrs[] = {text_attr("units", "degrees_north"), text_attr("long_name", "latitude"),
                              text_attr("standard_name", "latitude"), text_attr("axis", "Y")};
    store_attr lon_attrs[] = {text_attr("units", "degrees_east"), text_attr("long_name", "longitude"),
                              text_attr("standard_name", "longitude"), text_attr("axis", "X")};
    store_attr t2m_attrs[] = {text_attr("units", "K"),
                              text_attr("long_name", "2 metre temperature"),
                              text_attr("standard_name", "air_temperature"),
                              {.name = "_FillValue", .dtype = TSR_I16, .n_values = 1, .values = &fill},
                              {.name = "scale_factor", .dtype = TSR_F64, .n_values = 1, .values = &scale},
                              {.name = "add_offset", .dtype = TSR_F64, .n_values = 1, .values = &offset}};
    store_attr attrs[] = {text_attr("Conventions", "CF-1.8"), text_attr("title", "Sample data: temperature of a made-up planet"),
                          text_attr("source", "tessera sample " TESSERA_VERSION)};
    store_var vars[] = {
        {.name = "time", .dtype = TSR_I32, .ndim = 1, .dims = {0}, .shape = {STEPS_PER_DAY}, .n_attrs = 5, .attrs = time_attrs},
        {.name = "latitude", .dtype = TSR_F32, .ndim = 1, .dims = {1}, .shape = {s->n_lat}, .n_attrs = 4, .attrs = lat_attrs},
        {.name = "longitude", .dtype = TSR_F32, .ndim = 1, .dims = {2}, .shape = {s->n_lon}, .n_attrs = 4, .attrs = lon_attrs},
        {.name = "t2m",
         .dtype = s->is_packed ? TSR_I16 : TSR_F32,
         .ndim = 3,
         .dims = {0, 1, 2},
         .shape = {STEPS_PER_DAY, s->n_lat, s->n_lon},
         .n_attrs = s->is_packed ? 6 : 3,
         .attrs = t2m_attrs},
    };
    store_schema schema = {.n_dims = 3,
                           .n_vars = 4,
                           .n_attrs = 3,
                           .dims = dims,
                           .vars = vars,
                           .attrs = attrs,
                           .deflate_level = (int)s->deflate,
                           .shuffle = s->deflate > 0};
    return store_create(path, s->format, &schema, out);
}

static tsr_status write_whole(store_writer *w, int var, const void *data)
{
    box all = box_of_shape(w->vars[var].ndim, w->vars[var].shape);
    return store_write(w, var, &all, data);
}

static tsr_status write_coordinates(const sample *s, store_writer *w, int64_t day, float *scratch)
{
    int32_t hours[STEPS_PER_DAY];
    int64_t since_1900 = (day - days_of_date(1900, 1, 1)) * 24;
    for (int i = 0; i < STEPS_PER_DAY; i++) hours[i] = (int32_t)(since_1900 + i * 24 / STEPS_PER_DAY);
    TRY(write_whole(w, 0, hours));
    for (int64_t y = 0; y < s->n_lat; y++) scratch[y] = (float)s->planet.lat[y];
    TRY(write_whole(w, 1, scratch));
    for (int64_t x = 0; x < s->n_lon; x++) scratch[x] = (float)s->planet.lon[x];
    return write_whole(w, 2, scratch);
}

static void pack(const float *values, int64_t n, int16_t *out)
{
    float scale = (float)(1 / PACK_SCALE), offset = (float)PACK_OFFSET;
    for (int64_t i = 0; i < n; i++) out[i] = (int16_t)lrintf(fminf(fmaxf((values[i] - offset) * scale, -32000), 32000));
}

static tsr_status write_day(sample *s, int64_t number, float *values, int16_t *packed)
{
    int y, m, d;
    int64_t day = s->first_day + number, cells = s->n_lat * s->n_lon;
    store_writer *w = NULL;
    tsr_status status = TSR_OK;
    date_of_days(day, &y, &m, &d);
    char *path = mem_printf("%s/%04d-%02d-%02d.nc", s->dir, y, m, d);
    if (!path) return TSR_ERR_MEMORY;
    GUARD(create_day(s, path, &w));
    GUARD(write_coordinates(s, w, day, values));
    double days = (double)(day - days_of_date(2014, 1, 1));
    for (int i = 0; i < STEPS_PER_DAY; i++) climate_temperature(&s->planet, days + (double)i / STEPS_PER_DAY, values + i * cells);
    if (s->is_packed) pack(values, STEPS_PER_DAY * cells, packed);
    GUARD(write_whole(w, 3, s->is_packed ? (const void *)packed : values));
    GUARD(store_finish(w));
    w = NULL;
    struct stat facts;
    if (stat(path, &facts) == 0) atomic_fetch_add(&s->bytes, facts.st_size);
done:
    if (w) store_abort(w); /* store_finish has freed it already when it fails */
    mem_free(path);
    return status;
}

/* ---- Images ------------------------------------------------------------------------------------------------------ */

/* Bright blobs that drift and breathe over a dim, uneven background with shot noise, as under a microscope. */
static void draw_image(const sample *s, int64_t number, uint16_t *out)
{
    enum { N_BLOBS = 12 };
    double x[N_BLOBS], y[N_BLOBS], width[N_BLOBS], height[N_BLOBS];
    for (int b = 0; b < N_BLOBS; b++) {
        uint64_t h = noise_hash(s->seed + 77, b, 0, 0);
        double phase = (double)(h & 0xffff) / 65536 * 2 * M_PI, t = (double)number;
        x[b] = fmod((double)(h >> 16 & 0xffff) / 65536 * IMAGE_SIZE + t * 1.3 + 9 * sin(t / 17 + phase), IMAGE_SIZE);
        y[b] = (double)(h >> 32 & 0xffff) / 65536 * IMAGE_SIZE + 14 * cos(t / 23 + phase);
        width[b] = 9 + 14 * (double)(h >> 48 & 0xff) / 255;
        height[b] = 900 + 2600 * (double)(h >> 56) / 255 * (0.75 + 0.25 * sin(t / 9 + phase));
    }
    for (int64_t j = 0; j < IMAGE_SIZE; j++)
        for (int64_t i = 0; i < IMAGE_SIZE; i++) {
            double v = 180 + 60 * noise_at((double)i / 190, (double)j / 190, 0.5, s->seed + 5);
            for (int b = 0; b < N_BLOBS; b++) {
                double dx = ((double)i - x[b]) / width[b], dy = ((double)j - y[b]) / width[b], r = dx * dx + dy * dy;
                if (r < 18) v += height[b] * exp(-r);
            }
            uint64_t h = noise_hash(s->seed, i, j, number);
            double spread =
                (double)(h & 0xffff) / 65536 + (double)(h >> 16 & 0xffff) / 65536 + (double)(h >> 32 & 0xffff) / 65536 - 1.5;
            out[j * IMAGE_SIZE + i] = (uint16_t)fmin(fmax(v + 2 * sqrt(v) * spread, 0), 65535);
        }
}

static tsr_status open_stack(sample *s)
{
    store_dim dims[] = {
        {.name = "frame", .length = s->n_images}, {.name = "y", .length = IMAGE_SIZE}, {.name = "x", .length = IMAGE_SIZE}};
    store_var var = {
        .name = "stack", .dtype = TSR_U16, .ndim = 3, .dims = {0, 1, 2}, .shape = {s->n_images, IMAGE_SIZE, IMAGE_SIZE}};
    store_schema schema = {.n_dims = 3, .n_vars = 1, .dims = dims, .vars = &var};
    char *path = mem_printf("%s/stack.npy", s->dir);
    if (!path) return TSR_ERR_MEMORY;
    tsr_status status = store_create(path, "npy", &schema, &s->stack);
    mem_free(path);
    return status;
}

static tsr_status write_image(sample *s, int64_t number, uint16_t *pixels)
{
    draw_image(s, number, pixels);
    box region = {.ndim = 3, .start = {number, 0, 0}, .count = {1, IMAGE_SIZE, IMAGE_SIZE}};
    TRY(store_write(s->stack, 0, &region, pixels));
    atomic_fetch_add(&s->bytes, (int64_t)sizeof(uint16_t) * IMAGE_SIZE * IMAGE_SIZE);
    return TSR_OK;
}

/* ---- Threads ----------------------------------------------------------------------------------------------------- */

static void note_failure(sample *s, tsr_status status)
{
    pthread_mutex_lock(&s->lock);
    if (s->status == TSR_OK) {
        s->status = status;
        snprintf(s->error, sizeof s->error, "%s", tsr_error_message());
    }
    pthread_mutex_unlock(&s->lock);
    atomic_store(&s->next, s->n_days + s->n_images);
}

static tsr_status work_through(sample *s, float *values, int16_t *packed, uint16_t *pixels)
{
    for (;;) {
        if (interrupt_signal()) return error_set(TSR_ERR_CANCELLED, "interrupted");
        int64_t i = atomic_fetch_add(&s->next, 1);
        if (i >= s->n_days + s->n_images) return TSR_OK;
        if (i < s->n_days)
            TRY(write_day(s, i, values, packed));
        else
            TRY(write_image(s, i - s->n_days, pixels));
        atomic_fetch_add(&s->done, 1);
    }
}

static void *worker(void *context)
{
    sample *s = context;
    size_t cells = (size_t)(s->n_lat * s->n_lon * STEPS_PER_DAY);
    float *values = mem_alloc((cells + (size_t)s->n_lon) * sizeof *values);
    int16_t *packed = s->is_packed ? mem_alloc(cells * sizeof *packed) : NULL;
    uint16_t *pixels = s->n_images ? mem_alloc(sizeof *pixels * IMAGE_SIZE * IMAGE_SIZE) : NULL;
    tsr_status status = TSR_ERR_MEMORY;
    if (values && (packed || !s->is_packed) && (pixels || !s->n_images)) status = work_through(s, values, packed, pixels);
    if (status != TSR_OK) note_failure(s, status);
    mem_free(values);
    mem_free(packed);
    mem_free(pixels);
    pthread_mutex_lock(&s->lock);
    s->n_running--;
    pthread_cond_signal(&s->ended);
    pthread_mutex_unlock(&s->lock);
    return NULL;
}

static void watch(sample *s, progress *bar, int64_t start_ns)
{
    pthread_mutex_lock(&s->lock);
    while (s->n_running > 0) {
        os_cond_wait_ns(&s->ended, &s->lock, 100000000);
        progress_show(bar, (double)atomic_load(&s->done) / (double)(s->n_days + s->n_images), (double)atomic_load(&s->bytes),
                      (double)(os_now_ns() - start_ns) * 1e-9, "writing");
    }
    pthread_mutex_unlock(&s->lock);
}

static tsr_status run_threads(sample *s, progress *bar, int64_t start_ns)
{
    enum { MAX_THREADS = 64 };
    pthread_t threads[MAX_THREADS];
    int started = 0, wanted = (int)(s->n_threads < MAX_THREADS ? s->n_threads : MAX_THREADS);
    s->n_running = wanted;
    while (started < wanted && pthread_create(&threads[started], NULL, worker, s) == 0) started++;
    pthread_mutex_lock(&s->lock);
    s->n_running -= wanted - started;
    pthread_mutex_unlock(&s->lock);
    if (started == 0) return error_set(TSR_ERR_MEMORY, "no thread could be started");
    watch(s, bar, start_ns);
    for (int i = 0; i < started; i++) pthread_join(threads[i], NULL);
    if (s->status != TSR_OK) return error_set(s->status, "%s", s->error);
    return TSR_OK;
}

/* ---- The command ------------------------------------------------------------------------------------------------- */

static tsr_status read_grid(const char *text, sample *s)
{
    long long n_lat, n_lon;
    int used = 0;
    if (sscanf(text, "%lldx%lld%n", &n_lat, &n_lon, &used) != 2 || text[used])
        return error_set(TSR_ERR_VALUE, "--grid needs LATxLON such as 721x1440, found '%s'", text);
    if (n_lat < 2 || n_lon < 4 || n_lat > 20000 || n_lon > 40000)
        return error_set(TSR_ERR_VALUE, "--grid %s: latitudes must be 2 to 20000 and longitudes 4 to 40000", text);
    s->n_lat = n_lat;
    s->n_lon = n_lon;
    return TSR_OK;
}

static tsr_status read_options(const invocation *call, sample *s)
{
    int64_t seed = 1;
    s->first_day = days_of_date(2014, 1, 1);
    if (call->arguments.n != 1)
        return error_set(TSR_ERR_VALUE, "one directory is needed, found %zu arguments", call->arguments.n);
    s->dir = call->arguments.items[0];
    TRY(option_int(call, "days", 0, 100000, &s->n_days));
    TRY(option_int(call, "images", 0, 1000000, &s->n_images));
    TRY(option_int(call, "threads", 1, 1024, &s->n_threads));
    TRY(option_int(call, "seed", 0, INT64_MAX, &seed));
    TRY(option_int(call, "deflate", 0, 9, &s->deflate));
    if (option_given(call, "grid")) TRY(read_grid(option_text(call, "grid"), s));
    if (option_given(call, "start")) TRY(parse_date(option_text(call, "start"), &s->first_day));
    const char *format = option_text(call, "format"), *dtype = option_text(call, "dtype");
    s->format = format ? format : "nc3";
    s->is_packed = !dtype || strcmp(dtype, "i16") == 0;
    s->seed = (uint64_t)seed;
    if (s->deflate > 0 && strcmp(s->format, "nc4") != 0) return error_set(TSR_ERR_VALUE, "--deflate needs --format nc4");
    if (s->n_days + s->n_images == 0) return error_set(TSR_ERR_VALUE, "--days 0 without --images leaves nothing to write");
    return TSR_OK;
}

static tsr_status make_dir(const char *dir)
{
    struct stat facts;
    if (mkdir(dir, 0777) == 0 || (errno == EEXIST && stat(dir, &facts) == 0 && S_ISDIR(facts.st_mode))) return TSR_OK;
    return error_errno(errno, "cannot make the directory '%s'", dir);
}

static tsr_status make_sample(sample *s, progress *bar, int64_t start_ns)
{
    tsr_status status = TSR_OK;
    GUARD(make_dir(s->dir));
    if (s->n_days > 0) GUARD(climate_init(&s->planet, s->n_lat, s->n_lon, s->seed, (int)s->n_threads));
    if (s->n_images > 0) GUARD(open_stack(s));
    GUARD(run_threads(s, bar, start_ns));
    if (s->stack) {
        store_writer *w = s->stack;
        s->stack = NULL;
        GUARD(store_finish(w));
    }
done:
    store_abort(s->stack);
    climate_fini(&s->planet);
    return status;
}

int command_sample(const invocation *call)
{
    sample s = {.n_days = 30, .n_lat = 721, .n_lon = 1440, .n_threads = os_n_cpus()};
    int64_t start_ns = os_now_ns();
    progress bar;
    if (read_options(call, &s) != TSR_OK) {
        complain(call->command, tsr_error_message());
        return EXIT_USAGE;
    }
    pthread_mutex_init(&s.lock, NULL);
    os_cond_init(&s.ended);
    progress_init(&bar, call);
    tsr_status status = make_sample(&s, &bar, start_ns);
    progress_clear(&bar);
    pthread_cond_destroy(&s.ended);
    pthread_mutex_destroy(&s.lock);
    if (status != TSR_OK) return complain_status(call->command, status);
    if (!option_given(call, "quiet")) {
        char volume[32], time[32];
        printf("%s: %lld daily files%s, %s in %s\n", s.dir, (long long)s.n_days, s.n_images ? " and stack.npy" : "",
               size_format((double)atomic_load(&s.bytes), volume, sizeof volume),
               seconds_format((double)(os_now_ns() - start_ns) * 1e-9, time, sizeof time));
    }
    return EXIT_DONE;
}
