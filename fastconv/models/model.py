"""`Model`: a graph of layers from inputs to outputs, with all their weights.

A model is also a layer: called on symbolic tensors, it becomes part of another model.
"""

from __future__ import annotations

import copy
import json
import os
import threading
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from importlib import import_module
from types import MappingProxyType
from typing import Any, ClassVar

import numpy as np

from fastconv.common import randomness
from fastconv.common.arguments import choice
from fastconv.common.keywords import explain_keywords
from fastconv.common.naming import is_builtin, numbered
from fastconv.common.overriding import definer
from fastconv.common.suggestions import did_you_mean
from fastconv.common.tree import Names, arrange, flatten, mapped, pack
from fastconv.layers.base import Layer, assign_all, check_dtype
from fastconv.layers.batch_axis import check_batch_axis
from fastconv.layers.function import FunctionLayer
from fastconv.layers.network import Network
from fastconv.layers.symbolic import Call, SymbolicTensor
from fastconv.layers.tracing import Tracer
from fastconv.models import precision, quantizing, sharing
from fastconv.models.configuration import (
    functional_config,
    functional_from_config,
    layer_config,
)
from fastconv.models.flat_graph import flattened, rebuilt
from fastconv.models.inner_inputs import from_inputs
from fastconv.models.open_sizes import OpenSizes, sizes_match
from fastconv.models.subclassed import traced
from fastconv.parameters import AnyParameters, Variable, parameters_of
from fastconv.plan import Graph, operations
from fastconv.plan.operations import Quantization
from fastconv.serialization import named_objects
from fastconv.serialization import plain as plain_json
from fastconv.shapes import Shape, sample_sizes
from fastconv.state import arrays_of, check_record, equal_to, list_of, plain, whole
from fastconv.summary import html_summary, print_summary
from fastconv.training import Trainer
from fastconv.training.data import batch_shape
from fastconv.training.io_spec import IOSpec

# First number of the draws outside of training, far from those of training.
_OUTSIDE = 2**32

_CONNECTED = (
    "make Model(inputs, outputs) of layers that are called on `Input`; for computations of your "
    "own, subclass fastconv.layers.CustomLayer"
)
_LOSS = (
    "subclass fastconv.losses.CustomLoss, fastconv.layers.CustomLayer or "
    "fastconv.regularizers.Regularizer, or call `train_on_batch` in a loop of your own"
)
_METRIC = "subclass fastconv.metrics.Metric and give it to compile()"
_PREDICT = "change what `predict` returns, or add a layer"


# Operations of calls on arrays that `predict` leaves out.
_BEYOND_INFERENCE = (
    operations.Drawn,
    operations.ActivityPenalty,
    operations.AddedLoss,
    *operations.IMAGE_AUGMENTATION,
)


