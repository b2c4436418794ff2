/* The progress bar; see progress.h. */
#include "cli/progress.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum { LINE_SECONDS = 5, BAR_CELLS = 28 };

void progress_init(progress *p, const invocation *call)
{
    *p = (progress){.is_terminal = isatty(STDERR_FILENO)};
    p->is_asked = option_given(call, "progress");
    p->is_shown = !option_given(call, "quiet") && (p->is_terminal || option_given(call, "progress"));
}

static int terminal_columns(void)
{
    struct winsize w;
    return ioctl(STDERR_FILENO, TIOCGWINSZ, &w) == 0 && w.ws_col > 0 ? w.ws_col : 80;
}

/* "1.2 GB  640 MB/s  3.1 s left" */
static void figures(progress *p, double fraction, double bytes, double seconds, char *text, size_t size)
{
    char volume[32], rate[32], left[48];
    double dt = seconds - p->rate_seconds;
    if (dt >= 0.3 || bytes < p->rate_bytes) {
        double now = dt > 0 ? fmax(bytes - p->rate_bytes, 0) / dt : 0;
        p->smooth_rate = p->smooth_rate > 0 ? 0.7 * p->smooth_rate + 0.3 * now : now;
        p->rate_seconds = seconds;
        p->rate_bytes = bytes;
    }
    size_format(bytes, volume, sizeof volume);
    size_format(p->smooth_rate, rate, sizeof rate);
    seconds_format(fraction > 0 ? seconds * (1 - fraction) / fraction : 0, left, sizeof left);
    int n = 0;
    if (bytes > 0) n = snprintf(text, size, "  %s", volume);
    if (bytes > 0 && p->smooth_rate > 0) n += snprintf(text + n, size - (size_t)n, "  %s/s", rate);
    if (fraction > 0.01 && fraction < 1 && seconds > 0.5)
        snprintf(text + n, size - (size_t)n, "  %s left", left);
    else
        snprintf(text + n, size - (size_t)n, "  %s", seconds_format(seconds, left, sizeof left));
}

static void draw_bar(progress *p, double fraction, const char *text, const char *what)
{
    /* Eighths of a cell, from empty to full. */
    static const char *const eighths[] = {"", "▏", "▎", "▍", "▌", "▋", "▊", "▉"};
    int parts = (int)(fraction * BAR_CELLS * 8), full = parts / 8, columns = terminal_columns();
    char line[512];
    int n = snprintf(line, sizeof line, "\r\x1b[K%3d%% ", (int)(fraction * 100));
    for (int i = 0; i < full; i++) n += snprintf(line + n, sizeof line - (size_t)n, "█");
    n += snprintf(line + n, sizeof line - (size_t)n, "%s", eighths[parts % 8]);
    int drawn = 5 + full + (parts % 8 > 0), blanks = BAR_CELLS - full - (parts % 8 > 0);
    n += snprintf(line + n, sizeof line - (size_t)n, "%*s", blanks, "");
    int room = columns - 1 - drawn - blanks, length = (int)strlen(text);
    if (room >= length) n += snprintf(line + n, sizeof line - (size_t)n, "%s", text);
    if (what && room - length > 4)
        snprintf(line + n, sizeof line - (size_t)n, "  %.*s", room - length - 2 > 40 ? 40 : room - length - 2, what);
    fputs(line, stderr);
    fflush(stderr);
    p->is_bar_drawn = true;
}

void progress_show(progress *p, double fraction, double bytes, double seconds, const char *what)
{
    if (!p->is_shown) return;
    char text[160] = "";
    if (!(fraction > 0)) fraction = 0;
    if (fraction > 1) fraction = 1;
    if (p->is_terminal) {
        if (seconds < 0.25) return; /* short work needs no bar */
        figures(p, fraction, bytes, seconds, text, sizeof text);
        draw_bar(p, fraction, text, what);
        return;
    }
    if (seconds < p->last_seconds) p->last_seconds = 0; /* another run has begun */
    bool is_end = fraction >= 1 && p->is_asked && !(p->has_ended && seconds >= p->last_seconds);
    p->has_ended = fraction >= 1;
    if (seconds - p->last_seconds < LINE_SECONDS && !is_end) return;
    p->last_seconds = seconds;
    figures(p, fraction, bytes, seconds, text, sizeof text);
    fprintf(stderr, "%3d %%%s%s%s\n", (int)(fraction * 100), text, what ? "  " : "", what ? what : "");
}

void progress_clear(progress *p)
{
    if (p->is_bar_drawn) {
        fputs("\r\x1b[K", stderr);
        fflush(stderr);
    }
    p->is_bar_drawn = false;
}
