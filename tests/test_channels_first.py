"""Networks in channels-first format: the same numbers, and hardly any transposition."""

from __future__ import annotations

import numpy as np
import pytest

from fastconv import layers, models, optimizers
from fastconv.ops import compiled
from fastconv.plan import Graph, fuse, operations


def network(data_format):
    made = {"data_format": data_format}
    shape = (3, 12, 10) if data_format == "channels_first" else (12, 10, 3)
    return models.Sequential(
        [
            layers.Input(shape),
            layers.ZeroPadding2D(1, **made),
            layers.Conv2D(8, 3, activation="relu", **made),
            layers.MaxPooling2D(2, **made),
            layers.DepthwiseConv2D(3, padding="same", **made),
            layers.LeakyReLU(),
            layers.Dropout(0.0),
            layers.UpSampling2D(2, **made),
            layers.Conv2DTranspose(4, 3, **made),
            layers.AveragePooling2D(3, 2, "same", **made),
            layers.Flatten(**made),
            layers.Dense(5, "softmax"),
        ]
    )


def images(count, data_format):
    x = np.random.default_rng(1).standard_normal((count, 12, 10, 3)).astype(np.float32)
    return np.moveaxis(x, -1, 1) if data_format == "channels_first" else x


def test_training_gives_the_same_bits_in_both_formats():
    results = []
    for data_format in ("channels_last", "channels_first"):
        model = network(data_format)
        rng = np.random.default_rng(2)
        model.set_weights([rng.standard_normal(w.shape) * 0.2 for w in model.weights])
        model.compile(optimizers.SGD(0.05, momentum=0.9), "sparse_categorical_crossentropy")
        labels = np.arange(24) % 5
        model.fit(images(24, data_format), labels, batch_size=8, epochs=3, shuffle=False, verbose=0)
        results.append([model.predict(images(24, data_format), verbose=0), *model.get_weights()])
    for one, other in zip(*results, strict=True):
        np.testing.assert_array_equal(one, other)


def arrangements(graph, mode="train"):
    return [
        type(a.operation).__name__
        for a in fuse(graph, mode).nodes
        if isinstance(a.operation, (operations.Transpose, operations.Reshape))
    ]


def chain(layers_, shape):
    graph, shape = Graph(), (None, *shape)
    value = graph.input(shape[1:])
    for layer in layers_:
        layer.build(shape)
        value = graph.apply(layer.operations(shape), value)
        shape = layer.compute_output_shape(shape)
    graph.outputs = [value]
    return graph


def test_a_network_turns_its_images_once():
    model = network("channels_first")
    model.predict(images(1, "channels_first"), verbose=0)
    graph = chain([type(x).from_config(x.get_config()) for x in model.layers], (3, 12, 10))
    assert arrangements(graph) == ["Transpose", "Reshape"]


def test_sequences_stay_images_of_one_row():
    first = {"data_format": "channels_first"}
    graph = chain(
        [
            layers.Conv1D(4, 3, activation="relu", **first),
            layers.MaxPooling1D(2, **first),
            layers.Conv1D(4, 3, **first),
        ],
        (3, 20),
    )
    assert arrangements(graph) == ["Transpose", "Reshape", "Reshape", "Transpose"]
    plain = chain([layers.Conv1D(4, 3, activation="relu"), layers.MaxPooling1D(2)], (20, 3))
    assert arrangements(plain) == ["Reshape", "Reshape"]
    conv = next(a.operation for a in fuse(plain, "train").nodes if hasattr(a.operation, "kernel"))
    assert conv.activation is not None, "the reshapes do not keep the ReLU out"


def residual(data_format):
    """A block with a shortcut: both ways are turned back before the addition."""
    made = {"data_format": data_format, "padding": "same"}
    graph = Graph()
    shape = (None, 4, 8, 8) if data_format == "channels_first" else (None, 8, 8, 4)
    value = x = graph.input(shape[1:])
    for activation in ("relu", None):
        layer = layers.Conv2D(4, 3, activation=activation, **made)
        layer.build(shape)
        value = graph.apply(layer.operations(shape), value)
        if activation:
            x = value
    merged = graph.apply([operations.Merge("add"), operations.Activation("relu")], value, x)
    last = layers.GlobalAveragePooling2D(data_format=data_format)
    last.build(shape)
    graph.outputs = [graph.apply(last.operations(shape), merged)]
    return graph


def test_shortcuts_stay_channels_last():
    first, last = residual("channels_first"), residual("channels_last")
    assert arrangements(first) == ["Transpose", *arrangements(last)]


def test_side_by_side_along_the_channels():
    graph = Graph()
    turn, back = operations.Transpose((0, 2, 3, 1)), operations.Transpose((0, 3, 1, 2))
    a, b = graph.input((8, 8, 3)), graph.input((8, 8, 2))
    joined = graph.apply(
        [operations.Concatenate(1)], graph.apply([back], a), graph.apply([back], b)
    )
    graph.outputs = [graph.apply([turn], joined)]
    (only,) = fuse(graph, "infer").nodes
    assert only.operation == operations.Concatenate(3)


def test_what_does_mind_the_order_stays_where_it_is():
    turn, back = operations.Transpose((0, 2, 3, 1)), operations.Transpose((0, 3, 1, 2))
    for operation in (operations.Softmax(), operations.Dropout(0.5, 1, (None, 1, None, None))):
        graph = Graph()
        graph.outputs = [graph.apply([turn, operation, back], graph.input((3, 4, 4)))]
        assert arrangements(graph) == ["Transpose", "Transpose"]


def test_one_channel_is_no_work_at_all():
    model = models.Sequential(
        [layers.Input((1, 9, 9)), layers.Conv2D(2, 3, data_format="channels_first")]
    )
    x = np.ones((2, 1, 9, 9), np.float32)
    model.predict(x, verbose=0)
    with model._plan(2, "infer", False) as plan:
        kinds = [type(op) for op in plan._program.ops]
    assert kinds.count(compiled.Transpose) == 1, "only on the way out, where there are two"


@pytest.mark.parametrize(
    ("layer", "shape", "message"),
    [
        (layers.Conv2D(4, 3, data_format="channels_first"), (9, 9), "channels, height, width"),
        (layers.Conv2D(4, 5, data_format="channels_first"), (1, 4, 9), "larger than the padded"),
        (layers.Conv1D(4, 5), (4, 4, 4), r"takes sequences \(batch, steps, channels\)"),
        (layers.Conv2D(4, 3, groups=2, data_format="channels_first"), (3, 9, 9), "multiple of"),
    ],
)
def test_an_input_that_does_not_fit(layer, shape, message):
    model = models.Sequential([layers.Input(shape)])
    with pytest.raises(ValueError, match=message):
        model.add(layer)
