"""The ONNX file gives the embeddings of the network, also inside insightface."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from vitrail.errors import BrokenError, UsageError
from vitrail_topofr import export as module
from vitrail_topofr.export import export, fold
from vitrail_topofr.plugin import TINY
from vitrail_topofr.recognizer import TopoFRRecognizer

onnxruntime = pytest.importorskip("onnxruntime", reason="needs vitrail-training[export]")
onnx = pytest.importorskip("onnx", reason="needs vitrail-training[export]")
pytest.importorskip("onnxscript", reason="needs vitrail-training[export]")


@pytest.fixture(scope="module")
def component(small):
    made = TopoFRRecognizer.from_config(small.config, spec=TINY)
    made.module.load_state_dict(small.state_dict())
    return made


@pytest.fixture(scope="module")
def exported(component, tmp_path_factory):
    path = tmp_path_factory.mktemp("onnx") / "topofr.onnx"
    return path, export(component, path, check=True)


def faces(count: int) -> list[np.ndarray]:
    return list(np.random.default_rng(count).integers(0, 256, (count, 112, 112, 3), dtype=np.uint8))


def test_folding_changes_nothing(small):
    x = torch.rand(2, 3, 112, 112) * 2 - 1
    folded = fold(small)
    with torch.no_grad():
        torch.testing.assert_close(folded(x), small(x), rtol=1e-4, atol=1e-4)
    left = [name for name, part in folded.named_modules() if isinstance(part, torch.nn.BatchNorm2d)]
    assert left == [name for name, _ in small.named_modules() if name.endswith(".bn1")]


@pytest.mark.parametrize("batch", [1, 2, 5])
def test_any_batch(component, exported, batch):
    session = onnxruntime.InferenceSession(exported[0], providers=["CPUExecutionProvider"])
    images = component.prepare(faces(batch))
    found = session.run(None, {"data": images.numpy()})
    assert len(found) == 1
    with torch.no_grad():
        np.testing.assert_allclose(found[0], component.module(images).numpy(), rtol=1e-3, atol=1e-4)


def test_the_same_embeddings_inside_insightface(component, exported):
    zoo = pytest.importorskip("insightface.model_zoo", reason="needs insightface")
    model = zoo.get_model(str(exported[0]), providers=["CPUExecutionProvider"])
    assert model.taskname == "recognition"
    assert (model.input_mean, model.input_std) == (127.5, 127.5)
    assert model.input_size == (112, 112)
    images = faces(3)
    found = model.get_feat([image[..., ::-1] for image in images])  # it takes BGR, as OpenCV reads
    found /= np.linalg.norm(found, axis=1, keepdims=True)
    np.testing.assert_allclose(found, component.embed(images).vectors, atol=1e-5)


def test_the_file_says_what_it_is(exported):
    path, report = exported
    model = onnx.load(path)
    onnx.checker.check_model(model)
    assert [one.name for one in model.graph.input] == ["data"]
    assert [one.name for one in model.graph.output] == ["embedding"]
    axes = [d.dim_param or d.dim_value for d in model.graph.input[0].type.tensor_type.shape.dim]
    assert axes == ["batch", 3, 112, 112]
    kinds = [node.op_type for node in model.graph.node]
    assert kinds.count("BatchNormalization") == 5, "one at the beginning of each block"
    assert not {"Sub", "Mul"} & set(kinds[:8]), "insightface would take them for a normalisation"
    facts = {entry.key: entry.value for entry in model.metadata_props}
    assert facts["component"] == "topofr/tiny"
    assert report["opset"] == 18
    assert all(max(row.values()) < 1e-5 for row in report["check"].values())


def test_a_file_that_computes_something_else_is_not_kept(component, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "fold", lambda network: TopoFRRecognizer.build(network.config).eval())
    with pytest.raises(BrokenError, match="differs by"):
        export(component, tmp_path / "wrong.onnx", check=True)
    assert not list(tmp_path.iterdir())


def test_other_formats_are_refused(component, tmp_path):
    with pytest.raises(UsageError, match="exported as onnx; 'tflite' was asked for"):
        export(component, tmp_path / "x", format="tflite")
