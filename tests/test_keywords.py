"""Unknown keywords get an error with the right word; signatures stay as they are written."""

from __future__ import annotations

import copy
import inspect
import pickle
import re

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
    optimizers,
    regularizers,
    utils,
)
from fastconv.common.keywords import NamedArguments
from fastconv.optimizers import schedules

MODULES = (
    layers, losses, metrics, optimizers, schedules, callbacks, initializers, regularizers,
    constraints, models, utils,
)  # fmt: skip
CLASSES = {
    f"{module.__name__}.{name}": getattr(module, name)
    for module in MODULES
    for name in getattr(module, "__all__", getattr(module, "CLASSES", ()))
    if isinstance(getattr(module, name), type) and issubclass(getattr(module, name), NamedArguments)
}


def model():
    made = models.Sequential([layers.Input((3,)), layers.Dense(2)])
    made.compile("sgd", "mse")
    return made


def test_the_table_holds_all_families():
    modules = {name.rpartition(".")[0] for name in CLASSES}
    assert modules == {module.__name__ for module in MODULES}
    assert len(CLASSES) > 120


@pytest.mark.parametrize("name", CLASSES)
def test_every_class_names_itself_and_the_right_word(name):
    cls = CLASSES[name]
    if cls.takes_any_keyword:  # as options of a function, a loss or a hook, which are tested below
        return
    first = next(iter(inspect.signature(cls).parameters.values()), None)
    with pytest.raises(TypeError, match=r"no_such_thing|abstract"):
        cls(no_such_thing=1)
    if first is None or first.kind is not first.POSITIONAL_OR_KEYWORD or inspect.isabstract(cls):
        return
    mistyped = first.name + first.name[-1]
    with pytest.raises(TypeError, match=rf"{mistyped}'; did you mean '{first.name}'") as raised:
        cls(**{mistyped: 1})
    assert str(raised.value).startswith(f"{cls.__name__}() got an unexpected keyword argument")


@pytest.mark.parametrize("name", CLASSES)
def test_signatures_are_those_of_the_constructors(name):
    cls = CLASSES[name]
    constructor = inspect.signature(cls.__init__).parameters
    assert list(inspect.signature(cls).parameters.items()) == list(constructor.items())[1:]


