"""A method that a subclass overrides is called, or the class is refused when it is made.

`golden/overridable.json` lists what real Keras lets a user override. Every entry is one of three:
refused (`unused_hooks`), called by fastconv (a subclass that records its calls shows it), or
harmless because nothing but a user calls it (`HARMLESS`, with the reason).
"""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest

from fastconv import (
    callbacks,
    constraints,
    initializers,
    layers,
    losses,
    metrics,
    models,
    ops,
    optimizers,
    regularizers,
    utils,
)
from fastconv.common.overriding import unused_hooks
from fastconv.serialization import custom_classes

METHODS = json.loads((Path(__file__).parent / "golden/overridable.json").read_text())["methods"]
X = np.random.default_rng(0).standard_normal((12, 4)).astype(np.float32)
Y = X[:, :2].copy()

# base -> reason -> names that fastconv rightly does not call
_TENSORFLOW = ("distribute_reduction_method", "distribute_strategy")
_OF_LAYERS = {
    "the class itself calls it": ("add_loss", "add_metric", "add_variable"),
    "a label": ("path", "dtype", "compute_dtype", "variable_dtype", "input_dtype", "dtype_policy"),
    "there are no masks to support": ("supports_masking",),
    "there is no quantization that could call it": (
        "quantize",
        "quantization_mode",
        "quantized_build",
        "quantized_call",
    ),
    "there is no rematerialization that could call it": ("rematerialized_call",),
}
_ONLY_USERS_CALL = "only users call it"
_OF_MODELS = _OF_LAYERS | {
    _ONLY_USERS_CALL: (
        "add_weight",
        "compile",
        "count_params",
        "export",
        "fit",
        "get_layer",
        "get_state_tree",
        "input",
        "load_weights",
        "metrics_names",
        "output",
        "predict",
        "save_weights",
        "set_state_tree",
        "summary",
        "test_on_batch",
        "to_json",
        "train_on_batch",
    ),
    "there is no quantization that could call it, either": ("get_quantization_layer_structure",),
    "TensorFlow's": _TENSORFLOW,
}
HARMLESS = {
    "Layer": _OF_LAYERS | {_ONLY_USERS_CALL: ("get_weights", "set_weights", "input", "output")},
    "Model": _OF_MODELS | {"a model of tensors refuses it": ("call",)},
    "Sequential": _OF_MODELS | {"only users of chains call it": ("output_shape", "outputs", "pop")},
    "Loss": {"a label": ("dtype",)},
    "Metric": {
        "the class itself calls it": ("add_variable", "add_weight"),
        _ONLY_USERS_CALL: ("__call__", "variables"),
        "a label": ("dtype",),
    },
    "Optimizer": {
        "the class itself calls it": (
            "add_optimizer_variables",
            "add_variable",
            "add_variable_from_reference",
        ),
        _ONLY_USERS_CALL: ("exclude_from_weight_decay",),
    },
    "Callback": {"a property cannot stand where `set_model` assigns": ("model",)},
    "Initializer": {_ONLY_USERS_CALL: ("clone",)},
    "PyDataset": {"workers are threads": ("use_multiprocessing",)},
}

PROBED = {
    "Layer": layers.Dense,
    "Model": models.Model,
    "Sequential": models.Sequential,
    "Loss": losses.MeanSquaredError,
    "Metric": metrics.MeanSquaredError,
    "Optimizer": optimizers.SGD,
    "Callback": callbacks.Callback,
    "Initializer": initializers.RandomNormal,
    "Regularizer": regularizers.L2,
    "Constraint": constraints.MaxNorm,
    "LearningRateSchedule": optimizers.schedules.ExponentialDecay,
}


class _Dataset(utils.PyDataset):
    def __getitem__(self, index):
        return X[4 * index : 4 * index + 4], Y[4 * index : 4 * index + 4]

    def __len__(self):
        return 3


PROBED["PyDataset"] = _Dataset


def recording(cls: type, names: list[str], calls: set[str]) -> type:
    """A subclass of `cls` whose `names` do what they did, and add themselves to `calls`."""
    body = {name: _recorded(cls, name, calls) for name in names}
    if cls is regularizers.L2:
        body["gradient"] = lambda self, x: regularizers.L2.gradient(self, x)
    return type(cls)(f"Recording{cls.__name__}", (cls,), body | {"__module__": __name__})


