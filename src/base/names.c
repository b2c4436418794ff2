/* The nearest name: Damerau-Levenshtein distance in its restricted form (no substring is edited twice). */
#include "base/names.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

enum { LONGEST = 63 };

static int smaller(int a, int b) { return a < b ? a : b; }

static int replace_cost(char a, char b)
{
    if (a == b) return 0;
    return tolower((unsigned char)a) == tolower((unsigned char)b) ? 2 : 5;
}

int names_distance(const char *a, const char *b)
{
    int n = (int)strnlen(a, LONGEST), m = (int)strnlen(b, LONGEST);
    int rows[3][LONGEST + 1]; /* the last two rows and this one, in turn */
    for (int j = 0; j <= m; j++) rows[0][j] = 4 * j;
    for (int i = 1; i <= n; i++) {
        int *row = rows[i % 3], *above = rows[(i + 2) % 3], *before = rows[(i + 1) % 3];
        row[0] = 4 * i;
        for (int j = 1; j <= m; j++) {
            row[j] = smaller(smaller(above[j], row[j - 1]) + 4, above[j - 1] + replace_cost(a[i - 1], b[j - 1]));
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) row[j] = smaller(row[j], before[j - 2] + 4);
        }
    }
    return rows[n % 3][m];
}

/* One name is the beginning of the other: "lat" and "latitude". */
static int is_prefix(const char *a, const char *b)
{
    size_t n = strlen(a), m = strlen(b);
    return n >= 2 && m >= 2 && !strncasecmp(a, b, n < m ? n : m);
}

int names_nearest(const char *name, int n, const char *const *candidates)
{
    int best = -1, best_distance = 0;
    for (int i = 0; i < n; i++) {
        if (!candidates[i]) continue;
        int distance = is_prefix(name, candidates[i]) ? 1 : names_distance(name, candidates[i]);
        if (best < 0 || distance < best_distance) best = i, best_distance = distance;
    }
    if (best < 0) return -1;
    size_t length = strlen(name), other = strlen(candidates[best]);
    size_t longer = length > other ? length : other;
    return best_distance <= 5 * (int)((longer + 2) / 3) ? best : -1;
}

char *names_hint(const char *name, int n, const char *const *candidates, char *buffer, size_t size)
{
    int nearest = names_nearest(name, n, candidates);
    if (nearest >= 0) {
        snprintf(buffer, size, "; did you mean '%.100s'?", candidates[nearest]);
        return buffer;
    }
    size_t used = 0;
    int shown = 0;
    buffer[0] = '\0';
    for (int i = 0; i < n && used + 120 < size; i++) {
        if (!candidates[i]) continue;
        int wrote = snprintf(buffer + used, size - used, "%s%.100s", shown ? ", " : "; there are ", candidates[i]);
        if (wrote > 0) used += (size_t)wrote;
        shown++;
    }
    return buffer;
}
