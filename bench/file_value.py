#!/usr/bin/env python3
"""Prints the sum of the absolute values of the largest floating-point variable of a NetCDF file, so that run.py can compare what
the tools wrote.    bench/file_value.py FILE"""
import sys

import netCDF4
import numpy as np

with netCDF4.Dataset(sys.argv[1]) as nc:
    largest = max((v for v in nc.variables.values() if v.dtype.kind == "f"), key=lambda v: v.size)
    print(repr(float(np.abs(np.ma.filled(largest[:], np.nan).astype("f8")).sum())))
