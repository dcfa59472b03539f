"""The ONNX file computes what torch computes, at any size, from raw values."""

from __future__ import annotations

import json

import numpy as np
import pytest

from vitrail.cli.main import run
from vitrail.errors import UsageError
from vitrail_prcl.export import ExportOptions, export
from vitrail_prcl.plugin import R50
from vitrail_prcl.segmenter import PRCLSegmenter

onnxruntime = pytest.importorskip("onnxruntime", reason="needs vitrail-training[export]")
onnx = pytest.importorskip("onnx", reason="needs vitrail-training[export]")
pytest.importorskip("onnxscript", reason="needs vitrail-training[export]")


@pytest.fixture(scope="module")
def make(narrow, seen):
    def component(**fields):
        made = PRCLSegmenter.from_config(narrow(classes=("a", "b", "c"), **fields), spec=R50, seed=0)
        seen(made.module)
        return made

    return component


@pytest.fixture(scope="module")
def component(make):
    return make(backbone="resnet18")


@pytest.fixture(scope="module")
def exported(component, tmp_path_factory):
    path = tmp_path_factory.mktemp("onnx") / "prcl.onnx"
    return path, export(component, path, check=True, options=ExportOptions(uncertainty=True))


def run_file(path, images):
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    return session.run(None, {"image": np.stack(images).astype(np.float32).transpose(0, 3, 1, 2)})


def check_against(component, path, batch, height, width):
    images = list(np.random.default_rng(height).integers(0, 256, (batch, height, width, 3)).astype(np.uint8))
    logits, *more = run_file(path, images)
    wanted = np.stack([result.scores for result in component.segment(images, scores=True)])
    np.testing.assert_allclose(logits, wanted, atol=1e-4)
    for uncertainty in more:
        np.testing.assert_allclose(uncertainty, np.stack(component.uncertainty(images)), atol=1e-5)


@pytest.mark.parametrize(
    "size", [(1, 64, 64), (2, 32, 128), (1, 96, 33), (1, 45, 70), (2, 1, 9), (1, 1, 1)], ids=str
)
def test_any_size_from_raw_values(component, exported, size):
    check_against(component, exported[0], *size)


def test_the_file_says_what_it_is(component, exported):
    path, report = exported
    model = onnx.load(path)
    onnx.checker.check_model(model)
    facts = {entry.key: entry.value for entry in model.metadata_props}
    assert json.loads(facts["classes"]) == list(component.classes)
    shapes = {
        value.name: [d.dim_param or d.dim_value for d in value.type.tensor_type.shape.dim]
        for value in (*model.graph.input, *model.graph.output)
    }
    assert shapes["image"] == ["batch", 3, "height", "width"]
    assert shapes["logits"][:2] == ["batch", 3]
    assert len(shapes["uncertainty"]) == 3
    assert report["opset"] == 18
    assert len(report["check"]) == 5
    assert all(row["largest difference from torch"] < 1e-4 for row in report["check"].values())


def test_by_default_there_are_logits_alone_also_of_a_network_of_patches(make, tmp_path):
    component = make(backbone="convnext_atto")
    export(component, tmp_path / "x.onnx", check=True)
    assert [value.name for value in onnx.load(tmp_path / "x.onnx").graph.output] == ["logits"]
    check_against(component, tmp_path / "x.onnx", 1, 33, 50)


@pytest.mark.slow
def test_a_network_that_enlarges_its_image(make, tmp_path):
    component = make(backbone="mobilenetv3_small_050", zoom=2)
    export(component, tmp_path / "x.onnx", check=True, options=ExportOptions(uncertainty=True))
    check_against(component, tmp_path / "x.onnx", 1, 33, 50)


@pytest.mark.slow
def test_the_published_network_from_the_command_line(tmp_path):
    file = tmp_path / "r50.onnx"
    asked = ["export", "prcl/r50", "--weights", "random", "--check", "--uncertainty", "-o", str(file)]
    assert run(asked) == 0
    assert 155e6 < file.stat().st_size < 166e6


def test_other_formats_are_refused(component, tmp_path):
    with pytest.raises(UsageError, match="exported as onnx; 'tflite' was asked for"):
        export(component, tmp_path / "x", format="tflite")
