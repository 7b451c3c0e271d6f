"""onnx's interface for test programs: any graph of supported operators, whatever its shapes mean.

    backend.run_model(model, [x])        the outputs for arrays in the order of the file
    backend.run_node(node, [x, w])

The operators compute with the arrays directly (`fastconv.onnx.running`), in Python, node by node.
`fastconv.onnx.load` makes a model instead, which is faster, and takes batches.

Interface: onnx.backend.base.
"""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from typing import Any

import numpy as np
from onnx import ModelProto, NodeProto, helper
from onnx.backend.base import Backend, BackendRep, namedtupledict

from fastconv.onnx import files
from fastconv.onnx.files import GraphFile
from fastconv.onnx.running import run
from fastconv.onnx.tensor import Tensor


class Prepared(BackendRep):
    """A checked graph."""

    def __init__(self, file: GraphFile):
        self._file = file

    def run(self, inputs: Any, **_: Any) -> tuple[np.ndarray, ...]:
        """Return the outputs for a list of arrays, or a dict by the names of inputs.

        Raises ValueError for another number of inputs, FormatError for a node that cannot be
        computed.
        """
        file = copy(self._file)
        file.constants = dict(file.constants)
        names = [each.name for each in file.inputs]
        given = inputs if isinstance(inputs, dict) else dict(zip(names, inputs, strict=False))
        if set(given) != set(names) or len(given) != len(inputs):
            raise ValueError(f"expected the inputs {names}, received {len(inputs)} arrays")
        outputs = run(file, {name: Tensor.of(np.asarray(array)) for name, array in given.items()})
        arrays = [np.asarray(output.array, order="C") for output in outputs]
        return namedtupledict("Outputs", file.outputs)(
            *(array.reshape(output.shape) for array, output in zip(arrays, outputs, strict=True))
        )


class FastconvBackend(Backend):
    """See the module's description; all methods raise FormatError for unsupported graphs."""

    @classmethod
    def prepare(cls, model: ModelProto, device: str = "CPU", **_: Any) -> Prepared:
        """Check a model and return what runs it; ValueError for a device other than "CPU"."""
        if not cls.supports_device(device):
            raise ValueError(f"`device` must be 'CPU', received {device!r}")
        return Prepared(files.read(model))

    @classmethod
    def run_model(cls, model: ModelProto, inputs: Any, device: str = "CPU", **_: Any) -> Any:
        """Return the outputs of a model for arrays."""
        return cls.prepare(model, device).run(inputs)

    @classmethod
    def run_node(
        cls, node: NodeProto, inputs: Any, device: str = "CPU",
        outputs_info: Sequence[tuple[np.dtype, tuple[int, ...]]] | None = None, **options: Any,
    ) -> Any:  # fmt: skip
        """Return the outputs of one node for arrays, by default of the newest opset.

        `opset_version` is an option; `outputs_info` is not needed.
        """
        names = [name for name in node.input if name]
        values = [
            helper.make_tensor_value_info(
                name, helper.np_dtype_to_tensor_dtype(np.asarray(array).dtype), np.shape(array)
            )
            for name, array in zip(names, inputs, strict=True)
        ]
        outputs = [helper.make_empty_tensor_value_info(name) for name in node.output if name]
        graph = helper.make_graph([node], "node", values, outputs)
        opsets = (
            [helper.make_opsetid("", options["opset_version"])]
            if "opset_version" in options
            else None
        )
        return cls.run_model(helper.make_model(graph, opset_imports=opsets), list(inputs), device)

    @classmethod
    def supports_device(cls, device: str) -> bool:
        """Whether `device` is "CPU"."""
        return device.split(":")[0] == "CPU"


prepare = FastconvBackend.prepare
run_model = FastconvBackend.run_model
run_node = FastconvBackend.run_node
supports_device = FastconvBackend.supports_device
