"""`vitrail topofr diagram`: the numbers behind the picture, what it reads, and what it refuses."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from vitrail.cli.main import run
from vitrail.errors import InputError, UsageError
from vitrail_topofr import diagram
from vitrail_topofr.diagram import draw, read_embeddings, topology


def circle(count: int = 24) -> np.ndarray:
    angle = 2 * np.pi * np.arange(count) / count
    return np.stack((np.cos(angle), np.sin(angle)), axis=1)


def test_a_circle_has_one_loop_and_equal_gaps():
    found = topology(circle())
    side = 2 * np.sin(np.pi / 24)
    np.testing.assert_allclose(found.deaths, [side] * 23, rtol=1e-9)
    assert found.loops.shape == (1, 2)
    assert found.loops[0] == pytest.approx([side, np.sqrt(3)], abs=0.02)
    assert found.pairs()[0] == (0, (0.0, np.inf))
    assert len(found.pairs()) == 25


def test_components_are_gudhis():
    import gudhi

    points = np.random.default_rng(0).normal(size=(40, 5))
    tree = gudhi.RipsComplex(points=points).create_simplex_tree(max_dimension=2)
    tree.compute_persistence()
    found = topology(points)
    wanted = tree.persistence_intervals_in_dimension(0)[:, 1]
    np.testing.assert_allclose(found.deaths, np.sort(wanted[np.isfinite(wanted)]), rtol=1e-9)
    loops = tree.persistence_intervals_in_dimension(1)
    np.testing.assert_allclose(
        found.loops[found.loops[:, 0].argsort()], loops[loops[:, 0].argsort()], rtol=1e-9
    )
    assert not len(topology(points, loops=False).loops)


def test_a_picture_is_drawn_from_the_command_line(tmp_path, capsys):
    np.save(tmp_path / "e.npy", np.random.default_rng(1).normal(size=(30, 8)).astype(np.float32))
    assert run(["topofr", "diagram", str(tmp_path / "e.npy"), "-o", str(tmp_path / "d.png")]) == 0
    assert "30 embeddings" in " ".join(capsys.readouterr().err.split())
    pixels = np.asarray(Image.open(tmp_path / "d.png").convert("RGB"))
    assert pixels.shape == (650, 1430, 3)
    half = pixels.shape[1] // 2
    for part, colour in ((pixels[:, :half], (0.85, 0.42, 0.10)), (pixels[:, half:], (0.12, 0.37, 0.61))):
        near = np.abs(part / 255.0 - colour).max(axis=2) < 0.25
        assert near.sum() > 50, "bars on the right, loops on the left"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["d.png", "e.npy"]


def test_identical_points_can_be_drawn(tmp_path):
    found = topology(np.zeros((5, 3)))
    assert found.deaths.tolist() == [0, 0, 0, 0]
    assert draw(found, tmp_path / "zero.png").stat().st_size > 5000


def test_folders_of_arrays_are_one_set(tmp_path):
    (tmp_path / "b").mkdir()
    np.save(tmp_path / "a.npy", np.full((2, 4), 1.0))
    np.save(tmp_path / "b" / "c.npy", np.full(4, 2.0))
    assert read_embeddings(tmp_path).tolist() == [[1.0] * 4] * 2 + [[2.0] * 4]
    np.save(tmp_path / "d.npy", np.zeros((2, 5)))
    with pytest.raises(InputError, match="embeddings of 4 and 5 numbers each"):
        read_embeddings(tmp_path)


def test_folders_of_faces_are_embedded(tmp_path):
    for index in range(3):
        pixels = np.random.default_rng(index).integers(0, 256, (112, 112, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"{index}.png")
    vectors = read_embeddings(tmp_path, model="topofr/tiny", weights="random")
    assert vectors.shape == (3, 128)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    with pytest.raises(UsageError, match="--model topofr/r50"):
        read_embeddings(tmp_path)
    (tmp_path / "x.jpg").write_text("no picture")
    with pytest.raises(InputError, match=r"x\.jpg is not a picture"):
        read_embeddings(tmp_path, model="topofr/tiny", weights="random")


def test_a_sample_is_always_the_same(tmp_path):
    np.save(tmp_path / "e.npy", np.arange(100.0)[:, None].repeat(2, axis=1))
    first = read_embeddings(tmp_path / "e.npy", sample=7)
    assert first.shape == (7, 2)
    assert np.array_equal(first, read_embeddings(tmp_path / "e.npy", sample=7))
    assert (np.diff(first[:, 0]) > 0).all()
    assert len(read_embeddings(tmp_path / "e.npy", sample=1000)) == 100


def test_what_cannot_be_drawn_is_told(tmp_path, monkeypatch, capsys):
    with pytest.raises(UsageError, match="does not exist"):
        read_embeddings(tmp_path / "nothing.npy")
    with pytest.raises(UsageError, match=r"neither \.npy files nor pictures"):
        read_embeddings(tmp_path)
    (tmp_path / "t.npy").write_text("text")
    with pytest.raises(InputError, match=r"t\.npy is not a \.npy file of numbers"):
        read_embeddings(tmp_path / "t.npy")
    np.save(tmp_path / "o.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(InputError, match=r"o\.npy is not a \.npy file of numbers"):
        read_embeddings(tmp_path / "o.npy")
    np.save(tmp_path / "w.npy", np.array([["a"]]))
    with pytest.raises(InputError, match=r"w\.npy holds <U1 of \(1, 1\)"):
        read_embeddings(tmp_path / "w.npy")
    with pytest.raises(InputError, match="at least two"):
        topology(np.zeros((1, 4)))
    with pytest.raises(InputError, match="1 of 3 embeddings hold numbers that are not finite"):
        topology(np.array([[0.0], [np.nan], [1.0]]))
    with pytest.raises(UsageError, match=r"d\.gif does not end with"):
        draw(topology(circle()), tmp_path / "d.gif")
    assert run(["topofr", "diagram", str(tmp_path / "nowhere"), "-o", str(tmp_path / "d.gif")]) == 2
    assert "d.gif does not end with" in capsys.readouterr().err  # before anything is read
    monkeypatch.setattr(diagram, "MOST_WITH_LOOPS", 10)
    with pytest.raises(UsageError, match=r"24 embeddings were given; at most 10 .*--no-loops"):
        topology(circle())
    assert topology(circle(), loops=False).count == 24
