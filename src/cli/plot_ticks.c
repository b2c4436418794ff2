/* Where ticks are and what they say. */
#include "cli/plot.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The text of a round number for ticks `step` apart. */
static void format_plain(double value, double step, double largest, char *text, size_t size)
{
    int decimals = 0;
    if (fabs(value) < step * 1e-6) value = 0;
    if (largest >= 1e7 || step < 1e-5) {
        snprintf(text, size, "%.4g", value);
        char *e = strchr(text, 'e'); /* 1e+07 is 1e7 */
        if (e) {
            long power = strtol(e + 1, NULL, 10);
            snprintf(e, size - (size_t)(e - text), "e%ld", power);
        }
        return;
    }
    for (double s = step; decimals < 6 && fabs(s - round(s)) > 1e-6 * s; s *= 10) decimals++;
    snprintf(text, size, "%.*f", decimals, value == 0 ? 0.0 : value);
    if (text[0] == '-') { /* a real minus sign is as wide as the digits */
        char rest[36];
        snprintf(rest, sizeof rest, "%s", text + 1);
        snprintf(text, size, "\xe2\x88\x92%s", rest);
    }
}

static double round_step(double span, int wanted)
{
    double rough = span / wanted, power = pow(10, floor(log10(rough)));
    double f = rough / power;
    return power * (f < 1.5 ? 1 : f < 3.5 ? 2 : f < 7.5 ? 5 : 10);
}

static int ticks_at_step(double low, double high, double step, plot_tick *out)
{
    int n = 0;
    double first = ceil(low / step - 1e-6);
    for (double k = first; k * step <= high + 1e-6 * step && n < PLOT_MAX_TICKS; k++) out[n++].at = k * step;
    return n;
}

static int ticks_least(double low, double high, int wanted, double least_step, plot_tick *out)
{
    if (!(high > low) || !isfinite(low) || !isfinite(high)) return 0;
    enum { MOST = PLOT_MAX_TICKS * 2 / 3 }; /* rounding the step makes up to half as many more */
    double step = fmax(round_step(high - low, wanted < 1 ? 1 : wanted > MOST ? MOST : wanted), least_step);
    if (!(step > 0) || !isfinite(step)) return 0;
    int n = ticks_at_step(low, high, step, out);
    for (int i = 0; i < n; i++) format_plain(out[i].at, step, fmax(fabs(low), fabs(high)), out[i].text, sizeof out[i].text);
    return n;
}

int ticks_plain(double low, double high, int wanted, plot_tick *out) { return ticks_least(low, high, wanted, 0, out); }

static void format_degrees(double value, axis_kind kind, char *text, size_t size)
{
    if (kind == AXIS_LATITUDE) {
        snprintf(text, size, "%g°%s", fabs(value), value > 0 ? "N" : value < 0 ? "S" : "");
        return;
    }
    double turned = value - 360 * floor((value + 180) / 360); /* -180 .. 180 */
    snprintf(text, size, "%g°%s", fabs(turned), turned == 0 || turned == -180 ? "" : turned > 0 ? "E" : "W");
}

static int ticks_degrees(double low, double high, int wanted, axis_kind kind, plot_tick *out)
{
    static const double steps[] = {0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 20, 30, 45, 60, 90, 120};
    size_t i = 0, n_steps = sizeof steps / sizeof *steps;
    while (i + 1 < n_steps && (high - low) / steps[i] > wanted) i++;
    if ((high - low) / steps[0] < 2 || (high - low) / steps[n_steps - 1] > PLOT_MAX_TICKS)
        return ticks_plain(low, high, wanted, out);
    int n = ticks_at_step(low, high, steps[i], out);
    for (int k = 0; k < n; k++) format_degrees(round(out[k].at * 1e6) / 1e6, kind, out[k].text, sizeof out[k].text);
    return n;
}

int ticks_of_axis(const plot_axis *axis, double low, double high, int wanted, plot_tick *out)
{
    double from = fmin(low, high), to = fmax(low, high);
    if (axis->kind == AXIS_LATITUDE || axis->kind == AXIS_LONGITUDE) return ticks_degrees(from, to, wanted, axis->kind, out);
    if (axis->kind == AXIS_INDEX) return ticks_least(from, to, wanted, 1, out);
    if (axis->kind != AXIS_GIVEN) return ticks_plain(from, to, wanted, out);
    int n = 0;
    for (int i = 0; i < axis->n_ticks; i++)
        if (axis->ticks[i].at >= from && axis->ticks[i].at <= to) out[n++] = axis->ticks[i];
    return n;
}
