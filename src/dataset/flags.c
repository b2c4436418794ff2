/* Names of values: the k-th word of flag_meanings belongs to the k-th number of flag_values. Pure functions. */
#include "dataset/flags.h"

#include "base/names.h"
#include "block/dtype.h"

#include <stdio.h>
#include <string.h>

enum { MAX_FLAGS = 256, MAX_NAME = 64 };

static const store_attr *find_values(const attrs *a)
{
    const store_attr *values = attrs_find(a, "flag_values");
    return values && !values->text && !dtype_is_complex(values->dtype) && !attrs_find(a, "flag_masks") ? values : NULL;
}

bool flags_exist(const attrs *a) { return find_values(a) && attrs_text(a, "flag_meanings"); }

static double value_at(const store_attr *values, int64_t i)
{
    const char *at = (const char *)values->values + (size_t)i * tsr_dtype_size(values->dtype);
    return element_from_scalar(scalar_from_element(at, values->dtype), TSR_F64).f64;
}

/* The next word of the list, its length in *n; NULL at the end. */
static const char *next_word(const char **list, size_t *n)
{
    const char *word = *list + strspn(*list, " \t\n");
    *n = strcspn(word, " \t\n");
    *list = word + *n;
    return *n > 0 ? word : NULL;
}

bool flags_name(const attrs *a, double value, char *text, size_t size)
{
    if (!flags_exist(a)) return false;
    const store_attr *values = find_values(a);
    const char *list = attrs_text(a, "flag_meanings"), *word;
    size_t n;
    for (int64_t i = 0; i < values->n_values && (word = next_word(&list, &n)); i++) {
        if (value_at(values, i) != value) continue;
        snprintf(text, size, "%.*s", (int)n, word);
        return true;
    }
    return false;
}

tsr_status flags_value(const attrs *a, const char *name, double *value)
{
    char words[MAX_FLAGS][MAX_NAME], hint[600];
    const char *names[MAX_FLAGS], *word, *list = flags_exist(a) ? attrs_text(a, "flag_meanings") : "";
    int n_words = 0;
    size_t n;
    for (int64_t i = 0; (word = next_word(&list, &n)) && i < find_values(a)->n_values; i++) {
        if (n == strlen(name) && !strncmp(word, name, n)) {
            *value = value_at(find_values(a), i);
            return TSR_OK;
        }
        if (n_words == MAX_FLAGS) continue;
        snprintf(words[n_words], MAX_NAME, "%.*s", (int)n, word);
        names[n_words] = words[n_words];
        n_words++;
    }
    return error_set(TSR_ERR_NOT_FOUND, "there is no value '%s'%s", name, names_hint(name, n_words, names, hint, sizeof hint));
}
