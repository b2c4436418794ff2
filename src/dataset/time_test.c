/* Times of every calendar against values of the CF library for Python (cftime 1.6, with a year 0), and dates as text. */
#include "dataset/time.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static const struct {
    const char *units, *calendar;
    double value;
    const char *date;
    int day_of_year; /* 0: not compared (cftime counts the ten days that 1582 did not have) */
} known[] = {
    {"days since 1970-01-01", "standard", 0.0, "1970-01-01T00:00:00", 1},
    {"days since 1970-01-01", "standard", -1.0, "1969-12-31T00:00:00", 365},
    {"days since 1970-01-01", "standard", 365.25, "1971-01-01T06:00:00", 1},
    {"days since 1970-01-01", "standard", 11016.0, "2000-02-29T00:00:00", 60},
    {"days since 1970-01-01", "standard", 16435.5, "2014-12-31T12:00:00", 365},
    {"days since 1970-01-01", "standard", -141427.0, "1582-10-15T00:00:00", 0},
    {"days since 1970-01-01", "standard", -141428.0, "1582-10-04T00:00:00", 277},
    {"days since 1970-01-01", "standard", -719162.0, "0001-01-03T00:00:00", 3},
    {"days since 1970-01-01", "standard", 2932896.75, "9999-12-31T18:00:00", 365},
    {"days since 1970-01-01", "proleptic_gregorian", 0.0, "1970-01-01T00:00:00", 1},
    {"days since 1970-01-01", "proleptic_gregorian", -1.0, "1969-12-31T00:00:00", 365},
    {"days since 1970-01-01", "proleptic_gregorian", 365.25, "1971-01-01T06:00:00", 1},
    {"days since 1970-01-01", "proleptic_gregorian", 11016.0, "2000-02-29T00:00:00", 60},
    {"days since 1970-01-01", "proleptic_gregorian", 16435.5, "2014-12-31T12:00:00", 365},
    {"days since 1970-01-01", "proleptic_gregorian", -141427.0, "1582-10-15T00:00:00", 288},
    {"days since 1970-01-01", "proleptic_gregorian", -141428.0, "1582-10-14T00:00:00", 287},
    {"days since 1970-01-01", "proleptic_gregorian", -719162.0, "0001-01-01T00:00:00", 1},
    {"days since 1970-01-01", "proleptic_gregorian", 2932896.75, "9999-12-31T18:00:00", 365},
    {"days since 1970-01-01", "julian", 0.0, "1970-01-01T00:00:00", 1},
    {"days since 1970-01-01", "julian", -1.0, "1969-12-31T00:00:00", 365},
    {"days since 1970-01-01", "julian", 365.25, "1971-01-01T06:00:00", 1},
    {"days since 1970-01-01", "julian", 11016.0, "2000-02-29T00:00:00", 60},
    {"days since 1970-01-01", "julian", 16435.5, "2014-12-31T12:00:00", 365},
    {"days since 1970-01-01", "julian", -141427.0, "1582-10-18T00:00:00", 291},
    {"days since 1970-01-01", "julian", -141428.0, "1582-10-17T00:00:00", 290},
    {"days since 1970-01-01", "julian", -719162.0, "0001-01-16T00:00:00", 16},
    {"days since 1970-01-01", "julian", 2932896.75, "9999-11-01T18:00:00", 305},
    {"days since 1970-01-01", "noleap", 0.0, "1970-01-01T00:00:00", 1},
    {"days since 1970-01-01", "noleap", -1.0, "1969-12-31T00:00:00", 365},
    {"days since 1970-01-01", "noleap", 365.25, "1971-01-01T06:00:00", 1},
    {"days since 1970-01-01", "noleap", 11016.0, "2000-03-08T00:00:00", 67},
    {"days since 1970-01-01", "noleap", 16435.5, "2015-01-11T12:00:00", 11},
    {"days since 1970-01-01", "noleap", -141427.0, "1582-07-13T00:00:00", 194},
    {"days since 1970-01-01", "noleap", -141428.0, "1582-07-12T00:00:00", 193},
    {"days since 1970-01-01", "noleap", -719162.0, "-001-09-11T00:00:00", 254},
    {"days since 1970-01-01", "noleap", 2932896.75, "10005-05-02T18:00:00", 122},
    {"days since 1970-01-01", "all_leap", 0.0, "1970-01-01T00:00:00", 1},
    {"days since 1970-01-01", "all_leap", -1.0, "1969-12-31T00:00:00", 366},
    {"days since 1970-01-01", "all_leap", 365.25, "1970-12-31T06:00:00", 366},
    {"days since 1970-01-01", "all_leap", 11016.0, "2000-02-06T00:00:00", 37},
    {"days since 1970-01-01", "all_leap", 16435.5, "2014-11-27T12:00:00", 332},
    {"days since 1970-01-01", "all_leap", -141427.0, "1583-08-03T00:00:00", 216},
    {"days since 1970-01-01", "all_leap", -141428.0, "1583-08-02T00:00:00", 215},
    {"days since 1970-01-01", "all_leap", -719162.0, "0005-01-29T00:00:00", 29},
    {"days since 1970-01-01", "all_leap", 2932896.75, "9983-05-18T18:00:00", 139},
    {"days since 1970-01-01", "360_day", 0.0, "1970-01-01T00:00:00", 1},
    {"days since 1970-01-01", "360_day", -1.0, "1969-12-30T00:00:00", 360},
    {"days since 1970-01-01", "360_day", 365.25, "1971-01-06T06:00:00", 6},
    {"days since 1970-01-01", "360_day", 11016.0, "2000-08-07T00:00:00", 217},
    {"days since 1970-01-01", "360_day", 16435.5, "2015-08-26T12:00:00", 236},
    {"days since 1970-01-01", "360_day", -141427.0, "1577-02-24T00:00:00", 54},
    {"days since 1970-01-01", "360_day", -141428.0, "1577-02-23T00:00:00", 53},
    {"days since 1970-01-01", "360_day", -719162.0, "-028-04-29T00:00:00", 119},
    {"days since 1970-01-01", "360_day", 2932896.75, "10116-12-07T18:00:00", 337},
    {"hours since 1900-01-01 00:00:0.0", "standard", 0.0, "1900-01-01T00:00:00", 1},
    {"hours since 1900-01-01 00:00:0.0", "standard", 1.0, "1900-01-01T01:00:00", 1},
    {"hours since 1900-01-01 00:00:0.0", "standard", 876576.0, "2000-01-01T00:00:00", 1},
    {"hours since 1900-01-01 00:00:0.0", "standard", 999999.5, "2014-01-29T15:30:00", 29},
    {"hours since 1900-01-01 00:00:0.0", "standard", -24.0, "1899-12-31T00:00:00", 365},
    {"hours since 1900-01-01 00:00:0.0", "proleptic_gregorian", 0.0, "1900-01-01T00:00:00", 1},
    {"hours since 1900-01-01 00:00:0.0", "proleptic_gregorian", 1.0, "1900-01-01T01:00:00", 1},
    {"hours since 1900-01-01 00:00:0.0", "proleptic_gregorian", 876576.0, "2000-01-01T00:00:00", 1},
    {"hours since 1900-01-01 00:00:0.0", "proleptic_gregorian", 999999.5, "2014-01-29T15:30:00", 29},
    {"hours since 1900-01-01 00:00:0.0", "proleptic_gregorian", -24.0, "1899-12-31T00:00:00", 365},
    {"hours since 1900-01-01 00:00:0.0", "julian", 0.0, "1900-01-01T00:00:00", 1},
    {"hours since 1900-01-01 00:00:0.0", "julian", 1.0, "1900-01-01T01:00:00", 1},
    {"hours since 1900-01-01 00:00:0.0", "julian", 876576.0, "1999-12-31T00:00:00", 365},
    {"hours since 1900-01-01 00:00:0.0", "julian", 999999.5, "2014-01-28T15:30:00", 28},
    {"hours since 1900-01-01 00:00:0.0", "julian", -24.0, "1899-12-31T00:00:00", 365},
    {"hours since 1900-01-01 00:00:0.0", "noleap", 0.0, "1900-01-01T00:00:00", 1},
    {"hours since 1900-01-01 00:00:0.0", "noleap", 1.0, "1900-01-01T01:00:00", 1},
    {"hours since 1900-01-01 00:00:0.0", "noleap", 876576.0, "2000-01-25T00:00:00", 25},
    {"hours since 1900-01-01 00:00:0.0", "noleap", 999999.5, "2014-02-26T15:30:00", 57},
    {"hours since 1900-01-01 00:00:0.0", "noleap", -24.0, "1899-12-31T00:00:00", 365},
    {"hours since 1900-01-01 00:00:0.0", "all_leap", 0.0, "1900-01-01T00:00:00", 1},
    {"hours since 1900-01-01 00:00:0.0", "all_leap", 1.0, "1900-01-01T01:00:00", 1},
    {"hours since 1900-01-01 00:00:0.0", "all_leap", 876576.0, "1999-10-17T00:00:00", 291},
    {"hours since 1900-01-01 00:00:0.0", "all_leap", 999999.5, "2013-11-04T15:30:00", 309},
    {"hours since 1900-01-01 00:00:0.0", "all_leap", -24.0, "1899-12-31T00:00:00", 366},
    {"hours since 1900-01-01 00:00:0.0", "360_day", 0.0, "1900-01-01T00:00:00", 1},
    {"hours since 1900-01-01 00:00:0.0", "360_day", 1.0, "1900-01-01T01:00:00", 1},
    {"hours since 1900-01-01 00:00:0.0", "360_day", 876576.0, "2001-06-15T00:00:00", 165},
    {"hours since 1900-01-01 00:00:0.0", "360_day", 999999.5, "2015-09-27T15:30:00", 267},
    {"hours since 1900-01-01 00:00:0.0", "360_day", -24.0, "1899-12-30T00:00:00", 360},
    {"seconds since 2000-02-28 23:59:59", "standard", 0.0, "2000-02-28T23:59:59", 59},
    {"seconds since 2000-02-28 23:59:59", "standard", 1.0, "2000-02-29T00:00:00", 60},
    {"seconds since 2000-02-28 23:59:59", "standard", 86400.0, "2000-02-29T23:59:59", 60},
    {"seconds since 2000-02-28 23:59:59", "standard", 86401.0, "2000-03-01T00:00:00", 61},
    {"seconds since 2000-02-28 23:59:59", "standard", 1000000000.0, "2031-11-07T01:46:39", 311},
    {"seconds since 2000-02-28 23:59:59", "standard", -1.0, "2000-02-28T23:59:58", 59},
    {"seconds since 2000-02-28 23:59:59", "proleptic_gregorian", 0.0, "2000-02-28T23:59:59", 59},
    {"seconds since 2000-02-28 23:59:59", "proleptic_gregorian", 1.0, "2000-02-29T00:00:00", 60},
    {"seconds since 2000-02-28 23:59:59", "proleptic_gregorian", 86400.0, "2000-02-29T23:59:59", 60},
    {"seconds since 2000-02-28 23:59:59", "proleptic_gregorian", 86401.0, "2000-03-01T00:00:00", 61},
    {"seconds since 2000-02-28 23:59:59", "proleptic_gregorian", 1000000000.0, "2031-11-07T01:46:39", 311},
    {"seconds since 2000-02-28 23:59:59", "proleptic_gregorian", -1.0, "2000-02-28T23:59:58", 59},
    {"seconds since 2000-02-28 23:59:59", "julian", 0.0, "2000-02-28T23:59:59", 59},
    {"seconds since 2000-02-28 23:59:59", "julian", 1.0, "2000-02-29T00:00:00", 60},
    {"seconds since 2000-02-28 23:59:59", "julian", 86400.0, "2000-02-29T23:59:59", 60},
    {"seconds since 2000-02-28 23:59:59", "julian", 86401.0, "2000-03-01T00:00:00", 61},
    {"seconds since 2000-02-28 23:59:59", "julian", 1000000000.0, "2031-11-07T01:46:39", 311},
    {"seconds since 2000-02-28 23:59:59", "julian", -1.0, "2000-02-28T23:59:58", 59},
    {"seconds since 2000-02-28 23:59:59", "noleap", 0.0, "2000-02-28T23:59:59", 59},
    {"seconds since 2000-02-28 23:59:59", "noleap", 1.0, "2000-03-01T00:00:00", 60},
    {"seconds since 2000-02-28 23:59:59", "noleap", 86400.0, "2000-03-01T23:59:59", 60},
    {"seconds since 2000-02-28 23:59:59", "noleap", 86401.0, "2000-03-02T00:00:00", 61},
    {"seconds since 2000-02-28 23:59:59", "noleap", 1000000000.0, "2031-11-15T01:46:39", 319},
    {"seconds since 2000-02-28 23:59:59", "noleap", -1.0, "2000-02-28T23:59:58", 59},
    {"seconds since 2000-02-28 23:59:59", "all_leap", 0.0, "2000-02-28T23:59:59", 59},
    {"seconds since 2000-02-28 23:59:59", "all_leap", 1.0, "2000-02-29T00:00:00", 60},
    {"seconds since 2000-02-28 23:59:59", "all_leap", 86400.0, "2000-02-29T23:59:59", 60},
    {"seconds since 2000-02-28 23:59:59", "all_leap", 86401.0, "2000-03-01T00:00:00", 61},
    {"seconds since 2000-02-28 23:59:59", "all_leap", 1000000000.0, "2031-10-14T01:46:39", 288},
    {"seconds since 2000-02-28 23:59:59", "all_leap", -1.0, "2000-02-28T23:59:58", 59},
    {"seconds since 2000-02-28 23:59:59", "360_day", 0.0, "2000-02-28T23:59:59", 58},
    {"seconds since 2000-02-28 23:59:59", "360_day", 1.0, "2000-02-29T00:00:00", 59},
    {"seconds since 2000-02-28 23:59:59", "360_day", 86400.0, "2000-02-29T23:59:59", 59},
    {"seconds since 2000-02-28 23:59:59", "360_day", 86401.0, "2000-02-30T00:00:00", 60},
    {"seconds since 2000-02-28 23:59:59", "360_day", 1000000000.0, "2032-04-23T01:46:39", 113},
    {"seconds since 2000-02-28 23:59:59", "360_day", -1.0, "2000-02-28T23:59:58", 58},
    {"minutes since 1582-10-04 12:00", "standard", 0.0, "1582-10-04T12:00:00", 277},
    {"minutes since 1582-10-04 12:00", "standard", 719.0, "1582-10-04T23:59:00", 277},
    {"minutes since 1582-10-04 12:00", "standard", 720.0, "1582-10-15T00:00:00", 0},
    {"minutes since 1582-10-04 12:00", "standard", 1440.0, "1582-10-15T12:00:00", 0},
    {"minutes since 1582-10-04 12:00", "standard", 525600.0, "1583-10-14T12:00:00", 287},
    {"minutes since 1582-10-04 12:00", "proleptic_gregorian", 0.0, "1582-10-04T12:00:00", 277},
    {"minutes since 1582-10-04 12:00", "proleptic_gregorian", 719.0, "1582-10-04T23:59:00", 277},
    {"minutes since 1582-10-04 12:00", "proleptic_gregorian", 720.0, "1582-10-05T00:00:00", 278},
    {"minutes since 1582-10-04 12:00", "proleptic_gregorian", 1440.0, "1582-10-05T12:00:00", 278},
    {"minutes since 1582-10-04 12:00", "proleptic_gregorian", 525600.0, "1583-10-04T12:00:00", 277},
    {"minutes since 1582-10-04 12:00", "julian", 0.0, "1582-10-04T12:00:00", 277},
    {"minutes since 1582-10-04 12:00", "julian", 719.0, "1582-10-04T23:59:00", 277},
    {"minutes since 1582-10-04 12:00", "julian", 720.0, "1582-10-05T00:00:00", 278},
    {"minutes since 1582-10-04 12:00", "julian", 1440.0, "1582-10-05T12:00:00", 278},
    {"minutes since 1582-10-04 12:00", "julian", 525600.0, "1583-10-04T12:00:00", 277},
    {"minutes since 1582-10-04 12:00", "noleap", 0.0, "1582-10-04T12:00:00", 277},
    {"minutes since 1582-10-04 12:00", "noleap", 719.0, "1582-10-04T23:59:00", 277},
    {"minutes since 1582-10-04 12:00", "noleap", 720.0, "1582-10-05T00:00:00", 278},
    {"minutes since 1582-10-04 12:00", "noleap", 1440.0, "1582-10-05T12:00:00", 278},
    {"minutes since 1582-10-04 12:00", "noleap", 525600.0, "1583-10-04T12:00:00", 277},
    {"minutes since 1582-10-04 12:00", "all_leap", 0.0, "1582-10-04T12:00:00", 278},
    {"minutes since 1582-10-04 12:00", "all_leap", 719.0, "1582-10-04T23:59:00", 278},
    {"minutes since 1582-10-04 12:00", "all_leap", 720.0, "1582-10-05T00:00:00", 279},
    {"minutes since 1582-10-04 12:00", "all_leap", 1440.0, "1582-10-05T12:00:00", 279},
    {"minutes since 1582-10-04 12:00", "all_leap", 525600.0, "1583-10-03T12:00:00", 277},
    {"minutes since 1582-10-04 12:00", "360_day", 0.0, "1582-10-04T12:00:00", 274},
    {"minutes since 1582-10-04 12:00", "360_day", 719.0, "1582-10-04T23:59:00", 274},
    {"minutes since 1582-10-04 12:00", "360_day", 720.0, "1582-10-05T00:00:00", 275},
    {"minutes since 1582-10-04 12:00", "360_day", 1440.0, "1582-10-05T12:00:00", 275},
    {"minutes since 1582-10-04 12:00", "360_day", 525600.0, "1583-10-09T12:00:00", 279},
    {"days since 1600-02-28", "standard", 0.0, "1600-02-28T00:00:00", 59},
    {"days since 1600-02-28", "standard", 1.0, "1600-02-29T00:00:00", 60},
    {"days since 1600-02-28", "standard", 2.0, "1600-03-01T00:00:00", 61},
    {"days since 1600-02-28", "standard", 366.0, "1601-02-28T00:00:00", 59},
    {"days since 1600-02-28", "standard", 36524.0, "1700-02-27T00:00:00", 58},
    {"days since 1600-02-28", "standard", 146097.0, "2000-02-28T00:00:00", 59},
    {"days since 1600-02-28", "proleptic_gregorian", 0.0, "1600-02-28T00:00:00", 59},
    {"days since 1600-02-28", "proleptic_gregorian", 1.0, "1600-02-29T00:00:00", 60},
    {"days since 1600-02-28", "proleptic_gregorian", 2.0, "1600-03-01T00:00:00", 61},
    {"days since 1600-02-28", "proleptic_gregorian", 366.0, "1601-02-28T00:00:00", 59},
    {"days since 1600-02-28", "proleptic_gregorian", 36524.0, "1700-02-27T00:00:00", 58},
    {"days since 1600-02-28", "proleptic_gregorian", 146097.0, "2000-02-28T00:00:00", 59},
    {"days since 1600-02-28", "julian", 0.0, "1600-02-28T00:00:00", 59},
    {"days since 1600-02-28", "julian", 1.0, "1600-02-29T00:00:00", 60},
    {"days since 1600-02-28", "julian", 2.0, "1600-03-01T00:00:00", 61},
    {"days since 1600-02-28", "julian", 366.0, "1601-02-28T00:00:00", 59},
    {"days since 1600-02-28", "julian", 36524.0, "1700-02-27T00:00:00", 58},
    {"days since 1600-02-28", "julian", 146097.0, "2000-02-25T00:00:00", 56},
    {"days since 1600-02-28", "noleap", 0.0, "1600-02-28T00:00:00", 59},
    {"days since 1600-02-28", "noleap", 1.0, "1600-03-01T00:00:00", 60},
    {"days since 1600-02-28", "noleap", 2.0, "1600-03-02T00:00:00", 61},
    {"days since 1600-02-28", "noleap", 366.0, "1601-03-01T00:00:00", 60},
    {"days since 1600-02-28", "noleap", 36524.0, "1700-03-24T00:00:00", 83},
    {"days since 1600-02-28", "noleap", 146097.0, "2000-06-05T00:00:00", 156},
    {"days since 1600-02-28", "all_leap", 0.0, "1600-02-28T00:00:00", 59},
    {"days since 1600-02-28", "all_leap", 1.0, "1600-02-29T00:00:00", 60},
    {"days since 1600-02-28", "all_leap", 2.0, "1600-03-01T00:00:00", 61},
    {"days since 1600-02-28", "all_leap", 366.0, "1601-02-28T00:00:00", 59},
    {"days since 1600-02-28", "all_leap", 36524.0, "1699-12-14T00:00:00", 349},
    {"days since 1600-02-28", "all_leap", 146097.0, "1999-05-01T00:00:00", 122},
    {"days since 1600-02-28", "360_day", 0.0, "1600-02-28T00:00:00", 58},
    {"days since 1600-02-28", "360_day", 1.0, "1600-02-29T00:00:00", 59},
    {"days since 1600-02-28", "360_day", 2.0, "1600-02-30T00:00:00", 60},
    {"days since 1600-02-28", "360_day", 366.0, "1601-03-04T00:00:00", 64},
    {"days since 1600-02-28", "360_day", 36524.0, "1701-08-12T00:00:00", 222},
    {"days since 1600-02-28", "360_day", 146097.0, "2005-12-25T00:00:00", 355},
};