class Model(Trainer, OpenSizes, Layer):
    """An acyclic graph of layers, from inputs to outputs.

    Args:
        inputs: a tensor (of `Input` or between layers), or a list or dict of tensors.
        outputs: a tensor, or a list or dict of tensors. Data and predictions have the same
            structures. Data may be a list instead of a dict only if its keys were given in sorted
            order, which makes the order unambiguous.
        name: by default "functional", "functional_1", ...
        trainable: False freezes all layers.
        dtype: None or "float32".

    Layers may be part of several models, which then share their weights:
    `Model(model.inputs, model.get_layer("conv2d").output)` computes the output of an inner layer.

    Raises:
        TypeError: an input or output is not a symbolic tensor.
        ValueError: an output depends on an input that is not given, two layers have the same name,
            or the batch axis is not the first one of an output.

    >>> from fastconv import layers, models
    >>> x = layers.Input((8, 8, 16))
    >>> y = layers.Conv2D(16, 3, padding="same")(x)
    >>> y = layers.ReLU()(layers.add([x, y]))
    >>> models.Model(x, y).output_shape
    (None, 8, 8, 16)
    """

    module = "keras.src.models.functional"
    unused_hooks: ClassVar[Mapping[str, str]] = MappingProxyType(
        {
            "stateless_call": _CONNECTED,
            "symbolic_call": _CONNECTED,
            "forward": _CONNECTED,
            "stateless_compute_loss": _LOSS,
            "compiled_loss": _LOSS,
            "make_train_function": _LOSS,
            "train_function": _LOSS,
            "compute_metrics": _METRIC,
            "compiled_metrics": _METRIC,
            "get_metrics_result": _METRIC,
            "reset_metrics": _METRIC,
            "make_test_function": _METRIC,
            "test_function": _METRIC,
            "make_predict_function": _PREDICT,
            "predict_function": _PREDICT,
            "evaluate": "`fit` validates without it; give the method another name",
            "compute_output_shape": "the layers tell it",
            "input_spec": "the layers check their inputs",
            "trainable": "assign it after the model is made",
            "loss": "give `loss` to compile()",
            "run_eagerly": "there is no graph to leave",
            "jit_compile": "there is nothing to compile",
            "steps_per_execution": "give it to compile()",
        }
    )
    class_name = registered_name = "Functional"
    takes_unknown_sizes = True
    is_model = True
    is_chain = False  # whether files describe it as a `Sequential`
    class_name: str
    registered_name: str

    def __init__(
        self,
        inputs: Any = None,
        outputs: Any = None,
        name: str | None = None,
        trainable: bool | None = None,
        dtype: Any = None,
    ):
        check_dtype(dtype)
        own = self._defines_call() or self._defines("train_step")
        if own and inputs is None and outputs is None:
            self._begin(name)
            self._tracer = self._tracer or Tracer(self)
            self._forms = None, None
            self._trainable = trainable is not False
            return
        if self._defines_call():
            raise TypeError(
                f"class {type(self).__name__} defines `call`, so it must not be made of tensors; "
                "keep Model(inputs, outputs) in an attribute, and call it in `call`"
            )
        missing = [n for n, v in {"inputs": inputs, "outputs": outputs}.items() if v is None]
        if missing:
            raise TypeError(
                f"{type(self).__name__}() must be given {' and '.join(missing)}, or be of a class "
                "that defines `call`"
            )
        for argument, value in {"inputs": inputs, "outputs": outputs}.items():
            for tensor in flatten(value):
                if not isinstance(tensor, SymbolicTensor):
                    called = "call it on a tensor; " if _is_layer(tensor) else ""
                    raise TypeError(
                        f"`{argument}` must be tensors from Input or from layers, received "
                        f"{type(tensor).__name__}; {called}a model is made of tensors, or by a "
                        "class that defines `call`"
                    )
            if not flatten(value):
                raise ValueError(f"`{argument}` must hold at least one tensor, received {value!r}")
        self._begin(name)
        self._ends = from_inputs(flatten(inputs), flatten(outputs))
        self._forms = inputs, outputs
        self._network = Network(*self._ends)
        check_batch_axis(self._network)
        if trainable is not None:
            self.trainable = trainable

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        if not is_builtin(cls) and cls._defines_call():
            cls.class_name = cls.registered_name = cls.__name__

    @property
    def builds_for_data(self) -> bool:
        """Whether data determine the shapes, for a step of the class: if it defines `call`."""
        return self._tracer is None or self._defines_call()

    @classmethod
    def _defines_call(cls) -> bool:
        return not is_builtin(definer(cls, "call"))

    def __setattr__(self, name: str, value: Any) -> None:
        object.__setattr__(self, name, value)  # a model's attributes are not operation arguments

    def _begin(self, name: str | None) -> None:
        Layer.__init__(self, name=name)
        Trainer.__init__(self)
        self._outside_draws = 0  # number of batches outside of training
        self._quantization: Quantization | None = None
        # Input and output tensors; None before the model is built.
        self._ends: tuple[list[SymbolicTensor], list[SymbolicTensor]] | None = None

    def _begin_work(self) -> None:
        super()._begin_work()
        self._lock = threading.RLock()
        self._changed()

    def _changed(self) -> None:
        """Drop all that is derived from the layers."""
        self._network: Network | None = None
        self._io_spec: IOSpec | None = None
        self._differs: bool | None = None
        self._parameters: Any = None
        self._forget_sizes()
        self._plans.clear()

    def __getstate__(self) -> dict[str, Any]:
        """For pickling and copying: layers, network, compilation and all state that training
        changes, without plans, flat buffers and the state of a running `fit`."""
        state = super().__getstate__()
        for name in ("_ends", "_network", "_networks", "_io_spec", "_differs", "_parameters",
                     "_lock", "_fitting", "_plans", "training_run"):  # fmt: skip
            del state[name]
        state["_forms"] = tuple(mapped(lambda tensor: 0, form) for form in self._forms)
        connected = self.built and self._tracer is None
        state["_graph"] = flattened(self.network) if connected else None
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        graph = state.pop("_graph")
        vars(self).update(state)
        self._begin_work()
        self._network = None if graph is None else rebuilt(graph)
        self._ends = self._network and (self._network.inputs, self._network.outputs)
        if self._tracer is not None and self._input_shape is not None:
            self.build_for(self._input_shape)

    # Layers ---------------------------------------------------------------------------------------

    @property
    def network(self) -> Network:
        """The graph of the layers; ValueError before the model is built."""
        if self._network is None:
            if self._ends is None:
                raise ValueError(self._why_not_built())
            self._network = Network(*self._ends)
            check_batch_axis(self._network)
        return self._network

    @Layer.built.getter
    def built(self) -> bool:
        """Whether the input shapes are known and the weights exist; set as that of `Layer`."""
        return self._ends is not None

    def check_built(self) -> None:
        """Raise ValueError if the input shapes are not known yet."""
        if not self.built:
            raise ValueError(self._why_not_built())

    def _why_not_built(self) -> str:
        return (
            f"{self.name!r} has no shapes and weights before it is built; call it on data, or call "
            "build(input_shape)"
        )

    def build_for(self, input_shape: Any) -> None:
        """Build the model for inputs of this shape, or list or dict of shapes, unless it is."""
        if self._tracer is None:
            self.build(input_shape)
        elif not self.built:
            ends = traced(self, input_shape)
            check_batch_axis(ends.network)
            self._changed()
            self._forms = ends.inputs, ends.outputs
            self._network = ends.network
            self._ends = ends.network.inputs, ends.network.outputs

    def build(self, input_shape: Any = None) -> None:
        """Create the weights of a model whose class defines `call`; a model of tensors has them.

        ValueError if it is built, and `input_shape` differs in a size that is known.
        """
        if self._tracer is not None and not self.built and input_shape is not None:
            self.build_for(input_shape)
            return
        if input_shape is not None and not sizes_match(
            _shapes(input_shape), _shapes(self.input_shape)
        ):
            raise ValueError(
                f"{self.name!r} is built for inputs of shape {self.input_shape}, "
                f"received {input_shape}"
            )

    @property
    def layers(self) -> list[Layer]:
        """All layers including inputs, in descending distance from the outputs.

        Functions of `fastconv.ops` in the graph are not among them, as in Keras. Those in the
        attributes, if the class defines `call`."""
        if self._tracer is not None:
            return list(self.sublayers.values())
        return [layer for layer in self.network.layers if not isinstance(layer, FunctionLayer)]

    @property
    def all_layers(self) -> list[Layer]:
        """`layers`, and the functions of `fastconv.ops` among them."""
        return list(self.network.layers) if self._tracer is None else self.layers

    @property
    def entries(self) -> list[Layer]:
        """The layers in the description of the model, including inputs, with repetitions."""
        return self.all_layers

    @explain_keywords
    def get_layer(self, name: str | None = None, index: int | None = None) -> Layer:
        """Return the layer with this name or index; ValueError if there is none."""
        if (name is None) == (index is None):
            raise ValueError(f"give `name` or `index`, received {name!r} and {index!r}")
        layers = self.layers
        if index is not None:
            if not -len(layers) <= index < len(layers):
                raise ValueError(f"`index` must be below {len(layers)}, received {index}")
            return layers[index]
        for layer in layers:
            if layer.name == name:
                return layer
        raise ValueError(
            f"{self.name!r} has no layer {name!r}; there are {[x.name for x in layers]}"
            f"{did_you_mean(name, [layer.name for layer in layers])}"
        )

    def leaf_layers(self) -> list[Layer]:
        """Return all layers that are not models, including those inside of others, each once."""

        def leaves(layer: Layer) -> list[Layer]:
            if isinstance(layer, Model):
                return layer.leaf_layers()
            return [layer, *(leaf for part in layer.sublayers.values() for leaf in leaves(part))]

        return list(dict.fromkeys(leaf for layer in self.layers for leaf in leaves(layer)))

    @property
    def inputs(self) -> list[SymbolicTensor]:
        """The input tensors, as a flat list."""
        return list(self.network.inputs)

    @property
    def outputs(self) -> list[SymbolicTensor]:
        """The output tensors, as a flat list."""
        return list(self.network.outputs)

    @property
    def input(self) -> Any:
        """The input tensors, in the structure in which they were given."""
        return pack(self._forms[0], self.network.inputs)

    @property
    def output(self) -> Any:
        """The output tensors, in the structure in which they were given."""
        return pack(self._forms[1], self.network.outputs)

    @property
    def input_names(self) -> list[str]:
        """The names of the inputs: the keys of a dict, else the names of the tensors."""
        return list(self._input_names)

    @property
    def _input_names(self) -> Names:
        form = self._forms[0]
        if isinstance(form, dict):
            return Names.of_keys(form)
        return Names(tensor.name for tensor in self.network.inputs)

    @property
    def output_names(self) -> list[str]:
        """The names of the outputs in reports: the keys of a dict, else their layers' names."""
        return list(self._output_names)

    @property
    def _output_names(self) -> Names:
        form, counter = self._forms[1], Counter()
        if isinstance(form, dict):
            return Names.of_keys(form)
        return Names(numbered(t.call.layer.name, counter) for t in self.network.outputs)

    @property
    def io_spec(self) -> IOSpec:
        """Names and shapes of inputs and outputs; ValueError before the model is built."""
        if self._io_spec is None:  # used in every step
            network = self.network
            self._io_spec = IOSpec(
                self._input_names,
                [tensor.shape for tensor in network.inputs],
                self._output_names,
                [tensor.shape for tensor in network.outputs],
                output_dtypes=[tensor.dtype for tensor in network.outputs],
                output_shapes_for=self.output_shapes_for,
            )
        return self._io_spec

    def pack_outputs(self, flat: Sequence[Any]) -> Any:
        """Return one item per output in the structure of the model's outputs."""
        form = _single(self._forms[1])
        packed = pack(form, flat)
        # A named tuple is made by `_make`, another one by its class.
        return getattr(form, "_make", type(form))(packed) if isinstance(form, tuple) else packed

    @property
    def input_shape(self) -> Any:
        """(None, ...), or a list or dict of shapes; ValueError before the model is built."""
        return pack(_single(self._forms[0]), [tensor.shape for tensor in self.network.inputs])

    @property
    def output_shape(self) -> Any:
        """(None, ...), or a list or dict of shapes; ValueError before the model is built."""
        return pack(_single(self._forms[1]), [tensor.shape for tensor in self.network.outputs])

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Return the output shapes; ValueError for shapes that differ from those of the model."""
        self.build(input_shape)
        return pack(_single(self._forms[1]), self.output_shapes_for(_shapes(input_shape)))

    def operations(self, input_shape: Any) -> list[Any]:
        raise TypeError("a model is a graph of operations: see graph()")

    def graph(
        self, training: bool | None = None, input_shapes: Sequence[Shape] | None = None
    ) -> Graph:
        """Return the graph of all layers for the plan.

        `training` is that of the layers that are called without one; None leaves it to the mode of
        the plan. `input_shapes` are those of the inputs, if the model leaves sizes open.
        """
        network = self.network if input_shapes is None else self.network_for(input_shapes)
        return replace(
            network.graph(training),
            quantization=self._quantization,
            compute_dtype=self.compute_dtype,
        )

    def inner_network(self, call: Call, training: bool | None) -> Network | None:
        if self._tracer is not None:
            return super().inner_network(call, training)
        return self.network_for([tensor.shape for tensor in call.inputs])

    def apply_to(
        self,
        graph: Graph,
        call: Call,
        values: Sequence[int],
        turn: tuple[int, ...],
        training: bool | None,
    ) -> list[int]:
        if self._tracer is not None:
            return super().apply_to(graph, call, values, turn, training)
        network = self.network_for([tensor.shape for tensor in call.inputs])
        of = network.trace(graph, values, turn, training)
        return [of[tensor] for tensor in network.outputs]

    def apply_call(self, *args: Any, **keywords: Any) -> Any:
        """Record a call on symbolic tensors of a model whose class defines `call`."""
        return Layer.__call__(self, *args, **keywords)

    def __call__(self, x: Any, *others: Any, training: bool | None = None, **keywords: Any) -> Any:
        """Compute the outputs for one batch `x`; see `predict` for many samples.

        With `training=True` all layers run as in training: dropout drops, and batch normalization
        takes the statistics of the batch, and updates the moving ones. With None, the default,
        random image augmentation layers (`RandomFlip`, ...) are active, as in Keras; all other
        layers run as in `predict`.

        For symbolic tensors the model is a layer: its layers become part of the model that is built
        from the symbolic outputs. See `Layer` about `training`.
        """
        if self._tracer is not None:
            if training is not None:
                keywords["training"] = training
            if not self.built and not others and not any(map(_is_tensor, flatten(x))):
                self._build_on(x)
            return Layer.__call__(self, x, *others, **keywords)
        if others or keywords:
            raise TypeError(f"{self.name!r} must be called on its inputs and `training` alone")
        training = None if training is None else bool(training)
        tensors = flatten(x)
        if not any(isinstance(tensor, SymbolicTensor) for tensor in tensors):
            self._build_on(x)
            if training is False or (training is None and not self._differs_without_training(x)):
                return self.predict_on_batch(x)
            return self._forward(x, "forward" if training else "augment")
        if not self.built and len(tensors) == 1:
            self.build(tensors[0].shape)
        if len(self.inputs) > 1 or isinstance(x, dict):
            tensors = arrange(x, self._input_names, "inputs")
        given = [tensor.shape for tensor in tensors]
        self.build(given)
        shapes = self.output_shapes_for(given)
        call = Call(self, x, tensors, shapes, keywords={"training": training})
        return self.pack_outputs(call.outputs)

    def _differs_without_training(self, x: Any) -> bool:
        """Return whether a layer augments images, adds to `losses` or runs as in training unless
        `training` is False, for a batch `x`."""
        if self._differs is None:
            spec = self.io_spec
            shapes = None if spec.fixed else spec.at(spec.samples(x)).plan_shapes
            modes = [node.operation for node in self.graph(None, shapes).nodes]
            self._differs = any(
                isinstance(operation, _BEYOND_INFERENCE) or getattr(operation, "training", False)
                for operation in modes
                if getattr(operation, "training", None) is not False
            )
        return self._differs

    @property
    def adds_losses(self) -> bool:
        """Whether the model or its layers add to the loss: by `add_loss` or by regularizers."""
        if any(variable.regularizer is not None for variable in self.trainable_weights):
            return True
        return super().adds_losses or any(layer.adds_losses for layer in self.leaf_layers())

    def _build_on(self, x: Any) -> None:
        """Build the model for a batch `x`, unless it is built."""
        if not self.built:
            self.build_for(batch_shape(x))

    def predict_on_batch(self, x: Any) -> Any:
        """Return the outputs for one batch `x` (N, ...), float32, with the least overhead.

        Raises ValueError or TypeError for data that does not match. Thread-safe.
        """
        return self._forward(x, "infer")

    def _next_draw(self) -> int:
        """Return the number of the random draws of the next batch outside of training.

        Layers that are random in prediction, too, draw anew for each batch.
        """
        draw = randomness.element_draw()
        if draw is not None:
            return draw
        with self._lock:
            self._outside_draws += 1
            return _OUTSIDE + self._outside_draws

    def _forward(self, x: Any, mode: str) -> Any:
        self._build_on(x)
        spec = self.io_spec
        xs = spec.samples(x)
        spec = spec.at(xs)
        if len(xs[0]) == 0:
            shapes = spec.output_shapes
            empty = [np.empty((0, *sample_sizes(shape)), np.float32) for shape in shapes]
            return self.pack_outputs(empty)
        with self._plan(len(xs[0]), mode, shapes=spec.plan_shapes) as plan:
            for index, array in enumerate(xs):
                plan.inputs[index][...] = array
            plan.run(self._next_draw() if plan.is_random else 0)
            if mode != "infer":
                self.penalties_of_call = plan.penalties
            return self.pack_outputs([output.copy() for output in plan.outputs])

    # Weights --------------------------------------------------------------------------------------

    @property
    def parameters(self) -> AnyParameters:
        """The flat buffer of all weights, not a copy: training changes it, and code that writes to
        it must call `touch`. ValueError before the model is built."""
        return self.renew_parameters()

    def renew_parameters(self) -> AnyParameters:
        """Return `parameters`, and drop the plans if the weights have moved to another buffer."""
        known = self._parameters
        if known is None or known.abandoned:
            self.check_built()
            with self._lock:
                known = self._parameters
                if known is None or known.abandoned:
                    self._plans.clear()  # they point to the old buffer
                    known = self._parameters = parameters_of(self.weights)
        return known

    def take_in_weights(self) -> None:
        """Let `parameters` be renewed if a layer has got weights that it does not hold."""
        known = self._parameters
        if known is not None and not set(self.weights) <= set(known.variables):
            self._parameters = None

    @property
    def weights(self) -> list[Variable]:
        """The weights of all layers, each once, in the order of the layers."""
        if self._tracer is not None:
            return super().weights
        return list(dict.fromkeys(variable for layer in self.layers for variable in layer.weights))

    @property
    def trainable(self) -> bool:
        """The last value set; setting it sets all layers. Takes effect at the next `fit`."""
        return self._trainable

    @trainable.setter
    def trainable(self, value: bool) -> None:
        self._trainable = bool(value)
        for variable in self._variables:
            variable.trainable = self._trainable
        for layer in self.layers:
            layer.trainable = value

    def mark_trainable(self, value: Any) -> None:
        """Set `trainable` without changing the layers; descriptions store both."""
        self._trainable = bool(value)

    def count_params(self) -> int:
        """Return the number of elements of all weights; ValueError before the model is built."""
        self.check_built()
        return super().count_params()

    def set_weights(self, weights: list[Any]) -> None:
        """Overwrite all weights with arrays in the order of `get_weights`.

        Raises ValueError if count or shapes differ, TypeError for arrays that are not numeric;
        changes nothing then.
        """
        self.check_built()
        assign_all(self.weights, weights, f"model {self.name!r}")

    def state(self) -> dict[str, Any]:
        """Return an exact copy of all state that training changes in the model: see
        `fastconv.state`."""
        return copy.deepcopy(self._live_state())

    def _live_state(self) -> dict[str, Any]:
        """Return `state` without copying weights and slots, for a file that is written at once."""
        optimizer = self._check_compiled("state")
        return {
            "weights": [variable._live for variable in self.weights],
            "optimizer": optimizer._live_state(),
            "layers": [
                {"class": type(layer).__name__, "state": layer.state()}
                for layer in self.leaf_layers()
            ],
            "draws": self._draws,
        }

    def check_state(self, state: Any) -> None:
        """Raise ValueError unless `state` belongs to an equal model with an equal optimizer;
        changes nothing."""
        optimizer = self._check_compiled("restore")
        what = f"the state of {self.name!r}"
        kinds = {"weights": list_of(plain), "optimizer": plain, "layers": list_of(plain)}
        check_record(state, kinds | {"draws": whole}, what)
        layers, wanted = self.leaf_layers(), [variable.shape for variable in self.weights]
        received = [np.shape(value) for value in state["weights"]]
        if wanted != received or len(layers) != len(state["layers"]):
            raise ValueError(
                f"{what} must be that of a model with {len(layers)} "
                f"layers and weights of shapes {wanted}, received {len(state['layers'])} layers "
                f"and {received}"
            )
        arrays_of(wanted)(state["weights"], f"{what}: `weights`")
        for layer, each in zip(layers, state["layers"], strict=True):
            where = f"{what}: layer {layer.name!r}"
            check_record(each, {"class": equal_to(type(layer).__name__), "state": plain}, where)
            layer.check_state(each["state"])
        optimizer.check_state(state["optimizer"], self.parameters)

    def restore(self, state: dict[str, Any]) -> None:
        """Continue from the `state()` of an equal model; ValueError for a different one, without
        changing anything."""
        self.check_state(state)
        for layer, each in zip(self.leaf_layers(), state["layers"], strict=True):
            layer.restore(each["state"])
        self._check_compiled("restore").restore(state["optimizer"], self.parameters)
        self.set_weights(state["weights"])
        self._draws = state["draws"]
        self._plans.clear()  # they use the layers' old random streams

    # Lower precision ------------------------------------------------------------------------------

    @explain_keywords
    def astype(self, dtype: Any, *, allow_emulation: bool = False) -> Model:
        """Return a copy that computes in `dtype`, for `predict` and `evaluate`.

        In bfloat16, convolutions and dense layers read and multiply elements of 16 bits with the
        range of float32 and 8 bits of precision: their kernels, rounded, and activations, which
        max-pooling and additions between them read as such, too. Sums, biases, batch normalization
        and all other layers are float32. Files of the copy store the kernels in half the bytes.
        Results are the same bits on any number of threads, and those of the layers in bfloat16 on
        every instruction set.

        The copy has its own weights; a copy in bfloat16 cannot be trained, and a model that
        contains it as a layer computes in float32.

        Args:
            dtype: "bfloat16", or "float32" for a plain copy.
            allow_emulation: compute in bfloat16 also on a machine without instructions for it (of
                this version, avx512_bf16), with a warning.

        Raises:
            ValueError: another dtype, or the model is quantized or not built.
            RuntimeError: the machine has no instructions for bfloat16, and would be slower than in
                float32, without `allow_emulation`.

        >>> import numpy as np
        >>> from fastconv import layers, models
        >>> x = np.random.default_rng(1).normal(size=(4, 8, 8, 3)).astype("float32")
        >>> model = models.Sequential([layers.Input((8, 8, 3)), layers.Conv2D(8, 3)])
        >>> half = model.astype("bfloat16")  # doctest: +SKIP
        >>> half.compute_dtype  # doctest: +SKIP
        'bfloat16'
        """
        return precision.astype(self, dtype, allow_emulation)

    def set_compute_dtype(self, dtype: str) -> None:
        """Compute in "float32" or "bfloat16"."""
        self.compute_dtype = dtype
        self._plans.clear()

    def restore_compute_dtype(self, dtype: Any) -> None:
        """Take the dtype from a file; ValueError for an unknown one, a warning if it is slow."""
        choice(dtype, "compute_dtype", precision.COMPUTE_DTYPES)
        if dtype == "bfloat16":
            precision.check_speed(self, allow_emulation=True)
        self.set_compute_dtype(dtype)

    @property
    def quantization(self) -> Quantization | None:
        """The ranges of a quantized model, by the paths of its kernels; None in float32."""
        return self._quantization

    def set_quantization(self, quantization: Quantization | None) -> None:
        """Compute on integers in the given ranges, or in float32."""
        self._quantization = quantization
        self._plans.clear()

    def restore_quantization(self, config: Any) -> None:
        """Take the ranges from a file; ValueError or TypeError for those that do not match."""
        ranges = quantizing.from_config(config)
        sizes = {variable.path: variable.size for variable in self.weights}
        for path, each in ranges.items():
            if sizes.get(path, 1) % each.filters:
                raise ValueError(f"{path} of {sizes[path]} weights has no {each.filters} filters")
        self.set_quantization(ranges)

    @explain_keywords
    def quantize(
        self,
        mode: str = "int8",
        calibration: Any = None,
        method: str = "minmax",
        percentile: float = 99.99,
        exclude: Sequence[str] = (),
        batch_size: int = 8,
    ) -> quantizing.QuantizationReport:
        """Let `predict` and `evaluate` compute on 8-bit integers, and store the model so.

        Convolutions and dense layers read and multiply 8-bit integers: int8 kernels with one scale
        per output channel, uint8 values with one scale and zero point per layer. Batch
        normalization is part of their scales; ReLU, ReLU6, additions and max-pooling after them
        stay on integers. All other layers compute in float32. Results are the same bits on every
        instruction set and number of threads, as far as the float32 layers' are.

        The weights of the model are rounded. A quantized model cannot be trained.

        Args:
            mode: "int8".
            calibration: samples like those of the training data, as `predict` takes them; a few
                hundred suffice. They set the ranges of the values of all layers.
            method: "minmax" takes the smallest and the largest value, "percentile" leaves out the
                rarest of both ends.
            percentile: the percentage of the values below the upper end, in (50, 100], and above
                the lower one, of method "percentile".
            exclude: names of layers that stay in float32.
            batch_size: number of samples that are computed at a time.

        Returns:
            A report with one row per kernel (`fastconv.models.quantizing.QuantizedLayer`): scale,
            zero point, share of clipped outputs and relative error; printing it gives a table.

        Raises:
            ValueError: an argument is out of range, samples do not match, a name in `exclude` is
                unknown, no layer can be quantized, or the model is quantized already.

        >>> import numpy as np
        >>> from fastconv import layers, models
        >>> x = np.random.default_rng(1).normal(size=(16, 8, 8, 3)).astype("float32")
        >>> model = models.Sequential(
        ...     [layers.Input((8, 8, 3)), layers.Conv2D(8, 3, activation="relu", name="first")]
        ... )
        >>> exact = model.predict(x, verbose=0)
        >>> report = model.quantize("int8", calibration=x)
        >>> report[0].name, report[0].error < 0.02
        ('first/kernel', True)
        >>> bool(np.abs(model.predict(x, verbose=0) - exact).max() < 0.1)
        True
        """
        return quantizing.quantize(self, mode, calibration, method, percentile, exclude, batch_size)

    def _repr_html_(self) -> str:
        return html_summary(self)

    # Files and configuration ----------------------------------------------------------------------

    @explain_keywords
    def summary(
        self,
        line_length: int | None = None,
        positions: tuple[float, ...] | None = None,
        print_fn: Callable[[str], Any] | None = None,
        expand_nested: bool = False,
        show_trainable: bool = False,
        layer_range: Sequence[str] | None = None,
    ) -> None:
        """Print a table of the layers; see `fastconv.summary.print_summary`."""
        print_summary(
            self, line_length, positions, print_fn, expand_nested, show_trainable, layer_range
        )

    @explain_keywords
    def save(
        self,
        filepath: str | os.PathLike[str],
        overwrite: bool = True,
        zipped: bool | None = None,
        include_optimizer: bool = True,
    ) -> None:
        """Save the model to one file: see `fastconv.saving.save_model`."""
        from fastconv import saving  # not needed to train

        saving.save_model(self, filepath, overwrite, zipped, include_optimizer)

    def export(
        self,
        filepath: str | os.PathLike[str],
        format: str = "onnx",
        opset_version: int | None = None,
    ) -> None:
        """Write the model for other programs: see `fastconv.onnx.save`.

        `format` must be "onnx"; ValueError for another one.
        """
        if format != "onnx":
            raise ValueError(f"`format` must be 'onnx', received {format!r}")
        # By name: it is a part above this one, and needs a package that models do not.
        import_module("fastconv.onnx").save(self, filepath, opset_version)

    @explain_keywords
    def save_weights(self, filepath: str | os.PathLike[str], overwrite: bool = True) -> None:
        """Save the weights to a `.weights.h5` or `.safetensors` file: see
        `fastconv.saving.save_weights`."""
        from fastconv import saving  # not needed to train

        saving.save_weights(self, filepath, overwrite)

    @explain_keywords
    def load_weights(
        self, filepath: str | os.PathLike[str], skip_mismatch: bool = False, by_name: bool = False
    ) -> None:
        """Load the weights from a file of the same layers: see `fastconv.saving.load_weights`."""
        from fastconv import saving  # not needed to train

        saving.load_weights(self, filepath, skip_mismatch, by_name)

    def to_json(self, **options: Any) -> str:
        """Return the model without its weights as JSON; `options` are those of `json.dumps`.

        Custom classes and functions are stored by name; ValueError if two have the same name.
        """
        return self.as_json(**options)

    def as_json(self, compiled: bool = True, **options: Any) -> str:
        """Return `to_json`, `compiled` with the arguments of `compile`."""
        with named_objects():
            given: dict[str, Any] = {"default": plain_json} | options
            return json.dumps(self.description(compiled=compiled), **given)

    def description(self, continued: bool = True, compiled: bool = True) -> dict[str, Any]:
        """Return the model without weights in Keras's format, `compiled` with the arguments of
        `compile`.

        `continued`: whether calls of a shared layer are numbered over all models that contain it
        (`fastconv.models.sharing`).
        """
        with sharing.writing(self, continued):
            described = layer_config(self)
        given = self.get_compile_config() if compiled else None
        described = described | {"compile_config": given or {}}
        if self._quantization is not None:
            described["quantization"] = quantizing.to_config(self._quantization)
        if self.compute_dtype != "float32":
            described["compute_dtype"] = self.compute_dtype
        return described

    def get_config(self) -> dict[str, Any]:
        """Return the configuration of the model without its weights, in Keras's format."""
        return functional_config(self) if self._tracer is None else super().get_config()

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Any:
        """Return a new model from the result of `get_config`.

        Raises ValueError or TypeError for anything but the configuration of a supported model.
        """
        if cls._defines_call():
            return super().from_config(config)
        return functional_from_config(config, cls, Model)


def _is_layer(thing: Any) -> bool:
    return isinstance(thing, Layer) or (isinstance(thing, type) and issubclass(thing, Layer))


def _is_tensor(value: Any) -> bool:
    return isinstance(value, SymbolicTensor)


def _single(form: Any) -> Any:
    """Replace a list of one tensor by the tensor, as Keras does."""
    return form[0] if isinstance(form, (list, tuple)) and len(form) == 1 else form


def _shapes(shape: Any) -> list[Shape]:
    """Return one shape, or a list or dict of shapes, as a list."""
    if isinstance(shape, dict) or (shape and isinstance(shape[0], (list, tuple))):
        return [(None, *each[1:]) for each in flatten(shape)]
    return [(None, *shape[1:])]
