"""Training loops of the caller's own: loss, outputs and gradients of one batch.

    found = model.value_and_gradients(x, y)                               forward, loss, backward
    optimizer.apply_gradients(zip(found.gradients, model.trainable_variables))           update

Both together are one step of `fit`, to the same bits.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from fastconv.common.keywords import explain_keywords
from fastconv.common.tree import flatten
from fastconv.parameters import AnyParameters, Variable
from fastconv.plan import Arena, Graph, Plan, PlanCache, frozen
from fastconv.shapes import Shape
from fastconv.training.compile_config import CompileConfig
from fastconv.training.data import ArraySource, Source
from fastconv.training.io_spec import IOSpec
from fastconv.training.metrics_tracker import batch_losses, total_loss

_MOST_LOSSES = 8  # given by the caller whose configurations are kept


class ValueAndGradients(NamedTuple):
    """The result of `Model.value_and_gradients`.

    `loss` is the loss that training minimizes, a float: the weighted sum over the outputs, and the
    penalties of regularizers. `outputs` are those of the model, float32 (N, ...), in its structure.
    `gradients` has one float32 array per weight, in its shape. All of them belong to the caller.
    """

    loss: float
    outputs: Any
    gradients: list[np.ndarray]


class OwnLoops:
    """The part of `Trainer` for training loops of the caller's own.

    The declarations below are what it uses of the other parts of a model.
    """

    if TYPE_CHECKING:
        parameters: AnyParameters
        io_spec: IOSpec
        _compile_config: CompileConfig
        _plans: PlanCache
        _draws: int

        def graph(
            self, training: bool | None = None, input_shapes: Sequence[Shape] | None = None
        ) -> Graph: ...
        def pack_outputs(self, values: list[Any]) -> Any: ...
        def renew_parameters(self) -> AnyParameters: ...
        def _spec_for(self, source: Source) -> IOSpec: ...
        def _trained_parts(self) -> tuple[bool, ...]: ...

    def _forget_losses(self) -> None:
        self._loss_configs: dict[Hashable, CompileConfig] = {}

    @explain_keywords
    def value_and_gradients(
        self,
        x: Any,
        y: Any = None,
        sample_weight: Any = None,
        *,
        loss: Any = None,
        variables: Iterable[Variable] | None = None,
        training: bool = True,
    ) -> ValueAndGradients:
        """Compute the loss of one batch, and its gradients with respect to the weights.

        The layers run as in training: dropout draws the next mask, batch normalization takes the
        statistics of the batch and updates its moving ones. Nothing else changes; an optimizer's
        `apply_gradients` changes the weights.

        Args:
            x: samples (N, ...), as for `train_on_batch`.
            y: labels in the format of the loss.
            sample_weight: weights for the loss, as for `fit`.
            loss: the loss, in any form that `compile` takes; by default that of `compile`, with its
                `loss_weights`. Keep one object for all steps: a new one makes a new plan.
            variables: the weights whose gradients are wanted; by default `trainable_variables`.
            training: False runs the layers as in `predict`.

        Returns:
            (loss, outputs, gradients): see `ValueAndGradients`.

        Raises:
            ValueError: no loss, no samples, data that do not match the model, or `variables` that
                are frozen or not the model's.
            TypeError: data that is not numeric.
            RuntimeError: another thread is in `fit` of this model.

        >>> import numpy as np
        >>> from fastconv import layers, models
        >>> model = models.Sequential([layers.Input((2,)), layers.Dense(1, use_bias=False)])
        >>> model.set_weights([[[1.0], [1.0]]])
        >>> found = model.value_and_gradients(np.eye(2), np.zeros(2), loss="mse")
        >>> found.loss, found.gradients[0].ravel()
        (1.0, array([1., 1.], dtype=float32))
        """
        config = self._config_for(loss)
        source = ArraySource(x, y, sample_weight)
        spec = self._spec_for(source)
        source.prepare(spec.with_losses(config.losses(spec.output_names)))
        shapes = source.spec.plan_shapes
        if source.count == 0:
            raise ValueError("`x` must hold at least one sample, received none")
        parameters = self.renew_parameters()
        known, training = parameters.variables, bool(training)
        if variables is None:
            wanted = [variable for variable in known if variable.trainable]
            key: Hashable = None
        else:
            wanted = _checked(variables, known)
            key = frozenset(wanted)
        batch = slice(0, source.count)
        weighted = source.size(batch)[1]
        trained = self._trained_parts()
        key = (source.count, "gradients", weighted, trained, shapes, training, config, key)
        only = None if variables is None else wanted
        with (
            parameters.training.step(),
            self._plans.lend(
                key,
                lambda arena: self._gradient_plan(
                    source.count, config, weighted, training, only, arena, shapes
                ),
            ) as plan,
        ):
            ys, weights = source.load(batch, plan)
            source.spec.load_targets(ys, weights, plan)
            plan.run(self._draws)
            self._draws += training
            factors = config.loss_weights(spec.output_names)
            value = total_loss(plan, batch_losses(plan, weights), factors)
            outputs = self.pack_outputs([output.copy() for output in plan.outputs])
            gradient = parameters.gradient
            gradients = [parameters.view(gradient, variable).copy() for variable in wanted]
        return ValueAndGradients(value, outputs, gradients)

    def _config_for(self, loss: Any) -> CompileConfig:
        """Return the losses of a step: those of `compile`, or `loss`."""
        if loss is None:
            if self._compile_config.loss is None:
                raise ValueError(
                    "value_and_gradients() needs a loss; give `loss`, here or to compile()"
                )
            return self._compile_config
        names = tuple(loss) if isinstance(loss, dict) else ()
        key = names, tuple(each if isinstance(each, str) else id(each) for each in flatten(loss))
        if key not in self._loss_configs:
            if len(self._loss_configs) >= _MOST_LOSSES:
                self._loss_configs.pop(next(iter(self._loss_configs)))
            self._loss_configs[key] = CompileConfig(loss=loss)  # which keeps the objects alive
        return self._loss_configs[key]

    def _gradient_plan(
        self,
        count: int,
        config: CompileConfig,
        weighted: bool,
        training: bool,
        wanted: list[Variable] | None,
        arena: Arena,
        shapes: tuple[Shape, ...] | None,
    ) -> Plan:
        graph, outputs = self.graph(training, shapes), self.io_spec.output_names
        losses = config.loss_operations(graph, outputs)
        if wanted is not None:
            graph = frozen(graph, set(wanted))
        return Plan(
            graph,
            count,
            self.parameters,
            mode="train",
            losses=losses,
            loss_weights=config.loss_weights(outputs),
            weighted=weighted,
            arena=arena,
        )


def _checked(variables: Iterable[Variable], known: list[Variable]) -> list[Variable]:
    """Return `variables` as a list; ValueError unless all are trainable ones among `known`."""
    wanted, present = list(variables), set(known)
    for variable in wanted:
        if variable not in present or not variable.trainable:
            raise ValueError(
                "`variables` must be trainable weights of the model, received "
                f"{getattr(variable, 'path', variable)}"
            )
    if not wanted:
        raise ValueError("`variables` must hold at least one weight, received none")
    return wanted
