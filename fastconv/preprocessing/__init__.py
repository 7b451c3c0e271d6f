"""Keras's older names for what `fastconv.utils` offers, so that listings run as they are."""

from fastconv.preprocessing import image
from fastconv.utils import image_dataset_from_directory

__all__ = ["image", "image_dataset_from_directory"]
