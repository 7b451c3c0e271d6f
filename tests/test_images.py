"""Single pictures: load_img, save_img, img_to_array, array_to_img, and files that are none."""

from __future__ import annotations

import io
import struct
import subprocess
import sys
import zlib

import numpy as np
import pytest

Image = pytest.importorskip("PIL.Image")

from fastconv import FormatError, preprocessing, utils  # noqa: E402
from fastconv.utils import array_to_img, images, img_to_array, load_img, save_img  # noqa: E402


def random_pixels(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)


@pytest.fixture
def picture(tmp_path):
    path = tmp_path / "picture.png"
    Image.fromarray(random_pixels(5, 8, 3)).save(path)
    return path


# ---- load_img ----


def test_the_pixels_of_a_file(picture):
    image = load_img(picture)
    assert (image.mode, image.size) == ("RGB", (8, 5))
    np.testing.assert_array_equal(img_to_array(image), random_pixels(5, 8, 3))
    np.testing.assert_array_equal(
        img_to_array(load_img(io.BytesIO(picture.read_bytes()))), random_pixels(5, 8, 3)
    )


@pytest.mark.parametrize(("mode", "channels"), [("grayscale", 1), ("rgb", 3), ("rgba", 4)])
def test_the_color_mode_decides_the_number_of_channels(picture, mode, channels):
    assert img_to_array(load_img(picture, mode)).shape == (5, 8, channels)


def test_sixteen_bits_are_kept_in_grayscale_and_halved_in_colour(tmp_path):
    values = np.array([[0, 255, 256, 65535]], np.uint16)
    Image.fromarray(values).save(tmp_path / "deep.png")
    gray = img_to_array(load_img(tmp_path / "deep.png", "grayscale"))
    np.testing.assert_array_equal(gray[..., 0], values)
    colour = img_to_array(load_img(tmp_path / "deep.png", "rgb"))
    np.testing.assert_array_equal(colour[0, :, 1], [0, 0, 1, 255])


def test_resizing_is_pillows(picture):
    whole = Image.open(picture)
    for name, filter_name in images.INTERPOLATIONS.items():
        expected = whole.resize((4, 3), Image.Resampling[filter_name])
        np.testing.assert_array_equal(load_img(picture, "rgb", (3, 4), name), expected)


def test_the_middle_is_cut_out(picture):
    middle = Image.open(picture).crop((1, 0, 6, 5))
    square = load_img(picture, target_size=(5, 5), keep_aspect_ratio=True)
    np.testing.assert_array_equal(square, middle)


def test_the_first_frame_of_an_animation(tmp_path):
    frames = [Image.new("L", (3, 2), value) for value in (200, 100)]
    frames[0].save(tmp_path / "two.gif", save_all=True, append_images=frames[1:])
    assert np.unique(load_img(tmp_path / "two.gif", "grayscale")).tolist() == [200]


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"color_mode": "cmyk"}, ValueError, r"`color_mode` must be one of \['grayscale', 'rgb'"),
        ({"interpolation": "cubic"}, ValueError, r"`interpolation` must be one of \['area', 'bi"),
        ({"target_size": (3,)}, ValueError, "`target_size`"),
        ({"target_size": (0, 3)}, ValueError, "`target_size` must be positive, received"),
        ({"target_size": (3.0, 3)}, TypeError, "`target_size`"),
        ({"target_size": (10**5, 10**5)}, ValueError, "`target_size` must have at most 67108864"),
    ],
)
def test_bad_options_are_refused(picture, options, error, message):
    with pytest.raises(error, match=message):
        load_img(picture, **options)


def test_what_is_no_path():
    with pytest.raises(TypeError, match="`path` must be a path or a BytesIO, received int"):
        load_img(3)
    with pytest.raises(FileNotFoundError):
        load_img("not/there.png")


# ---- files that are not pictures ----


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".gif", ".bmp", ".webp", ".tiff"])
def test_a_file_cut_anywhere_is_refused_with_its_path(tmp_path, suffix):
    whole = tmp_path / f"whole{suffix}"
    Image.fromarray(random_pixels(16, 16, 3)).save(whole)
    content = whole.read_bytes()
    path = tmp_path / f"cut{suffix}"
    for part in (0, 1, 0.05, 0.3, 0.6, 0.8):
        path.write_bytes(content[: int(part * len(content)) if part < 1 else 1])
        with pytest.raises(FormatError, match=f"cut{suffix}: not a readable picture"):
            load_img(path)


def test_damaged_bytes_are_format_errors_or_other_pixels(tmp_path):
    rng = np.random.default_rng(0)
    refused = 0
    for suffix in (".png", ".jpg", ".gif", ".bmp", ".tiff"):
        whole = tmp_path / f"whole{suffix}"
        Image.fromarray(random_pixels(16, 16, 3)).save(whole)
        content = whole.read_bytes()
        for _ in range(40):
            damaged = bytearray(content)
            for index in rng.integers(0, min(200, len(content)), 3):
                damaged[index] = rng.integers(256)
            try:
                load_img(io.BytesIO(damaged))
            except FormatError:
                refused += 1
    assert refused > 40


@pytest.mark.parametrize("content", [b"hello", b"%!PS-Adobe-3.0 EPSF-3.0\n", bytes(100)])
def test_files_that_are_no_pictures_are_refused(tmp_path, content):
    path = tmp_path / "a.png"
    path.write_bytes(content)
    with pytest.raises(FormatError, match="a.png: not a readable picture"):
        load_img(path)