def _recorded(cls, name, calls):
    inherited = next(vars(base)[name] for base in cls.__mro__ if name in vars(base))
    if isinstance(inherited, property):

        def get(self):
            calls.add(name)
            return inherited.fget(self)

        return property(get, inherited.fset)
    if isinstance(inherited, classmethod):

        def create(own, *arguments, **options):
            calls.add(name)
            return inherited.__func__(own, *arguments, **options)

        return classmethod(create)
    if callable(inherited):

        def call(self, *arguments, **options):
            calls.add(name)
            return inherited(self, *arguments, **options)

        return call

    def read(self):  # a plain attribute, a default that `__init__` may replace
        calls.add(name)
        return vars(self).get(name, inherited)

    return property(read, lambda self, value: vars(self).update({name: value}))


def life(cls: type, base: str, folder: Path) -> None:
    """Everything that fastconv may do with an object of the class: train, report, save, copy."""
    layer = layers.Dense(
        2,
        kernel_initializer=cls() if base == "Initializer" else "glorot_uniform",
        kernel_regularizer=cls() if base == "Regularizer" else None,
        kernel_constraint=cls() if base == "Constraint" else None,
    )
    if base == "Layer":
        layer = cls(2)
    if base == "Model":
        start = layers.Input((4,))
        model = cls(start, layer(start))
    else:
        model = (cls if base == "Sequential" else models.Sequential)([layers.Input((4,)), layer])
    optimizer = optimizers.SGD(0.01, use_ema=True)
    if base == "Optimizer":
        optimizer = cls(0.01, use_ema=True)
    if base == "LearningRateSchedule":
        optimizer = optimizers.SGD(cls(0.1, 10, 0.5))
    loss = cls() if base == "Loss" else "mse"
    model.compile(optimizer, loss, metrics=[cls() if base == "Metric" else "mae"])
    watched = [cls()] if base == "Callback" else []
    data = (cls(),) if base == "PyDataset" else (X, Y)
    watched += [callbacks.ModelCheckpoint(folder / "{epoch}.keras")]
    watched += [callbacks.EarlyStopping("loss", restore_best_weights=True)]
    model.fit(*data, verbose=0, callbacks=watched, validation_data=(X, Y))
    model.evaluate(*data, verbose=0, callbacks=watched)
    model.predict(X, verbose=0, callbacks=watched)
    model(X)
    model.summary(print_fn=lambda line: None)
    given = {cls.__name__: cls} if hasattr(cls, "get_config") else {}
    with custom_classes(given):
        type(model).from_config(model.get_config())
    start = layers.Input((4,))
    models.Model(start, model(start)).predict(X, verbose=0)
    fresh = models.Sequential([layers.Dense(2)])
    if base == "Sequential":
        fresh = cls([layers.Dense(2)])
    fresh.predict(X, verbose=0)
    model.save(folder / "whole.keras")
    if base not in ("Model", "Sequential"):
        models.load_model(folder / "whole.keras", custom_objects=given)
    else:
        model.compile_from_config(model.get_compile_config())


def harmless(base: str) -> set[str]:
    return {name for names in HARMLESS.get(base, {}).values() for name in names}


@pytest.mark.parametrize("base", METHODS)
def test_every_hook_of_keras_is_called_or_refused(base, tmp_path):
    cls, calls = PROBED[base], set()
    names = set(METHODS[base]) - set(unused_hooks(cls)) - harmless(base)
    life(recording(cls, sorted(names), calls), base, tmp_path)
    assert calls == names, f"neither called nor refused: {sorted(names - calls)}"


REFUSED = [(base, name) for base, names in METHODS.items() for name in names]
REFUSED = [(base, name) for base, name in REFUSED if name in unused_hooks(PROBED[base])]