static void decodes_and_encodes(void **state)
{
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        time_units u;
        instant t;
        char text[64];
        assert_int_equal(time_units_parse(known[i].units, known[i].calendar, &u), TSR_OK);
        assert_int_equal(time_decode(&u, known[i].value, &t), TSR_OK);
        tsr_date d = time_date(u.cal, t);
        snprintf(text, sizeof text, "%04lld-%02d-%02dT%02d:%02d:%02d", (long long)d.year, d.month, d.day, d.hour, d.minute,
                 (int)d.second);
        if (strcmp(text, known[i].date) != 0) print_error("%s, %s: %g\n", known[i].units, known[i].calendar, known[i].value);
        assert_string_equal(text, known[i].date);
        if (known[i].day_of_year) assert_int_equal(d.day_of_year, known[i].day_of_year);
        assert_true(time_encode(&u, t) == known[i].value);
    }
}

/* Every day of 900 years in each calendar: the next day follows, and goes back to the same number. */
static void days_follow_each_other(void **state)
{
    for (int c = 0; c < N_CALENDARS; c++) {
        int64_t first = calendar_day((calendar)c, 1300, 1, 1), y0 = 1299;
        int m0 = 12, d0 = 31;
        for (int64_t day = first; day < first + 330000; day++) {
            int64_t y;
            int m, d;
            calendar_date((calendar)c, day, &y, &m, &d);
            assert_true(calendar_date_valid((calendar)c, y, m, d));
            assert_true(calendar_day((calendar)c, y, m, d) == day);
            if (y == y0 && m == m0)
                assert_true(d == d0 + 1 || (c == CALENDAR_STANDARD && d0 == 4 && d == 15));
            else
                assert_true(d == 1);
            y0 = y, m0 = m, d0 = d;
        }
    }
}

