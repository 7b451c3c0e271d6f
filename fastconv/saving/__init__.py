"""Models and weights as files that Keras reads and writes too.

A `.keras` file is a ZIP archive, not compressed, with three members:

    metadata.json       the version of the format and the date
    config.json         layers, optimizer, loss and metrics as plain data (`fastconv.serialization`)
    model.weights.h5    the numbers, as HDF5; also a file of its own, `*.weights.h5`

    files             save_model, load_model, save_weights, load_weights: choose by the suffix
    model_file        the archive
    weights_file      the HDF5 part
    legacy_file       Keras's older `.h5` files, all in one HDF5 file
    legacy_names      what the names of weights in them mean
    tensor_weights    weights as `.safetensors`
    safetensors_file  that format itself
    state_file        the state of a training run, for backups
    matching          which layers of a file are which of a model, by names and order
    assigning         what files hold into the weights of a model
    hdf5              reads HDF5 without trust
    global_heap       the part of HDF5 that the library itself trusts too much
    atomic            replaces a file in one go

Reading trusts nothing. A file that is damaged, hostile, of a newer format or about anything that
fastconv does not have raises `fastconv.FormatError`, before anything is changed and before memory
is taken for what the file claims to hold. Classes are never looked up in modules: a file can only
name those of fastconv and those that were registered or given as `custom_objects`.
"""

from fastconv.saving.files import load_model, load_weights, save_model, save_weights
from fastconv.serialization import register_keras_serializable

__all__ = [
    "load_model",
    "load_weights",
    "register_keras_serializable",
    "save_model",
    "save_weights",
]
