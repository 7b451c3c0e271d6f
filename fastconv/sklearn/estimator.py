"""What the classifier and the regressor share: samples, building, training, pickling."""

from __future__ import annotations

import copy
import math
from abc import abstractmethod
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils import check_random_state
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data

from fastconv import losses, optimizers
from fastconv.common import randomness
from fastconv.common.arguments import normalize_int
from fastconv.common.literals import ActivationName, Verbose
from fastconv.models import Model
from fastconv.sklearn.network import default_network

# What samples are kept as; anything else becomes the first. A network computes in float32, and
# bytes need not be four times as large before it does.
_DTYPES = [np.float32, np.uint8]


# Parameters `model__x` are arguments of the function `model`, `optimizer__x` of the optimizer.
_ROUTED = ("model__", "optimizer__")


class ConvEstimator(BaseEstimator):
    """Base class; parameters are those of `ConvClassifier`."""

    _activation: ActivationName = "linear"  # of the default network's last layer

    def __init__(
        self, model: Any, image_shape: Any, epochs: int, batch_size: int, optimizer: Any, loss: Any,
        callbacks: Any, validation_split: float, warm_start: bool, random_state: Any,
        verbose: Verbose, routed: dict[str, Any],
    ):  # fmt: skip
        self.model = model
        self.image_shape = image_shape
        self.epochs = epochs
        self.batch_size = batch_size
        self.optimizer = optimizer
        self.loss = loss
        self.callbacks = callbacks
        self.validation_split = validation_split
        self.warm_start = warm_start
        self.random_state = random_state
        self.verbose = verbose
        for name, value in routed.items():  # `fit` refuses unknown ones, as scikit-learn wants it
            setattr(self, name, value)

    # Parameters -----------------------------------------------------------------------------------

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return all parameters, those of the network and of the optimizer too."""
        routed = {name: value for name, value in vars(self).items() if name.startswith(_ROUTED)}
        return super().get_params(deep=False) | routed

    def set_params(self, **params: Any) -> ConvEstimator:
        """Set parameters; `model__x` and `optimizer__x` may be new ones."""
        for name, value in params.items():
            setattr(self, name, value)
        return self

    def _check_names(self) -> None:
        """Raise TypeError for a parameter that does not exist."""
        known = self.get_params()
        public = (name for name in vars(self) if not name.startswith("_"))
        unknown = [name for name in public if name not in known and not name.endswith("_")]
        if unknown:
            raise TypeError(
                f"{type(self).__name__} has no parameters {unknown}; arguments of the network and "
                "of the optimizer are called model__... and optimizer__..."
            )

    def _routed(self, prefix: str) -> dict[str, Any]:
        """Return the arguments whose names begin with `prefix` without it."""
        own = self.get_params()
        return {name[len(prefix) :]: own[name] for name in own if name.startswith(prefix)}

    # Samples --------------------------------------------------------------------------------------

    def _table(self, X: Any) -> tuple[Any, tuple[int, ...] | None]:
        """Pictures as the table of their pixels, with the shape they had; tables as they are."""
        shape = np.shape(X) if isinstance(X, np.ndarray) else ()
        if len(shape) in (3, 4):
            return X.reshape(len(X), math.prod(shape[1:])), _with_channels(shape[1:])
        return X, None

    def _learn_shape(self, X: Any) -> Any:
        """`X` as a table, and `sample_shape_` from it or from `image_shape`."""
        X, shape = self._table(X)
        if self.image_shape is not None:
            wanted = _with_channels(self.image_shape)
            if shape not in (None, wanted):
                raise ValueError(f"`X` must hold pictures of shape {wanted}, received {shape}")
            shape = wanted
        self.sample_shape_ = shape
        return X

    def _samples(self, X: np.ndarray) -> np.ndarray:
        """A checked table in the shape that the network takes."""
        shape = self.sample_shape_
        if shape is None:
            return X
        if math.prod(shape) != X.shape[1]:
            raise ValueError(
                f"`image_shape` {shape} needs {math.prod(shape)} features, `X` has {X.shape[1]}"
            )
        return X.reshape(-1, *shape)

    def _predict(self, X: Any) -> np.ndarray:
        """The network's outputs (samples, outputs)."""
        check_is_fitted(self, "model_")
        X, shape = self._table(X)
        if shape not in (None, self.sample_shape_):
            raise ValueError(
                f"`X` must hold samples of shape {self.sample_shape_}, received {shape}"
            )
        X = validate_data(self, X, reset=False, dtype=_DTYPES)
        return self.model_.predict(self._samples(X), batch_size=self.batch_size, verbose=0)

    # Training -------------------------------------------------------------------------------------

    def _train(
        self, X, targets, outputs: int, sample_weight, fresh: bool, options: dict[str, Any]
    ) -> None:
        """Train `model_`, which is built anew if `fresh`, on a checked table and targets.

        `options` are arguments of the network's `fit` that replace those of the estimator.
        """
        if sample_weight is not None:
            sample_weight = _check_sample_weight(
                sample_weight, X, dtype=np.float32, ensure_non_negative=True
            )
        samples = self._samples(X)
        if fresh:
            self._random_state = check_random_state(self.random_state)
        with randomness.seeded(int(self._random_state.randint(2**31 - 1))):
            if fresh:
                self.model_: Any = self._built(samples.shape[1:], outputs)
            options = {
                "epochs": self.epochs,
                "batch_size": self.batch_size,
                "verbose": self.verbose,
                "callbacks": copy.deepcopy(self.callbacks),
                "validation_split": self.validation_split,
            } | options
            if options.get("validation_data") is not None:
                options |= {
                    "validation_data": self._validation_data(options["validation_data"]),
                    "validation_split": 0.0,
                }
            if options["validation_split"]:
                # The network validates on the last samples; they should not be the last class.
                order = randomness.generator().permutation(len(samples))
                samples, targets = samples[order], targets[order]
                sample_weight = None if sample_weight is None else sample_weight[order]
            self.history_: Any = self.model_.fit(
                samples, targets, sample_weight=sample_weight, **options
            ).history

    def _validation_data(self, data: Any) -> tuple[Any, ...]:
        """Return `(X, y)` or `(X, y, sample_weight)` as the network takes it."""
        if not isinstance(data, (tuple, list)) or len(data) not in (2, 3):
            raise ValueError(
                "`validation_data` must be (X, y) or (X, y, sample_weight), received "
                f"{type(data).__name__}"
            )
        X, y, *weights = data
        X, y = self._checked(self._table(X)[0], y, reset=False)
        return (self._samples(X), self._targets(y), *weights)

    @abstractmethod
    def _checked(self, X: Any, y: Any, reset: bool) -> tuple[np.ndarray, np.ndarray]:
        """Return a checked table and labels; with `reset`, remember its columns."""

    @abstractmethod
    def _targets(self, y: Any) -> np.ndarray:
        """Return what the network learns for checked labels; ValueError for unknown ones."""

    def _built(self, input_shape: tuple[int, ...], outputs: int) -> Any:
        arguments = self._routed("model__")
        network: Any
        if callable(self.model) and not isinstance(self.model, Model):
            network = self.model(input_shape, outputs, **arguments)
        elif arguments:
            raise ValueError(
                f"`model` must be a function to take {sorted(arguments)}, received {self.model!r}"
            )
        elif self.model is None:
            network = default_network(input_shape, outputs, self._activation)
        else:
            network = copy.deepcopy(self.model)
        if not network.built:
            network.build((None, *input_shape))
        if network.output_shape != (None, outputs):
            raise ValueError(
                f"`model` must make a network with outputs of shape {(None, outputs)}, "
                f"received {network.output_shape}"
            )
        # The network changes its optimizer; parameters of an estimator stay as they were given.
        chosen = optimizers.get(self.optimizer)
        settings = chosen.get_config() | self._routed("optimizer__")
        network.compile(type(chosen).from_config(settings), losses.get(self.loss))
        return network

    def _continues(self) -> bool:
        """Whether `fit` goes on with the network that is there."""
        return self.warm_start and hasattr(self, "model_")


def _with_channels(shape: Any) -> tuple[int, ...]:
    """(H, W, C) of (H, W) or (H, W, C)."""
    if not isinstance(shape, (tuple, list)) or len(shape) not in (2, 3):
        raise ValueError(f"`image_shape` must be (H, W) or (H, W, C), received {shape!r}")
    sizes = tuple(normalize_int(size, "image_shape") for size in shape)
    return sizes if len(sizes) == 3 else (*sizes, 1)
