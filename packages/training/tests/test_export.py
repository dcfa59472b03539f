from __future__ import annotations

import sys

import pytest
import torch
from torch import nn

from vitrail.errors import BrokenError, NotInstalledError, UsageError
from vitrail_training.export import export_onnx


class TwoScales(nn.Module):
    """Two outputs, of sizes that follow the input's."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.first, self.second = nn.Conv2d(3, 4, 3, padding=1), nn.Conv2d(4, 2, 1)

    def forward(self, image):
        small = nn.functional.max_pool2d(self.first(image), 2)
        return self.second(nn.functional.interpolate(small, scale_factor=2, mode="bilinear")), small


@pytest.fixture
def example():
    pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    return torch.linspace(-1, 1, 3 * 16 * 32).reshape(1, 3, 16, 32)


def test_exported_checked_and_used(example, tmp_path):
    import onnx
    import onnxruntime

    network = TwoScales().train()
    report = export_onnx(
        network,
        example,
        tmp_path / "net.onnx",
        input_names=["image"],
        output_names=["logits", "small"],
        dynamic={"image": {0: "batch", 2: "height", 3: "width"}},
        metadata={"classes": "water,forest"},
    )
    assert network.training
    assert list(report.errors) == [
        "(1, 3, 16, 32)",
        "(2, 3, 16, 32)",
        "(1, 3, 32, 32)",
        "(1, 3, 16, 64)",
        "(2, 3, 32, 64)",
    ]
    assert report.max_error < 1e-5
    assert [path.name for path in tmp_path.iterdir()] == ["net.onnx"]
    assert report.size == (tmp_path / "net.onnx").stat().st_size
    model = onnx.load(tmp_path / "net.onnx")
    assert {each.key: each.value for each in model.metadata_props}["classes"] == "water,forest"
    assert model.opset_import[0].version == report.opset
    sizes = [each.dim_param or each.dim_value for each in model.graph.input[0].type.tensor_type.shape.dim]
    assert sizes == ["batch", 3, "height", "width"]
    session = onnxruntime.InferenceSession(tmp_path / "net.onnx")
    image = torch.rand(3, 3, 10, 14)
    logits, _ = session.run(["logits", "small"], {"image": image.numpy()})
    torch.testing.assert_close(torch.from_numpy(logits), network.eval()(image)[0], rtol=0, atol=1e-5)


def test_a_file_that_computes_something_else_is_not_written(example, tmp_path):
    (tmp_path / "net.onnx").write_text("the one before")

    class Half(nn.Module):
        """Its exported form differs from what it computes."""

        def forward(self, x):
            return x * (1.0 if torch.compiler.is_exporting() else 1.5)

    with pytest.raises(
        BrokenError, match=r"differs by 0\.5 for \(1, 3, 16, 32\); at most 0.0001 was asked for"
    ):
        export_onnx(Half(), example, tmp_path / "net.onnx")
    assert (tmp_path / "net.onnx").read_text() == "the one before"
    assert len(list(tmp_path.iterdir())) == 1
    report = export_onnx(Half(), example, tmp_path / "net.onnx", check=False)
    assert report.errors == {}
    assert report.max_error is None


def test_a_network_that_cannot_be_exported_says_why(example, tmp_path):
    class Fixed(nn.Module):
        def forward(self, x):
            return x.reshape(1, 3, 16 * 32)

    with pytest.raises(UsageError, match=r"Fixed cannot be exported to ONNX: .*static shape of 32"):
        export_onnx(Fixed(), example, tmp_path / "net.onnx", dynamic={"input": {3: "width"}})
    assert not list(tmp_path.iterdir())


def test_names_that_do_not_fit(example, tmp_path):
    with pytest.raises(UsageError, match="1 example inputs and 2 input names"):
        export_onnx(TwoScales(), example, tmp_path / "net.onnx", input_names=["a", "b"])
    with pytest.raises(UsageError, match="dynamic names image; the inputs are input"):
        export_onnx(TwoScales(), example, tmp_path / "net.onnx", dynamic={"image": {0: "batch"}})


def test_an_operator_of_ones_own(example, tmp_path):
    from onnxscript import opset20 as op

    @torch.library.custom_op("vitrail_training_test::twice", mutates_args=())
    def twice(x: torch.Tensor) -> torch.Tensor:
        return x * 2

    @twice.register_fake
    def _(x):
        return torch.empty_like(x)

    class Doubling(nn.Module):
        def forward(self, x):
            return twice(x) + 1

    def translated(x):
        return op.Add(x, x)

    with pytest.raises(UsageError, match="twice"):
        export_onnx(Doubling(), example, tmp_path / "net.onnx")
    table = {torch.ops.vitrail_training_test.twice.default: translated}
    report = export_onnx(Doubling(), example, tmp_path / "net.onnx", custom_translation_table=table)
    assert report.max_error == 0


def test_without_the_extra(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxscript", None)
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(NotInstalledError, match=r"pip install 'vitrail-training\[export\]'"):
        export_onnx(TwoScales(), torch.zeros(1, 3, 8, 8), tmp_path / "net.onnx")
