/* The progress bar; see progress.h. */
#include "cli/progress.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum { LINE_SECONDS = 5, BAR_CELLS = 28, MOST_LINES = 16, NAME_CELLS = 20 };

void progress_init(progress *p, const invocation *call)
{
    *p = (progress){.is_terminal = isatty(STDERR_FILENO)};
    p->is_asked = option_given(call, "progress");
    p->is_shown = !option_given(call, "quiet") && (p->is_terminal || option_given(call, "progress"));
}

static struct winsize terminal_size(void)
{
    struct winsize w;
    if (ioctl(STDERR_FILENO, TIOCGWINSZ, &w) != 0) w = (struct winsize){0};
    if (w.ws_col == 0) w.ws_col = 80;
    if (w.ws_row == 0) w.ws_row = 24;
    return w;
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

/* " 42% " and the bar: 5 + BAR_CELLS columns. Returns the bytes written. */
static int write_bar(double fraction, char *line, size_t size)
{
    /* Eighths of a cell, from empty to full. */
    static const char *const eighths[] = {"", "▏", "▎", "▍", "▌", "▋", "▊", "▉"};
    int parts = (int)(fraction * BAR_CELLS * 8), full = parts / 8;
    int n = snprintf(line, size, "%3d%% ", (int)(fraction * 100));
    for (int i = 0; i < full; i++) n += snprintf(line + n, size - (size_t)n, "█");
    n += snprintf(line + n, size - (size_t)n, "%s", eighths[parts % 8]);
    n += snprintf(line + n, size - (size_t)n, "%*s", BAR_CELLS - full - (parts % 8 > 0), "");
    return n;
}

/* One line for each stage with tasks. Where there are too many, those that are done go first. */
static void draw_stages(progress *p)
{
    const struct winsize size = terminal_size();
    const int room = size.ws_col < NAME_CELLS + BAR_CELLS + 28 ? 0 : size.ws_row - 2 < MOST_LINES ? size.ws_row - 2 : MOST_LINES;
    int n = 0, n_drawn = 0;
    for (int i = 0; i < p->n_stages; i++) n += p->stages[i].tasks_total > 0;
    for (int i = 0; i < p->n_stages && n_drawn < room; i++) {
        const stage_progress *s = &p->stages[i];
        char line[512], bar[256];
        if (s->tasks_total <= 0 || (n - n_drawn > room && s->tasks_done >= s->tasks_total)) {
            n -= s->tasks_total > 0;
            continue;
        }
        write_bar((double)s->tasks_done / (double)s->tasks_total, bar, sizeof bar);
        snprintf(line, sizeof line, "\n\x1b[K  %-*.*s %s %lld/%lld", NAME_CELLS, NAME_CELLS, s->name, bar,
                 (long long)s->tasks_done, (long long)s->tasks_total);
        fputs(line, stderr);
        n_drawn++;
    }
    if (n_drawn < p->n_lines) fputs("\x1b[J", stderr);
    p->n_lines = n_drawn;
}

static void draw_bar(progress *p, double fraction, const char *text, const char *what)
{
    const int columns = terminal_size().ws_col;
    char line[512];
    if (p->n_lines > 0) fprintf(stderr, "\x1b[%dA", p->n_lines);
    int n = snprintf(line, sizeof line, "\r\x1b[K");
    n += write_bar(fraction, line + n, sizeof line - (size_t)n);
    int room = columns - 1 - 5 - BAR_CELLS, length = (int)strlen(text);
    if (room >= length) n += snprintf(line + n, sizeof line - (size_t)n, "%s", text);
    if (what && room - length > 4)
        snprintf(line + n, sizeof line - (size_t)n, "  %.*s", room - length - 2 > 40 ? 40 : room - length - 2, what);
    fputs(line, stderr);
    draw_stages(p);
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
        if (p->n_lines > 0) fprintf(stderr, "\x1b[%dA", p->n_lines);
        fputs(p->n_lines > 0 ? "\r\x1b[J" : "\r\x1b[K", stderr);
        fflush(stderr);
    }
    p->n_lines = 0;
    p->is_bar_drawn = false;
}
