"""Figures of networks: structure, response to samples, and errors.

    the arithmetic   sliding_window, pooling, filtering, receptive_field
    a network        model_graph, costs, filters
    a sample in it   feature_maps, activations, grad_cam, occlusion, activation_maximisation
    its results      history, confusion_matrix, worst_mistakes, translation_test

Every function returns a `matplotlib.figure.Figure` and does not show it: a notebook displays it,
`figure.savefig("name.png")` writes it. Figures are 4.6 inches wide (a column of a page, a phone),
with text of at least 8 points. Colours are safe for colour-blind readers, and figures are readable
in grey. They are made without pyplot, which would keep a reference to every figure. The data of a
figure are also available as arrays (`class_activation_map`, `occlusion_map`, `receptive_fields`
...).

One idea per file; `style` contains the common style. Needs matplotlib (`pip install
fastconv[viz]`), which is imported when the first figure is made.
"""

from fastconv.viz.activation_maximisation import activation_maximisation, maximise
from fastconv.viz.activations import activations
from fastconv.viz.confusion_matrix import confusion_matrix
from fastconv.viz.costs import costs
from fastconv.viz.feature_maps import feature_maps
from fastconv.viz.filtering import filtering
from fastconv.viz.filters import filters
from fastconv.viz.grad_cam import class_activation_map, grad_cam
from fastconv.viz.history import history
from fastconv.viz.model_graph import model_graph
from fastconv.viz.occlusion import occlusion, occlusion_map
from fastconv.viz.pooling import pooling
from fastconv.viz.receptive_field import receptive_field, receptive_fields
from fastconv.viz.sliding_window import sliding_window
from fastconv.viz.translation_test import accuracy_by_shift, translation_test
from fastconv.viz.worst_mistakes import worst_mistakes

__all__ = [
    "accuracy_by_shift",
    "activation_maximisation",
    "activations",
    "class_activation_map",
    "confusion_matrix",
    "costs",
    "feature_maps",
    "filtering",
    "filters",
    "grad_cam",
    "history",
    "maximise",
    "model_graph",
    "occlusion",
    "occlusion_map",
    "pooling",
    "receptive_field",
    "receptive_fields",
    "sliding_window",
    "translation_test",
    "worst_mistakes",
]
