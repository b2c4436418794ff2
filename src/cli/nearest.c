/* Suggestions for mistyped names: the optimal string alignment distance (Damerau 1964: insertions, deletions, replacements and
 * swaps of neighbours), letters compared without case. */
#include "cli/ast.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

enum { MAX_NAME = 48 };

static int smaller(int a, int b) { return a < b ? a : b; }

static int distance(const char *a, const char *b)
{
    size_t na = strlen(a), nb = strlen(b);
    if (na > MAX_NAME || nb > MAX_NAME) return MAX_NAME;
    int rows[3][MAX_NAME + 1];
    int *before = rows[0], *last = rows[1], *row = rows[2];
    for (size_t j = 0; j <= nb; j++) last[j] = before[j] = (int)j;
    for (size_t i = 1; i <= na; i++) {
        row[0] = (int)i;
        for (size_t j = 1; j <= nb; j++) {
            int ca = tolower((unsigned char)a[i - 1]), cb = tolower((unsigned char)b[j - 1]);
            row[j] = smaller(smaller(last[j], row[j - 1]) + 1, last[j - 1] + (ca != cb));
            if (i > 1 && j > 1 && ca == tolower((unsigned char)b[j - 2]) && cb == tolower((unsigned char)a[i - 2]))
                row[j] = smaller(row[j], before[j - 2] + 1);
        }
        int *spare = before;
        before = last;
        last = row;
        row = spare;
    }
    return last[nb];
}

nearest nearest_start(const char *wanted) { return (nearest){.wanted = wanted, .distance = MAX_NAME}; }

void nearest_consider(nearest *n, const char *candidate)
{
    size_t length = strlen(n->wanted);
    int d = distance(n->wanted, candidate), allowed = length <= 3 ? 1 : length <= 5 ? 2 : 3;
    /* "lat" for "latitude", "dimension" for "dim": a beginning of three letters or more is as good as two mistakes. */
    size_t shorter = length < strlen(candidate) ? length : strlen(candidate);
    bool is_beginning = shorter >= 3 && strncasecmp(n->wanted, candidate, shorter) == 0;
    if (is_beginning) d = smaller(d, 2);
    if ((d > allowed && !is_beginning) || d >= (int)length || d >= n->distance) return;
    n->distance = d;
    n->best = candidate;
}

const char *nearest_hint(const nearest *n, char *buffer, size_t size)
{
    buffer[0] = '\0';
    if (n->best) snprintf(buffer, size, "; did you mean '%s'?", n->best);
    return buffer;
}
