/* A made-up but plausible planet: two-metre temperature by place and time, for sample data. The same seed and grid give the same
 * values, whatever the number of threads. */
#ifndef TESSERA_CLI_CLIMATE_H
#define TESSERA_CLI_CLIMATE_H

#include "base/error.h"

#include <stdint.h>

enum { CLIMATE_N_TEXTURES = 4 };

typedef struct climate {
    int64_t n_lat, n_lon;
    double *lat, *lon;                  /* degrees; 90 .. -90 and 0 .. 360 */
    float *land;                        /* 0 sea .. 1 land */
    float *normal;                      /* annual mean temperature in K */
    float *seasonal;                    /* half range of the year, positive in the north */
    float *diurnal;                     /* half range of the day */
    float *texture[CLIMATE_N_TEXTURES]; /* weather patterns of unit variance, moved by the winds */
} climate;

/* Builds the fixed fields, with n_threads threads. */
tsr_status climate_init(climate *c, int64_t n_lat, int64_t n_lon, uint64_t seed, int n_threads) MUST_CHECK;
void climate_fini(climate *c);
/* Temperature in K at `days` since the start of the year 2014, for the whole grid. Any thread. */
void climate_temperature(const climate *c, double days, float *out);

/* Fraction of land for each cell, from coarse outlines of the continents whose coasts are roughened by `seed`. */
tsr_status land_fill(float *land, int64_t n_lat, int64_t n_lon, const double *lat, uint64_t seed) MUST_CHECK;

/* Smooth noise in three dimensions, about -1 .. 1. */
double noise_at(double x, double y, double z, uint64_t seed);
uint64_t noise_hash(uint64_t seed, int64_t a, int64_t b, int64_t c);

#endif