def test_signatures_of_methods_are_those_that_are_written():
    assert list(inspect.signature(model().fit).parameters)[:4] == ["x", "y", "batch_size", "epochs"]
    assert model().fit.__doc__.startswith("Train the model.")


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: layers.Conv2D(8, 3, pading="same"), "Conv2D() got an unexpected keyword argument "
         "'pading'; did you mean 'padding'?"),
        (lambda: layers.Conv2D(8, 3, border_mode="same"), "'border_mode'; it is called 'padding'"),
        (lambda: layers.Conv2D(nb_filter=8), "'nb_filter'; it is called 'filters' now"),
        (lambda: layers.Conv2D(8, nb_row=3, nb_col=3), "'nb_row'; it is called 'kernel_size' now"),
        (lambda: layers.Conv2D(8, 3, subsample=2), "'subsample'; it is called 'strides' now"),
        (lambda: layers.Conv2D(8, 3, dim_ordering="tf"), "it is called 'data_format' now"),
        (lambda: layers.Dense(output_dim=3), "'output_dim'; it is called 'units' now"),
        (lambda: layers.Dense(3, init="he"), "'init'; it is called 'kernel_initializer' now"),
        (lambda: layers.Dense(3, W_regularizer="l2"), "it is called 'kernel_regularizer' now"),
        (lambda: layers.Dense(3, weights=[]), "'weights'; call `set_weights` once"),
        (lambda: layers.Dense(3, zzz=1), "'zzz'; there are activation, activity_regularizer, bi"),
        (lambda: layers.Dropout(p=0.5), "Dropout() got .* 'p'; it is called 'rate' now"),
        (lambda: layers.ReLU(alpha=0.1), "'alpha'; it is called 'negative_slope' now"),
        (lambda: layers.InputLayer(input_dim=3), "'input_dim'; it is called 'shape' now"),
        (lambda: layers.Input(shap=3), "'shap'; did you mean 'shape'?"),
        (lambda: layers.Flatten(data_formt=3), "'data_formt'; did you mean 'data_format'?"),
        (lambda: initializers.Zeros(value=1), "Zeros() got .* 'value'; there are none"),
        (lambda: optimizers.SGD(lr=0.1), "SGD() got .* 'lr'; it is called 'learning_rate' now"),
        (lambda: optimizers.Adam(decay=0.1), "'decay'; give a schedule of fastconv.optimizers"),
        (lambda: optimizers.Adam(beta1=0.1), "'beta1'; did you mean 'beta_1'?"),
        (lambda: metrics.AUC(num_tresholds=3), "AUC() got .*did you mean 'num_thresholds'?"),
        (lambda: metrics.Huber(delt=3), "Huber() got .* 'delt'; did you mean 'delta'?"),
        (lambda: callbacks.ModelCheckpoint("a", period=2), "it is called 'save_freq' now"),
        (lambda: callbacks.EarlyStopping(patiense=2), "did you mean 'patience'?"),
        (lambda: layers.Dropout(0.5)(layers.Input((3,)), trainig=1), "did you mean 'training'?"),
        (lambda: models.Model(input=1, output=2), "'input'; it is called 'inputs' now"),
        (lambda: model().compile("sgd", loss_function="mse"), "compile() got .*'loss_function'; "),
        (lambda: model().compile("sgd", metric=[]), "'metric'; did you mean 'metrics'?"),
        (lambda: model().save("a", save_format="h5"), "the suffix of `filepath` tells the form"),
        (lambda: model().summary(width=3), "summary() got .* 'width'; "),
        (lambda: models.load_model("a", custom_object={}), "did you mean 'custom_objects'?"),
        (lambda: model().fit(nb_epoch=3), "fit() got .* 'nb_epoch'; it is called 'epochs' now"),
        (lambda: model().fit(epoch=3), "fit() got .* 'epoch'; did you mean 'epochs'?"),
        (lambda: model().evaluate(batchsize=3), "did you mean 'batch_size'?"),
        (lambda: model().predict(1, batch=3), "did you mean 'batch_size'?"),
        (lambda: model().train_on_batch(1, sample_weights=3), "did you mean 'sample_weight'?"),
        (lambda: utils.to_categorical([1], nb_classes=3), "it is called 'num_classes' now"),
        (lambda: utils.load_img("a", grayscale=True), "give `color_mode='grayscale'`"),
    ],
)  # fmt: skip
def test_an_unknown_keyword_is_named_with_the_nearest_one(call, message):
    pattern = re.escape(message).replace(re.escape(".*"), ".*")
    with pytest.raises(TypeError, match=pattern):
        call()


def test_a_constructor_of_ones_own_may_take_any_keyword():
    class Mine(layers.Dense):
        def __init__(self, **options):
            self.extra = options.pop("extra")
            super().__init__(3, **options)

    assert Mine(extra=5, name="a").extra == 5
    with pytest.raises(TypeError, match="unexpected keyword argument 'nam'"):
        Mine(extra=5, nam="a")


@pytest.mark.parametrize("cls", [initializers.Zeros, constraints.NonNeg])
def test_a_class_without_arguments_takes_none(cls):
    cls()
    with pytest.raises(TypeError, match="argument"):
        cls(3)


def test_missing_arguments_are_as_in_python():
    for call, words in (
        (lambda: layers.Conv2D(8), r"^Conv2D\(\) missing 1 .* argument: 'kernel_size'$"),
        (lambda: layers.Conv2D(kernel_size=3), r"^Conv2D\(\) missing 1 .* argument: 'filters'$"),
        (lambda: layers.MaxPooling2D(1, 2, "same", None, 5), "positional arguments but"),
        (lambda: models.Model(layers.Input((3,))), r"^Model\(\) must be given outputs, or"),
        (lambda: schedules.CosineDecay(0.1), r"^CosineDecay\(\) missing 1 .*: 'decay_steps'$"),
    ):
        with pytest.raises(TypeError, match=words):
            call()


def test_copies_need_no_arguments():
    for thing in (initializers.Constant(3), schedules.CosineDecay(0.1, 10), optimizers.SGD(0.2)):
        for other in (copy.copy(thing), pickle.loads(pickle.dumps(thing))):
            assert type(other) is type(thing)
    np.testing.assert_array_equal(copy.copy(initializers.Constant(3))((2,)), [3, 3])
