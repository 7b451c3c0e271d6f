"""Helpers with Keras's names.

- arrays of a network: `to_categorical`, `normalize`, `pack_x_y_sample_weight`;
- single pictures: `load_img`, `save_img`, `img_to_array`, `array_to_img`;
- data: `PyDataset` (also called `Sequence`), `image_dataset_from_directory`, `split_dataset`,
  `get_file`;
- models: `plot_model`, `get_source_inputs`; loops of one's own: `Progbar`;
- the process: `set_random_seed`, `clear_session`;
- custom classes in files: `register_keras_serializable`, `custom_object_scope` and others of
  `fastconv.saving`.

Whatever has to do with pictures needs Pillow (`pip install 'fastconv[data]'`), which is imported
when the first picture is.
"""

from fastconv.backend import clear_session, is_keras_tensor, standardize_dtype
from fastconv.layers.sources import get_source_inputs
from fastconv.saving import (
    CustomObjectScope,
    custom_object_scope,
    deserialize_keras_object,
    get_custom_objects,
    get_registered_name,
    get_registered_object,
    register_keras_serializable,
    serialize_keras_object,
)
from fastconv.training.dataset import PyDataset
from fastconv.utils.arrays import normalize
from fastconv.utils.get_file import get_file
from fastconv.utils.image_dataset import ImageDataset, image_dataset_from_directory
from fastconv.utils.images import array_to_img, img_to_array, load_img, save_img
from fastconv.utils.labels import to_categorical
from fastconv.utils.plot_model import plot_model
from fastconv.utils.progbar import Progbar
from fastconv.utils.samples import pack_x_y_sample_weight, unpack_x_y_sample_weight
from fastconv.utils.seeds import set_random_seed
from fastconv.utils.split_dataset import split_dataset

Sequence = PyDataset

__all__ = [
    "CustomObjectScope",
    "ImageDataset",
    "Progbar",
    "PyDataset",
    "Sequence",
    "array_to_img",
    "clear_session",
    "custom_object_scope",
    "deserialize_keras_object",
    "get_custom_objects",
    "get_file",
    "get_registered_name",
    "get_registered_object",
    "get_source_inputs",
    "image_dataset_from_directory",
    "img_to_array",
    "is_keras_tensor",
    "load_img",
    "normalize",
    "pack_x_y_sample_weight",
    "plot_model",
    "register_keras_serializable",
    "save_img",
    "serialize_keras_object",
    "set_random_seed",
    "split_dataset",
    "standardize_dtype",
    "to_categorical",
    "unpack_x_y_sample_weight",
]
