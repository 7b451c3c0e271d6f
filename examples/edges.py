"""Finds the edges in a picture: `python examples/edges.py [PICTURE]`, writes edges.png.

Without a picture it computes one: a disc in front of a ramp. The 3x3 filters of Sobel multiply what
is right of (below) a pixel by 1, 2, 1 and what is left of (above) it by -1, -2, -1, so each answers
to edges of one direction; the length of the two answers is the strength of an edge of any.
"""

from __future__ import annotations

import argparse

import numpy as np

from fastconv import filters
from fastconv.utils import img_to_array, load_img, save_img


def disc_on_a_ramp(size: int = 256) -> np.ndarray:
    """A computed picture (size, size, 1), from 0 to 255."""
    y, x = np.mgrid[:size, :size] / (size - 1)
    picture = 60 + 100 * x
    picture[(x - 0.5) ** 2 + (y - 0.5) ** 2 < 0.09] = 230
    return np.asarray(picture[..., None])


def edges(picture: np.ndarray) -> np.ndarray:
    """The strength of the edges of a grey picture, from 0 to 255 at the strongest."""
    across = filters.apply(picture, filters.sobel_x())
    down = filters.apply(picture, filters.sobel_y())
    strength = np.hypot(across, down)
    return np.asarray(strength * (255 / max(strength.max(), 1)))


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("picture", nargs="?", help="by default a computed one")
    parser.add_argument("--output", default="edges.png")
    options = parser.parse_args(arguments)

    if options.picture:
        picture = img_to_array(load_img(options.picture, "grayscale"))
    else:
        picture = disc_on_a_ramp()
    found = edges(picture)
    save_img(options.output, np.concatenate([picture, found], axis=1), scale=False)
    print(f"{(found > 64).mean():.1%} of {found.size} pixels lie on edges; see {options.output}")


if __name__ == "__main__":
    main()
