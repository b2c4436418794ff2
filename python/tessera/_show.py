"""How arrays look: one line, a table with a picture of the chunks, the expression or plan as a drawing, and explanations."""
from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from html import escape

from ._core import Node
from ._lib import check, ffi, lib, take_text

UNITS = ("B", "kiB", "MiB", "GiB", "TiB", "PiB", "EiB")


def format_bytes(n: float) -> str:
    """Bytes for people.

    >>> format_bytes(3 * 2**20)
    '3.00 MiB'
    """
    unit = 0
    while n >= 1024 and unit < len(UNITS) - 1:
        n, unit = n / 1024, unit + 1
    return f"{n:.2f} {UNITS[unit]}" if unit else f"{n} B"


def _pointers(arrays):
    return len(arrays), [array._p for array in arrays]


def _text(arrays, text) -> str:
    if not text and arrays:
        raise arrays[0]._s.failure()
    return take_text(text)


def explain(*arrays: Node) -> str:
    """What computing these arrays together would do: stages, fused operations, tasks, bytes read and the predicted peak of memory. If the session
    has just computed them, what that took, too.

    >>> import tessera as ts
    >>> x = ts.ones((100, 100)).mean()
    >>> "fold mean" in ts.explain(x), "last run" in ts.explain(x)
    (True, False)
    >>> x.compute(), "last run" in ts.explain(x)
    (np.float64(1.0), True)
    """
    return _text(arrays, lib.tsr_explain(*_pointers(arrays)))


class Drawing:
    """A drawing as SVG text; notebooks show it."""

    def __init__(self, svg: str) -> None:
        self.svg = svg

    def _repr_svg_(self) -> str:
        return self.svg

    def __repr__(self) -> str:
        return f"<tessera drawing, {len(self.svg)} bytes of SVG>"


def visualize(*arrays: Node, filename=None, what: str = "expression", format: str | None = None, **ignored) -> Drawing:
    """Draws the expression of arrays, or with what="plan" the stages that computing them takes.

    Parameters
    ----------
    filename : path, optional
        Where the drawing is written, too. The ending gives the format: svg, dot, or png (needs graphviz's `dot`).
    what : {"expression", "plan"}
        What is drawn.
    """
    svg = _text(arrays, lib.tsr_visualize(*_pointers(arrays), what.encode(), b"svg"))
    if filename is not None:
        path = os.fspath(filename)
        kind = format or os.path.splitext(path)[1][1:] or "svg"
        path = path if os.path.splitext(path)[1] else f"{path}.{kind}"
        _write(arrays, path, kind, what, svg)
    return Drawing(svg)