static void the_reform(void **state)
{
    assert_true(calendar_date_valid(CALENDAR_STANDARD, 1582, 10, 4));
    for (int d = 5; d < 15; d++) assert_false(calendar_date_valid(CALENDAR_STANDARD, 1582, 10, d));
    assert_true(calendar_date_valid(CALENDAR_PROLEPTIC, 1582, 10, 10));
    assert_true(calendar_day(CALENDAR_STANDARD, 1582, 10, 15) == calendar_day(CALENDAR_STANDARD, 1582, 10, 4) + 1);
    assert_true(calendar_date_valid(CALENDAR_STANDARD, 1500, 2, 29));
    assert_false(calendar_date_valid(CALENDAR_PROLEPTIC, 1500, 2, 29));
    assert_false(calendar_date_valid(CALENDAR_STANDARD, 1900, 2, 29));
    assert_true(calendar_date_valid(CALENDAR_JULIAN, 1900, 2, 29));
    assert_false(calendar_date_valid(CALENDAR_NOLEAP, 2000, 2, 29));
    assert_true(calendar_date_valid(CALENDAR_DAY360, 2001, 2, 30));
    assert_false(calendar_date_valid(CALENDAR_DAY360, 2001, 1, 31));
}

static instant at(calendar c, int64_t y, int m, int d, double hours)
{
    return (instant){calendar_day(c, y, m, d), (int64_t)(hours * 3.6e9)};
}

