"""The ONNX file computes what torch computes, at any size, from raw values, with plain operators."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from vitrail.errors import BrokenError, UsageError
from vitrail_cmunet.config import CMUNetConfig
from vitrail_cmunet.export import export
from vitrail_cmunet.plugin import RESNET18
from vitrail_cmunet.segmenter import CMUNetSegmenter

onnxruntime = pytest.importorskip("onnxruntime", reason="needs vitrail-training[export]")
onnx = pytest.importorskip("onnx", reason="needs vitrail-training[export]")
pytest.importorskip("onnxscript", reason="needs vitrail-training[export]")


@pytest.fixture(scope="module")
def component():
    config = CMUNetConfig(backbone="mobilenetv3_small_050", width=16, depths=(1, 1, 1, 1))
    made = CMUNetSegmenter.from_config(config, spec=RESNET18, seed=0)
    torch.manual_seed(0)
    with torch.no_grad():  # the initial weights of 0.02 hide the scan behind the residual
        for name, parameter in made.module.named_parameters():
            if "layers_up" in name and parameter.ndim == 2 and not name.endswith("A_logs"):
                parameter.normal_(std=0.5 * parameter.shape[1] ** -0.5)
    return made


@pytest.fixture(scope="module")
def exported(component, tmp_path_factory):
    path = tmp_path_factory.mktemp("onnx") / "cmunet.onnx"
    return path, export(component, path, check=True)


def raw_images(batch, height, width):
    return np.random.default_rng(height).integers(0, 256, (batch, height, width, 3)).astype(np.uint8)


@pytest.mark.parametrize(
    "size", [(1, 64, 64), (2, 32, 128), (1, 96, 33), (1, 45, 70), (1, 10, 40), (1, 1, 1)], ids=str
)
def test_any_size_from_raw_values(component, exported, size):
    images = raw_images(*size)
    session = onnxruntime.InferenceSession(exported[0], providers=["CPUExecutionProvider"])
    logits = session.run(None, {"image": images.astype(np.float32).transpose(0, 3, 1, 2)})[0]
    wanted = np.stack([result.scores for result in component.segment(list(images), scores=True)])
    np.testing.assert_allclose(logits, wanted, atol=1e-4)


def test_the_scan_is_in_the_file_as_plain_operators(exported):
    model = onnx.load(exported[0])
    onnx.checker.check_model(model)
    nodes = [node for part in (model.graph, *model.functions) for node in part.node]
    local = {(function.domain, function.name) for function in model.functions}
    assert {node.domain for node in nodes if (node.domain, node.op_type) not in local} == {""}
    assert sum(node.op_type == "Scan" for node in nodes) == 4 * 2 * 3  # blocks, axes, passes


def test_the_file_says_what_it_is(component, exported):
    path, report = exported
    model = onnx.load(path)
    facts = {entry.key: entry.value for entry in model.metadata_props}
    assert json.loads(facts["classes"]) == list(component.classes)
    assert json.loads(facts["palette"]) == [list(colour) for colour in component.config.palette]
    axes = [d.dim_param or d.dim_value for d in model.graph.input[0].type.tensor_type.shape.dim]
    assert axes == ["batch", 3, "height", "width"]
    assert report["opset"] == 18
    assert all(row["largest difference from torch"] < 1e-4 for row in report["check"].values())


@pytest.mark.slow
def test_a_file_that_computes_something_else_is_not_kept(component, tmp_path, monkeypatch):
    from vitrail_cmunet import onnx_scan

    real = onnx_scan.cross_scan

    def wrong(x, projected, dt_weight, dt_bias, A_log, D, chunk=0, backend=""):
        return real(x, projected, dt_weight, dt_bias, A_log, onnx_scan.op.Neg(D), chunk, backend)

    wrong.__annotations__ = real.__annotations__
    monkeypatch.setattr(onnx_scan, "cross_scan", wrong)
    with pytest.raises(BrokenError, match="differs by"):
        export(component, tmp_path / "wrong.onnx", check=True)
    assert not list(tmp_path.iterdir())


def test_other_formats_are_refused(component, tmp_path):
    with pytest.raises(UsageError, match="exported as onnx; 'tflite' was asked for"):
        export(component, tmp_path / "x", format="tflite")


@pytest.mark.slow
def test_a_network_that_enlarges_its_image(tmp_path):
    config = CMUNetConfig(backbone="mobilenetv3_small_050", width=16, depths=(1, 1, 1, 1), zoom=2)
    component = CMUNetSegmenter.from_config(config, spec=RESNET18, seed=0)
    report = export(component, tmp_path / "zoomed.onnx", check=True)
    assert set(report["check"])
    assert (tmp_path / "zoomed.onnx").exists()


def test_the_published_network(published, golden_image, tmp_path):
    component = CMUNetSegmenter.from_config(CMUNetConfig(mean=(0.0,) * 3, std=(1.0,) * 3), spec=RESNET18)
    component.module.load_state_dict(published.state_dict())
    export(component, tmp_path / "m.onnx", check=True)
    session = onnxruntime.InferenceSession(tmp_path / "m.onnx", providers=["CPUExecutionProvider"])
    for height, width in ((64, 64), (128, 96), (50, 77)):
        image = golden_image(height, width)
        with torch.no_grad():
            wanted = published(image).numpy()
        np.testing.assert_allclose(session.run(None, {"image": image.numpy()})[0], wanted, atol=1e-4)