@pytest.mark.parametrize(("base", "name"), REFUSED, ids=[f"{b}.{n}" for b, n in REFUSED])
def test_a_class_with_a_hook_that_has_no_effect_is_refused(base, name):
    cls, advice = PROBED[base], unused_hooks(PROBED[base])[name]
    body = {name: lambda self: None, "__module__": __name__}
    message = f"class Mine defines `{name}`, which has no effect in fastconv; {advice}"
    with pytest.raises(TypeError, match=re.escape(message)):
        type(cls)("Mine", (cls,), body)
    mixin = type("Mixin", (), body)
    with pytest.raises(TypeError, match=re.escape(message)):
        type(cls)("Mine", (mixin, cls), {"__module__": __name__})


@pytest.mark.parametrize("base", METHODS)
def test_the_lists_of_exceptions_are_not_out_of_date(base):
    assert harmless(base) <= set(METHODS[base])
    assert not harmless(base) & set(unused_hooks(PROBED[base]))
    listed = [name for names in HARMLESS.get(base, {}).values() for name in names]
    assert len(listed) == len(set(listed))


# ------------------------------------------------------------------- what users meet, one by one


def test_the_hooks_of_custom_classes_stay():
    """The tables of the bases do not hold for the names that a class of fastconv is there for."""

    class Gain(layers.CustomLayer):
        def forward(self, x, training):
            return 2 * x, None

        def backward(self, dy, saved):
            return 2 * dy, []

    class Absolute(losses.CustomLoss):
        def row_values(self, y_true, y_pred):
            return np.abs(y_pred - y_true).mean(axis=-1)

        def row_gradients(self, y_true, y_pred):
            return np.sign(y_pred - y_true) / y_pred.shape[-1]

    model = models.Sequential([layers.Input((4,)), Gain(), layers.Dense(2)])
    model.compile("sgd", Absolute())
    assert len(model.fit(X, Y, epochs=2, verbose=0).history["loss"]) == 2

    with pytest.raises(TypeError, match="class Later defines `call`"):

        class Later(Gain):
            def call(self, x):
                return x

    with pytest.raises(TypeError, match="class Other defines `forward`, which has no effect"):

        class Other(layers.Dense):
            def forward(self, x, training):
                return x, None


def test_the_names_of_ones_own_class_are_free():
    class Net(models.Sequential):
        rate = 3

        def report(self):
            return self.rate

    net = Net([layers.Input((4,)), layers.Dense(2)])
    net.note = "mine"
    assert (net.report(), net.note) == (3, "mine")


@pytest.mark.parametrize(
    ("make", "name", "advice"),
    [
        (
            lambda: models.Sequential([layers.Input((4,))]),
            "train_function",
            "fastconv.losses.Custom",
        ),
        (lambda: models.Sequential([layers.Input((4,))]), "run_eagerly", "no graph to leave"),
        (lambda: layers.Dropout(0.5), "forward", "fastconv.layers.CustomLayer"),
        (lambda: losses.Huber(), "row_values", "fastconv.losses.CustomLoss"),
        (lambda: optimizers.Adam(), "update_step", "the update rules are compiled"),
        (lambda: optimizers.Adam(), "lr", "it is called `learning_rate`"),
        (lambda: optimizers.Adam(), "decay", "give a schedule as `learning_rate`"),
    ],
)
def test_an_object_refuses_to_be_given_such_a_hook(make, name, advice):
    thing = make()
    for attempt in (lambda: setattr(thing, name, lambda *_: None), lambda: getattr(thing, name)):
        with pytest.raises(AttributeError, match=f"`{name}` of .* has no effect in .*{advice}"):
            attempt()
    assert not hasattr(thing, name)