static void parses_partial_dates(void **state)
{
    static const struct {
        const char *text;
        int64_t y0;
        int m0, d0;
        double h0;
        int64_t y1;
        int m1, d1;
        double h1;
        time_resolution resolution;
    } rows[] = {
        {"2014", 2014, 1, 1, 0, 2015, 1, 1, 0, RESOLUTION_YEAR},
        {"2014-12", 2014, 12, 1, 0, 2015, 1, 1, 0, RESOLUTION_MONTH},
        {"2012-2", 2012, 2, 1, 0, 2012, 3, 1, 0, RESOLUTION_MONTH},
        {"2012-02-29", 2012, 2, 29, 0, 2012, 3, 1, 0, RESOLUTION_DAY},
        {"2014-01-05T06", 2014, 1, 5, 6, 2014, 1, 5, 7, RESOLUTION_HOUR},
        {"2014-01-05 23:30", 2014, 1, 5, 23.5, 2014, 1, 5, 23.516666666666667, RESOLUTION_MINUTE},
        {"2014-01-05T23:59:59Z", 2014, 1, 5, 23.999722222222222, 2014, 1, 6, 0, RESOLUTION_SECOND},
        {"-0044-03-15", -44, 3, 15, 0, -44, 3, 16, 0, RESOLUTION_DAY},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        instant first, end;
        time_resolution r;
        assert_int_equal(time_parse(CALENDAR_PROLEPTIC, rows[i].text, &first, &end, &r), TSR_OK);
        instant a = at(CALENDAR_PROLEPTIC, rows[i].y0, rows[i].m0, rows[i].d0, rows[i].h0);
        instant b = at(CALENDAR_PROLEPTIC, rows[i].y1, rows[i].m1, rows[i].d1, rows[i].h1);
        assert_true(instant_compare(first, a) == 0);
        assert_true(end.day == b.day && end.us - b.us < 2 && b.us - end.us < 2);
        assert_int_equal(r, rows[i].resolution);
    }
    static const char *const wrong[] = {"",
                                        "x",
                                        "2014-13",
                                        "2014-02-30",
                                        "2014-1-1T25",
                                        "2014-01-01T",
                                        "2014-01-05T06:61",
                                        "14/01/2014",
                                        "2014-01-01 06:00 +02:00",
                                        "99999999999"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        instant first, end;
        time_resolution r;
        assert_int_not_equal(time_parse(CALENDAR_STANDARD, wrong[i], &first, &end, &r), TSR_OK);
        assert_true(strlen(tsr_error_message()) > 10);
    }
}

