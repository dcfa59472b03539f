"""The layout of IJB-B and IJB-C."""

from __future__ import annotations

import numpy as np
import pytest

from vitrail.errors import InputError, UsageError
from vitrail_recognition.readers.ijb import IJB


@pytest.fixture
def root(tmp_path, encoded):
    (tmp_path / "loose_crop").mkdir()
    (tmp_path / "meta").mkdir()
    for number in range(4):
        (tmp_path / "loose_crop" / f"{number + 1}.jpg").write_bytes(encoded(number))
    points = " ".join(str(1.5 + i) for i in range(10))
    write(tmp_path, "ijbc_face_tid_mid.txt", ["1.jpg 10 7", "2.jpg 10 8", "3.jpg 11 9", "4.jpg 12 9"])
    write(tmp_path, "ijbc_name_5pts_score.txt", [f"{n}.jpg {points} 0.{n}" for n in range(1, 5)])
    write(tmp_path, "ijbc_template_pair_label.txt", ["10 11 0", "10 12 1", "11 12 0"])
    return tmp_path


def write(root, name, lines):
    (root / "meta" / name).write_text("\n".join(lines) + "\n")


def test_what_is_there(root, picture):
    ijb = IJB(root)
    assert (ijb.name, len(ijb), ijb.names) == ("IJB-C", 4, ["1.jpg", "2.jpg", "3.jpg", "4.jpg"])
    assert ijb.templates.tolist() == [10, 10, 11, 12]
    assert ijb.medias.tolist() == [7, 8, 9, 9]
    assert ijb.landmarks.shape == (4, 5, 2)
    assert ijb.landmarks[3].tolist() == [[1.5, 2.5], [3.5, 4.5], [5.5, 6.5], [7.5, 8.5], [9.5, 10.5]]
    np.testing.assert_allclose(ijb.scores, [0.1, 0.2, 0.3, 0.4], rtol=1e-6)
    assert (ijb.first.tolist(), ijb.second.tolist()) == ([10, 10, 11], [11, 12, 12])
    assert ijb.same.tolist() == [False, True, False]
    assert np.abs(ijb.image(2).astype(int) - picture(2)).max() <= 3


def test_ijb_b(root):
    for path in (root / "meta").iterdir():
        path.rename(path.with_name(path.name.replace("ijbc", "ijbb")))
    assert IJB(root).name == "IJB-B"


@pytest.mark.parametrize(
    ("name", "lines", "words"),
    [
        ("face_tid_mid", ["1.jpg 10"], "line 1 has 2 entries; wanted are 3"),
        ("face_tid_mid", [], "is empty"),
        ("face_tid_mid", ["1.jpg 10 7"], "names other faces"),
        ("face_tid_mid", ["2.jpg 1 1", "1.jpg 1 1", "3.jpg 1 1", "4.jpg 1 1"], "another order"),
        ("face_tid_mid", ["1.jpg ten 7", "2.jpg 10 8", "3.jpg 11 9", "4.jpg 12 9"], "no number"),
        ("name_5pts_score", ["1.jpg 1 2 3"], "line 1 has 4 entries; wanted are 12"),
        ("template_pair_label", ["10 11 2"], "label 2; wanted is 1 for one person"),
        ("template_pair_label", ["10 99 1"], "pairs the template 99, of which"),
        ("template_pair_label", ["10 11 1", "10 12"], "truncated or empty"),
        ("template_pair_label", ["10 11 one"], "no whole number"),
        ("template_pair_label", [], "truncated or empty"),
    ],
)
def test_files_that_do_not_fit(root, name, lines, words):
    write(root, f"ijbc_{name}.txt", lines)
    with pytest.raises(UsageError, match=words):
        IJB(root)


def test_missing_files(root, tmp_path):
    (root / "loose_crop" / "3.jpg").unlink()
    with pytest.raises(InputError, match=r"3\.jpg cannot be read: No such file"):
        IJB(root).image(2)
    (root / "meta" / "ijbc_name_5pts_score.txt").unlink()
    with pytest.raises(UsageError, match=r"5pts_score\.txt is missing"):
        IJB(root)
    write(root, "ijbb_face_tid_mid.txt", ["1.jpg 10 7"])
    with pytest.raises(UsageError, match="both meta/ijbb"):
        IJB(root)
    with pytest.raises(UsageError, match="no meta/ijbb"):
        IJB(tmp_path / "elsewhere")
