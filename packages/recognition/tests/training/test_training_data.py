"""Samples from files: what a crop becomes, which crops are refused, and when."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from vitrail.errors import InputError, UsageError
from vitrail_recognition.readers.bins import write_bin
from vitrail_recognition.readers.record_faces import write_record_faces
from vitrail_recognition.training_config import FaceDataConfig
from vitrail_recognition.training_data import TrainingFaces, normalise, open_training_faces
from vitrail_training.config import FitConfig
from vitrail_training.data import batches


def crop(seed: int, size: tuple[int, int] = (112, 112)) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (*size, 3)).astype(np.uint8)


def write(path: Path, image: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(image).save(path)


@pytest.fixture
def folder(tmp_path):
    """Three people with four crops; crop k of all is crop(k)."""
    for number in range(12):
        write(tmp_path / "people" / f"p{number // 4}" / f"{number:02d}.png", crop(number))
    return tmp_path / "people"


def opened(path, **more) -> TrainingFaces:
    return open_training_faces(FaceDataConfig(data=str(path), **more))


def test_a_sample(folder):
    data = opened(folder, flip=0.0)
    assert (len(data), data.classes) == (12, 3)
    sample = data.sample(7, np.random.default_rng(0))
    assert sample["label"] == 1
    assert type(sample["label"]) is int
    assert (sample["image"].shape, sample["image"].dtype) == ((3, 112, 112), np.float32)
    assert sample["image"].flags.c_contiguous
    expected = (crop(7).astype(np.float64) / 255 - 0.5) / 0.5
    np.testing.assert_allclose(sample["image"], expected.transpose(2, 0, 1), atol=1e-6)


def test_all_grey_levels_keep_their_place():
    levels = np.arange(256, dtype=np.uint8).reshape(16, 16, 1).repeat(3, axis=2)
    found = normalise(levels)[0].ravel()
    assert (found[0], found[255]) == (-1, 1)
    assert (np.diff(found) > 0).all()


def test_half_are_mirrored_as_the_generator_says(folder):
    data = opened(folder)
    plain = normalise(crop(3))
    kinds = []
    for seed in range(60):
        image = data.sample(3, np.random.default_rng(seed))["image"]
        mirrored = np.array_equal(image, plain[:, :, ::-1])
        assert mirrored or np.array_equal(image, plain)
        np.testing.assert_array_equal(image, data.sample(3, np.random.default_rng(seed))["image"])
        kinds.append(mirrored)
    assert 15 < sum(kinds) < 45


def test_records_give_the_same_samples(folder, tmp_path):
    faces = opened(folder).faces
    write_record_faces(tmp_path / "records", [((folder / f"p{n // 4}" / f"{n:02d}.png").read_bytes(), n // 4) for n in range(12)])  # fmt: skip  # noqa: E501
    for path in (tmp_path / "records", tmp_path / "records" / "train.rec"):
        data = opened(path)
        assert (len(data), data.classes) == (12, 3)
        for index in (0, 11):
            one, other = (
                each.sample(index, np.random.default_rng(1)) for each in (TrainingFaces(faces), data)
            )
            np.testing.assert_array_equal(one["image"], other["image"])
            assert one["label"] == other["label"]


@pytest.mark.parametrize("workers", [0, 2])
def test_damaged_and_oddly_sized_crops_are_skipped_with_a_reason(folder, workers):
    (folder / "p1" / "05.png").write_bytes(b"\x89PNG no more")
    write(folder / "p2" / "09.png", crop(9, (128, 128)))
    data = opened(folder)
    config = FitConfig(steps=12, batch_size=4, workers=workers)
    loaded = list(batches(data, config, start=0, rank=0, world=1))
    skipped = {each.index: each.reason for part in loaded for each in part.skipped}
    assert skipped.keys() == {5, 9}
    assert "05.png is not a JPEG or PNG picture" in skipped[5]
    assert (
        "Training image 9 is 128x128; wanted are aligned crops of 112x112, and nothing is resized"
        in skipped[9]
    )
    assert all(part.batch["image"].shape == (4, 3, 112, 112) for part in loaded)
    assert not {5, 9} & {index for part in loaded for index in part.indices}


def test_with_strict_the_first_one_stops(folder):
    (folder / "p1" / "05.png").write_bytes(b"no picture")
    data = opened(folder)
    with pytest.raises(InputError, match=r"05\.png"):
        data.sample(5, np.random.default_rng(0))
    config = FitConfig(steps=12, batch_size=4, strict=True)
    assert any(not part.batch for part in batches(data, config, start=0, rank=0, world=1))


def test_unaligned_photographs_are_refused_at_once(tmp_path):
    for person in ("a", "b"):
        write(tmp_path / person / "1.png", crop(0, (250, 250)))
    with pytest.raises(UsageError, match=r"Picture 0 of .* is 250x250; wanted are aligned crops of 112x112"):
        opened(tmp_path)


def test_damaged_first_pictures_do_not_refuse_a_set(folder):
    (folder / "p0" / "00.png").write_bytes(b"")
    assert len(opened(folder)) == 12


def test_what_nothing_can_be_learnt_from(folder, tmp_path):
    with pytest.raises(UsageError, match="No training data was given; give --data a folder"):
        opened("")
    with pytest.raises(UsageError, match="does not exist"):
        opened(tmp_path / "nothing")
    write(tmp_path / "one" / "person" / "1.png", crop(0))
    with pytest.raises(UsageError, match="holds one identity; wanted are at least two"):
        opened(tmp_path / "one")
    write_bin(tmp_path / "lfw.bin", [crop(0), crop(1)], [True])
    with pytest.raises(UsageError, match=r"lfw.bin is a verification set.*give it to --verify"):
        opened(tmp_path / "lfw.bin")
    with pytest.raises(UsageError, match="holds 3 identities; 5 were asked for"):
        opened(folder, classes=5)
