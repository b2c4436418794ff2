/* Dates as text: reading whole and partial ones, and ISO 8601 formatting. Pure functions. */
#include "dataset/timetext.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What was written of a date; the parts that were not are at their first value. */
typedef struct parts {
    int64_t year;
    int month, day, hour, minute;
    int64_t second_us; /* the seconds in microseconds */
    time_resolution resolution;
    int64_t fraction_us; /* length of the last digit of the seconds */
} parts;

/* Up to max_digits digits; false if there is none or more of them. */
static bool read_number(const char **p, int max_digits, int64_t *out)
{
    int n = 0;
    *out = 0;
    while (isdigit((unsigned char)**p)) {
        if (++n > max_digits) return false;
        *out = *out * 10 + (*(*p)++ - '0');
    }
    return n > 0;
}

static bool read_part(const char **p, int max_digits, int low, int high, int *out)
{
    int64_t value;
    if (!read_number(p, max_digits, &value) || value < low || value > high) return false;
    *out = (int)value;
    return true;
}

/* Seconds with an optional fraction; 60 (a leap second) is the next minute's beginning. */
static bool read_seconds(const char **p, parts *out)
{
    int whole;
    if (!read_part(p, 2, 0, 60, &whole)) return false;
    out->second_us = whole * INT64_C(1000000);
    out->fraction_us = 1000000;
    if (**p != '.') return true;
    ++*p;
    while (isdigit((unsigned char)**p)) {
        int digit = *(*p)++ - '0';
        out->fraction_us /= 10; /* digits below a microsecond are dropped */
        out->second_us += digit * out->fraction_us;
    }
    if (out->fraction_us == 0) out->fraction_us = 1;
    return true;
}

/* hour[:minute[:second]] */
static bool read_time_of_day(const char **p, parts *out)
{
    if (!read_part(p, 2, 0, 24, &out->hour)) return false;
    out->resolution = RESOLUTION_HOUR;
    if (**p != ':') return true;
    ++*p;
    if (!read_part(p, 2, 0, 59, &out->minute)) return false;
    out->resolution = RESOLUTION_MINUTE;
    if (**p != ':') return true;
    ++*p;
    if (!read_seconds(p, out)) return false;
    out->resolution = RESOLUTION_SECOND;
    return true;
}

static bool read_date(const char **p, parts *out)
{
    bool negative = **p == '-';
    if (negative || **p == '+') ++*p;
    if (!read_number(p, 9, &out->year)) return false;
    if (negative) out->year = -out->year;
    out->resolution = RESOLUTION_YEAR;
    if (**p != '-') return true;
    ++*p;
    if (!read_part(p, 2, 1, 12, &out->month)) return false;
    out->resolution = RESOLUTION_MONTH;
    if (**p != '-') return true;
    ++*p;
    if (!read_part(p, 2, 1, 31, &out->day)) return false;
    out->resolution = RESOLUTION_DAY;
    return true;
}

static void skip_blanks(const char **p) { *p += strspn(*p, " \t"); }

static bool read_parts(const char **p, parts *out)
{
    *out = (parts){.month = 1, .day = 1, .fraction_us = 1000000};
    skip_blanks(p);
    if (!read_date(p, out)) return false;
    const char *after = *p;
    if (**p == 'T' || **p == 't')
        ++*p;
    else
        skip_blanks(p);
    if (*p != after && out->resolution == RESOLUTION_DAY && isdigit((unsigned char)**p)) return read_time_of_day(p, out);
    return *p == after || (after[0] != 'T' && after[0] != 't');
}

static tsr_status check_date(calendar cal, const parts *d, const char *text)
{
    if (!calendar_date_valid(cal, d->year, d->month, d->day))
        return error_set(TSR_ERR_VALUE, "there is no day %04lld-%02d-%02d in the %s calendar", (long long)d->year, d->month,
                         d->day, calendar_name(cal));
    if (d->hour == 24 && (d->minute || d->second_us))
        return error_set(TSR_ERR_VALUE, "'%.60s' has a time of day beyond 24:00", text);
    return TSR_OK;
}

static instant parts_instant(calendar cal, const parts *d)
{
    int64_t us = d->hour * INT64_C(3600000000) + d->minute * INT64_C(60000000) + d->second_us;
    return (instant){calendar_day(cal, d->year, d->month, d->day) + us / US_PER_DAY, us % US_PER_DAY};
}

