"""Models and weights as files that Keras reads and writes too.

A `.keras` file is a ZIP archive, not compressed, with three members:

    metadata.json       the version of the format and the date
    config.json         layers, optimizer, loss and metrics as plain data (`fastconv.serialization`)
    model.weights.h5    the numbers, as HDF5; also a file of its own, `*.weights.h5`

    model_file    the archive: save_model, load_model
    weights_file  the HDF5 part: layout, save_weights, load_weights
    atomic        replaces a file in one go

Reading trusts nothing. A file that is damaged, hostile, of a newer format or about anything that
fastconv does not have raises `fastconv.FormatError`, before anything is changed and before memory
is taken for what the file claims to hold.
"""

from fastconv.saving.model_file import load_model, save_model
from fastconv.saving.weights_file import load_weights, save_weights

__all__ = ["load_model", "load_weights", "save_model", "save_weights"]
