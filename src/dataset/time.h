/* Times as CF writes them: numbers in "units since a date", in a calendar. Instants, dates, text and units. */
#ifndef TESSERA_DATASET_TIME_H
#define TESSERA_DATASET_TIME_H

#include "base/error.h"
#include "dataset/calendar.h"

/* A moment in some calendar: its day number (calendar.h) and the microseconds since midnight, 0 <= us < 86400000000. */
typedef struct instant {
    int64_t day, us;
} instant;

#define US_PER_DAY INT64_C(86400000000)

/* Parsed units of a time coordinate. */
typedef struct time_units {
    calendar cal;
    instant base;     /* in UTC: an offset in the units' text is taken off */
    int64_t num, den; /* a unit lasts num / den microseconds */
} time_units;

/* Is this text the units of a time coordinate ("... since ...")? */
bool time_units_likely(const char *units);
/* Reads "hours since 1900-01-01 00:00:0.0". calendar_text NULL: standard. A year is 365.242198781 days and a month a twelfth of
 * it, as in UDUNITS, except in calendars whose years are all alike, where a year is a year of that calendar. */
tsr_status time_units_parse(const char *units, const char *calendar_text, time_units *out) MUST_CHECK;

/* The moment a number means, to the microsecond. TSR_ERR_VALUE for NaN, infinities and years beyond CALENDAR_MAX_YEAR. */
tsr_status time_decode(const time_units *u, double value, instant *out) MUST_CHECK;
double time_encode(const time_units *u, instant t);
/* For x in units `from`: x * *scale + *offset in units `to`. The calendars must be the same. */
void time_conversion(const time_units *from, const time_units *to, double *scale, double *offset);
int instant_compare(instant a, instant b);

tsr_date time_date(calendar cal, instant t);
/* "2014-01-05", with the time of day behind a T where it is not midnight, as fine as needed. Returns `buffer`. */
char *time_format(calendar cal, instant t, char *buffer, size_t size);

/* How fine a date is written. */
typedef enum time_resolution {
    RESOLUTION_YEAR,
    RESOLUTION_MONTH,
    RESOLUTION_DAY,
    RESOLUTION_HOUR,
    RESOLUTION_MINUTE,
    RESOLUTION_SECOND
} time_resolution;

/* Reads a date or the beginning of one: "2014", "2014-01", "2014-01-05", "2014-01-05T06", "2014-01-05 06:30:15.5". It stands for
 * all moments from *first up to, but not including, *end. */
tsr_status time_parse(calendar cal, const char *text, instant *first, instant *end, time_resolution *resolution) MUST_CHECK;
/* The resolution that a moment needs to be written. */
time_resolution time_resolution_of(calendar cal, instant t);

#endif
