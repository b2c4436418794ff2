"""Where NumPy and Dask have it: `ts.lib.stride_tricks.sliding_window_view`."""
from types import SimpleNamespace

from ._windows import sliding_window_view

stride_tricks = SimpleNamespace(sliding_window_view=sliding_window_view)
