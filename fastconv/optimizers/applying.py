"""Steps of an optimizer on gradients that the caller gives: training loops of one's own.

A step on the same gradients gives the same bits as a step of `fit`: it is the same list of ops, for
the given weights alone.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from fastconv.common.arrays import real_array
from fastconv.common.user_warnings import warn_user
from fastconv.optimizers.slots import State
from fastconv.optimizers.storing import Storing
from fastconv.parameters import AnyParameters, Variable, parameters_of
from fastconv.plan import PlanCache, Updates
from fastconv.plan.rules import UpdateRule


class Applying(Storing):
    """An optimizer whose steps may be called one by one."""

    def __init__(self) -> None:
        self._updates = PlanCache()  # by the weights that change

    @property
    @abstractmethod
    def needs_stored_gradients(self) -> bool:
        """See `fastconv.plan.updates.Updater`."""

    @abstractmethod
    def for_plan(self, parameters: AnyParameters) -> UpdateRule:
        """See `fastconv.plan.updates.Updater`."""

    def build(self, variables: Iterable[Variable]) -> None:
        """Create the slots for these weights, of one or several models; otherwise the first step
        does. ValueError if the optimizer has begun to train other weights."""
        self.state_for(parameters_of(_checked_variables(variables)))

    def apply_gradients(self, grads_and_vars: Iterable[tuple[ArrayLike | None, Variable]]) -> int:
        """Change weights by their gradients: one step.

        Args:
            grads_and_vars: pairs (gradient, weight), such as `zip(gradients,
                model.trainable_variables)`; a gradient is an array of the shape of the weight, or
                None for a weight that does not change.

        Returns:
            `iterations` after the step.

        The step is that of `fit`: clipping (over the given gradients), weight decay, the rule, the
        moving averages, the constraints. Weights of several models may be given together; those of
        the first call (or of `build`) are the ones that the optimizer serves.

        Raises:
            ValueError: no gradient at all, a gradient of another shape, a weight that is frozen,
                given twice or not among the first call's.
            TypeError: a gradient that is not numeric, or a weight that is no `Variable`.

        >>> import numpy as np
        >>> from fastconv import layers, models, optimizers
        >>> model = models.Sequential([layers.Input((2,)), layers.Dense(1, use_bias=False)])
        >>> model.set_weights([[[1.0], [2.0]]])
        >>> optimizer = optimizers.SGD(0.5)
        >>> optimizer.apply_gradients(zip([np.ones((2, 1))], model.trainable_variables))
        1
        >>> model.get_weights()[0].ravel()
        array([0.5, 1.5], dtype=float32)
        """
        pairs: list[tuple[Any, ...]] = [tuple(pair) for pair in grads_and_vars]
        if not pairs or any(len(pair) != 2 for pair in pairs):
            raise ValueError(
                "`grads_and_vars` must be pairs (gradient, weight), at least one, "
                f"received {len(pairs)} entries"
            )
        self.apply([gradient for gradient, _ in pairs], [variable for _, variable in pairs])
        return self.iterations

    def apply(
        self,
        grads: Iterable[ArrayLike | None],
        trainable_variables: Iterable[Variable] | None = None,
    ) -> None:
        """Change weights by their gradients: one step, as `apply_gradients` does.

        Args:
            grads: one gradient per weight, None for a weight that does not change.
            trainable_variables: the weights; by default all that the optimizer serves.
        """
        grads = list(grads)
        if trainable_variables is None:
            if self._state is None:
                raise ValueError(
                    "`trainable_variables` must be given in the first step, or to build()"
                )
            variables = [each for each in self._state.parameters.variables if each.trainable]
        else:
            variables = _checked_variables(trainable_variables)
        if len(grads) != len(variables):
            raise ValueError(
                f"`grads` must hold one gradient per weight, {len(variables)}, "
                f"received {len(grads)}"
            )
        if self._state is None:
            self.build(variables)
        missing = [v.path for g, v in zip(grads, variables, strict=True) if g is None]
        if missing:
            if len(missing) == len(grads):
                raise ValueError("`grads` must hold at least one gradient, received only None")
            warn_user(f"there are no gradients for {missing}, which do not change")
            variables = [v for g, v in zip(grads, variables, strict=True) if g is not None]
        self._apply([gradient for gradient in grads if gradient is not None], variables)

    def _apply(self, grads: Sequence[ArrayLike], variables: Sequence[Variable]) -> None:
        arrays = list(map(_checked_gradient, grads, variables))
        state = self._state_with(variables)
        parameters = state.parameters
        key = (getattr(parameters, "home", parameters), *variables)
        with (
            self._updates.lend(key, lambda arena: self._step_on(variables)) as step,
            parameters.training.step(),
        ):
            for into, array in zip(step.gradients, arrays, strict=True):
                np.copyto(into, array, casting="unsafe")
            step.run()
        parameters.touch()
        self.count_step()

    def _state_with(self, variables: Sequence[Variable]) -> State:
        """Return the state, on the present buffer; ValueError for weights without slots."""
        state = self._state
        assert state is not None, "build() comes first"
        if state.parameters.abandoned:
            state.follow(parameters_of(state.parameters.variables))
            self._updates.clear()
        unknown = state.unknown(variables)
        if unknown:
            raise ValueError(
                f"the optimizer {self.name!r} serves the weights of its first step, and "
                f"{unknown[0].path} is not among them; use a new optimizer, or give all weights to "
                "build() first"
            )
        return state

    def _step_on(self, variables: Sequence[Variable]) -> Any:
        return Updates(self, parameters_of(variables)).step()


def _checked_gradient(gradient: ArrayLike, variable: Variable) -> np.ndarray:
    array = np.asarray(gradient)
    if array.dtype != np.float32:
        real_array(array, f"the gradient of {variable.path}")
    if array.shape != variable.shape:
        raise ValueError(
            f"the gradient of {variable.path} must have shape {variable.shape}, "
            f"received shape {array.shape}"
        )
    if not variable.trainable:
        raise ValueError(
            f"{variable.path} must be trainable, but its layer is frozen, or the weight is never "
            "trained"
        )
    return array


def _checked_variables(variables: Iterable[Variable]) -> list[Variable]:
    found = list(variables)
    for variable in found:
        if not isinstance(variable, Variable):
            raise TypeError(f"weights must be `Variable`s, received {type(variable).__name__}")
    if not found:
        raise ValueError("weights must be given, received none")
    if len(set(found)) != len(found):
        twice = next(variable for variable in found if found.count(variable) > 1)
        raise ValueError(f"every weight must be given once, received {twice.path} twice")
    return found
