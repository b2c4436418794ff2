/* The calendars of the CF conventions: dates to day numbers and back. */
#ifndef TESSERA_DATASET_CALENDAR_H
#define TESSERA_DATASET_CALENDAR_H

#include "base/error.h"

/* X(enum name, the names CF gives it, the preferred one first, ended by NULL) */
#define CALENDAR_LIST(X)                                                                                                         \
    X(STANDARD, "standard", "gregorian")                                                                                         \
    X(PROLEPTIC, "proleptic_gregorian", NULL)                                                                                    \
    X(JULIAN, "julian", NULL)                                                                                                    \
    X(NOLEAP, "noleap", "365_day")                                                                                               \
    X(ALL_LEAP, "all_leap", "366_day")                                                                                           \
    X(DAY360, "360_day", NULL)

typedef enum calendar {
#define X(name, text, other) CALENDAR_##name,
    CALENDAR_LIST(X)
#undef X
        N_CALENDARS
} calendar;

/* Years are astronomical: there is a year 0 (the Romans' 1 BC) in every calendar. Beyond this range dates are refused. */
enum { CALENDAR_MAX_YEAR = 100000000 };

tsr_status calendar_parse(const char *name, calendar *out) MUST_CHECK;
const char *calendar_name(calendar c);
/* Days of a month, 1 <= month <= 12. The standard calendar's October 1582 has 31, of which ten do not exist. */
int calendar_month_days(calendar c, int64_t year, int month);
/* True if there is such a day. */
bool calendar_date_valid(calendar c, int64_t year, int month, int day);
/* Day number of a valid date. Day 0 is 1970-01-01 in each calendar (in the Julian one: the day the Gregorian calls so). */
int64_t calendar_day(calendar c, int64_t year, int month, int day);
void calendar_date(calendar c, int64_t day_number, int64_t *year, int *month, int *day);
/* Length of a year in days where it is always the same, otherwise 0. */
int calendar_fixed_year(calendar c);

#endif
