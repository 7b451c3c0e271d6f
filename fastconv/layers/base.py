"""The base class of layers: hyper-parameters, output shapes, weights.

A layer does not hold per-batch state and does not compute. It defines:

    compute_output_shape(input_shape)   the output shape; an error if the input does not match
    build(input_shape)                  the weights, as `Variable`s
    operations(input_shape)             the operations, for the plan (`fastconv.plan.operations`)
    get_config()                        the arguments of an equal layer, in Keras's format

Shapes are tuples whose first entry, the batch, is None. A layer with several inputs (`merges`)
takes a list of shapes instead of one.

Calling a layer on a symbolic tensor (`fastconv.layers.symbolic`) builds it and records the call.
"""

from __future__ import annotations

import copy
import json
import warnings
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from functools import cache
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from fastconv import constraints, initializers, regularizers
from fastconv.common import html
from fastconv.common.arguments import WrongType, is_name
from fastconv.common.arrays import real_array
from fastconv.common.changeable import plans_are_stale
from fastconv.common.keywords import NamedArguments, accepted_by, check_keywords
from fastconv.common.literals import ConstraintLike, InitializerLike, RegularizerLike
from fastconv.common.naming import is_builtin, unique_name
from fastconv.common.overriding import Overridable, definer
from fastconv.common.tree import flatten, is_several, mapped
from fastconv.layers.arguments import Arguments, bound, divide, fill, given_arguments
from fastconv.layers.changing import arguments_of, changed
from fastconv.layers.eager import ArrayCalls
from fastconv.layers.input_spec import check_inputs
from fastconv.layers.network import Network
from fastconv.layers.penalties import differentiable
from fastconv.layers.symbolic import Call, SymbolicTensor
from fastconv.layers.tracing import Tracer, children, inside, scope
from fastconv.layers.unknown_sizes import accept_unknown_sizes
from fastconv.parameters import Variable, weights_are_drawn
from fastconv.plan import Graph
from fastconv.plan.operations import ActivityPenalty, Operation, of_call
from fastconv.regularizers import Regularizer
from fastconv.serialization import class_name, plain, serialize
from fastconv.shapes import Shape, normalize_shape, sample_sizes
from fastconv.state import Stateful

DTYPE_POLICY = {
    "module": "keras",
    "class_name": "DTypePolicy",
    "config": {"name": "float32"},
    "registered_name": None,
}


_COMMON = {"name", "trainable", "dtype"}  # in the configuration of every layer
_IN_NUMPY = "subclass fastconv.layers.CustomLayer, with `forward` and `backward`"
_STORED = "files hold what `add_weight` makes in `build`, and what `get_config` returns"
_FROZEN = "set `trainable` of a layer, or give add_weight(trainable=False)"


