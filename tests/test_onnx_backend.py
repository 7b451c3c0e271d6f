"""onnx's own tests of backends, run by its own runner: what passes, and what is refused by name."""

from __future__ import annotations

import unittest
import warnings

import pytest

onnx = pytest.importorskip("onnx")

from onnx.backend.test import BackendTest  # noqa: E402
from onnx.backend.test.loader import load_model_tests  # noqa: E402

from fastconv.onnx.backend import FastconvBackend  # noqa: E402
from fastconv.onnx.nodes import TYPES  # noqa: E402
from fastconv.onnx.registry import OPERATORS  # noqa: E402

REFUSED = {
    # the random numbers of Dropout in training are not those of another program
    "test_training_dropout_default_cpu": "`training_mode` must be false",
    "test_training_dropout_default_mask_cpu": "`training_mode` must be false",
    "test_training_dropout_cpu": "`training_mode` must be false",
    "test_training_dropout_mask_cpu": "`training_mode` must be false",
    "test_lstm_with_peepholes_cpu": "peepholes are not supported",
}


@pytest.fixture(scope="module")
def cases():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the code that makes onnx's expected values
        runner = BackendTest(FastconvBackend, __name__)
        return runner.exclude("cuda").test_cases


def results_of(case):
    """The number of tests that ran, and the last line of each one's failure by name."""
    result = unittest.TestResult()
    unittest.defaultTestLoader.loadTestsFromTestCase(case).run(result)
    wrong = {t._testMethodName: text for t, text in result.errors + result.failures}
    return result.testsRun - len(result.skipped), wrong


def is_supported(model):
    """Whether the graph has only operators, versions and types that are registered."""
    opsets = {entry.domain: entry.version for entry in model.opset_import}
    opset = opsets.get("", opsets.get("ai.onnx", 1))
    values = [*model.graph.input, *model.graph.output]
    types = [each.data_type for each in model.graph.initializer]
    if any(value.type.WhichOneof("value") != "tensor_type" for value in values):
        return False
    types += [value.type.tensor_type.elem_type for value in values]
    for node in model.graph.node:
        if node.domain not in ("", "ai.onnx"):
            return False
        version = onnx.defs.get_schema(node.op_type, opset, "").since_version
        if (node.op_type, version) not in OPERATORS:
            return False
        types += [each.i for each in node.attribute if each.name in ("to", "dtype")]
    return TYPES.issuperset(types)


def test_nodes_of_supported_operators_pass_and_all_others_are_refused(cases):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        supported = {
            f"{each.name}_cpu" for each in load_model_tests(kind="node") if is_supported(each.model)
        }
    count, wrong = results_of(cases["OnnxBackendNodeModelTest"])
    assert count > len(supported) > 1000
    assert supported.intersection(wrong) == set(REFUSED)
    for name, reason in REFUSED.items():
        assert reason in wrong[name]
    assert all("fastconv.errors.FormatError" in text for text in wrong.values())


@pytest.mark.parametrize(
    ("name", "fewest"),
    [("OnnxBackendPyTorchConvertedModelTest", 82), ("OnnxBackendPyTorchOperatorModelTest", 35)],
)
def test_networks_of_pytorch_pass(cases, name, fewest):
    count, wrong = results_of(cases[name])
    assert count >= fewest
    assert wrong == {}
