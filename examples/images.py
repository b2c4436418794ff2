"""A stack of images: lazy reading, averages along each axis, and a window around the bright spot of every image.

    python3 examples/images.py 'frames/*.png' [OUTDIR] [c|numba|python]

Each image is one file: PNG, JPEG, TIFF or .npy. The function that finds the spot is a user's own, called block by block: C source (examples/centroid.c),
compiled once and run on all cores, the same compiled by Numba, or Python.
"""
import pathlib
import sys

import numpy as np

import tessera as ts


def window_start(middle, n, length):
    return min(max(int(middle) - n // 2, 0), length - n)


def recentre(block, rows, columns):
    """Cuts a window around the centre of mass of each image, as far as the edges allow."""
    result = np.empty((len(block), rows, columns), block.dtype)
    for image, out in zip(block, result):
        total = image.sum(dtype=float) or 1.0
        row = (image.sum(axis=1, dtype=float) * np.arange(image.shape[0])).sum() / total
        column = (image.sum(axis=0, dtype=float) * np.arange(image.shape[1])).sum() / total
        top, left = window_start(row, rows, image.shape[0]), window_start(column, columns, image.shape[1])
        out[...] = image[top:top + rows, left:left + columns]
    return result


def recentre_images(images, out):
    """The same in loops, as Numba likes them; the window's lengths are those of what is filled."""
    rows, columns = out.shape[1], out.shape[2]
    for frame in range(images.shape[0]):
        total = row = column = 0.0
        for i in range(images.shape[1]):
            for j in range(images.shape[2]):
                value = float(images[frame, i, j])
                total += value
                row += value * i
                column += value * j
        total = max(total, 1.0)
        top = min(max(int(row / total) - rows // 2, 0), images.shape[1] - rows)
        left = min(max(int(column / total) - columns // 2, 0), images.shape[2] - columns)
        out[frame] = images[frame, top:top + rows, left:left + columns]


def main(pattern, out=".", language="c"):
    stack = ts.image.imread(pattern)
    print(stack)
    rows, columns = stack.shape[1] // 2, stack.shape[2] // 2
    images = stack.rechunk((1, -1, -1))
    if language == "python":
        centred = ts.map_blocks(recentre, images, rows, columns, dtype=stack.dtype, chunks=(1, rows, columns))
    else:
        if language == "numba":
            function = ts.numba_function(f"{stack.dtype}[:,:,:], {stack.dtype}[:,:,:]", recentre_images)
        else:
            function = ts.c_function(file=pathlib.Path(__file__).with_name("centroid.c"), symbol="recentre")
        centred = ts.map_blocks(function, images, dtype=stack.dtype, chunks=(1, rows, columns))
    centred = centred.persist()
    front, side, top = ts.compute(*(centred.max(axis=axis) for axis in range(3)))
    print("projections:", front.shape, side.shape, top.shape)
    middle = np.unravel_index(centred.mean(axis=0).argmax().compute(), centred.shape[1:])
    print("brightest place of the mean image:", tuple(int(i) for i in middle))
    series = centred.rechunk((-1, 16, 16))
    print("as time series per pixel:", series.chunksize)
    ts.save(pathlib.Path(out) / "centred.npy", centred)
    draw({"front": front, "side": side, "top": top}, pathlib.Path(out) / "projections.png")


def draw(images, path):
    try:
        import matplotlib

        matplotlib.use("Agg")
        import matplotlib.pyplot as plt
        from matplotlib.ticker import MaxNLocator
    except ImportError:
        print("no pictures: matplotlib is not installed")
        return
    figure, axes = plt.subplots(1, len(images), figsize=(12, 4), layout="constrained")
    for ax, (name, image) in zip(axes, images.items()):
        ax.imshow(image, cmap="magma", aspect="auto")
        rows, columns = {"front": ("row", "column"), "side": ("frame", "column"), "top": ("frame", "row")}[name]
        ax.set(title=name, xlabel=columns, ylabel=rows)
        ax.yaxis.set_major_locator(MaxNLocator(integer=True))
    figure.savefig(path, dpi=80)


if __name__ == "__main__":
    if not 2 <= len(sys.argv) <= 4:
        sys.exit(__doc__)
    main(*sys.argv[1:4])
