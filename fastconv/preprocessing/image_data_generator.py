"""`ImageDataGenerator`: Keras's older augmentation, image by image."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable
from typing import Any, TypeGuard

import numpy as np
from numpy.typing import ArrayLike

from fastconv.common import randomness
from fastconv.common.arguments import normalize_int, number, one_of
from fastconv.common.keywords import NamedArguments
from fastconv.common.literals import FillMode, Interpolation
from fastconv.preprocessing.affine import FILL_MODES, transform_matrix, transformed
from fastconv.preprocessing.flows import ArrayFlow, FileFlow, files_of_columns, files_of_folders
from fastconv.utils.images import array_to_img, img_to_array, is_channels_first

_INTERPOLATIONS: dict[int, Interpolation] = {0: "nearest", 1: "bilinear"}
_EPSILON = 1e-6  # added to standard deviations


class ImageDataGenerator(NamedArguments):
    """Batches of randomly changed images, from arrays, folders or tables.

    In new programs, augmentation layers and `image_dataset_from_directory` do the same faster. For
    a `seed`, the numbers drawn are those of Keras when the batches are iterated in order.

    Args:
        featurewise_center, featurewise_std_normalization: subtract the mean of the data, divide by
            their standard deviation, per channel; see `fit`.
        samplewise_center, samplewise_std_normalization: the same with those of each image.
        zca_whitening: multiply by the ZCA matrix of the data, with `zca_epsilon`; see `fit`.
        rotation_range: largest angle, in degrees.
        width_shift_range, height_shift_range: largest shift, as a fraction of the size if below 1,
            otherwise in pixels; an integer for whole pixels; or a list of shifts.
        brightness_range: (lowest, highest) factor of the brightness; needs Pillow.
        shear_range: largest angle, in degrees.
        zoom_range: (lowest, highest) factor, per axis; one number z is (1 - z, 1 + z).
        channel_shift_range: largest number added to all channels.
        fill_mode: values outside of an image: "constant" (`cval`), "nearest", "reflect", "wrap".
        horizontal_flip, vertical_flip: whether to mirror with probability 1/2.
        rescale: factor, after the random changes; None for 1.
        preprocessing_function: function of an image (H, W, C) after the random changes, before
            `rescale`; threads call it.
        data_format: None or "channels_last", or "channels_first".
        validation_split: the fraction of the data that `subset="validation"` is.
        interpolation_order: 0 for the nearest pixel, 1 for bilinear interpolation.
        dtype: of the batches; None for float32.

    Raises ValueError for numbers out of range and unknown options, TypeError for values that are
    not numbers.

    >>> import numpy as np
    >>> from fastconv.preprocessing.image import ImageDataGenerator
    >>> generator = ImageDataGenerator(rotation_range=20, horizontal_flip=True, rescale=1 / 255)
    >>> flow = generator.flow(np.full((10, 8, 8, 3), 255), np.arange(10), batch_size=4, seed=1)
    >>> x, y = next(flow)
    >>> x.shape, y.shape, len(flow)
    ((4, 8, 8, 3), (4,), 3)
    """

    zca_whitening: bool
    zca_epsilon: float
    width_shift_range: Any
    height_shift_range: Any
    fill_mode: FillMode
    cval: float
    horizontal_flip: bool
    vertical_flip: bool

    def __init__(
        self,
        featurewise_center: bool = False,
        samplewise_center: bool = False,
        featurewise_std_normalization: bool = False,
        samplewise_std_normalization: bool = False,
        zca_whitening: bool = False,
        zca_epsilon: float = 1e-6,
        rotation_range: float = 0,
        width_shift_range: Any = 0.0,
        height_shift_range: Any = 0.0,
        brightness_range: tuple[float, float] | None = None,
        shear_range: float = 0.0,
        zoom_range: Any = 0.0,
        channel_shift_range: float = 0.0,
        fill_mode: FillMode = "nearest",
        cval: float = 0.0,
        horizontal_flip: bool = False,
        vertical_flip: bool = False,
        rescale: float | None = None,
        preprocessing_function: Callable[[np.ndarray], ArrayLike] | None = None,
        data_format: str | None = None,
        validation_split: float = 0.0,
        interpolation_order: int = 1,
        dtype: Any = None,
    ):
        self.zca_whitening, self.zca_epsilon = zca_whitening, number(zca_epsilon, "zca_epsilon", 0)
        self.featurewise_std_normalization: bool = (
            featurewise_std_normalization and not zca_whitening
        )
        self.featurewise_center: bool = (
            featurewise_center or self.featurewise_std_normalization or zca_whitening
        )
        self.samplewise_std_normalization = samplewise_std_normalization
        self.samplewise_center: bool = samplewise_center or samplewise_std_normalization
        self.rotation_range: float = number(rotation_range, "rotation_range")
        self.width_shift_range, self.height_shift_range = width_shift_range, height_shift_range
        for name in ("width_shift_range", "height_shift_range"):
            for shift in np.ravel(getattr(self, name)).tolist():
                number(shift, name)
        self.brightness_range: tuple[float, float] | None = _pair(
            brightness_range, "brightness_range"
        )
        self.shear_range: float = number(shear_range, "shear_range")
        zoom = zoom_range if isinstance(zoom_range, (tuple, list)) else None
        if zoom is None:
            factor = number(zoom_range, "zoom_range")
            zoom = (1 - factor, 1 + factor)
        self.zoom_range: tuple[float, float] = _two_numbers(zoom, "zoom_range")
        self.channel_shift_range: float = number(channel_shift_range, "channel_shift_range")
        one_of(fill_mode, "fill_mode", FILL_MODES)
        self.fill_mode, self.cval = fill_mode, number(cval, "cval")
        self.horizontal_flip, self.vertical_flip = bool(horizontal_flip), bool(vertical_flip)
        self.rescale: float | None = None if rescale is None else number(rescale, "rescale")
        self.preprocessing_function = preprocessing_function
        self.channels_first: bool = is_channels_first(data_format)
        self.data_format = "channels_first" if self.channels_first else "channels_last"
        self.validation_split: float = number(
            validation_split, "validation_split", 0, 1, below=True
        )
        order = normalize_int(interpolation_order, "interpolation_order", minimum=0)
        if order not in _INTERPOLATIONS:
            raise ValueError(f"`interpolation_order` must be 0 or 1, received {order}")
        self.interpolation_order = order
        self.dtype: np.dtype = np.dtype(np.float32 if dtype is None else dtype)
        self.mean: np.ndarray | None = None
        self.std: np.ndarray | None = None
        self.zca_whitening_matrix: np.ndarray | None = None

    # Batches --------------------------------------------------------------------------------------

    def flow(
        self,
        x: Any,
        y: Any = None,
        batch_size: int = 32,
        shuffle: bool = True,
        sample_weight: Any = None,
        seed: int | None = None,
        save_to_dir: str | os.PathLike[str] | None = None,
        save_prefix: str = "",
        save_format: str = "png",
        ignore_class_split: bool = False,
        subset: str | None = None,
    ) -> ArrayFlow:
        """Return batches of changed images, with their labels and weights, for `fit`.

        Args:
            x: images (N, H, W, C), or (images, others) with one array or a list of arrays (N, ...)
                that are not changed.
            y, sample_weight: arrays (N, ...) or None.
            batch_size: images per batch; the last may be smaller.
            shuffle: a new order in every pass.
            seed: integer from 0 to 2**32 - 1; None draws one.
            save_to_dir, save_prefix, save_format: folder for the changed images, the first part of
                their names and their format; None does not save.
            ignore_class_split: do not check that both parts of `validation_split` have all classes.
            subset: "training" or "validation", the first part of the data; None for all.

        Returns:
            A `PyDataset` that is an endless iterator as well.

        Raises ValueError for arrays of different lengths, images of another rank, and options that
        do not fit.
        """
        split = self._split(subset)
        saving = (save_to_dir, save_prefix, save_format)
        return ArrayFlow(
            self, x, y, sample_weight, split, ignore_class_split,
            batch_size=batch_size, shuffle=shuffle, seed=seed, saving=saving,
        )  # fmt: skip

    def flow_from_directory(
        self,
        directory: str | os.PathLike[str],
        target_size: tuple[int, int] = (256, 256),
        color_mode: str = "rgb",
        classes: list[str] | None = None,
        class_mode: str | None = "categorical",
        batch_size: int = 32,
        shuffle: bool = True,
        seed: int | None = None,
        save_to_dir: str | os.PathLike[str] | None = None,
        save_prefix: str = "",
        save_format: str = "png",
        follow_links: bool = False,
        subset: str | None = None,
        interpolation: str = "nearest",
        keep_aspect_ratio: bool = False,
    ) -> FileFlow:
        """Return batches of the pictures of a folder with one folder for each class.

        Args:
            directory: the folder; pictures are .png, .jpg, .jpeg, .bmp, .ppm, .tif and .tiff.
            target_size, color_mode, interpolation, keep_aspect_ratio: as for `load_img`.
            classes: names of the folders, in the order of their numbers; None for all, sorted.
            class_mode: the labels: "categorical" (one-hot), "sparse" or "binary" (numbers), "input"
                (the images), or None for none.
            follow_links: whether to enter folders that are symbolic links.
            subset: "training" or "validation", the first part of every class; None for all.
            all others: as for `flow`.

        Raises ValueError for unknown options and FormatError for damaged pictures.
        """
        one_of(class_mode, "class_mode", ("categorical", "binary", "sparse", "input", None))
        files = files_of_folders(directory, classes, class_mode, self._split(subset), follow_links)
        return FileFlow(
            self, files, target_size, color_mode, interpolation, keep_aspect_ratio,
            batch_size=batch_size, shuffle=shuffle, seed=seed,
            saving=(save_to_dir, save_prefix, save_format),
        )  # fmt: skip

    def flow_from_dataframe(
        self,
        dataframe: Any,
        directory: str | os.PathLike[str] | None = None,
        x_col: str = "filename",
        y_col: str | list[str] = "class",
        weight_col: str | None = None,
        target_size: tuple[int, int] = (256, 256),
        color_mode: str = "rgb",
        classes: list[str] | None = None,
        class_mode: str | None = "categorical",
        batch_size: int = 32,
        shuffle: bool = True,
        seed: int | None = None,
        save_to_dir: str | os.PathLike[str] | None = None,
        save_prefix: str = "",
        save_format: str = "png",
        subset: str | None = None,
        interpolation: str = "nearest",
        validate_filenames: bool = True,
    ) -> FileFlow:
        """Return batches of the pictures that a table lists.

        Args:
            dataframe: a `pandas.DataFrame`, or a dict of columns.
            directory: folder of the paths in column `x_col`; None if they are complete.
            y_col: column of the labels: names of classes, lists of them for "categorical"; numbers
                for "raw"; a list of columns for "multi_output".
            weight_col: column of the weights of samples.
            classes: names of the classes to keep, in the order of their numbers; None for all.
            class_mode: as for `flow_from_directory`, or "raw" or "multi_output".
            validate_filenames: whether to leave out files that are not there or have another
                suffix, with a warning.
            all others: as for `flow_from_directory`.

        Raises ValueError for unknown options, TypeError for columns of other values.
        """
        one_of(
            class_mode,
            "class_mode",
            ("categorical", "binary", "sparse", "input", "multi_output", "raw", None),
        )
        files = files_of_columns(
            dataframe, directory, x_col, y_col, weight_col, classes, class_mode,
            self._split(subset), validate_filenames,
        )  # fmt: skip
        return FileFlow(
            self, files, target_size, color_mode, interpolation, False,
            batch_size=batch_size, shuffle=shuffle, seed=seed,
            saving=(save_to_dir, save_prefix, save_format),
        )  # fmt: skip

    def _split(self, subset: str | None) -> tuple[float, float]:
        """Return the fractions of the data at which `subset` begins and ends."""
        one_of(subset, "subset", ("training", "validation", None))
        if subset is None:
            return 0.0, 1.0
        split = self.validation_split
        return (0.0, split) if subset == "validation" else (split, 1.0)

    # One image ------------------------------------------------------------------------------------

    def get_random_transform(
        self, img_shape: tuple[int, ...], seed: int | np.random.RandomState | None = None
    ) -> dict[str, Any]:
        """Return random numbers for an image of `img_shape`, for `apply_transform`.

        `seed` is an integer, the generator to draw from, or None for an own one.
        """
        if not isinstance(seed, np.random.RandomState):
            seed = np.random.RandomState(randomness.draw_seed() % 2**32 if seed is None else seed)
        random, (height, width) = seed, self._size(img_shape)
        theta = _symmetric(random, self.rotation_range)
        tx = _shift(random, self.height_shift_range, height)
        ty = _shift(random, self.width_shift_range, width)
        shear = _symmetric(random, self.shear_range)
        zx, zy = (1, 1) if self.zoom_range == (1, 1) else random.uniform(*self.zoom_range, 2)
        flips = [random.random_sample() < 0.5 for _ in range(2)]
        brightness = None
        shift = _symmetric(random, self.channel_shift_range) if self.channel_shift_range else None
        if self.brightness_range is not None:
            brightness = random.uniform(*self.brightness_range)
        return {
            "theta": theta,
            "tx": tx,
            "ty": ty,
            "shear": shear,
            "zx": zx,
            "zy": zy,
            "flip_horizontal": flips[0] and self.horizontal_flip,
            "flip_vertical": flips[1] and self.vertical_flip,
            "channel_shift_intensity": shift,
            "brightness": brightness,
        }

    def _size(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        return tuple(shape[1:3] if self.channels_first else shape[:2])

    def apply_transform(self, x: np.ndarray, transform_parameters: dict[str, Any]) -> np.ndarray:
        """Return an image changed by the numbers that `get_random_transform` returns; a number that
        is left out changes nothing."""
        given = transform_parameters
        x = x.transpose(1, 2, 0) if self.channels_first else x
        still = {"theta": 0, "tx": 0, "ty": 0, "shear": 0, "zx": 1, "zy": 1}
        numbers = {name: given.get(name, value) for name, value in still.items()}
        if numbers != still:
            matrix = transform_matrix(x.shape[:2], **numbers)
            interpolation = _INTERPOLATIONS[self.interpolation_order]
            x = transformed(x, matrix, self.fill_mode, self.cval, interpolation)
        if given.get("channel_shift_intensity") is not None:
            x = np.clip(x + x.dtype.type(given["channel_shift_intensity"]), x.min(), x.max())
        if given.get("flip_horizontal"):
            x = x[:, ::-1]
        if given.get("flip_vertical"):
            x = x[::-1]
        if given.get("brightness") is not None:
            x = _brightened(x, given["brightness"]).astype(x.dtype)
        return x.transpose(2, 0, 1) if self.channels_first else x

    def random_transform(
        self, x: np.ndarray, seed: int | np.random.RandomState | None = None
    ) -> np.ndarray:
        """Return an image changed at random."""
        return self.apply_transform(x, self.get_random_transform(x.shape, seed))

    def standardize(self, x: np.ndarray) -> np.ndarray:
        """Return an image, or a batch, after `preprocessing_function`, `rescale` and the
        normalizations. Warns if `fit` is needed first. Keras changes `x` itself, too."""
        if self.preprocessing_function is not None:
            x = np.asarray(self.preprocessing_function(x))
        if self.rescale:
            x = x * x.dtype.type(self.rescale)
        if self.samplewise_center:
            x = x - np.mean(x, keepdims=True)
        if self.samplewise_std_normalization:
            x = x / (np.std(x, keepdims=True) + _EPSILON)
        if self.featurewise_center and self._is_fitted(self.mean, "featurewise_center"):
            x = x - self.mean
        if self.featurewise_std_normalization and self._is_fitted(
            self.std, "featurewise_std_normalization"
        ):
            x = x / (self.std + _EPSILON)
        if self.zca_whitening and self._is_fitted(self.zca_whitening_matrix, "zca_whitening"):
            x = (x.reshape(-1, len(self.zca_whitening_matrix)) @ self.zca_whitening_matrix).reshape(
                x.shape
            )
        return x

    @staticmethod
    def _is_fitted(value: np.ndarray | None, name: str) -> TypeGuard[np.ndarray]:
        if value is None:
            warnings.warn(f"`{name}` needs fit(images) of the generator first", stacklevel=4)
        return value is not None

    def fit(
        self, x: ArrayLike, augment: bool = False, rounds: int = 1, seed: int | None = None
    ) -> None:
        """Compute the mean, the deviation and the ZCA matrix of images, for the normalizations.

        Args:
            x: images (N, H, W, C); `rescale` is applied first.
            augment: whether to change the images at random, `rounds` times.
            seed: of these changes.

        Raises ValueError for another rank.
        """
        images = np.array(x, self.dtype)
        if images.ndim != 4:
            raise ValueError(f"`x` must have 4 dimensions, received shape {images.shape}")
        random = np.random.RandomState(randomness.draw_seed() % 2**32 if seed is None else seed)
        if self.rescale:
            images *= self.rescale
        if augment:
            rounds = normalize_int(rounds, "rounds")
            images = np.stack(
                [self.random_transform(image, random) for _ in range(rounds) for image in images]
            )
        axes = (0, 2, 3) if self.channels_first else (0, 1, 2)
        if self.featurewise_center:
            mean = self.mean = images.mean(axis=axes, keepdims=True)[0]
            images = images - mean
        if self.featurewise_std_normalization:
            deviation = self.std = images.std(axis=axes, keepdims=True)[0]
            images = images / (deviation + _EPSILON)
        if self.zca_whitening:
            rows = images.reshape(len(images), -1)
            u, s, _ = np.linalg.svd(rows.T, full_matrices=False)
            self.zca_whitening_matrix = (
                (u * (np.sqrt(len(rows)) / (s + self.zca_epsilon))) @ u.T
            ).astype(self.dtype)


def _pair(value: Any, name: str) -> tuple[float, float] | None:
    return None if value is None else _two_numbers(value, name)


def _two_numbers(value: Any, name: str) -> tuple[float, float]:
    if not isinstance(value, (tuple, list)) or len(value) != 2:
        raise ValueError(f"`{name}` must be two numbers, received {value!r}")
    return number(value[0], name), number(value[1], name)


def _symmetric(random: np.random.RandomState, largest: float) -> float:
    return random.uniform(-largest, largest) if largest else 0


def _shift(random: np.random.RandomState, shifts: Any, size: int) -> float:
    """Draw a shift in pixels from a largest shift or a list of shifts."""
    if not np.any(shifts):
        return 0
    if np.ndim(shifts) or isinstance(shifts, (int, np.integer)):
        shift = random.choice(shifts)
        shift = shift * random.choice([-1, 1])
    else:
        shift = random.uniform(-shifts, shifts)
    return shift * size if np.max(shifts) < 1 else shift


def _brightened(x: np.ndarray, factor: float) -> np.ndarray:
    from PIL import ImageEnhance

    low, high = x.min(), x.max()
    scaled = bool(low < 0 or high > 255)
    picture = ImageEnhance.Brightness(array_to_img(x, scale=scaled)).enhance(factor)
    x = img_to_array(picture)
    return x / 255 * (high - low) + low if scaled else x
