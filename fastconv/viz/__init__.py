"""Pictures of networks: what they are, what they see, and what they get wrong.

    the arithmetic   sliding_window, pooling, filtering, receptive_field
    a network        model_graph, costs, filters
    a sample in it   feature_maps, activations, grad_cam, occlusion, activation_maximisation
    its results      history, confusion_matrix, worst_mistakes, translation_test

Every function returns a `matplotlib.figure.Figure` and shows nothing: a notebook displays it by
itself, `figure.savefig("name.png")` writes it. Figures are 4.6 inches wide (a column of a page, a
phone), with no text below 8 points, and can be told apart in grey. They are made without pyplot, so
nothing is left behind in a program that draws thousands. What a picture computes is offered beside
it (`class_activation_map`, `occlusion_map`, `receptive_fields` ...) as arrays.

One idea per file; `style` holds what all share. Needs matplotlib (`pip install fastconv[viz]`),
which is imported when the first figure is made.
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