def test_a_misspelled_hook_of_a_callback_is_refused():
    with pytest.raises(TypeError, match="`on_epoch_ends`, .* did you mean `on_epoch_end`"):

        class Misspelled(callbacks.Callback):
            def on_epoch_ends(self, epoch, logs=None):
                pass

    with pytest.raises(TypeError, match="did you mean `on_train_batch_end`"):

        class Turned(callbacks.EarlyStopping):
            def on_train_batch_ended(self, batch, logs=None):
                pass

    class Free(callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            self.on_improvement()

        def on_improvement(self):
            pass

    with pytest.raises(TypeError, match="'on_epoch_ned' is no hook; did you mean 'on_epoch_end'"):
        callbacks.LambdaCallback(on_epoch_ned=print)


def test_constraints_and_regularizers_derived_from_compiled_ones_are_called():
    class Doubled(regularizers.L2):
        def __call__(self, x):
            return 2 * super().__call__(x)

        def gradient(self, x):
            return 2 * super().gradient(x)

    class Zero(constraints.NonNeg):
        def __call__(self, w):
            return 0 * w

    def trained(**arguments):
        model = models.Sequential([layers.Input((4,)), layers.Dense(2, "linear", **arguments)])
        model.set_weights([np.ones((4, 2)), np.zeros(2)])
        model.compile("sgd", "mse")
        return model.fit(X, Y, verbose=0).history["loss"][0], model.get_weights()

    mine, compiled = (
        trained(kernel_regularizer=each) for each in (Doubled(0.1), regularizers.L2(0.2))
    )
    np.testing.assert_allclose(mine[0], compiled[0], rtol=1e-6)
    np.testing.assert_allclose(mine[1][0], compiled[1][0], rtol=1e-6)
    assert not trained(kernel_constraint=Zero())[1][0].any()

    class Half(regularizers.L1):  # whose derivative is not that of L1
        def __call__(self, x):
            return ops.sum(ops.abs(x)) / 2

    mine, compiled = (
        trained(kernel_regularizer=each) for each in (Half(0.1), regularizers.L1(0.5))
    )
    np.testing.assert_allclose(mine[1][0], compiled[1][0], rtol=1e-6)


def test_an_output_shape_that_the_operations_do_not_have_is_refused():
    class Wide(layers.Dense):
        def compute_output_shape(self, input_shape):
            return (*input_shape[:-1], 2 * self.units)

    message = r"of Wide gives \(None, 6\), and the operations of Dense give \(None, 3\)"
    with pytest.raises(ValueError, match=message):
        Wide(3)(layers.Input((4,)))

    class Even(layers.Dense):
        def compute_output_shape(self, input_shape):
            if input_shape[-1] % 2:
                raise ValueError("odd")
            return super().compute_output_shape(input_shape)

    assert Even(3)(layers.Input((4,))).shape == (None, 3)
    with pytest.raises(ValueError, match="odd"):
        Even(3)(layers.Input((5,)))

    class Twice(layers.CustomLayer):
        def compute_output_shape(self, input_shape):
            return (*input_shape[:-1], 2 * input_shape[-1])

        def forward(self, x, training):
            return np.concatenate([x, x], axis=-1), None

        def backward(self, dy, saved):
            half = dy.shape[-1] // 2
            return dy[..., :half] + dy[..., half:], []

    model = models.Sequential([layers.Input((4,)), Twice()])
    assert model.predict(X, verbose=0).shape == (12, 8)


def test_build_need_not_call_that_of_the_base():
    """As in Keras."""

    class Scale(layers.CustomLayer):
        def build(self, input_shape):
            self.factor = self.add_weight("factor", (1,), "ones")

        def forward(self, x, training):
            return x * self.factor.numpy(), x

        def backward(self, dy, saved):
            return dy * self.factor.numpy(), [(dy * saved).sum(keepdims=True).reshape(1)]

    layer = Scale()
    model = models.Sequential([layers.Input((4,)), layer])
    assert layer.built and layer.output_shape == (None, 4) and layer.count_params() == 1
    np.testing.assert_array_equal(model.predict(X, verbose=0), X)


def test_build_must_make_the_weights_that_the_operations_need():
    class Bare(layers.Dense):
        def build(self, input_shape):
            self.kernel = self.add_weight("kernel", (input_shape[-1], self.units), "ones")

    with pytest.raises(
        ValueError, match=r"must make the weights \['bias'\] that Dense has; call s"
    ):
        Bare(3)(layers.Input((4,)))
    assert Bare(3, use_bias=False)(layers.Input((4,))).shape == (None, 3)

    class More(layers.Dense):
        def build(self, input_shape):
            super().build(input_shape)
            self.more = self.add_weight("more", (2,), "zeros")

    assert More(3)(layers.Input((4,))).call.layer.count_params() == 4 * 3 + 3 + 2
