"""`fastconv filters`: a designed filter over a picture."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

from fastconv.cli.errors import InputError, check_writable, checked_input, suggestion
from fastconv.cli.pictures import SUFFIXES
from fastconv.cli.wrapping import print_wrapped

HELP = "apply a filter (edges, blur, relief, ...) to a picture"
DESCRIPTION = (
    "Applies a designed filter to a picture. What comes out is shown as it is for filters\n"
    "that sum to 1; edges, which may be negative, by how strong they are (--show strength)\n"
    "or with grey for none (--show sign)."
)
EXAMPLES = [
    "fastconv filters --list",
    "fastconv filters sobel_x photo.jpg edges.png",
    "fastconv filters laplacian photo.jpg edges.png --gray --show sign",
    "fastconv filters emboss photo.jpg relief.png --convolution",
]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("filter", nargs="?", metavar="FILTER", help="its name; --list shows them")
    parser.add_argument("input", nargs="?", metavar="INPUT", help="picture to read")
    parser.add_argument("output", nargs="?", metavar="OUTPUT", help="picture to write")
    parser.add_argument("--list", action="store_true", help="list the filters with their numbers")
    parser.add_argument("--gray", action="store_true", help="make the picture grey first")
    parser.add_argument(
        "--show",
        choices=("values", "strength", "sign"),
        help="how numbers become brightness (default: values for filters that sum to 1, else "
        "strength)",
    )
    parser.add_argument(
        "--convolution",
        action="store_true",
        help="turn the filter half around first, as mathematicians do",
    )


def first_line(function: Callable) -> str:
    """What its docstring says first, up to the end of the sentence or line."""
    return (function.__doc__ or "").splitlines()[0].split(". ")[0].rstrip(".:")


def run(options: argparse.Namespace) -> None:
    import numpy as np

    from fastconv import filters

    if options.list:
        for name, make in filters.FILTERS.items():
            height, width = make().shape
            size, total = f"{height}x{width}", round(float(make().sum()), 4)
            print_wrapped(f"{name:<16} {size:<6} sum {abs(total):<3g}  ", first_line(make))
        return
    if options.filter is not None and options.filter not in filters.FILTERS:
        raise InputError(
            f"unknown filter {options.filter!r}; {suggestion(options.filter, filters.FILTERS)}"
        )
    if options.filter is None or options.output is None:
        raise InputError("FILTER, INPUT and OUTPUT must be given, or --list")
    check_writable("OUTPUT", options.output)
    if Path(options.output).suffix.lower() not in SUFFIXES:
        raise InputError(f"OUTPUT must end in one of {', '.join(SUFFIXES)}: {options.output}")
    from fastconv.utils import img_to_array, load_img, save_img

    with checked_input(options.input):
        pixels = img_to_array(load_img(options.input, "grayscale" if options.gray else "rgb"))
    kernel = filters.FILTERS[options.filter]()
    operation = "convolution" if options.convolution else "cross-correlation"
    result = filters.apply(pixels, kernel, operation=operation)
    show = options.show or ("values" if np.isclose(kernel.sum(), 1) else "strength")
    # A picture of 0 and 255 alone cannot give more than this.
    strongest = 255 * max(kernel.clip(0).sum(), (-kernel).clip(0).sum())
    if show == "strength":
        result = np.abs(result) * (255 / strongest)
    elif show == "sign":
        result = 127.5 + result * (127.5 / strongest)
    with checked_input(options.output):
        save_img(options.output, result.clip(0, 255), scale=False)
