/* Times: numbers to moments and back, units, conversion between units. Pure functions.
 *
 * A unit is kept as a fraction of microseconds, so that whole numbers of any unit are exact. */
#include "dataset/time.h"

#include "dataset/timetext.h"

#include <math.h>
#include <string.h>
#include <strings.h>

typedef struct unit_name {
    const char *name;
    int64_t num, den; /* microseconds */
} unit_name;

static const unit_name unit_names[] = {
    {"microsecond", 1, 1},    {"microsec", 1, 1},          {"us", 1, 1},
    {"millisecond", 1000, 1}, {"millisec", 1000, 1},       {"msec", 1000, 1},
    {"ms", 1000, 1},          {"nanosecond", 1, 1000},     {"ns", 1, 1000},
    {"second", 1000000, 1},   {"sec", 1000000, 1},         {"s", 1000000, 1},
    {"minute", 60000000, 1},  {"min", 60000000, 1},        {"hour", 3600000000, 1},
    {"hr", 3600000000, 1},    {"h", 3600000000, 1},        {"day", US_PER_DAY, 1},
    {"d", US_PER_DAY, 1},     {"week", 7 * US_PER_DAY, 1},
};

/* UDUNITS: a year is 3.15569259747e7 s. */
#define UDUNITS_YEAR_US INT64_C(31556925974700)

bool time_units_likely(const char *units)
{
    if (!units) return false;
    for (const char *p = units; *p; p++)
        if ((*p == ' ' || *p == '\t') && !strncasecmp(p + 1, "since", 5) && (p[6] == ' ' || p[6] == '\t')) return true;
    return false;
}

/* The name without a plural s. */
static bool same_unit(const char *text, size_t n, const char *name)
{
    size_t m = strlen(name);
    if (n == m + 1 && (text[m] == 's' || text[m] == 'S')) n = m;
    return n == m && !strncasecmp(text, name, n);
}

static bool find_unit(const char *text, size_t n, calendar cal, int64_t *num, int64_t *den)
{
    for (size_t i = 0; i < sizeof unit_names / sizeof *unit_names; i++)
        if (same_unit(text, n, unit_names[i].name)) {
            *num = unit_names[i].num;
            *den = unit_names[i].den;
            return true;
        }
    bool month = same_unit(text, n, "month") || same_unit(text, n, "mon");
    bool common = same_unit(text, n, "common_year");
    bool year = common || same_unit(text, n, "year") || same_unit(text, n, "yr") || same_unit(text, n, "tropical_year");
    if (!month && !year) return false;
    int days = common ? 365 : calendar_fixed_year(cal);
    *num = days ? days * US_PER_DAY : UDUNITS_YEAR_US;
    *den = month ? 12 : 1;
    return true;
}

tsr_status time_units_parse(const char *units, const char *calendar_text, time_units *out)
{
    out->cal = CALENDAR_STANDARD;
    if (calendar_text && *calendar_text) TRY(calendar_parse(calendar_text, &out->cal));
    const char *p = units + strspn(units, " \t");
    size_t n = strcspn(p, " \t");
    if (!find_unit(p, n, out->cal, &out->num, &out->den))
        return error_set(
            TSR_ERR_VALUE,
            "time units '%.200s': '%.*s' is no unit of time; known are nanoseconds to seconds, minutes, hours, days, weeks, "
            "months and years",
            units, (int)(n < 40 ? n : 40), p);
    p += n;
    p += strspn(p, " \t");
    if (strncasecmp(p, "since", 5) != 0 || (p[5] != ' ' && p[5] != '\t'))
        return error_set(TSR_ERR_VALUE, "time units '%.200s' do not say since when; expected for example 'days since 1970-01-01'",
                         units);
    if (timetext_parse_base(out->cal, p + 6, &out->base) != TSR_OK) return error_prefix("time units '%.200s'", units);
    return TSR_OK;
}

static instant instant_of(int64_t day, int64_t us)
{
    int64_t carry = us / US_PER_DAY - (us % US_PER_DAY < 0);
    return (instant){day + carry, us - carry * US_PER_DAY};
}

tsr_status time_decode(const time_units *u, double value, instant *out)
{
    double per_day = (double)US_PER_DAY * (double)u->den / (double)u->num;
    double days = value / per_day;
    if (!(fabs(days) < 366.0 * CALENDAR_MAX_YEAR))
        return error_set(TSR_ERR_VALUE, "time %g is not a date: it is more than %d years away", value, CALENDAR_MAX_YEAR);
    /* Whole days first: the rest is then small enough for an exact number of microseconds. Units longer than a day and fractions
     * of a microsecond have per_day that is no whole number; __int128 keeps those exact for whole values. */
    int64_t whole_day, us;
    if (value == trunc(value) && fabs(value) < 9e15) {
        __int128 total = (__int128)(int64_t)value * u->num;
        __int128 rounded = (total >= 0 ? total + u->den / 2 : total - u->den / 2) / u->den;
        whole_day = (int64_t)(rounded / US_PER_DAY);
        us = (int64_t)(rounded % US_PER_DAY);
    } else {
        double whole = floor(days);
        whole_day = (int64_t)whole;
        us = llround(fma(-whole, per_day, value) * (double)u->num / (double)u->den);
    }
    *out = instant_of(u->base.day + whole_day, u->base.us + us);
    return TSR_OK;
}

double time_encode(const time_units *u, instant t)
{
    __int128 us = (__int128)(t.day - u->base.day) * US_PER_DAY + (t.us - u->base.us);
    us *= u->den;
    int64_t whole = (int64_t)(us / u->num), rest = (int64_t)(us % u->num);
    return (double)whole + (double)rest / (double)u->num;
}

void time_conversion(const time_units *from, const time_units *to, double *scale, double *offset)
{
    *scale = (double)from->num * (double)to->den / ((double)from->den * (double)to->num);
    *offset = time_encode(to, from->base);
}

int instant_compare(instant a, instant b)
{
    if (a.day != b.day) return a.day < b.day ? -1 : 1;
    return a.us < b.us ? -1 : a.us > b.us;
}

tsr_date time_date(calendar cal, instant t)
{
    tsr_date d;
    calendar_date(cal, t.day, &d.year, &d.month, &d.day);
    d.hour = (int)(t.us / 3600000000);
    d.minute = (int)(t.us / 60000000 % 60);
    d.second = (double)(t.us % 60000000) * 1e-6;
    d.day_of_year = (int)(t.day - calendar_day(cal, d.year, 1, 1)) + 1;
    /* 1970-01-01 was a Thursday. Calendars whose years are all alike have no real weeks: day 0 of their year 0 is taken for a
     * Monday, as cftime does. */
    int64_t thursday = calendar_fixed_year(cal) ? INT64_C(1970) * calendar_fixed_year(cal) : 3;
    d.weekday = (int)(((t.day + thursday) % 7 + 7) % 7);
    return d;
}
