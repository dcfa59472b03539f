"""SCRFD over insightface, with a small network of the same outputs that sees one face."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from vitrail.errors import BrokenError, NotInstalledError, UsageError
from vitrail_recognition.detect import detect, load_backend
from vitrail_recognition.detect.scrfd import find_weights

SIDE, STRIDES = 640, (8, 16, 32)
CELL = (20, 10)  # column and row at stride 8: a middle at x 160, y 80 of the network's 640x640
BOX = (3.0, 4.0, 5.0, 6.0)  # to the left, top, right and bottom, in strides
POINTS = (-1.0, -1, 1, -1, 0, 0, -1, 1, 1, 1)


@pytest.fixture(autouse=True)
def _fresh():
    load_backend.cache_clear()


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """An ONNX file with SCRFD's nine outputs, which are constant."""
    pytest.importorskip("insightface")
    onnx = pytest.importorskip("onnx")
    nodes, outputs = [], []
    values: dict[str, list[np.ndarray]] = {"score": [], "box": [], "points": []}
    for stride in STRIDES:
        cells = 2 * (SIDE // stride) ** 2
        score = np.zeros((cells, 1), dtype=np.float32)
        if stride == 8:
            score[2 * (CELL[1] * SIDE // 8 + CELL[0])] = 0.8
        values["score"].append(score)
        values["box"].append(np.tile(np.float32(BOX), (cells, 1)))
        values["points"].append(np.tile(np.float32(POINTS), (cells, 1)))
    nodes.append(onnx.helper.make_node("ReduceSum", ["data"], ["sum"], keepdims=0))
    zero = onnx.numpy_helper.from_array(np.float32(0), "zero")
    nodes.append(onnx.helper.make_node("Mul", ["sum", "zero"], ["nothing"]))
    constants = [zero]
    for kind, arrays in values.items():
        for stride, array in zip(STRIDES, arrays):
            constants.append(onnx.numpy_helper.from_array(array, f"c_{kind}_{stride}"))
            nodes.append(
                onnx.helper.make_node("Add", [f"c_{kind}_{stride}", "nothing"], [f"{kind}_{stride}"])
            )
            outputs.append(
                onnx.helper.make_tensor_value_info(f"{kind}_{stride}", onnx.TensorProto.FLOAT, array.shape)
            )
    data = onnx.helper.make_tensor_value_info("data", onnx.TensorProto.FLOAT, [1, 3, SIDE, SIDE])
    graph = onnx.helper.make_graph(nodes, "scrfd", [data], outputs, constants)
    opset = [onnx.helper.make_opsetid("", 13)]
    path = tmp_path_factory.mktemp("models") / "det_tiny.onnx"
    onnx.save(onnx.helper.make_model(graph, opset_imports=opset, ir_version=8), path)
    return path


def test_the_face_is_where_the_network_says(weights):
    photo = np.zeros((320, 480, 3), dtype=np.uint8)  # fitted into 640x640: 4/3 as large
    (face,) = detect(photo, backend="scrfd", weights=weights)
    x, y, unit = 160 * 3 / 4, 80 * 3 / 4, 8 * 3 / 4
    left, top, right, bottom = BOX
    expected = [x - left * unit, y - top * unit, x + right * unit, y + bottom * unit]
    np.testing.assert_allclose(face.box, expected, rtol=5e-3)
    np.testing.assert_allclose(face.landmarks, np.array(POINTS).reshape(5, 2) * unit + (x, y), rtol=5e-3)
    assert face.score == pytest.approx(0.8)


def test_least_score_and_least_size(weights):
    photo = np.zeros((640, 640, 3), dtype=np.uint8)
    assert len(detect(photo, backend="scrfd", weights=weights)) == 1
    assert detect(photo, backend="scrfd", weights=weights, threshold=0.9) == []
    assert detect(photo, backend="scrfd", weights=weights, min_size=79) != []  # the box is 64 x 80
    assert detect(photo, backend="scrfd", weights=weights, min_size=81) == []


def test_what_is_missing_is_said(tmp_path, monkeypatch):
    pytest.importorskip("insightface")
    photo = np.zeros((64, 64, 3), dtype=np.uint8)
    monkeypatch.setenv("INSIGHTFACE_HOME", str(tmp_path))
    with pytest.raises(NotInstalledError, match=r"needs its weights, and .* holds none"):
        detect(photo, backend="scrfd")
    with pytest.raises(UsageError, match="does not exist; wanted is an ONNX file of SCRFD"):
        detect(photo, backend="scrfd", weights=tmp_path / "none.onnx")
    (tmp_path / "text.onnx").write_text("no network")
    with pytest.raises(BrokenError, match="cannot be read as ONNX"):
        detect(photo, backend="scrfd", weights=tmp_path / "text.onnx")


def test_a_network_that_is_no_scrfd(tmp_path):
    pytest.importorskip("insightface")
    onnx = pytest.importorskip("onnx")
    info = [onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [1]) for name in "xy"]
    node = onnx.helper.make_node("Identity", ["x"], ["y"])
    graph = onnx.helper.make_graph([node], "other", info[:1], info[1:])
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 13)], ir_version=8)
    onnx.save(model, tmp_path / "other.onnx")
    with pytest.raises(BrokenError, match="has 1 outputs; an SCRFD with landmarks has 9 or 15"):
        detect(np.zeros((64, 64, 3), dtype=np.uint8), backend="scrfd", weights=tmp_path / "other.onnx")


def test_without_insightface(monkeypatch):
    monkeypatch.setitem(sys.modules, "insightface.model_zoo.scrfd", None)
    with pytest.raises(NotInstalledError, match=r"vitrail-recognition\[insightface\]"):
        detect(np.zeros((64, 64, 3), dtype=np.uint8), backend="scrfd")


def test_the_largest_of_the_packs_is_taken(tmp_path, monkeypatch):
    monkeypatch.setenv("INSIGHTFACE_HOME", str(tmp_path))
    for pack, name, size in (("buffalo_s", "det_500m.onnx", 5), ("buffalo_l", "det_10g.onnx", 9)):
        (tmp_path / "models" / pack).mkdir(parents=True)
        (tmp_path / "models" / pack / name).write_bytes(bytes(size))
        (tmp_path / "models" / pack / "w600k.onnx").write_bytes(bytes(50))
    assert find_weights().name == "det_10g.onnx"
