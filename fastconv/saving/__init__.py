"""Saves and loads models and weights, in formats that Keras also reads and writes.

A `.keras` file is an uncompressed ZIP archive with three members:

    metadata.json       the version of the format and the date
    config.json         layers, optimizer, loss and metrics as plain data (`fastconv.serialization`)
    model.weights.h5    the weights, as HDF5; also a separate file, `*.weights.h5`

    files             save_model, load_model, save_weights, load_weights: choose by the suffix
    model_file        the archive
    weights_file      the HDF5 part
    legacy_file       Keras's older `.h5` files: one HDF5 file for everything
    keras2            descriptions of models by Keras 2 in Keras 3's format
    keras2_optimizer  the state of an optimizer of Keras 2
    legacy_names      names of weights in these files
    tensor_weights    weights as `.safetensors`
    safetensors_file  the safetensors format
    objects           objects as plain data; the names of custom classes and functions
    state_file        the state of a training run, for backups
    matching          matches the layers of a file to those of a model, by names and order
    assigning         assigns the contents of files to the weights of a model
    hdf5              reads HDF5 from untrusted files
    global_heap       checks the part of HDF5 that the library does not validate
    atomic            replaces a file atomically

Files are untrusted. A file that is damaged, hostile, of a newer format or that describes something
fastconv does not have raises `fastconv.FormatError`, before anything is changed and before memory
is allocated for the sizes that the file declares. Classes are never looked up in modules: a file
can only name those of fastconv and those that were registered or given as `custom_objects`.
"""

from fastconv.saving.files import load_model, load_weights, save_model, save_weights
from fastconv.saving.objects import (
    CustomObjectScope,
    custom_object_scope,
    deserialize_keras_object,
    get_custom_objects,
    get_registered_name,
    get_registered_object,
    serialize_keras_object,
)
from fastconv.serialization import register_keras_serializable

__all__ = [
    "CustomObjectScope",
    "custom_object_scope",
    "deserialize_keras_object",
    "get_custom_objects",
    "get_registered_name",
    "get_registered_object",
    "load_model",
    "load_weights",
    "register_keras_serializable",
    "save_model",
    "save_weights",
    "serialize_keras_object",
]
