/* Calendars. Pure functions of their arguments.
 *
 * The Gregorian and Julian conversions count years from March, so that the leap day ends the year, as in H. F. Fliegel and
 * T. C. van Flandern (1968), Communications of the ACM 11(10), and later folklore. The standard calendar is the Julian one up to
 * 1582-10-04 and the Gregorian one from 1582-10-15, the next day. */
#include "dataset/calendar.h"

#include <assert.h>
#include <string.h>
#include <strings.h>

static const char *const names[][2] = {
#define X(name, text, other) [CALENDAR_##name] = {text, other},
    CALENDAR_LIST(X)
#undef X
};
static_assert(sizeof names / sizeof *names == N_CALENDARS, "every calendar has a name");

static const int month_days[12] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};

enum {
    REFORM_DAY = -141427,    /* 1582-10-15 in the Gregorian calendar */
    MARCH_TO_EPOCH = 719468, /* days from 0000-03-01 to 1970-01-01 in the Gregorian calendar */
    JULIAN_TO_EPOCH = 719470 /* the same from 0000-03-01 in the Julian calendar */
};

tsr_status calendar_parse(const char *name, calendar *out)
{
    for (int c = 0; c < N_CALENDARS; c++)
        for (int i = 0; i < 2; i++)
            if (names[c][i] && !strcasecmp(name, names[c][i])) {
                *out = (calendar)c;
                return TSR_OK;
            }
    return error_set(
        TSR_ERR_UNSUPPORTED,
        "calendar '%s' is unknown; known are standard, gregorian, proleptic_gregorian, julian, noleap, 365_day, all_leap, "
        "366_day and 360_day",
        name);
}

const char *calendar_name(calendar c) { return names[c][0]; }

static int64_t floor_div(int64_t a, int64_t b) { return a / b - (a % b < 0); }

static bool is_leap(calendar c, int64_t year)
{
    bool fourth = year % 4 == 0, century = year % 100 == 0, fourth_century = year % 400 == 0;
    switch (c) {
    case CALENDAR_STANDARD: return year > 1582 ? fourth && (!century || fourth_century) : fourth;
    case CALENDAR_PROLEPTIC: return fourth && (!century || fourth_century);
    case CALENDAR_JULIAN: return fourth;
    case CALENDAR_ALL_LEAP: return true;
    default: return false;
    }
}

int calendar_month_days(calendar c, int64_t year, int month)
{
    if (c == CALENDAR_DAY360) return 30;
    return month_days[month - 1] + (month == 2 && is_leap(c, year));
}

bool calendar_date_valid(calendar c, int64_t year, int month, int day)
{
    if (year < -CALENDAR_MAX_YEAR || year > CALENDAR_MAX_YEAR) return false;
    if (month < 1 || month > 12 || day < 1 || day > calendar_month_days(c, year, month)) return false;
    return !(c == CALENDAR_STANDARD && year == 1582 && month == 10 && day > 4 && day < 15);
}

int calendar_fixed_year(calendar c)
{
    return c == CALENDAR_NOLEAP ? 365 : c == CALENDAR_ALL_LEAP ? 366 : c == CALENDAR_DAY360 ? 360 : 0;
}

/* Days from 0000-03-01, leap days counted by the caller. */
static int64_t days_from_march(int64_t *year, int month, int day)
{
    if (month <= 2) *year -= 1;
    int shifted = (month + 9) % 12; /* March is 0 */
    return *year * 365 + (153 * shifted + 2) / 5 + day - 1;
}

static int64_t gregorian_day(int64_t year, int month, int day)
{
    int64_t days = days_from_march(&year, month, day);
    return days + floor_div(year, 4) - floor_div(year, 100) + floor_div(year, 400) - MARCH_TO_EPOCH;
}

static int64_t julian_day(int64_t year, int month, int day)
{
    int64_t days = days_from_march(&year, month, day);
    return days + floor_div(year, 4) - JULIAN_TO_EPOCH;
}

/* Month and day from the day of a year that begins in March. */
static void date_from_march(int64_t year, int64_t day_of_year, int64_t *out_year, int *month, int *day)
{
    int shifted = (int)((5 * day_of_year + 2) / 153);
    *day = (int)(day_of_year - (153 * shifted + 2) / 5 + 1);
    *month = shifted < 10 ? shifted + 3 : shifted - 9;
    *out_year = year + (*month <= 2);
}

static void gregorian_date(int64_t number, int64_t *year, int *month, int *day)
{
    int64_t days = number + MARCH_TO_EPOCH;
    int64_t era = floor_div(days, 146097), in_era = days - era * 146097;
    int64_t y = (in_era - in_era / 1460 + in_era / 36524 - in_era / 146096) / 365;
    date_from_march(y + era * 400, in_era - (365 * y + y / 4 - y / 100), year, month, day);
}

static void julian_date(int64_t number, int64_t *year, int *month, int *day)
{
    int64_t days = number + JULIAN_TO_EPOCH;
    int64_t era = floor_div(days, 1461), in_era = days - era * 1461;
    int64_t y = (in_era - in_era / 1460) / 365;
    date_from_march(y + era * 4, in_era - 365 * y, year, month, day);
}

int64_t calendar_day(calendar c, int64_t year, int month, int day)
{
    int fixed = calendar_fixed_year(c);
    if (fixed) {
        int64_t days = (year - 1970) * fixed + day - 1;
        for (int m = 1; m < month; m++) days += calendar_month_days(c, year, m);
        return days;
    }
    bool old = year < 1582 || (year == 1582 && (month < 10 || (month == 10 && day < 15)));
    if (c == CALENDAR_JULIAN || (c == CALENDAR_STANDARD && old)) return julian_day(year, month, day);
    return gregorian_day(year, month, day);
}

void calendar_date(calendar c, int64_t number, int64_t *year, int *month, int *day)
{
    int fixed = calendar_fixed_year(c);
    if (fixed) {
        *year = 1970 + floor_div(number, fixed);
        int64_t rest = number - (*year - 1970) * fixed;
        for (*month = 1; rest >= calendar_month_days(c, *year, *month); ++*month) rest -= calendar_month_days(c, *year, *month);
        *day = (int)rest + 1;
        return;
    }
    if (c == CALENDAR_JULIAN || (c == CALENDAR_STANDARD && number < REFORM_DAY))
        julian_date(number, year, month, day);
    else
        gregorian_date(number, year, month, day);
}
