"""Single pictures: from files to arrays and back, by Pillow, with Keras's names.

Image files are not trusted: only common bitmap formats are opened (some formats of Pillow start
other programs), the declared size is checked before decoding, and every error of a decoder becomes
a `FormatError` with the path of the file.
"""

from __future__ import annotations

import io
import os
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from fastconv.common.arguments import normalize_pair
from fastconv.common.keywords import explain_keywords
from fastconv.common.regular_file import open_regular
from fastconv.common.suggestions import did_you_mean
from fastconv.errors import FormatError

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = [
    "COLOR_MODES",
    "INTERPOLATIONS",
    "MAX_PIXELS",
    "array_to_img",
    "fit_size",
    "img_to_array",
    "load_img",
    "save_img",
    "to_8_bits",
]

# A file of a few kilobytes can declare a picture that fills the memory. 8192 x 8192 is more than
# cameras give, and below the number at which Pillow warns on its own.
MAX_PIXELS = 1 << 26

_FORMATS = ("BMP", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP")

_OPAQUE_FORMATS = ("JPEG", "PPM")

# color_mode -> Pillow's name, channels
COLOR_MODES = {"grayscale": ("L", 1), "rgb": ("RGB", 3), "rgba": ("RGBA", 4)}

# interpolation -> the name of Pillow's filter. "area" and "lanczos3" are TensorFlow's names.
INTERPOLATIONS = {
    "nearest": "NEAREST",
    "bilinear": "BILINEAR",
    "bicubic": "BICUBIC",
    "hamming": "HAMMING",
    "box": "BOX",
    "area": "BOX",
    "lanczos": "LANCZOS",
    "lanczos3": "LANCZOS",
}


@explain_keywords
def load_img(
    path: str | os.PathLike[str] | io.BytesIO,
    color_mode: str = "rgb",
    target_size: tuple[int, int] | None = None,
    interpolation: str = "nearest",
    keep_aspect_ratio: bool = False,
) -> Image:
    """Reads a picture; of an animation, the first frame.

    Args:
        path: a BMP, GIF, JPEG, PNG, PPM, TIFF or WebP file, or its bytes as a `BytesIO`.
        color_mode: "grayscale", "rgb" or "rgba": 1, 3 or 4 channels. A grayscale picture of more
            than 8 bits keeps them.
        target_size: (height, width) to resize to; None for the size it has.
        interpolation: how to resize: "nearest", "bilinear", "bicubic", "hamming", "box" (also
            called "area") or "lanczos" ("lanczos3").
        keep_aspect_ratio: cut the middle out, in the proportions of `target_size`, before resizing.

    Returns:
        A `PIL.Image.Image`; `img_to_array` makes an array of it.

    Raises:
        FormatError: the file is none of these pictures, is truncated or damaged, or has more than
            2**26 pixels.
        OSError: it cannot be read.
        ValueError: an unknown option or a size below 1.
        ImportError: Pillow is not installed.
    """
    check_option(color_mode, "color_mode", COLOR_MODES)
    check_option(interpolation, "interpolation", INTERPOLATIONS)
    if not isinstance(path, (str, os.PathLike, io.BytesIO)):
        raise TypeError(f"`path` must be a path or a BytesIO, received {type(path).__name__}")
    if isinstance(path, io.BytesIO):
        image = _decode(path, "the bytes given", color_mode)
    else:
        with open_regular(path) as file:
            image = _decode(file, os.fspath(path), color_mode)
    if target_size is None:
        return image
    how = "crop" if keep_aspect_ratio else "stretch"
    return fit_size(image, checked_size(target_size, "target_size"), interpolation, how)


def _decode(file: Any, name: str, color_mode: str) -> Image:
    image_module = pillow()
    try:
        image = image_module.open(file, formats=_FORMATS)
        width, height = image.size
        if width * height > MAX_PIXELS:
            raise FormatError(
                f"{name}: must have at most {MAX_PIXELS} pixels, declares {width} x {height}"
            )
        image.load()
        if image.mode.startswith("I") and color_mode == "grayscale":
            return image
        return to_8_bits(image).convert(COLOR_MODES[color_mode][0])
    except (FormatError, MemoryError):
        raise
    except image_module.UnidentifiedImageError as error:
        raise FormatError(
            f"{name}: not a readable picture: begins as none of {', '.join(_FORMATS)}"
        ) from error
    except image_module.DecompressionBombError as error:
        raise FormatError(f"{name}: must have at most {MAX_PIXELS} pixels: {error}") from None
    # Decoders raise many kinds of errors for damaged files: OSError and SyntaxError, but also
    # struct.error, IndexError, TypeError ...
    except Exception as error:
        raise FormatError(f"{name}: not a readable picture: {error}") from error


def fit_size(image: Image, size: tuple[int, int], interpolation: str, how: str) -> Image:
    """`image` resized to `size` (height, width).

    `how` is "stretch", "crop" (to the largest central part with the aspect ratio of `size` first),
    or "pad" (with black, keeping the whole image and its aspect ratio).
    """
    resample = pillow().Resampling[INTERPOLATIONS[interpolation]]
    height, width = size
    if image.size == (width, height):
        return image
    if how == "stretch":
        return image.resize((width, height), resample)
    if how == "crop":
        crop_width = min(image.width, max(1, image.height * width // height))
        crop_height = min(image.height, max(1, image.width * height // width))
        left, top = (image.width - crop_width) // 2, (image.height - crop_height) // 2
        box = (left, top, left + crop_width, top + crop_height)
        return image.resize((width, height), resample, box=box)
    scale = min(width / image.width, height / image.height)
    inner_width = min(width, max(1, round(image.width * scale)))
    inner_height = min(height, max(1, round(image.height * scale)))
    padded = pillow().new(image.mode, (width, height))
    inner = image.resize((inner_width, inner_height), resample)
    padded.paste(inner, ((width - inner_width) // 2, (height - inner_height) // 2))
    return padded


@explain_keywords
def img_to_array(
    img: Image | ArrayLike, data_format: str | None = None, dtype: Any = None
) -> np.ndarray:
    """The values of a picture as an array.

    Args:
        img: a `PIL.Image.Image`, or an array (H, W) or (H, W, C).
        data_format: None or "channels_last" for (H, W, C); "channels_first" for (C, H, W).
        dtype: of the result; None for float32.

    Returns:
        A new array of three dimensions; values are not scaled, so they go to 255 for most pictures.

    Raises ValueError if `img` has another number of dimensions or `data_format` is unknown.

    >>> import numpy as np
    >>> from fastconv.utils import img_to_array
    >>> img_to_array(np.zeros((4, 6), np.uint8)).shape
    (4, 6, 1)
    """
    first = is_channels_first(data_format)
    values = np.array(img, dtype=np.float32 if dtype is None else dtype)
    if values.ndim == 2:
        values = values[..., None]
    elif values.ndim != 3:
        raise ValueError(f"`img` must have 2 or 3 dimensions, received shape {values.shape}")
    return np.ascontiguousarray(values.transpose(2, 0, 1)) if first else values


@explain_keywords
def array_to_img(
    x: ArrayLike, data_format: str | None = None, scale: bool = True, dtype: Any = None
) -> Image:
    """A picture of the values of an array.

    Args:
        x: (H, W, C) with C = 1, 3 or 4: grayscale, RGB, RGBA. True is white, False black.
        data_format: None or "channels_last"; "channels_first" for (C, H, W).
        scale: stretch the values so that the smallest becomes 0 and the largest 255; otherwise they
            are taken as they are, from 0 to 255.
        dtype: what `x` is rounded to first; None for float32.

    Returns:
        A `PIL.Image.Image`.

    Raises:
        ValueError: another shape; values that are not finite or, with `scale` False, not from 0
            to 255.
        ImportError: Pillow is not installed.
    """
    values = np.asarray(x)
    if values.dtype == bool:
        values = values * np.uint8(255)
    values = values.astype(np.float32 if dtype is None else dtype, copy=False)
    if values.dtype.kind in "biu":  # whose differences may overflow
        values = values.astype(np.float64)
    if values.ndim != 3:
        raise ValueError(f"`x` must have 3 dimensions, received shape {values.shape}")
    if is_channels_first(data_format):
        values = values.transpose(1, 2, 0)
    modes = {1: "L", 3: "RGB", 4: "RGBA"}
    if values.shape[2] not in modes or 0 in values.shape:
        raise ValueError(f"`x` must have 1, 3 or 4 channels and pixels, received {values.shape}")
    low, high = values.min(), values.max()
    if not (np.isfinite(low) and np.isfinite(high)):
        raise ValueError("`x` must be finite, received NaN or infinite values")
    if scale:
        values = (values - low) / (high - low if high > low else 1) * 255
    elif low < 0 or high > 255:
        raise ValueError(
            f"`x` must be from 0 to 255 unless `scale` is True, received {low} to {high}"
        )
    pixels = values.astype(np.uint8)
    return pillow().fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels)


def save_img(
    path: str | os.PathLike[str] | io.BytesIO,
    x: ArrayLike,
    data_format: str | None = None,
    file_format: str | None = None,
    scale: bool = True,
    **kwargs: Any,
) -> None:
    """Writes an array as a picture.

    Args:
        path: a file, whose suffix determines the format, or a `BytesIO`.
        x, data_format, scale: see `array_to_img`. Formats without transparency (JPEG, PPM) get the
            colours of an RGBA picture alone, with a warning.
        file_format: the format, by default that of the suffix: "png", "jpeg" ...
        **kwargs: more for `PIL.Image.Image.save`, such as `quality`.

    Raises:
        ValueError: as `array_to_img`, or no format is known by the suffix.
        OSError: the file cannot be written, or the format cannot hold such a picture.
        ImportError: Pillow is not installed.
    """
    if file_format is None and not isinstance(path, io.BytesIO):
        file_format = Path(path).suffix[1:]
    file_format = (file_format or "").lower()
    picture = array_to_img(x, data_format, scale)
    image_module = pillow()
    image_module.init()
    name = image_module.registered_extensions().get(f".{file_format}", file_format.upper())
    if name not in image_module.SAVE:
        raise ValueError(
            "`path` must end in a known suffix such as .png or .jpg, or `file_format` name a "
            f"format, received {str(path)!r} and {file_format!r}"
        )
    if picture.mode == "RGBA" and name in _OPAQUE_FORMATS:
        warnings.warn(
            f"{name} holds no transparency; the picture is saved without it", stacklevel=2
        )
        picture = picture.convert("RGB")
    if isinstance(path, io.IOBase) or hasattr(path, "write"):
        picture.save(path, format=name, **kwargs)
        return
    from fastconv.saving.atomic import replacing

    with replacing(path) as file:
        picture.save(file, format=name, **kwargs)


# Shared with the datasets of pictures -------------------------------------------------------------


def pillow() -> Any:
    """The module PIL.Image; ImportError that says how to get it."""
    try:
        from PIL import Image
    except ImportError:
        raise ImportError("pictures need Pillow: pip install 'fastconv[data]'") from None
    return Image


def to_8_bits(image: Image) -> Image:
    """`image` itself, or the upper half of 16-bit values (Pillow would cut them off at 255)."""
    if not image.mode.startswith("I"):
        return image
    upper = np.clip(np.asarray(image, np.int64) >> 8, 0, 255)
    return pillow().fromarray(upper.astype(np.uint8))


def check_option(value: Any, name: str, options: Any) -> None:
    """ValueError that lists the options unless `value` is one of them."""
    if not isinstance(value, str) or value not in options:
        raise ValueError(
            f"`{name}` must be one of {sorted(options)}, received {value!r}"
            f"{did_you_mean(value, options)}"
        )


def checked_size(size: Any, name: str) -> tuple[int, int]:
    """(height, width); an integer means a square."""
    height, width = normalize_pair(size, name)
    if height * width > MAX_PIXELS:
        raise ValueError(f"`{name}` must have at most {MAX_PIXELS} pixels, received {size!r}")
    return height, width


def is_channels_first(data_format: str | None) -> bool:
    """Whether channels come first; None means they come last. ValueError for anything else."""
    if data_format not in (None, "channels_last", "channels_first"):
        raise ValueError(
            f"`data_format` must be 'channels_last' or 'channels_first', received {data_format!r}"
            f"{did_you_mean(data_format, ('channels_last', 'channels_first'))}"
        )
    return data_format == "channels_first"
