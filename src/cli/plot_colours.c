/* Colour maps, as anchor colours at equal distances with straight lines between them in sRGB. The anchors are samples of
 * published maps: viridis and magma (S. van der Walt and N. Smith 2015), cividis (Nunez, Anderton, Renslow 2018), RdBu (C. Brewer
 * 2003). */
#include "cli/plot.h"

#include "cli/ast.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { MAX_ANCHORS = 16 };

struct colour_map {
    const char *name;
    int n;
    uint32_t anchors[MAX_ANCHORS];
};

const char plot_colour_names[] = "viridis magma cividis gray RdBu RdBu_r";

static const colour_map maps[] = {
    {"viridis",
     16,
     {0x440154, 0x481a6c, 0x472f7d, 0x414487, 0x39568c, 0x31688e, 0x2a788e, 0x23888e, 0x1f988b, 0x22a884, 0x35b779, 0x54c568,
      0x7ad151, 0xa5db36, 0xd2e21b, 0xfde725}},
    {"magma",
     16,
     {0x000004, 0x0b0924, 0x20114b, 0x3b0f70, 0x57157e, 0x721f81, 0x8c2981, 0xa8327d, 0xc43c75, 0xde4968, 0xf1605d, 0xfa7f5e,
      0xfe9f6d, 0xfebf84, 0xfddea0, 0xfcfdbf}},
    {"cividis", 9, {0x00224e, 0x123570, 0x3b496c, 0x575d6d, 0x707173, 0x8a8678, 0xa59c74, 0xc3b369, 0xfee838}},
    {"gray", 2, {0x000000, 0xffffff}},
    {"RdBu", 11, {0x67001f, 0xb2182b, 0xd6604d, 0xf4a582, 0xfddbc7, 0xf7f7f7, 0xd1e5f0, 0x92c5de, 0x4393c3, 0x2166ac, 0x053061}},
    {"RdBu_r",
     11,
     {0x053061, 0x2166ac, 0x4393c3, 0x92c5de, 0xd1e5f0, 0xf7f7f7, 0xfddbc7, 0xf4a582, 0xd6604d, 0xb2182b, 0x67001f}},
};

const colour_map *colour_map_find(const char *name)
{
    for (size_t i = 0; i < sizeof maps / sizeof *maps; i++)
        if (strcmp(maps[i].name, name) == 0) return &maps[i];
    return NULL;
}

tsr_status plot_check_colours(const char *name)
{
    if (colour_map_find(name)) return TSR_OK;
    char hint[80];
    nearest best = nearest_start(name);
    for (size_t i = 0; i < sizeof maps / sizeof *maps; i++) nearest_consider(&best, maps[i].name);
    return error_set(TSR_ERR_VALUE, "unknown colour map '%s'%s (there are %s)", name, nearest_hint(&best, hint, sizeof hint),
                     plot_colour_names);
}

uint32_t colour_map_at(const colour_map *map, double position)
{
    double p = position <= 0 ? 0 : position >= 1 ? 1 : position;
    p *= map->n - 1;
    int i = (int)p;
    if (i > map->n - 2) i = map->n - 2;
    double f = p - i;
    uint32_t a = map->anchors[i], b = map->anchors[i + 1], colour = 0;
    for (int shift = 16; shift >= 0; shift -= 8) {
        double ca = (a >> shift) & 0xff, cb = (b >> shift) & 0xff;
        colour |= (uint32_t)lrint(ca + f * (cb - ca)) << shift;
    }
    return colour;
}
