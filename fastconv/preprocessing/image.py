"""Keras's older names: single pictures (`fastconv.utils.images`), `ImageDataGenerator`."""

from fastconv.preprocessing.image_data_generator import ImageDataGenerator
from fastconv.preprocessing.smart_resize import smart_resize
from fastconv.utils.images import array_to_img, img_to_array, load_img, save_img

__all__ = [
    "ImageDataGenerator",
    "array_to_img",
    "img_to_array",
    "load_img",
    "save_img",
    "smart_resize",
]
