"""Helpers with Keras's names, around the arrays that a network takes and gives.

- labels: `to_categorical`; samples: `normalize`; everything random: `set_random_seed`;
- single pictures: `load_img`, `save_img`, `img_to_array`, `array_to_img`;
- one's own batches by number: `PyDataset`, also called `Sequence`;
- folders of pictures: `image_dataset_from_directory`, an `ImageDataset` that `fit` takes.

Whatever has to do with pictures needs Pillow (`pip install fastconv[data]`), which is imported
when the first picture is.
"""

from fastconv.training.dataset import PyDataset
from fastconv.utils.arrays import normalize
from fastconv.utils.image_dataset import ImageDataset, image_dataset_from_directory
from fastconv.utils.images import array_to_img, img_to_array, load_img, save_img
from fastconv.utils.labels import to_categorical
from fastconv.utils.seeds import set_random_seed

Sequence = PyDataset

__all__ = [
    "ImageDataset",
    "PyDataset",
    "Sequence",
    "array_to_img",
    "image_dataset_from_directory",
    "img_to_array",
    "load_img",
    "normalize",
    "save_img",
    "set_random_seed",
    "to_categorical",
]