static void refuses_bad_units(void **state)
{
    static const char *const wrong[] = {"fortnights since 2000-01-01",
                                        "days after 2000-01-01",
                                        "days since",
                                        "days since yesterday",
                                        "days since 2000-02-30",
                                        "days since 2000-01-01 25:00",
                                        "hours since 1900-01-01 00:00 +99:99"};
    time_units u;
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) assert_int_not_equal(time_units_parse(wrong[i], NULL, &u), TSR_OK);
    assert_int_not_equal(time_units_parse("days since 2000-01-01", "mayan", &u), TSR_OK);
    assert_non_null(strstr(tsr_error_message(), "mayan"));
    instant t;
    assert_int_equal(time_units_parse("days since 2000-01-01", NULL, &u), TSR_OK);
    assert_int_not_equal(time_decode(&u, 0.0 / 0.0, &t), TSR_OK);
    assert_int_not_equal(time_decode(&u, 1e300, &t), TSR_OK);
}

static void reads_many_spellings(void **state)
{
    static const struct {
        const char *units, *calendar, *date;
        double value;
    } rows[] = {
        {"hours since 1900-01-01 00:00:0.0", "gregorian", "2014-01-01", 999312},
        {"Hour since 1900-1-1T00:00:00Z", "STANDARD", "2014-01-01", 999312},
        {"hours since 1900-01-01 02:00:00 +02:00", NULL, "2014-01-01", 999312},
        {"milliseconds since 1970-01-01", NULL, "1970-01-01T00:00:00.001000", 1},
        {"us since 1970-01-01", NULL, "1970-01-01T00:00:01.500000", 1500000},
        {"years since 2000-01-01", "noleap", "2010-01-01", 10},
        {"months since 2000-01-01", "360_day", "2001-03-01", 14},
        {"months since 2000-01-01", "365_day", "2001-01-01", 12},
        {"years since 2000-01-01", NULL, "2000-12-31T05:48:45.974700", 1}, /* UDUNITS: 365.242198781 days */
        {"weeks since 2014-01-01", NULL, "2014-01-15", 2},
    };
    char text[64];
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        time_units u;
        instant t;
        assert_int_equal(time_units_parse(rows[i].units, rows[i].calendar, &u), TSR_OK);
        assert_int_equal(time_decode(&u, rows[i].value, &t), TSR_OK);
        assert_string_equal(time_format(u.cal, t, text, sizeof text), rows[i].date);
    }
}

static void converts_units(void **state)
{
    time_units hours, days;
    double scale, offset;
    assert_int_equal(time_units_parse("hours since 1900-01-01 06:00", NULL, &hours), TSR_OK);
    assert_int_equal(time_units_parse("days since 1899-12-31", NULL, &days), TSR_OK);
    time_conversion(&hours, &days, &scale, &offset);
    assert_true(18 * scale + offset == 2);
}

int main(void)
{
    const struct CMUnitTest list[] = {
        cmocka_unit_test(decodes_and_encodes),  cmocka_unit_test(days_follow_each_other), cmocka_unit_test(the_reform),
        cmocka_unit_test(parses_partial_dates), cmocka_unit_test(refuses_bad_units),      cmocka_unit_test(reads_many_spellings),
        cmocka_unit_test(converts_units),
    };
    return cmocka_run_group_tests(list, NULL, NULL);
}