class Layer(NamedArguments, Overridable, Stateful, ABC):
    """Base class of all layers.

    Args:
        name: unique within a model, without "/"; by default derived from the class name.
        trainable: whether training changes the weights.
        dtype: None or "float32", the only dtype of models.
        input_shape: shape of one sample, without the batch; only for the first layer of a model.
        input_dim: n, short for `input_shape=(n,)`.
        activity_regularizer: penalty on the output: see `fastconv.regularizers`.

    Raises:
        ValueError: a name with "/", an unsupported dtype, or a malformed input shape.
        TypeError: an argument that the layer does not have.
    """

    module = "keras.layers"  # module of the class in Keras's files
    merges = False  # has a list of inputs
    takes_unknown_sizes = False  # `compute_output_shape` takes None for sizes besides the batch
    takes_one_image = False  # takes (H, W, C) as well as batches of it, when called on arrays
    call_keywords: tuple[str, ...] = ("training",)  # arguments of a call besides the inputs
    settings: tuple[str, ...] = ()  # arguments that a class adds, for `get_config`
    unwritten: tuple[str, ...] = ()  # arguments that `get_config` omits at their defaults
    is_model = False
    makes_tensors = False  # needs no inputs
    penalties_of_call: Sequence[float] = ()  # on outputs and of `add_loss`, in the last one
    dtype = compute_dtype = variable_dtype = "float32"
    input_spec: Any = None  # an `InputSpec` for each input of a user's layer
    weights_group = ""  # of the layer's weights, within its group of a weights file
    is_activation = False  # has no weights and may be the `activation` of another layer
    unused_hooks: ClassVar[Mapping[str, str]] = MappingProxyType(
        {
            "symbolic_call": _IN_NUMPY,
            "stateless_call": _IN_NUMPY,
            "forward": _IN_NUMPY,
            "backward": _IN_NUMPY,
            "nodes": "it is called `operations`",
            "compute_mask": "masks are not supported",
            "compute_output_spec": "define `compute_output_shape`",
            "losses": "call `add_loss`, or give `activity_regularizer` or `kernel_regularizer`",
            "metrics": "give `metrics` to compile()",
            "metrics_variables": "give `metrics` to compile()",
            "build_from_config": _STORED,
            "get_build_config": _STORED,
            "load_own_variables": _STORED,
            "save_own_variables": _STORED,
            "trainable": _FROZEN,
            "trainable_weights": _FROZEN,
            "trainable_variables": _FROZEN,
            "non_trainable_weights": _FROZEN,
            "non_trainable_variables": _FROZEN,
            "variables": "see `weights`",
        }
    )

    def __init__(
        self,
        *,
        name: str | None = None,
        trainable: bool = True,
        dtype: Any = None,
        input_shape: Sequence[int | None] | None = None,
        input_dim: int | None = None,
        activity_regularizer: RegularizerLike = None,
    ):
        if name is not None and (not is_name(name) or "/" in name):
            raise ValueError(
                f"`name` must be a non-empty string without '/', received {name!r:.100}"
            )
        check_dtype(dtype)
        if input_dim is not None:
            if input_shape is not None:
                raise ValueError("only one of `input_shape` and `input_dim` may be given")
            input_shape = (input_dim,)
        self.name: str = name or unique_name(class_name(self))
        self.name_is_counted: bool = name is None
        self.input_shape_argument: tuple[int | None, ...] | None = (
            None if input_shape is None else sample_shape(input_shape)
        )
        self._input_shape: Any = None
        self.activity_regularizer: Regularizer | None = regularizers.get(activity_regularizer)
        if not isinstance(trainable, (bool, np.bool_)):
            raise WrongType(f"`trainable` must be a boolean, received {trainable!r:.100}")
        self._trainable = bool(trainable)
        self._variables: list[Variable] = []
        self.calls: list[Call] = []
        self._array_calls: ArrayCalls | None = None
        own_call = not is_builtin(definer(type(self), "call"))
        self._tracer = Tracer(self) if own_call else None

    def __init_subclass__(cls, **options: Any) -> None:
        abstract = getattr(cls.operations, "__isabstractmethod__", False)
        if not is_builtin(cls) and (abstract or cls.operations is _operations_not_defined):
            traced = not is_builtin(definer(cls, "call"))
            cls.operations = _operations_of_traced if traced else _operations_not_defined
        super().__init_subclass__(**options)
        if not cls.takes_unknown_sizes:
            accept_unknown_sizes(cls)

    @classmethod
    def _note_arguments(cls, layer: Layer, args: tuple, keywords: dict[str, Any]) -> None:
        """Note the arguments of the constructor of a user's class, for `get_config`."""
        init = cls.__init__
        if not is_builtin(init):
            given = given_arguments(init, (layer, *args), keywords, defaults=True)
            vars(layer)["_given"] = {k: v for k, v in given.items() if k not in _COMMON}

    def __setattr__(self, name: str, value: Any) -> None:
        """Check assignments to arguments of a built layer: see `fastconv.layers.changing`."""
        if vars(self).get("_input_shape") is None or name not in arguments_of(type(self)):
            super().__setattr__(name, value)
            return
        super().__setattr__(name, changed(self, name, value))
        plans_are_stale()

    # Shapes, weights, operations, configuration ---------------------------------------------------

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """Return the output shape for `input_shape`; ValueError if it does not match."""
        return tuple(input_shape)

    def build(self, input_shape: Shape) -> None:
        """Create the weights for inputs of `input_shape`. Layers with weights extend it."""
        self._input_shape = list(input_shape) if self.merges else tuple(input_shape)

    @abstractmethod
    def operations(self, input_shape: Shape) -> list[Operation]:
        """Return the operations of the layer on inputs of `input_shape`."""

    def nodes(self, input_shape: Shape) -> list[Operation]:
        """Return `operations`: their former name, for one version."""
        warnings.warn(
            "`Layer.nodes` is called `Layer.operations`", DeprecationWarning, stacklevel=2
        )
        return self.operations(input_shape)

    def all_operations(self, input_shape: Shape) -> list[Operation]:
        """Return `operations`, and the penalty on the output if there is one."""
        if self.activity_regularizer is None:
            return self.operations(input_shape)
        return [
            *self.operations(input_shape),
            ActivityPenalty(differentiable(self.activity_regularizer).for_plan()),
        ]

    def why_not_in_files(self) -> str | None:
        """Return why no file can describe the layer; None if one can."""
        return None

    def get_config(self) -> dict[str, Any]:
        """Return the arguments of `from_config`, as plain data."""
        config = {"name": self.name, "trainable": self.trainable, "dtype": DTYPE_POLICY}
        config |= self._given_arguments()
        if self.activity_regularizer is not None:
            config["activity_regularizer"] = serialize(self.activity_regularizer)
        return config | {name: _described(getattr(self, name)) for name in _settings(type(self))}

    def _given_arguments(self) -> dict[str, Any]:
        """Return the arguments of the constructor of a user's class without a `get_config`.

        Raises TypeError for one that is not plain data.
        """
        given = vars(self).get("_given")
        if given is None or not is_builtin(definer(type(self), "get_config")):
            return {}
        for name, value in given.items():
            try:
                json.dumps(value, default=plain)
            except TypeError as error:
                raise TypeError(
                    f"layer {self.name!r}: `{name}` of {type(self).__name__} cannot be saved to a "
                    f"file ({error}); define `get_config`, which returns all arguments as plain "
                    "data"
                ) from error
        return given

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Layer:
        """Return a new layer with the arguments in `config`."""
        accepted = accepted_by(cls)
        rest = (
            {} if accepted is None else {k: v for k, v in config.items() if k in _COMMON - accepted}
        )
        layer = cls(**{name: value for name, value in config.items() if name not in rest})
        layer.name = rest.get("name", layer.name)
        layer.trainable = rest.get("trainable", layer.trainable)
        return layer

    # Calls ----------------------------------------------------------------------------------------

    def __call__(self, *args: Any, **keywords: Any) -> Any:
        """Call the layer on symbolic tensors, and record the call, or on arrays, and compute.

        The arguments are those of `call`: for the layers of fastconv a tensor, or a list of them if
        the layer merges, and `training`. Builds the layer. It may be called again, on inputs for
        which the same weights are valid.

        `training` says whether the layer runs as in training; with None, image augmentation does
        so, and nothing else. As in Keras, `fit`, `evaluate` and `predict` of a model decide this
        for all of its layers, whatever they were called with; to freeze the statistics of a batch
        normalization in `fit`, set its `trainable` to False.

        Raises:
            TypeError: unknown arguments, or inputs that are not numbers.
            ValueError: a list instead of one tensor or the reverse, or shapes that do not match.
        """
        takes_training = self._tracer is None or self._tracer.takes_training
        given = None if takes_training else keywords.pop("training", None)
        check_keywords(self.call, keywords)
        arguments = bound(self.call, args, keywords)
        given = arguments.keywords.pop("training", given)
        if given is not None:  # also if `call` does not take it, for the layers inside
            arguments.keywords["training"] = bool(given)
        _, inputs = divide(arguments, lambda value: value is not None)
        if self.input_spec is not None:
            check_inputs(self.input_spec, arguments.first, self.name)
        tensors = [each for each in inputs if isinstance(each, SymbolicTensor)]
        if inputs and not tensors:
            return self._on_arrays(arguments)
        constants = (bool, int, float, str) if self.is_traced else bool
        for each in inputs:
            if not isinstance(each, SymbolicTensor) and not isinstance(each, constants):
                raise TypeError(
                    f"layer {self.name!r} must be called on what Input or another layer returns, "
                    f"or on arrays alone, received {type(each).__name__} as well"
                )
        if self._tracer is None:
            return self.call(arguments.first, **arguments.keywords)
        self._build_traced(arguments)
        call = self._tracer.call(arguments)
        return fill(call.form, call.outputs)

    if TYPE_CHECKING:  # the `call` of a subclass may take any arguments

        def call(self, *args: Any, **kwargs: Any) -> Any: ...

    else:

        def call(self, inputs: Any, training: bool | None = None) -> Any:
            """Return the symbolic result of the operations of the layer for symbolic `inputs`.

            A class that defines it composes layers and functions of `fastconv.ops`; it may call
            this method of a class of fastconv. It is traced (`fastconv.layers.tracing`).
            """
            return self._symbolic_result(inputs, training)

    def _symbolic_result(self, inputs: Any, training: bool | None) -> Any:
        tensors = flatten(inputs)
        if is_several(inputs) != self.merges or isinstance(inputs, dict):
            wanted = "a list of tensors" if self.merges else "one tensor"
            raise ValueError(f"layer {self.name!r} must be called on {wanted}, received {inputs!r}")
        for tensor in tensors:
            if tensor.dtype != "float32":
                raise TypeError(
                    f"layer {self.name!r} must be called on float32 tensors, received "
                    f"{tensor.dtype}; see ops.cast"
                )
        shapes = [tensor.shape for tensor in tensors]
        shape: Any = shapes if self.merges else shapes[0]
        if self._tracer is None:
            self.build_on(shape)
        layer = self if self._tracer is None else _Operations(self)
        shapes = [self.compute_output_shape(shape)]
        return Call(layer, inputs, tensors, shapes, keywords={"training": training}).outputs[0]

    def _on_arrays(self, arguments: Arguments) -> Any:
        if self.takes_one_image and np.ndim(arguments.first) == 3:
            first = np.asarray(arguments.first)[None]
            return self._on_arrays(arguments._replace(first=first))[0]
        if self._array_calls is None:
            self._array_calls = ArrayCalls(self)
        return self._array_calls(arguments)

    def _build_traced(self, arguments: Arguments) -> None:
        """Build a layer with a `call` of the user's for the inputs in `arguments`."""
        if self._input_shape is None:
            shape = mapped(lambda x: getattr(x, "shape", None), arguments.first)
            if self._tracer is not None:
                self._tracer.build(arguments)
            self._input_shape = shape
            self._check_weights(shape)
        if weights_are_drawn():
            for variable in self.weights:
                variable.initialize()

    def add_loss(self, loss: Any) -> None:
        """Add a symbolic tensor, in the `call` of a class, to the loss of the models that contain
        the layer: the sum of its elements.

        Raises RuntimeError outside of `call`, TypeError for anything but tensors.
        """
        if self._tracer is None or self._tracer.losses is None:
            raise RuntimeError("add_loss() must be called in the `call` of a layer's class")
        for each in flatten(loss):
            if not isinstance(each, SymbolicTensor):
                raise TypeError(
                    f"`loss` must be computed from tensors or weights, received "
                    f"{type(each).__name__}"
                )
            self._tracer.losses.append(each)

    @property
    def adds_losses(self) -> bool:
        """Whether calls so far add to the loss, by `add_loss` or `activity_regularizer`."""
        added = self._tracer is not None and self._tracer.adds_losses
        return added or self.activity_regularizer is not None

    @property
    def losses(self) -> list[float]:
        """The terms that the layer adds to the loss, as numbers: those of its last call on arrays
        (`add_loss`, `activity_regularizer`), then the penalties on its trainable weights."""
        weights = [(v.regularizer, v.numpy()) for v in self.trainable_weights]
        on_weights = [float(penalty(value)) for penalty, value in weights if penalty is not None]
        return [*self.penalties_of_call, *on_weights]

    def inner_network(self, call: Call, training: bool | None) -> Network | None:
        """Return the network of which `call` consists; None if it is that of operations."""
        return self._tracer and self._tracer.of_call(call, training).network

    def apply_to(
        self,
        graph: Graph,
        call: Call,
        values: Sequence[int],
        turn: tuple[int, ...],
        training: bool | None,
    ) -> list[int]:
        """Add the operations of `call` to `graph`, on one value per input; return one per output.

        `turn` and `training`: see `Network.trace`.
        """
        if self._tracer is None:
            return [self._apply_operations(graph, call, values, turn, training)]
        results = self._tracer.of_call(call, training).apply_to(graph, values, turn, training)
        if self.activity_regularizer is None:
            return results
        penalty = ActivityPenalty(differentiable(self.activity_regularizer).for_plan())
        return [graph.apply([penalty], result) for result in results]

    def _apply_operations(self, graph, call, values, turn, training) -> int:
        number = graph.number_of_call(self)
        chain = [
            of_call(operation, number, turn, training)
            for operation in self.all_operations(call.input_shape)
        ]
        return graph.apply(chain, *values)

    def build_on(self, input_shape: Any) -> None:
        """Build the layer for `input_shape` and draw its weights, or check existing weights."""
        self._check_output_shape(input_shape)
        if not self._variables:  # not built yet, or no weights that could mismatch
            with inside(self.name, traced=False):
                self.build(input_shape)
            if self._input_shape is None:  # a user's `build` without that of the base class
                Layer.build(self, input_shape)
            self._check_weights(input_shape)
        elif self._input_shape != input_shape:
            other = copy.copy(self)
            other._variables = []
            other.build(input_shape)
            if [v.shape for v in other._variables] != [v.shape for v in self._variables]:
                raise ValueError(
                    f"layer {self.name!r} is built for inputs of shape {self._input_shape}, "
                    f"received {input_shape}"
                )
        if weights_are_drawn():
            for variable in self._variables:
                variable.initialize()

    def _check_output_shape(self, input_shape: Any) -> None:
        """Raise ValueError if the input does not match, or if the class returns another output
        shape than the operations that it inherits from a class of fastconv."""
        shape = self.compute_output_shape(input_shape)
        operations = definer(type(self), "operations")
        if (
            is_builtin(definer(type(self), "compute_output_shape"))
            or not is_builtin(operations)
            or operations.__abstractmethods__  # a layer in NumPy, which defines its own shape
        ):
            return
        own = next(base for base in type(self).__mro__ if is_builtin(base))
        computed = own.compute_output_shape(self, input_shape)
        if tuple(shape) != tuple(computed):
            raise ValueError(
                f"layer {self.name!r}: `compute_output_shape` of {type(self).__name__} gives "
                f"{tuple(shape)}, and the operations of {own.__name__} give {tuple(computed)}"
            )

    def _check_weights(self, input_shape: Any) -> None:
        """Raise ValueError if a user's `build` does not create the weights of the operations."""
        own = next(base for base in type(self).__mro__ if is_builtin(base))
        if is_builtin(definer(type(self), "build")) or own.__abstractmethods__:
            return
        other = copy.copy(self)
        other._variables = []
        own.build(other, input_shape)
        made = {variable.name for variable in self._variables}
        missing = [variable.name for variable in other._variables if variable.name not in made]
        if missing:
            raise ValueError(
                f"layer {self.name!r}: `build` of {type(self).__name__} must make the weights "
                f"{missing} that {own.__name__} has; call super().build(input_shape)"
            )

    @property
    def input(self) -> Any:
        """The input of the first call; AttributeError without a call."""
        return self._first_call("input").argument

    @property
    def output(self) -> Any:
        """The output of the first call; AttributeError without a call."""
        return self._first_call("output").outputs[0]

    def _first_call(self, what: str) -> Call:
        if not self.calls:
            raise AttributeError(f"layer {self.name!r} has no {what} before it is called")
        return self.calls[0]

    # Weights --------------------------------------------------------------------------------------

    def add_weight(
        self,
        name: Any = None,
        shape: Any = None,
        initializer: InitializerLike = None,
        trainable: bool = True,
        regularizer: RegularizerLike = None,
        constraint: ConstraintLike = None,
        dtype: Any = None,
        autocast: bool = True,
    ) -> Variable:
        """Declare a weight; its values are drawn when the model is built.

        Also in Keras's order: `add_weight(shape, initializer, dtype, trainable)`.

        Args:
            name: by default "variable".
            shape: by default (), one number; an integer is one axis.
            initializer: see `fastconv.initializers`; "glorot_uniform" by default.
            trainable: False for a weight that is never trained; otherwise `trainable` of the layer
                applies.
            regularizer, constraint: apply in training.
            dtype: None or "float32".
            autocast: without effect: there is no other precision.
        """
        if name is not None and not isinstance(name, str):
            name, shape, initializer, dtype = None, name, shape, initializer
        check_dtype(dtype)
        shape = () if shape is None else (shape,) if isinstance(shape, int) else tuple(shape)
        name = name or "variable"
        initializer = "glorot_uniform" if initializer is None else initializer
        if None in shape:
            raise ValueError(
                f"weight {self.name}/{name} must have known sizes, received shape {shape}; "
                "the input of this layer must give the sizes of these axes"
            )
        variable = Variable(
            initializers.get(initializer),
            shape,
            trainable=trainable,
            name=name,
            owner="/".join(dict.fromkeys((*scope(), self.name))),
            regularizer=differentiable(regularizers.get(regularizer)),
            constraint=constraints.get(constraint),
        )
        variable.trainable = self._trainable
        self._variables.append(variable)
        return variable

    @property
    def is_traced(self) -> bool:
        """Whether the class is a user's that defines `call`."""
        return self._tracer is not None

    @property
    def sublayers(self) -> dict[str, Layer]:
        """The layers in the attributes of a traced layer, also in lists and dicts, by the paths of
        Keras's files: `conv`, `convs/conv2d`, `convs/conv2d_1`."""
        return {} if self._tracer is None else children(self)

    @property
    def weights(self) -> list[Variable]:
        """The layer's own weights, trainable ones first, then those of the layers in it."""
        inner = [variable for layer in self.sublayers.values() for variable in layer.weights]
        return list(dict.fromkeys([*self.own_weights, *inner]))

    @property
    def own_weights(self) -> list[Variable]:
        """The weights that `add_weight` of this layer has made, trainable ones first."""
        return sorted(self._variables, key=lambda variable: not variable.can_train)

    @property
    def trainable_weights(self) -> list[Variable]:
        return [variable for variable in self.weights if variable.trainable]

    @property
    def non_trainable_weights(self) -> list[Variable]:
        return [variable for variable in self.weights if not variable.trainable]

    @property
    def variables(self) -> list[Variable]:
        """The same as `weights`."""
        return self.weights

    @property
    def trainable_variables(self) -> list[Variable]:
        """The same as `trainable_weights`."""
        return self.trainable_weights

    @property
    def non_trainable_variables(self) -> list[Variable]:
        """The same as `non_trainable_weights`."""
        return self.non_trainable_weights

    @property
    def trainable(self) -> bool:
        """Whether training changes the weights. Takes effect at the next `fit`."""
        return self._trainable

    @trainable.setter
    def trainable(self, value: bool) -> None:
        self._trainable = bool(value)
        for variable in self._variables:
            variable.trainable = self._trainable
        for layer in self.sublayers.values():
            layer.trainable = value

    @property
    def built(self) -> bool:
        """Whether the layer has an input shape and its weights.

        A class that defines `call` may set it to True: before the first call, its `build` is then
        left out; at the end of `build` it changes nothing. A built layer refuses False with an
        AttributeError.
        """
        return self._input_shape is not None

    @built.setter
    def built(self, value: bool) -> None:
        if bool(value) < self.built:
            raise AttributeError(f"layer {self.name!r} is built, and `built` must stay True")
        if self._tracer is not None:
            self._tracer.leaves_build_out = bool(value)

    @property
    def input_shape(self) -> Any:
        """The shape (or list of shapes) that the layer is built for; None before."""
        return self._input_shape

    @property
    def output_shape(self) -> Shape:
        """The output shape; ValueError before the layer is built."""
        if self._input_shape is None:
            raise ValueError(f"layer {self.name!r} has no output shape before it is built")
        if self._tracer is not None and self._tracer.specs is not None:
            form, shapes, _ = self._tracer.specs
            return fill(form, shapes)
        return self.compute_output_shape(self._input_shape)

    def count_params(self) -> int:
        """Return the number of elements of all weights; ValueError before the layer is built."""
        if not self.built:
            raise ValueError(
                f"layer {self.name!r} has no parameters to count before it is built; call "
                "build(input_shape) on its model"
            )
        return sum(variable.size for variable in self.weights)

    def get_weights(self) -> list[np.ndarray]:
        """Return copies of the weights, layer by layer, kernel before bias."""
        return [variable.numpy() for variable in self.weights]

    def set_weights(self, weights: list[Any]) -> None:
        """Overwrite the weights with arrays in the order of `get_weights`.

        Raises ValueError if count or shapes differ, TypeError for arrays that are not numeric;
        changes nothing then.
        """
        assign_all(self.weights, weights, f"layer {self.name!r}")

    def __getstate__(self) -> dict[str, Any]:
        """For pickling and copying. Calls belong to models, which recreate them."""
        return vars(self) | {"calls": [], "_array_calls": None}

    def __repr__(self) -> str:
        return f"<{type(self).__name__} name={self.name}, built={self.built}>"

    def _repr_html_(self) -> str:
        """Shapes and parameters, if it is built, and its configuration."""
        facts: dict[str, Any] = {}
        if self.built:
            facts |= {"input": self.input_shape, "output": self.output_shape}
            facts["parameters"] = f"{self.count_params():,}"
        title = f"{class_name(self)} {self.name!r}"
        return html.of_pairs(title, facts | self._described())

    def _described(self) -> dict[str, Any]:
        """Return the configuration in short: an object by the name of its class."""
        return {
            key: value["class_name"] if isinstance(value, dict) and "class_name" in value else value
            for key, value in self.get_config().items()
            if value is not None and key not in ("name", "dtype", "trainable")
        }