def _write(arrays, path: str, kind: str, what: str, svg: str) -> None:
    if kind == "svg":
        data = svg.encode()
    elif kind in ("dot", "png"):
        data = _text(arrays, lib.tsr_visualize(*_pointers(arrays), what.encode(), b"dot")).encode()
    else:
        raise ValueError(f"visualize: unknown format '{kind}'; the formats are svg, dot and png")
    if kind == "png":
        if not shutil.which("dot"):
            raise RuntimeError("visualize: PNG needs graphviz's program 'dot', which is not installed; write SVG instead")
        data = subprocess.run(["dot", "-Tpng"], input=data, stdout=subprocess.PIPE, check=True).stdout
    whole = f"{path}.{os.getpid()}.part"  # nobody sees half a drawing, and what was there before stays until it is whole
    try:
        with open(whole, "wb") as file:
            file.write(data)
        os.replace(whole, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(whole)
        raise


# ---- The notebook's view ----------------------------------------------------------------------------------------------------

SIZE, MOST_LINES = 160, 24


def _lines(lengths: tuple[int, ...], extent: float) -> list[float]:
    """Where the borders of the chunks are drawn along an edge; thinned out when there are too many to see."""
    total, at, borders = sum(lengths) or 1, 0, [0.0]
    for length in lengths:
        at += length
        borders.append(at / total * extent)
    step = -(-len(borders) // MOST_LINES)
    return borders[:-1:step] + [extent]


def _extents(shape: tuple[int, ...]) -> list[float]:
    """Lengths of the edges of the drawing: in proportion, but never too thin to see."""
    longest = max(shape, default=1) or 1
    return [SIZE * max(length / longest, 0.12) ** 0.5 for length in shape]


def _picture(shape: tuple[int, ...], chunks: tuple[tuple[int, ...], ...]) -> tuple[str, float, float]:
    """The layout of the chunks of up to three axes as the inside of an SVG, its width and height."""
    extents = _extents(shape)
    if len(shape) == 1:
        width, height = extents[0], 28.0
        columns, rows, depths = _lines(chunks[0], width), [0.0, height], [0.0]
    else:
        height, width = extents[-2:]
        rows, columns = _lines(chunks[-2], height), _lines(chunks[-1], width)
        depths = [d * 0.5 for d in _lines(chunks[0], extents[0])] if len(shape) == 3 else [0.0]
    depth = depths[-1]
    line = '<path d="M{:.1f} {:.1f}L{:.1f} {:.1f}"/>'.format
    face = f"M{depth:.1f} {depth:.1f}h{width:.1f}v{height:.1f}h{-width:.1f}z"
    fill = [f'<path d="{face}"/>']
    if depth:
        fill.append(f'<path d="M0 0h{width:.1f}l{depth:.1f} {depth:.1f}h{-width:.1f}z"/><path d="M0 0v{height:.1f}l{depth:.1f} {depth:.1f}v{-height:.1f}z"/>')
    strokes = [line(depth, depth + y, depth + width, depth + y) for y in rows] + [line(depth + x, depth, depth + x, depth + height) for x in columns]
    if depth:
        strokes += [line(d, d, d + width, d) for d in depths] + [line(d, d, d, d + height) for d in depths]
        strokes += [line(x, 0, x + depth, depth) for x in columns] + [line(0, y, depth, y + depth) for y in rows]
    labels = [f'<text x="{depth + width / 2:.1f}" y="{depth + height + 16:.1f}" text-anchor="middle">{shape[-1]}</text>']
    if len(shape) > 1:
        labels.append(f'<text x="{depth + width + 6:.1f}" y="{depth + height / 2:.1f}">{shape[-2]}</text>')
    if depth:
        labels.append(f'<text x="0" y="{height + depth * 0.6 + 14:.1f}">{shape[0]}</text>')
    inside = f'<g fill="#4c8dae" fill-opacity="0.35">{"".join(fill)}</g><g stroke="currentColor" stroke-opacity="0.55">{"".join(strokes)}</g>{"".join(labels)}'
    return inside, depth + width + max(60, 14 + 8 * len(str(shape[-2])) if len(shape) > 1 else 0), depth + height + 24


def chunks_svg(shape: tuple[int, ...], chunks: tuple[tuple[int, ...], ...]) -> str:
    """The layout of the chunks, in the page's own text colour: the last three axes, and left of them what there is before, three at a time."""
    parts, left, high = [], 0.0, 0.0
    for end in range((len(shape) - 1) % 3 + 1, len(shape) + 1, 3) if shape else ():
        axes = slice(max(end - 3, 0), end)
        inside, width, height = _picture(shape[axes], chunks[axes])
        parts.append(f'<g transform="translate({left:.1f} 0)">{inside}</g>' if left else inside)
        left, high = left + width, max(high, height)
    if not parts:
        return ""
    return f'<svg width="{left:.0f}" height="{high:.0f}" viewBox="-2 -2 {left:.0f} {high:.0f}" fill="currentColor" font-size="12">{"".join(parts)}</svg>'


def _html(self) -> str:
    if not lib.tsr_is_counted(self._p):  # looking computes nothing
        return f"<code>{escape(repr(self))}</code>"
    chunk_bytes = self.itemsize
    for length in self.chunksize:
        chunk_bytes *= length
    rows = (("", "Array", "Chunk"), ("Bytes", format_bytes(self.nbytes), format_bytes(chunk_bytes)), ("Shape", self.shape, self.chunksize),
            ("Count", "", f"{self.npartitions} chunk{'s' * (self.npartitions != 1)}"), ("Type", self.dtype, ""))
    style = "style='text-align:left;padding-right:1em'"
    cells = "".join(f"<tr><th {style}>{a}</th><td {style}>{b}</td><td {style}>{c}</td></tr>"
                    for a, b, c in rows)
    return (f"<table style='border:none;background:none'><tr><td><table>{cells}</table></td>"
            f"<td style='padding-left:2em'>{chunks_svg(self.shape, self.chunks)}</td></tr></table>")


def _inline(self, max_width: int) -> str:
    """One short text for xarray's tables."""
    text = f"tessera.Array<chunksize={self.chunksize}>" if lib.tsr_is_counted(self._p) else "tessera.Array<not counted>"
    return text if len(text) <= max_width else "tessera.Array"


def to_svg(self) -> str:
    """The picture of the chunk layout."""
    return chunks_svg(self.shape, self.chunks)
