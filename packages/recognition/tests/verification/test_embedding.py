"""Features as the protocols want them, from the network where there is one."""

from __future__ import annotations

import time
from types import SimpleNamespace

import numpy as np
import pytest

from vitrail.errors import InputError, UsageError
from vitrail.results import Embeddings
from vitrail_recognition.verification.embedding import Embedder, embed_faces

SPEC = SimpleNamespace(id="test/linear")
WEIGHTS = np.random.default_rng(0).standard_normal((12, 5)).astype(np.float32)


def raw(faces):
    """(B, 5), not of length 1; (value - 127.5) / 127.5 of 2x2 pictures through a matrix."""
    return ((np.stack(faces).reshape(len(faces), -1).astype(np.float32) - 127.5) / 127.5) @ WEIGHTS


def unit(vectors):
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


class Plain:
    """What the contract promises, and no more. `calls` are the sizes of its batches."""

    spec, device = SPEC, "cpu"

    def __init__(self):
        self.calls = []

    def embed(self, faces):
        self.calls.append(len(faces))
        return Embeddings(vectors=unit(raw(faces)))


def faces(count, seed=1):
    return list(np.random.default_rng(seed).integers(0, 256, (count, 2, 2, 3), dtype=np.uint8))


def mirrored(some):
    return [np.ascontiguousarray(face[:, ::-1]) for face in some]


def test_unit_vectors_are_added_where_there_is_no_network():
    some, embedder = faces(6), Embedder(Plain())
    sums, plain = embedder(some)
    np.testing.assert_allclose(sums, unit(raw(some)) + unit(raw(mirrored(some))), atol=1e-6)
    np.testing.assert_allclose(plain, unit(raw(some)), atol=1e-6)
    assert embedder.from_module is False
    assert "unit vectors" in embedder.description


def test_without_the_mirrored_view():
    component = Plain()
    sums, plain = Embedder(component, mirrored=False)(faces(6))
    np.testing.assert_allclose(sums, plain, atol=1e-6)
    assert component.calls == [6]


@pytest.fixture(scope="module")
def torch():
    return pytest.importorskip("torch")


@pytest.fixture
def networked(torch):
    """networked(wrap, **more): a component with `module`, whose output `wrap` changes."""

    def make(wrap=lambda output: output, **more):
        class Network(torch.nn.Module):
            def forward(self, pixels):
                flat = pixels.permute(0, 2, 3, 1).reshape(len(pixels), -1)
                return wrap(flat @ torch.from_numpy(WEIGHTS))

        component = Plain()
        component.module = Network().eval()
        for name, value in more.items():
            setattr(component, name, value)
        return component

    return make


def test_the_network_s_output_is_added(networked):
    """And that differs from adding unit vectors."""
    some, embedder = faces(6), Embedder(networked())
    sums, plain = embedder(some)
    np.testing.assert_allclose(sums, raw(some) + raw(mirrored(some)), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(plain, unit(raw(some)), atol=1e-6)
    assert embedder.from_module is True
    assert "the network's output" in embedder.description
    other, _ = Embedder(Plain())(some)
    assert np.abs(unit(sums) - unit(other)).max() > 1e-3


def test_a_network_with_its_own_preparation(networked, torch):
    def prepare(faces):
        return torch.from_numpy((np.stack(faces).astype(np.float32) - 127.5) / 127.5).permute(0, 3, 1, 2) * 3

    some = faces(6)
    sums, _ = Embedder(networked(lambda output: output, prepare=prepare))(some)
    np.testing.assert_allclose(sums, 3 * (raw(some) + raw(mirrored(some))), rtol=1e-4, atol=1e-5)


def test_a_network_that_returns_more(networked):
    some = faces(6)
    sums, _ = Embedder(networked(lambda output: SimpleNamespace(embedding=output, tokens=None)))(some)
    np.testing.assert_allclose(sums, raw(some) + raw(mirrored(some)), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("kind", ["other normalisation", "a tuple", "other width", "nan", "raises"])
def test_a_network_that_cannot_be_asked_is_not(networked, torch, kind):
    """Its output must agree with `embed`; else unit vectors are added."""

    def raising(output):
        raise RuntimeError("expected another shape")

    wrap = {
        "other normalisation": lambda output: output + 40 * torch.from_numpy(WEIGHTS).sum(dim=0),
        "a tuple": lambda output: (output, output),
        "other width": lambda output: output[:, :3],
        "nan": lambda output: output * float("nan"),
        "raises": raising,
    }[kind]
    some, embedder = faces(6), Embedder(networked(wrap))
    sums, _ = embedder(some)
    assert embedder.from_module is False
    np.testing.assert_allclose(sums, unit(raw(some)) + unit(raw(mirrored(some))), atol=1e-6)


@pytest.mark.parametrize("batch", [1, 4, 7, 100])
@pytest.mark.parametrize("workers", [1, 5])
def test_batches_keep_the_order(batch, workers):
    some = faces(23)
    component, done = Plain(), []

    def read(index):
        time.sleep(0.001 * (index % 3))
        return some[index]

    indices = np.random.default_rng(0).permutation(23)
    features = embed_faces(
        Embedder(component), read, indices, batch=batch, workers=workers, advance=done.append
    )
    np.testing.assert_allclose(features.plain, unit(raw([some[i] for i in indices])), atol=1e-6)
    assert features.readable.all()
    assert sum(done) == 23
    assert max(component.calls) <= batch


def test_faces_that_cannot_be_read():
    some = faces(10)

    def read(index):
        if index in (0, 1, 6):
            raise InputError(f"face {index} is damaged")
        return some[index]

    features = embed_faces(Embedder(Plain()), read, range(10), batch=2)
    assert np.flatnonzero(~features.readable).tolist() == [0, 1, 6]
    assert features.reasons == ("face 0 is damaged", "face 1 is damaged", "face 6 is damaged")
    assert not features.sums[[0, 1, 6]].any()
    np.testing.assert_allclose(features.plain[[5, 9]], unit(raw([some[5], some[9]])), atol=1e-6)
    with pytest.raises(InputError, match="face 0 is damaged"):
        embed_faces(Embedder(Plain()), read, range(10), batch=2, strict=True)
    with pytest.raises(UsageError, match="None of 2 pictures can be used; the first: face 0"):
        embed_faces(Embedder(Plain()), read, [0, 6])


def test_other_errors_are_not_hidden():
    def read(index):
        raise UsageError("the label is out of range")

    with pytest.raises(UsageError, match="out of range"):
        embed_faces(Embedder(Plain()), read, range(100), batch=2)
    with pytest.raises(UsageError, match="batch is 0"):
        embed_faces(Embedder(Plain()), read, range(3), batch=0)


def test_vectors_without_a_length(networked):
    component = networked(lambda output: output)
    component.embed = lambda faces: SimpleNamespace(vectors=np.full((len(faces), 5), np.nan, np.float32))
    with pytest.raises(UsageError, match="test/linear gives vectors of length 0, or nan"):
        Embedder(component)(faces(2))