@cache
def _settings(cls: type) -> list[str]:
    """Return the `settings` of all classes of fastconv from which `cls` inherits, base first."""
    own = [base for base in reversed(cls.__mro__) if is_builtin(base)]
    return [name for base in own for name in vars(base).get("settings", ())]


def _described(value: Any) -> Any:
    """Return an argument as plain data."""
    if isinstance(value, (list, tuple)):
        return type(value)(map(_described, value))
    return serialize(value) if hasattr(value, "get_config") else value


class _Operations:
    """The operations of a layer whose class defines a `call`, which may call that of fastconv."""

    def __init__(self, layer: Layer):
        self.name, self.merges, self.calls = layer.name, layer.merges, []
        self._layer = layer

    def apply_to(self, graph, call, values, turn, training) -> list[int]:
        return [self._layer._apply_operations(graph, call, values, turn, training)]


def _operations_of_traced(self: Layer, input_shape: Any) -> list[Operation]:
    raise TypeError(f"layer {self.name!r} is traced: see `inner_network`")


def _operations_not_defined(self: Layer, input_shape: Any) -> list[Operation]:
    raise NotImplementedError(
        f"layer {self.name!r} computes nothing: {type(self).__name__} must define `call`"
    )


def sample_shape(shape: Any, name: str = "input_shape") -> tuple[int | None, ...]:
    """Return `shape` as a tuple of at least one size, each at least 1, or None if not known."""
    if not isinstance(shape, (tuple, list)):
        raise TypeError(f"`{name}` must be a tuple of integers, received {shape!r}")
    if not shape:
        raise ValueError(f"`{name}` must give at least one dimension, received {shape}")
    axes = ", ".join(f"axis {i + 1}" for i in range(len(shape)))
    sizes = normalize_shape([1 if size is None else size for size in shape], name, axes)
    return tuple(given and size for given, size in zip(shape, sizes, strict=True))


