"""The ONNX file computes what torch computes, and insightface opens it as one of its own recognisers."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from vitrail.errors import BrokenError, UsageError
from vitrail_transface import export as export_module
from vitrail_transface.export import export, fold
from vitrail_transface.plugin import VIT_S
from vitrail_transface.recognizer import TransFaceRecognizer

onnxruntime = pytest.importorskip("onnxruntime", reason="needs vitrail-training[export]")
onnx = pytest.importorskip("onnx", reason="needs vitrail-training[export]")
pytest.importorskip("onnxscript", reason="needs vitrail-training[export]")


def component_of(config, network):
    made = TransFaceRecognizer.from_config(config, spec=VIT_S, seed=0)
    made.module.load_state_dict(network.state_dict())
    return made


@pytest.fixture(scope="module")
def component(small_config, random_network):
    """With batch statistics that are not those of a new network, so that folding them matters."""
    return component_of(small_config, random_network())


@pytest.fixture(scope="module")
def exported(component, tmp_path_factory):
    path = tmp_path_factory.mktemp("onnx") / "transface.onnx"
    return path, export(component, path, check=True)


@pytest.mark.parametrize("batch", [1, 2, 5])
def test_any_batch(component, exported, crops, batch):
    session = onnxruntime.InferenceSession(exported[0], providers=["CPUExecutionProvider"])
    data = component.prepare(crops(batch, seed=batch))
    with torch.no_grad():
        wanted = component.module(data).numpy()
    (found,) = session.run(None, {"data": data.numpy()})
    np.testing.assert_allclose(found, wanted, atol=1e-4)


def test_the_file_is_what_insightface_wants(exported):
    path, report = exported
    model = onnx.load(path)
    onnx.checker.check_model(model)
    (data,), (embedding,) = model.graph.input, model.graph.output
    sizes = [
        [d.dim_param or d.dim_value for d in each.type.tensor_type.shape.dim] for each in (data, embedding)
    ]
    assert (data.name, sizes) == ("data", [["batch", 3, 112, 112], ["batch", 24]])
    nodes = list(model.graph.node)
    assert {node.domain for node in nodes} == {""}
    assert not any(node.op_type == "BatchNormalization" for node in nodes), "it is folded"
    first = [node.name for node in nodes[:8]]
    assert not any(name.startswith(("Sub", "_minus", "Mul", "_mul")) for name in first), first
    assert report["opset"] == 18
    assert len(report["check"]) == 4


def test_insightface_loads_it_and_gives_the_same_embeddings(component, exported, crops):
    pytest.importorskip("insightface", reason="needs insightface")
    from insightface.model_zoo import get_model
    from insightface.model_zoo.arcface_onnx import ArcFaceONNX

    client = get_model(str(exported[0]), providers=["CPUExecutionProvider"])
    assert isinstance(client, ArcFaceONNX)
    assert client.taskname == "recognition"
    assert (client.input_mean, client.input_std, client.input_size) == (127.5, 127.5, (112, 112))
    faces = crops(3)
    found = client.get_feat([face[:, :, ::-1] for face in faces])  # it takes blue first
    with torch.no_grad():
        wanted = component.module(component.prepare(faces)).numpy()
    np.testing.assert_allclose(found, wanted, atol=1e-4)
    unit = found / np.linalg.norm(found, axis=1, keepdims=True)
    np.testing.assert_allclose(unit, component.embed(faces).vectors, atol=1e-5)


def test_a_network_without_a_gate(small_config, random_network, tmp_path):
    config = replace(small_config, gate=False)
    made = component_of(config, random_network(config))
    assert (
        max(found["largest difference from torch, relative"] for found in _check(made, tmp_path).values())
        < 1e-4
    )


def _check(component, folder):
    return export(component, folder / "m.onnx", check=True)["check"]


def test_folding_is_exact():
    torch.manual_seed(0)
    linear, norm = torch.nn.Linear(9, 5, bias=False), torch.nn.BatchNorm1d(5, eps=2e-5)
    with torch.no_grad():
        norm.weight.normal_()
        norm.bias.normal_()
        norm.running_mean.normal_()
        norm.running_var.uniform_(0.1, 3)
        x = torch.randn(7, 9)
        torch.testing.assert_close(fold(linear, norm)(x), norm.eval()(linear(x)))


def test_a_file_that_computes_something_else_is_not_kept(component, tmp_path, monkeypatch):
    def wrong(linear, norm):
        folded = fold(linear, norm)
        with torch.no_grad():
            folded.bias.add_(0.01)
        return folded

    monkeypatch.setattr(export_module, "fold", wrong)
    with pytest.raises(BrokenError, match="The exported network differs by"):
        export(component, tmp_path / "wrong.onnx", check=True)
    assert not list(tmp_path.iterdir())


def test_other_formats_are_refused(component, tmp_path):
    with pytest.raises(UsageError, match="exported as onnx; 'tflite' was asked for"):
        export(component, tmp_path / "x", format="tflite")


@pytest.mark.slow
def test_the_published_s_in_insightface(published, golden, golden_images, tmp_path):
    """The whole S, filled as the golden file says: its numbers come out of insightface's client."""
    pytest.importorskip("insightface", reason="needs insightface")
    from insightface.model_zoo import get_model

    component = component_of(published.config, published)
    report = export(component, tmp_path / "s.onnx", check=True)
    assert 300 < report["megabytes"] < 360
    client = get_model(str(tmp_path / "s.onnx"), providers=["CPUExecutionProvider"])
    found = client.forward(golden_images.numpy() * 127.5 + 127.5)
    np.testing.assert_allclose(found[0, :8], golden["transface_s"]["emb_first8"], atol=1e-4)