/* Z, UTC, GMT, +h, +hh:mm, +hhmm; minutes to take off. */
static bool read_zone(const char **p, int64_t *minutes)
{
    *minutes = 0;
    skip_blanks(p);
    if (**p == 'Z' || **p == 'z')
        ++*p;
    else if (!strncmp(*p, "UTC", 3) || !strncmp(*p, "GMT", 3))
        *p += 3;
    else if (**p == '+' || **p == '-') {
        int sign = *(*p)++ == '-' ? -1 : 1;
        const char *start = *p;
        int64_t hours, rest = 0;
        if (!read_number(p, 4, &hours)) return false;
        if (*p - start > 2)
            rest = hours % 100, hours /= 100;
        else if (**p == ':') {
            ++*p;
            if (!read_number(p, 2, &rest)) return false;
        }
        if (hours > 24 || rest > 59) return false;
        *minutes = sign * (hours * 60 + rest);
    }
    skip_blanks(p);
    return **p == '\0';
}

tsr_status timetext_parse_base(calendar cal, const char *text, instant *out)
{
    const char *p = text;
    parts d;
    int64_t zone = 0;
    if (!read_parts(&p, &d) || !read_zone(&p, &zone))
        return error_set(TSR_ERR_VALUE, "'%.100s' is not a date; expected for example 1970-01-01 00:00:00", text);
    TRY(check_date(cal, &d, text));
    *out = parts_instant(cal, &d);
    int64_t us = out->us - zone * 60000000, carry = us / US_PER_DAY - (us % US_PER_DAY < 0);
    *out = (instant){out->day + carry, us - carry * US_PER_DAY};
    return TSR_OK;
}

/* The first moment after everything the parts stand for. */
static instant parts_end(calendar cal, const parts *d, instant first)
{
    int64_t us = 0;
    switch (d->resolution) {
    case RESOLUTION_YEAR: return (instant){calendar_day(cal, d->year + 1, 1, 1), 0};
    case RESOLUTION_MONTH:
        return (instant){d->month == 12 ? calendar_day(cal, d->year + 1, 1, 1) : calendar_day(cal, d->year, d->month + 1, 1), 0};
    case RESOLUTION_DAY: return (instant){first.day + 1, 0};
    case RESOLUTION_HOUR: us = INT64_C(3600000000); break;
    case RESOLUTION_MINUTE: us = INT64_C(60000000); break;
    case RESOLUTION_SECOND: us = d->fraction_us; break;
    }
    us += first.us;
    return (instant){first.day + us / US_PER_DAY, us % US_PER_DAY};
}

tsr_status time_parse(calendar cal, const char *text, instant *first, instant *end, time_resolution *resolution)
{
    const char *p = text;
    parts d;
    int64_t zone;
    if (!read_parts(&p, &d) || !read_zone(&p, &zone) || zone != 0)
        return error_set(TSR_ERR_VALUE, "'%.100s' is not a date; expected one like 2014, 2014-01, 2014-01-05 or 2014-01-05T06:30",
                         text);
    TRY(check_date(cal, &d, text));
    *first = parts_instant(cal, &d);
    *end = parts_end(cal, &d, *first);
    *resolution = d.resolution;
    return TSR_OK;
}

time_resolution time_resolution_of(calendar cal, instant t)
{
    if (t.us % 60000000) return RESOLUTION_SECOND;
    if (t.us % INT64_C(3600000000)) return RESOLUTION_MINUTE;
    if (t.us) return RESOLUTION_HOUR;
    return RESOLUTION_DAY;
}

char *time_format(calendar cal, instant t, char *buffer, size_t size)
{
    tsr_date d = time_date(cal, t);
    int n =
        snprintf(buffer, size, d.year < 0 ? "-%04lld-%02d-%02d" : "%04lld-%02d-%02d", (long long)llabs(d.year), d.month, d.day);
    if (n < 0 || (size_t)n >= size || t.us == 0) return buffer;
    int64_t us = t.us % 60000000;
    if (us % 1000000)
        snprintf(buffer + n, size - (size_t)n, "T%02d:%02d:%02d.%06d", d.hour, d.minute, (int)(us / 1000000),
                 (int)(us % 1000000));
    else if (us)
        snprintf(buffer + n, size - (size_t)n, "T%02d:%02d:%02d", d.hour, d.minute, (int)(us / 1000000));
    else
        snprintf(buffer + n, size - (size_t)n, "T%02d:%02d", d.hour, d.minute);
    return buffer;
}