def known_shape(shape: Any, name: str = "input_shape") -> tuple[int, ...]:
    """Return `shape` as a tuple of at least one size, all known and at least 1."""
    return sample_sizes((None, *sample_shape(shape, name)))


def check_options(layer: str, **options: Any) -> None:
    """Raise an error for unsupported arguments of Keras, unless they are off."""
    for option, value in options.items():
        if value is not None:
            raise ValueError(f"`{option}` of {layer} is not supported, received {value!r}")


def assign_all(variables: list[Variable], weights: Any, owner: str) -> None:
    """Assign `weights` to `variables` after checking all of them."""
    weights = list(weights)
    if len(weights) != len(variables):
        raise ValueError(
            f"`weights` for {owner} must hold {len(variables)} arrays, received {len(weights)}"
        )
    arrays = []
    for index, (variable, value) in enumerate(zip(variables, weights, strict=True)):
        array = real_array(value, f"`weights[{index}]`")
        if array.shape != variable.shape:
            raise ValueError(
                f"`weights[{index}]` for {variable.path} must have shape {variable.shape}, "
                f"received shape {array.shape}"
            )
        arrays.append(array)
    for variable, array in zip(variables, arrays, strict=True):
        variable.assign(array)


def check_dtype(dtype: Any) -> None:
    """Raise ValueError unless `dtype` is None or float32, or describes it as files do."""
    if isinstance(dtype, dict):  # the form in Keras's files
        dtype = dtype.get("config", {}).get("name")
    if isinstance(dtype, type):
        dtype = np.dtype(dtype)
    if dtype is not None and str(dtype) != "float32":
        raise ValueError(
            f"`dtype` must be None or 'float32', which models compute in, received {dtype!r}"
        )
