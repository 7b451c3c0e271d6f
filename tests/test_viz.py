"""The pictures: that they are legible, what is on them, and the numbers beside them."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

pytest.importorskip("matplotlib")

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text

from fastconv import filters, inspect, layers, models, utils, viz


def mnist_cnn() -> models.Sequential:
    utils.set_random_seed(0)
    return models.Sequential(
        [
            layers.Conv2D(32, 3, activation="relu", input_shape=(28, 28, 1), name="conv2d_1"),
            layers.MaxPooling2D(2, name="max_pooling2d_1"),
            layers.Conv2D(64, 3, activation="relu", name="conv2d_2"),
            layers.MaxPooling2D(2, name="max_pooling2d_2"),
            layers.Conv2D(64, 3, activation="relu", name="conv2d_3"),
            layers.Flatten(name="flatten"),
            layers.Dense(64, activation="relu", name="dense_1"),
            layers.Dense(10, activation="softmax", name="dense_2"),
        ]
    )


@pytest.fixture(scope="module")
def model():
    return mnist_cnn()


@pytest.fixture(scope="module")
def residual():
    start = layers.Input((16, 16, 3), name="start")
    first = layers.Conv2D(8, 3, padding="same", activation="relu", name="first")(start)
    second = layers.Conv2D(8, 3, padding="same", name="second")(first)
    end = layers.GlobalAveragePooling2D(name="pool")(layers.Add(name="add")([first, second]))
    return models.Model(start, layers.Dense(4, name="scores")(end), name="residual")


IMAGE = np.random.default_rng(0).random((28, 28), np.float32)
IMAGES, ANIMALS = np.stack([IMAGE] * 9), ["cat", "dog", "mouse"]
LOGS = {"loss": [2.0, 1.0], "accuracy": [0.5, 0.75], "val_loss": [2.1, 1.4]}

PICTURES = {
    "history": lambda m: viz.history(LOGS),
    "filters": viz.filters,
    "filters in colour": lambda m: viz.filters(np.random.default_rng(0).normal(size=(5, 5, 3, 6))),
    "one filter": lambda m: viz.filters(filters.sobel_x()[:, :, None]),
    "feature_maps": lambda m: viz.feature_maps(m, IMAGE, "conv2d_2"),
    "activations": lambda m: viz.activations(m, IMAGE),
    "sliding_window": lambda m: viz.sliding_window(7, 3, 3, "valid"),
    "sliding_window of 28": lambda m: viz.sliding_window(28, 5, 1, "same"),
    "pooling": lambda m: viz.pooling(),
    "filtering": lambda m: viz.filtering(IMAGE, filters.sobel_x()),
    "receptive_field": viz.receptive_field,
    "confusion_matrix": lambda m: viz.confusion_matrix([0, 1, 2, 2], [0, 1, 1, 2], ANIMALS),
    "worst_mistakes": lambda m: viz.worst_mistakes(IMAGES, range(9), np.eye(9)[::-1], None),
    "worst_mistakes with names": lambda m: viz.worst_mistakes(
        IMAGES[:3], [0, 1, 1], np.eye(3)[::-1], ANIMALS
    ),
    "grad_cam": lambda m: viz.grad_cam(m, IMAGE, layer="conv2d_2"),
    "occlusion": lambda m: viz.occlusion(m, IMAGE),
    "activation_maximisation": lambda m: viz.activation_maximisation(m, "conv2d_1", steps=2),
    "model_graph": viz.model_graph,
    "costs": viz.costs,
    "translation_test": lambda m: viz.translation_test(m, IMAGES, range(9), range(-2, 3)),
}  # fmt: skip


def words(figure) -> str:
    """All text, one piece after the other."""
    found = (text.get_text() for text in figure.findobj(Text))
    return " | ".join(text for text in found if text)


@pytest.mark.parametrize("name", PICTURES)
def test_every_picture_is_legible(model, name, monkeypatch):
    """A column wide, no text below 8 points, none cut off, none over another."""
    figure = PICTURES[name](model)
    assert isinstance(figure, Figure)
    assert figure.get_figwidth() == pytest.approx(4.6)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()  # arranges the axes
    drawn, draw = [], Text.draw
    monkeypatch.setattr(Text, "draw", lambda self, *args: (drawn.append(self), draw(self, *args)))
    canvas.draw()
    boxes = []
    for text in drawn:
        if not text.get_visible() or not text.get_text().strip():
            continue
        assert text.get_fontsize() >= 8, text
        box = text.get_window_extent(canvas.get_renderer())
        assert figure.bbox.x0 <= box.x0 + 1 and box.x1 <= figure.bbox.x1 + 1, text
        assert figure.bbox.y0 <= box.y0 + 1 and box.y1 <= figure.bbox.y1 + 1, text
        for other, there in boxes:
            apart = (
                min(box.x1, other.x1) - max(box.x0, other.x0) <= 1
                or min(box.y1, other.y1) - max(box.y0, other.y0) <= 1
            )
            assert apart, (text, there)
        boxes.append((box, text))
    assert boxes


def test_pyplot_is_never_used_and_matplotlib_only_when_drawing():
    program = (
        "import sys\n"
        "from fastconv import viz\n"
        "assert 'matplotlib' not in sys.modules\n"
        "viz.pooling()\n"
        "assert 'matplotlib.pyplot' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_without_matplotlib_the_error_says_what_to_install():
    program = (
        "import sys; sys.modules['matplotlib'] = None\n"
        "from fastconv import viz\n"
        "try: viz.pooling()\n"
        "except ImportError as error: print(error)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "pictures need matplotlib: pip install 'fastconv[viz]'"


# ---- what is on them ----


def test_history_has_an_axes_per_quantity():
    axes = viz.history(LOGS).axes
    assert [ax.get_ylabel() for ax in axes] == ["loss", "accuracy"]
    assert [line.get_label() for line in axes[0].lines] == ["training", "validation"]
    assert axes[0].lines[1].get_ydata().tolist() == LOGS["val_loss"]
    assert axes[0].lines[0].get_linestyle() != axes[0].lines[1].get_linestyle()
    assert len(axes[1].lines) == 1
    assert len(viz.history(LOGS, ["accuracy"]).axes) == 1


def test_sliding_windows_of_the_lectures():
    for arguments, formula in (
        ((7, 3, 1, 0), "floor((7 + 2*0 - 3)/1) + 1 = 5"),
        ((7, 3, 2, 0), "floor((7 + 2*0 - 3)/2) + 1 = 3"),
        ((7, 3, 3, 0), "floor((7 + 2*0 - 3)/3) + 1 = 2"),
        ((7, 3, 1, 1), "floor((7 + 2*1 - 3)/1) + 1 = 7"),
        ((28, 3, 1, "valid"), "floor((28 + 2*0 - 3)/1) + 1 = 26"),
        ((4, 3, 1, "same"), "floor((4 + 2*1 - 3)/1) + 1 = 4"),
        ((4, 3, 2, "same"), "floor((4 + 0+1 - 3)/2) + 1 = 2"),
    ):
        assert formula in words(viz.sliding_window(*arguments))


def test_columns_that_the_stride_leaves_over_are_crossed_out():
    assert not viz.sliding_window(7, 3, 2, 0).axes[0].lines
    crosses = viz.sliding_window(7, 3, 3, 0).axes[0].lines
    assert len(crosses) == 2 * (7 + 7 - 1)  # two lines per cell of the last row and column


def test_pooling_of_the_lectures():
    figure = viz.pooling()
    assert [t.get_text() for t in figure.axes[1].texts] == ["20", "30", "112", "37"]
    bold = [t.get_text() for t in figure.axes[0].texts if t.get_weight() == "bold"]
    assert bold == ["20", "30", "37", "112"]
    other = viz.pooling([[1, 1, 2, 4], [5, 6, 7, 8], [3, 2, 1, 0], [1, 2, 3, 4]])
    assert [t.get_text() for t in other.axes[1].texts] == ["6", "8", "3", "4"]
    mean = viz.pooling([[1, 2], [3, 6]], kind="average")
    assert [t.get_text() for t in mean.axes[1].texts] == ["3"]


def test_filtering_names_both_operations():
    figure = viz.filtering(IMAGE, filters.sobel_x())
    assert {"cross-correlation", "convolution", "filter, flipped"} <= set(
        words(figure).split(" | ")
    )
    first, second = (ax.images[0].get_array() for ax in (figure.axes[4], figure.axes[5]))
    np.testing.assert_allclose(first, -second)
    assert "convolution" not in words(viz.filtering(IMAGE, filters.sobel_x(), both=False))


def test_the_receptive_field_of_the_lectures(model):
    fields = viz.receptive_fields(model)
    assert [(f.name, f.shape[0], f.size[0]) for f in fields] == [
        ("input", 28, 18),
        ("conv2d_1", 26, 16),
        ("max_pooling2d_1", 13, 8),
        ("conv2d_2", 11, 6),
        ("max_pooling2d_2", 5, 3),
        ("conv2d_3", 3, 1),
    ]
    assert "18x18 = 324 of 784 pixels (41.3 %)" in words(viz.receptive_field(model))
    plain = models.Sequential(
        [layers.Conv2D(2, 3, input_shape=(28, 28, 1)), layers.Conv2D(2, 3), layers.Conv2D(2, 3)]
    )
    assert "7x7 = 49 of 784 pixels (6.2 %)" in words(viz.receptive_field(plain))
    whole = models.Sequential([layers.Conv2D(1, 9, padding="same", input_shape=(8, 8, 1))])
    assert "9x9: all 64 pixels" in words(viz.receptive_field(whole))


def test_receptive_fields_are_where_gradients_are(model, residual):
    """The pixels on which the middle of a layer depends, found by differentiating."""
    rng = np.random.default_rng(0)
    for net, layer, shape in ((model, "conv2d_2", (28, 28, 1)), (residual, "add", (16, 16, 3))):
        field = viz.receptive_fields(net, layer)[0]
        side = net.get_layer(layer).output_shape[1]
        x = rng.random((64, *shape), np.float32)
        target = np.zeros((64, *net.get_layer(layer).output_shape[1:]), np.float32)
        target[:, side // 2, side // 2] = rng.normal(size=target.shape[-1])
        slope = np.abs(inspect.gradients(net, x, target, output=layer).gradient).max((0, 3))
        # Winograd's rounding errors go a little further than its results do.
        rows, columns = np.nonzero(slope > 1e-4 * slope.max())
        assert (rows.min(), columns.min()) == field.start
        assert (np.ptp(rows) + 1, np.ptp(columns) + 1) == field.size


def test_the_graph_shows_layers_shapes_and_shortcuts(model, residual):
    shown = words(viz.model_graph(model))
    for part in ("93,322 parameters", "conv2d_2", "26x26x32", "18,496", "MaxPooling2D"):
        assert part in shown
    straight = viz.model_graph(model).axes[0]
    assert not straight.lines
    around = viz.model_graph(residual).axes[0]
    assert len(around.lines) == 1  # from `first` past `second` to `add`


def test_costs_of_the_lectures(model, residual):
    figure = viz.costs(model)
    widths = [[patch.get_width() for patch in ax.patches] for ax in figure.axes]
    assert widths[0] == [320, 0, 18496, 0, 36928, 0, 36928, 650]
    assert widths[1][0] == 26 * 26 * 9 * 32 and widths[1][6] == 576 * 64
    assert widths[2][0] == 4 * 26 * 26 * 32
    assert widths[3][4] == pytest.approx(100 * 324 / 784, rel=0.5)
    colours = [patch.get_facecolor() for patch in figure.axes[1].patches]
    assert len({colours[0], colours[1], colours[6]}) == 3 and colours[0] == colours[2]
    nested = models.Sequential([layers.Input((16, 16, 3)), residual])
    inner = [patch.get_width() for patch in viz.costs(nested).axes[0].patches]
    assert sum(inner) == residual.count_params()


def test_the_confusion_matrix_counts():
    figure = viz.confusion_matrix([0, 1, 1, 2], np.eye(3)[[0, 1, 2, 2]], ["a", "b", "c"])
    wrong, right = (image.get_array().tolist() for image in figure.axes[0].images)
    assert right == [[1, None, None], [None, 0.5, None], [None, None, 1]]
    assert wrong == [[None, 0, 0], [0, None, 0.5], [0, 0, None]]
    assert figure.axes[0].images[0].get_clim() == (0, 0.5)
    assert "3 of 4 right, 75.00 %" in words(figure)
    many = viz.confusion_matrix(np.arange(100), np.arange(100))
    assert not many.axes[0].texts
    assert len(many.axes[0].get_xticks()) <= 20


def test_the_most_confident_mistakes_come_first():
    chances = np.array([[0.9, 0.1], [0.4, 0.6], [0.2, 0.8], [0.3, 0.7]])
    figure = viz.worst_mistakes(np.zeros((4, 5, 5)), [0, 0, 0, 1], chances, ["no", "yes"])
    titles = [(ax.get_title(), ax.get_xlabel()) for ax in figure.axes]
    assert titles == [("predicted yes\n80 %", "true no"), ("predicted yes\n60 %", "true no")]


def test_grad_cam_finds_where_a_class_is():
    """A network that says 1 when something bright is in the left half."""
    net = models.Sequential(
        [
            layers.Conv2D(2, 1, use_bias=False, input_shape=(8, 8, 1), name="maps"),
            layers.Flatten(),
            layers.Dense(2, use_bias=False),
        ]
    )
    weights = np.zeros((8, 8, 2, 2), np.float32)
    weights[:, :4, 0, 1] = weights[:, 4:, 0, 0] = 1
    weights[:, 4:, 0, 1] = weights[:, :4, 0, 0] = -0.5
    net.set_weights([np.array([1, 0], np.float32).reshape(1, 1, 1, 2), weights.reshape(128, 2)])
    image = np.zeros((8, 8))
    image[2, 1] = 1
    heat, target = viz.class_activation_map(net, image)
    assert target == 1 and heat.shape == (8, 8)
    assert np.unravel_index(heat.argmax(), heat.shape) == (2, 1) and heat.max() == 1
    lost, same = viz.occlusion_map(net, image, size=2, stride=2, value=0)
    assert same == 1 and lost.shape == (4, 4)
    assert lost[1, 0] == pytest.approx(1) and np.count_nonzero(lost) == 1


def test_maximised_channels_answer_more(model):
    channels = [0, 1, 2, 3]
    found = viz.maximise(model, "dense_2", channels, steps=20)
    assert found.shape == (4, 28, 28, 1) and found.min() >= 0 and found.max() <= 1
    noise = viz.maximise(model, "dense_2", channels, steps=1, rate=1e-6, blur=0)
    for index, channel in enumerate(channels):
        after, before = (model.predict(x, verbose=0)[index, channel] for x in (found, noise))
        assert after > before
    np.testing.assert_array_equal(found, viz.maximise(model, "dense_2", channels, steps=20))


def test_accuracy_by_shift():
    """A network that knows in which column the one bright pixel is."""
    net = models.Sequential([layers.Flatten(input_shape=(1, 6)), layers.Dense(6)])
    net.set_weights([np.eye(6, dtype=np.float32), np.zeros(6, np.float32)])
    x = np.eye(6, dtype=np.float32)[:, None, :]
    assert viz.accuracy_by_shift(net, x, np.arange(6), [0]).tolist() == [1]
    moved = viz.accuracy_by_shift(net, x, np.minimum(np.arange(6) + 2, 5), [2, -2])
    assert moved.tolist() == [4 / 6, 0]
    figure = viz.translation_test({"one": net, "two": net}, x, np.arange(6), [0, 1])
    assert [line.get_label() for line in figure.axes[0].lines] == ["one", "two"]
    assert "accuracy on 6 pictures that are moved sideways" in words(figure)


def test_values_with_a_sign_have_zero_in_the_middle(model):
    """Of a colour map whose lightness grows evenly, so that grey prints show the sign as well."""
    signed = models.Sequential([layers.Conv2D(4, 3, input_shape=(28, 28, 1), name="maps")])
    image = viz.feature_maps(signed, IMAGE, "maps").axes[0].images[0]
    low, high = image.get_clim()
    assert low == -high < 0 and image.get_cmap().name == "cividis"
    image = viz.feature_maps(model, IMAGE, "conv2d_1").axes[0].images[0]
    assert image.get_clim()[0] == 0 and image.get_cmap().name == "viridis"


def test_one_filter_is_in_the_middle():
    figure = viz.filters(filters.sobel_x()[:, :, None])
    FigureCanvasAgg(figure).draw()
    (ax,) = (ax for ax in figure.axes if ax.images)
    box = ax.get_position()
    assert 0.4 < (box.x0 + box.x1) / 2 < 0.6


# ---- bad input ----


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda m: viz.history({}), r"`metrics` must be among \[\], received \[\]"),
        (lambda m: viz.history(LOGS, ["auc"]), r"among \['loss', 'accuracy'\], received \['auc'"),
        (lambda m: viz.filters(m.get_layer("flatten")), r"`layer` must have filters \(KH, KW"),
        (lambda m: viz.filters(m, channel=1), "`channel` must be from 0 to 0, received 1"),
        (lambda m: viz.filters(models.Sequential([layers.Dense(2, input_shape=(2,))])), "no layer"),
        (lambda m: viz.feature_maps(m, IMAGE, "dense_1"), r"`layer` must give maps \(H, W, C\)"),
        (lambda m: viz.feature_maps(m, IMAGE, "conv9"), "has no layer 'conv9'"),
        (lambda m: viz.feature_maps(m, IMAGE[:5], "conv2d_1"), r"must have shape \(None, 28, 28,"),
        (lambda m: viz.sliding_window(3, 5), "5"),
        (lambda m: viz.sliding_window(224), "`size` with padding must be at most 40, rec.*224x224"),
        (lambda m: viz.pooling(kind="min"), "`kind` must be 'max' or 'average', received 'min'"),
        (lambda m: viz.pooling([1, 2]), r"`values` must be \(H, W\), received shape \(2,\)"),
        (lambda m: viz.filtering(IMAGE, [1, 2]), r"`kernel` must be \(KH, KW\), received shape"),
        (lambda m: viz.filtering(np.zeros(3), [[1]]), r"`image` must be \(H, W\) or \(H, W, C\)"),
        (lambda m: viz.receptive_field(m, "dense_1"), "`layer` must be one with rows and columns"),
        (lambda m: viz.confusion_matrix([0, 1], [0]), "one length above 0, received 2 and 1"),
        (lambda m: viz.confusion_matrix([0.5], [0]), r"`y_true` must be class numbers \(N,\) or"),
        (lambda m: viz.confusion_matrix([0, 2], [0, 1], ["a"]), "must name 3 classes, received 1"),
        (lambda m: viz.worst_mistakes(np.zeros((1, 2, 2)), [0], [[1, 0]]), "there are no mistakes"),
        (lambda m: viz.worst_mistakes(np.zeros((2, 2, 2)), [0], [[1, 0]]), "must have one length"),
        (lambda m: viz.grad_cam(m, IMAGE, layer="dense_1"), r"`layer` must give maps"),
        (lambda m: viz.grad_cam(m, IMAGE, 10), "`target` must be from 0 to 9, received 10"),
        (lambda m: viz.occlusion(m, IMAGE, 10), "`target` must be from 0 to 9, received 10"),
        (lambda m: viz.occlusion(m, IMAGE, size=29), "`size` must be at most 28, received 29"),
        (lambda m: viz.activation_maximisation(m, "dense_2", []), "at least one channel"),
        (lambda m: viz.activation_maximisation(m, "dense_2", [10]), "from 0 to 9, received"),
        (lambda m: viz.translation_test({}, IMAGE, [0]), "`models` must be 1 to 4 models, rec.* 0"),
        (lambda m: viz.translation_test(m, IMAGE, [0]), r"`x` must be \(N, H, W\)"),
        (lambda m: viz.model_graph(models.Sequential([layers.Dense(2)])), "built"),
    ],
)
def test_arguments_that_do_not_fit_are_refused(model, call, message):
    with pytest.raises(ValueError, match=message):
        call(model)


def test_fields_are_not_followed_through_what_moves_pixels():
    net = models.Sequential([layers.Cropping2D(1, input_shape=(8, 8, 1)), layers.Conv2D(1, 3)])
    with pytest.raises(ValueError, match=r"layer 'cropping2d\w*' moves pixels"):
        viz.receptive_fields(net)