def png_of(width: int, height: int) -> bytes:
    """A small file that declares a large picture."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    header = struct.pack(">2I5B", width, height, 8, 0, 0, 0, 0)
    data = zlib.compress(bytes(1000))
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")
    )


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
@pytest.mark.parametrize(
    "size", [(8193, 8192), (10000, 10000), (60000, 60000), (2**31 - 1, 2**31 - 1)]
)
def test_bombs_are_refused_by_what_they_declare(tmp_path, size):
    path = tmp_path / "bomb.png"
    path.write_bytes(png_of(*size))
    with pytest.raises(FormatError, match=r"bomb.png: (must have at most 67108864 pixels|not a)"):
        load_img(path)


# ---- arrays ----


def test_arrays_in_either_order(picture):
    image = load_img(picture)
    last, first = img_to_array(image), img_to_array(image, "channels_first")
    assert (last.dtype, last.shape, first.shape) == (np.float32, (5, 8, 3), (3, 5, 8))
    np.testing.assert_array_equal(first.transpose(1, 2, 0), last)
    np.testing.assert_array_equal(array_to_img(first, "channels_first", scale=False), image)
    np.testing.assert_array_equal(array_to_img(last, scale=False), image)
    assert img_to_array(image, dtype="uint8").dtype == np.uint8


def test_scaling_spans_0_to_255():
    x = np.linspace(-3, 5, 12).reshape(3, 4, 1)
    pixels = np.asarray(array_to_img(x))
    assert (pixels.min(), pixels.max()) == (0, 255)
    assert np.asarray(array_to_img(np.full((2, 2, 3), 7))).max() == 0


@pytest.mark.parametrize(
    ("x", "options", "message"),
    [
        (np.zeros((3, 3)), {}, r"`x` must have 3 dimensions, received shape \(3, 3\)"),
        (np.zeros((3, 3, 2)), {}, r"1, 3 or 4 channels and pixels, received \(3, 3, 2\)"),
        (np.zeros((0, 3, 3)), {}, r"1, 3 or 4 channels and pixels, received \(0, 3, 3\)"),
        (np.full((2, 2, 1), np.nan), {}, "`x` must be finite"),
        (np.full((2, 2, 1), 256), {"scale": False}, "from 0 to 255 unless `scale` is True, rec"),
        (np.zeros((3, 3, 1)), {"data_format": "hwc"}, "`data_format` must be 'channels_last' or"),
    ],
)
def test_arrays_that_are_no_pictures(x, options, message):
    with pytest.raises(ValueError, match=message):
        array_to_img(x, **options)
    if "data_format" in options:
        with pytest.raises(ValueError, match=message):
            img_to_array(x, **options)


def test_save_and_load(tmp_path):
    x = random_pixels(4, 6, 3)
    for name, file_format in (("a.png", None), ("b.bmp", None), ("c.any", "png"), ("d.tif", None)):
        save_img(tmp_path / name, x, file_format=file_format, scale=False)
        np.testing.assert_array_equal(load_img(tmp_path / name), x)
    save_img(tmp_path / "e.jpg", x, quality=95)
    assert load_img(tmp_path / "e.jpg").size == (6, 4)
    buffer = io.BytesIO()
    save_img(buffer, x.transpose(2, 0, 1), "channels_first", "png", scale=False)
    np.testing.assert_array_equal(load_img(buffer), x)
    with pytest.raises(ValueError, match="`path` must end in a known suffix"):
        save_img(tmp_path / "no_suffix", x)


@pytest.mark.parametrize("suffix", ["jpg", "JPG", "jpeg", "jfif", "ppm"])
def test_a_format_without_transparency_gets_the_colours_alone(suffix, tmp_path):
    x = random_pixels(8, 8, 4)
    path = tmp_path / f"opaque.{suffix}"
    with pytest.warns(UserWarning, match="holds no transparency; the picture is saved without it"):
        save_img(path, x, scale=False)
    save_img(tmp_path / f"colours.{suffix}", x[..., :3], scale=False)
    assert path.read_bytes() == (tmp_path / f"colours.{suffix}").read_bytes()


@pytest.mark.parametrize("scale", [True, False])
def test_a_picture_of_booleans_is_black_and_white(scale, tmp_path):
    x = np.random.default_rng(0).integers(0, 2, (5, 4, 1)).astype(bool)
    np.testing.assert_array_equal(utils.array_to_img(x, scale=scale), 255 * x[..., 0])
    save_img(tmp_path / "a.png", x, scale=scale)
    np.testing.assert_array_equal(load_img(tmp_path / "a.png", "grayscale"), 255 * x[..., 0])


@pytest.mark.parametrize("dtype", ["int8", "int16", "uint8", "int64", bool])
def test_scaling_does_not_overflow_in_a_small_dtype(dtype):
    x = np.arange(-100, 100, 10).reshape(4, 5, 1).astype(dtype)
    expected = utils.array_to_img(x.astype(np.float64), dtype=np.float64)
    np.testing.assert_array_equal(utils.array_to_img(x, dtype=dtype), expected)


def test_keras_older_names():
    assert preprocessing.image.load_img is utils.load_img
    assert preprocessing.image_dataset_from_directory is utils.image_dataset_from_directory


def test_pillow_is_imported_late_and_missed_politely():
    program = (
        "import sys; sys.modules['PIL'] = None\n"
        "from fastconv import utils\n"
        "utils.to_categorical([1])\n"
        "try: utils.array_to_img([[[1]]])\n"
        "except ImportError as error: print(error)"
    )
    run = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert run.stdout.strip() == "pictures need Pillow: pip install 'fastconv[data]'"
