"""The conformance kit, on a tiny network that is made here."""

import os
import tempfile
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from vitrail import load
from vitrail.errors import NotInstalledError, UsageError
from vitrail.testing import PluginSuite, RecognizerSuite

PACK = Path(tempfile.mkdtemp(prefix="pack-"))
os.environ["INSIGHTFACE_PACK"] = str(PACK)  # the kit also builds the component from its default config


def write_tiny(path):
    """Average 7 x 7 blocks, then one matrix: (N, 3, 112, 112) -> (N, 32). Named as insightface's networks are."""
    matrix = np.random.default_rng(0).normal(size=(32, 3 * 16 * 16)).astype(np.float32)
    nodes = [
        helper.make_node("AveragePool", ["data"], ["blocks"], kernel_shape=[7, 7], strides=[7, 7]),
        helper.make_node("Flatten", ["blocks"], ["flat"]),
        helper.make_node("Gemm", ["flat", "matrix"], ["embedding"], transB=1),
    ]
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info("data", TensorProto.FLOAT, [None, 3, 112, 112])],
        [helper.make_tensor_value_info("embedding", TensorProto.FLOAT, [None, 32])],
        [numpy_helper.from_array(matrix, "matrix")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=10)
    onnx.save(model, path)
    return matrix


MATRIX = write_tiny(PACK / "tiny.onnx")


class TestPlugin(PluginSuite):
    plugin = "insightface"


class TestPack(RecognizerSuite):
    component = "insightface/pack"
    weights = PACK


def test_numbers():
    faces = np.random.default_rng(1).integers(0, 256, (2, 112, 112, 3), np.uint8)
    values = (faces.astype(np.float32) - 127.5) / 127.5
    means = values.reshape(2, 16, 7, 16, 7, 3).mean(axis=(2, 4)).transpose(0, 3, 1, 2).reshape(2, -1)
    wanted = means @ MATRIX.T
    found = load("insightface/pack", weights=PACK).embed(list(faces)).vectors
    np.testing.assert_allclose(found, wanted / np.linalg.norm(wanted, axis=1, keepdims=True), atol=1e-5)


def test_folders_without_a_recogniser(tmp_path):
    with pytest.raises(NotInstalledError, match="does not exist"):
        load("insightface/pack", weights=tmp_path / "none")
    with pytest.raises(UsageError, match="no recogniser"):
        load("insightface/pack", weights=tmp_path)
