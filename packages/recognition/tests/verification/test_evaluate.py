"""The evaluator over every layout, with a recogniser that tells colours apart."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from dataclasses import replace
from importlib.metadata import EntryPoint
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from PIL import Image

from vitrail.cli import flags
from vitrail.errors import InputError, UsageError
from vitrail.hookspecs import hookimpl
from vitrail.testing.fake_components import FakeRecognizer, FakeSegmenter
from vitrail.testing.fakes import vitrail_components
from vitrail_recognition.align import ARCFACE
from vitrail_recognition.evaluate import EvalConfig, evaluate
from vitrail_recognition.readers import write_bin, write_record_faces
from vitrail_recognition.verification import read_calibration, weights_hash

PEOPLE, EACH = 30, 8
SPECS = {spec.kind: spec for spec in vitrail_components()}


def person(label, noise, rng):
    """A grid of 7 x 7 colours that belongs to the person, with noise; encoded without loss."""
    colours = np.random.default_rng(label).integers(40, 216, (7, 7, 3))
    noisy = np.clip(colours + rng.normal(0, noise, colours.shape), 0, 255)
    return np.kron(noisy.astype(np.uint8), np.ones((16, 16, 1), np.uint8))


def png(image):
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, format="PNG")
    return buffer.getvalue()


@pytest.fixture(scope="module")
def labelled():
    rng = np.random.default_rng(0)
    return [(png(person(k // EACH, 90, rng)), k // EACH) for k in range(PEOPLE * EACH)]


@pytest.fixture(scope="module")
def layouts(labelled, tmp_path_factory):
    """The same faces in a folder, RecordIO and, as pairs, a .bin."""
    root = tmp_path_factory.mktemp("data")
    for number, (data, label) in enumerate(labelled):
        folder = root / "people" / f"{label:02}"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{number:04}.png").write_bytes(data)
    write_record_faces(root / "records", labelled)
    rng = np.random.default_rng(1)
    images, same = [], []
    for pair in range(200):
        label = int(rng.integers(PEOPLE))
        other = label if pair // 10 % 2 == 0 else (label + 1 + int(rng.integers(PEOPLE - 1))) % PEOPLE
        same.append(label == other)
        images += [labelled[who * EACH + int(rng.integers(EACH))][0] for who in (label, other)]
    write_bin(root / "pairs.bin", images, same)
    return root


@pytest.fixture
def recogniser():
    return FakeRecognizer(None, SPECS["recognizer"])


def cosines_by_hand(recogniser, images):
    """The protocol for pairs, one face at a time."""
    features = []
    for image in images:
        both = [recogniser.embed([view]).vectors[0] for view in (image, np.ascontiguousarray(image[:, ::-1]))]
        features.append(both[0] + both[1])
    units = np.stack(features) / np.linalg.norm(features, axis=1, keepdims=True)
    return (units[::2] * units[1::2]).sum(axis=1)


def test_a_bin(layouts, recogniser, tmp_path):
    from vitrail_recognition.readers import read_bin
    from vitrail_recognition.verification.tenfold import tenfold_accuracy

    report = evaluate(recogniser, EvalConfig(data=(layouts / "pairs.bin",)), out=tmp_path / "out")
    pairs = read_bin(layouts / "pairs.bin")
    cosines = cosines_by_hand(recogniser, [pairs.image(k) for k in range(400)])
    expected = tenfold_accuracy(2 - 2 * cosines, pairs.same)
    row = report["pairs"]["pairs.bin"]
    assert row["accuracy"] == pytest.approx(expected.accuracy)
    assert 0.6 < row["accuracy"] < 1
    assert row["std"] == pytest.approx(expected.std)
    assert (row["genuine"], row["impostors"]) == (pairs.same.sum(), (~pairs.same).sum())
    assert (row["pairs left out"], row["pictures left out"]) == (0, 0)
    assert row["TAR@FAR=0.001"] is None  # of 100 impostor pairs
    assert report["recogniser"] == "fake/recognizer"
    assert "unit vectors" in report["embedding"]

    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["roc.png", "scores.json"]
    written = json.loads((tmp_path / "out" / "scores.json").read_text())
    scores = written["scores"]["pairs.bin"]
    np.testing.assert_allclose(scores["cosine"], cosines, atol=1e-5)
    assert scores["same"] == pairs.same.tolist()
    assert scores["first"] == list(range(0, 400, 2))
    assert written["pairs"]["pairs.bin"]["AUC"] == row["AUC"]
    json.dumps(report)  # all of it is plain


def test_identities_in_any_layout_give_the_same(layouts, recogniser):
    config = EvalConfig(
        data=(layouts / "people", layouts / "records"), genuine=150, impostors=300, far=0.1, batch=17
    )
    rows = evaluate(recogniser, config)["pairs"]
    assert rows["people"] == rows["records"]
    row = rows["people"]
    assert (row["genuine"], row["impostors"]) == (150, 300)
    assert 0.3 < row["TAR@FAR=0.1"] < 1
    other = evaluate(recogniser, replace(config, data=(layouts / "people",), seed=1))["pairs"]["people"]
    assert other["AUC"] != row["AUC"]
    assert other["AUC"] == pytest.approx(row["AUC"], abs=0.1)


def test_the_mirrored_view_may_be_left_out(layouts, recogniser):
    config = EvalConfig(data=(layouts / "pairs.bin",))
    without = evaluate(recogniser, replace(config, mirrored=False))
    assert without["embedding"] == "f(x)"
    assert without["pairs"] != evaluate(recogniser, config)["pairs"]


def test_a_calibration(layouts, recogniser, tmp_path):
    config = EvalConfig(
        data=(layouts / "people",), genuine=500, impostors=5000, calibrate=True, data_name="coloured grids"
    )
    evaluate(recogniser, config, out=tmp_path)
    made = read_calibration(tmp_path / "calibration.json")
    assert (made.data, made.recogniser, made.impostors) == ("coloured grids", "fake/recognizer", 5000)
    made.require("fake/recognizer", weights_hash(recogniser))
    assert made.points[-1].far == pytest.approx(0.003)
    # it is for what `embed` gives, not for sums with mirrored views
    scores = json.loads((tmp_path / "scores.json").read_text())["scores"]["people"]
    files = sorted((layouts / "people").rglob("*.png"))
    images = [np.array(Image.open(path)) for path in files]
    vectors = recogniser.embed(images).vectors
    cosines = (vectors[scores["first"]] * vectors[scores["second"]]).sum(axis=1)
    same = np.array(scores["same"])
    for point in made.points:
        # accumulated in another order, a cosine at the threshold may fall on its other side
        assert (cosines[~same] >= point.cosine + 1e-6).mean() <= point.far
        assert (cosines[same] >= point.cosine).mean() == pytest.approx(point.tar, abs=0.003)


def test_nothing_is_written_where_a_calibration_is_refused(layouts, recogniser, tmp_path):
    few = EvalConfig(data=(layouts / "people",), genuine=50, impostors=99, calibrate=True)
    with pytest.raises(UsageError, match=r"99 impostor pairs.* needs 100"):
        evaluate(recogniser, few, out=tmp_path / "out")
    assert not (tmp_path / "out").exists()
    with pytest.raises(UsageError, match="--out"):
        evaluate(recogniser, few)
    two = replace(few, data=(layouts / "people", layouts / "pairs.bin"))
    with pytest.raises(UsageError, match="from one data set"):
        evaluate(recogniser, two, out=tmp_path / "out")


def test_damaged_pictures(layouts, labelled, recogniser, tmp_path, capsys):
    images = [data for data, _ in labelled[:80]]
    same = [(k // EACH) == ((k + 1) // EACH) for k in range(0, 80, 2)]
    same[::3] = [False] * len(same[::3])
    images[7] = images[7][:-60]
    images[20] = b""
    path = write_bin(tmp_path / "a.bin", images, same)
    row = evaluate(recogniser, EvalConfig(data=(path,)))["pairs"]["a.bin"]
    assert (row["pairs left out"], row["pictures left out"]) == (2, 2)
    assert row["genuine"] + row["impostors"] == 38
    told = capsys.readouterr()
    assert told.out == ""
    assert "left out: " in told.err
    assert "image 20 is empty" in told.err
    with pytest.raises(InputError, match="image 7 is damaged"):
        evaluate(recogniser, EvalConfig(data=(path,), strict=True))


@pytest.fixture(scope="module")
def ijb(tmp_path_factory):
    """Faces that were shifted, turned and scaled; landmarks say how. Two templates a person, medias of 1 to 3 faces."""
    from vitrail_recognition.align import warp

    root, rng = tmp_path_factory.mktemp("ijb"), np.random.default_rng(3)
    (root / "loose_crop").mkdir()
    (root / "meta").mkdir()
    faces, points, crops = [], [], []
    number = 0
    for template in range(24):
        for media in range(2):
            for _ in range(int(rng.integers(1, 4))):
                number += 1
                crop = person(template // 2, 55, rng)
                angle, scale = rng.normal(0, 0.2), rng.uniform(1.5, 2)
                turn = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
                matrix = np.column_stack([turn, np.array([150, 150]) - turn @ [56, 56]])
                Image.fromarray(warp(crop, matrix, (300, 300))).save(
                    root / "loose_crop" / f"{number}.jpg", quality=97
                )
                landmarks = np.array(ARCFACE) @ turn.T + matrix[:, 2]
                faces.append(f"{number}.jpg {template + 500} {media}")
                points.append(
                    f"{number}.jpg {' '.join(f'{v:.4f}' for v in landmarks.ravel())} {rng.uniform(0.5, 1):.4f}"
                )
                crops.append(crop)
    first, second = np.triu_indices(24, 1)
    pairs = [f"{a + 500} {b + 500} {int(a // 2 == b // 2)}" for a, b in zip(first, second, strict=True)]
    for name, lines in (("face_tid_mid", faces), ("name_5pts_score", points), ("template_pair_label", pairs)):
        (root / "meta" / f"ijbb_{name}.txt").write_text("\n".join(lines) + "\n")
    return root, crops


def test_ijb(ijb, recogniser, tmp_path):
    from vitrail_recognition.readers import IJB
    from vitrail_recognition.verification import pair_scores, roc_curve, template_features

    root, crops = ijb
    report = evaluate(recogniser, EvalConfig(data=(root,)), out=tmp_path)
    assert "pairs" not in report
    row = report["templates"][root.name]
    assert (row["genuine"], row["impostors"], row["templates"]) == (12, 264, 24)
    assert "TAR@FAR=0.01" in row
    assert "TAR@FAR=0.001" not in row  # less than one of 264 pairs
    assert row["AUC"] > 0.8
    # from the crops before they were turned, which aligning must bring back
    source = IJB(root)
    sums = np.concatenate(
        [recogniser.embed([c]).vectors + recogniser.embed([c[:, ::-1]]).vectors for c in crops]
    )
    expected = pair_scores(
        template_features(sums, source.templates, source.medias, source.scores), source.first, source.second
    )
    scores = json.loads((tmp_path / "scores.json").read_text())["scores"][root.name]
    assert np.abs(np.array(scores["cosine"]) - expected).mean() < 0.02
    assert row["AUC"] == pytest.approx(roc_curve(expected, source.same).auc, abs=0.03)
    with pytest.raises(UsageError, match="IJB's scores are of templates"):
        evaluate(recogniser, EvalConfig(data=(root,), calibrate=True), out=tmp_path)


def test_many_pairs_become_histograms(layouts, recogniser, tmp_path, monkeypatch):
    from vitrail_recognition import evaluate as module

    monkeypatch.setattr(module, "MOST_SCORES", 100)
    evaluate(recogniser, EvalConfig(data=(layouts / "pairs.bin",)), out=tmp_path)
    scores = json.loads((tmp_path / "scores.json").read_text())["scores"]["pairs.bin"]
    assert (len(scores["edges"]), sum(scores["genuine"]), sum(scores["impostors"])) == (401, 100, 100)


def test_what_cannot_be_evaluated(layouts, recogniser, tmp_path):
    for config, words in (
        (EvalConfig(), "No data was given; give --data"),
        (EvalConfig(data=(tmp_path / "nowhere",)), "nowhere does not exist"),
        (EvalConfig(data=(layouts / "pairs.bin",), far=0), "far is 0"),
        (EvalConfig(data=(layouts / "pairs.bin",), batch=0), "batch is 0"),
        (EvalConfig(data=(layouts / "pairs.bin", layouts / "pairs.bin"), strict=True), "given twice"),
    ):
        with pytest.raises(UsageError, match=words):
            evaluate(recogniser, config, out=tmp_path / "out")
    segmenter = FakeSegmenter.from_config(spec=SPECS["segmenter"])
    with pytest.raises(UsageError, match="is a segmenter; wanted is a recogniser"):
        evaluate(segmenter, EvalConfig(data=(layouts / "pairs.bin",)))
    photo = np.zeros((100, 150, 3), np.uint8)
    path = write_bin(tmp_path / "wide.bin", [photo] * 20, [True] * 10)
    with pytest.raises(
        UsageError, match=r"None of 20 pictures can be used.*100x150; wanted are aligned crops"
    ):
        evaluate(recogniser, EvalConfig(data=(path,)))
    assert not (tmp_path / "out").exists()


def test_its_config_becomes_flags(layouts):
    tokens = ["--data", str(layouts / "pairs.bin"), str(layouts / "people"), "--genuine", "7", "--calibrate"]
    values = flags.parse(evaluate, tokens, prog="x", given={"component": None, "out": None})
    expected = EvalConfig(data=(layouts / "pairs.bin", layouts / "people"), genuine=7, calibrate=True)
    assert values == {"config": expected}
    assert set(flags.field_help(EvalConfig)) == set(EvalConfig.__dataclass_fields__)


def test_the_tables_that_eval_prints(layouts, recogniser, capsys):
    from vitrail.cli.evaluate import show_report

    show_report(evaluate(recogniser, EvalConfig(data=(layouts / "pairs.bin",))), json=False)
    lines = capsys.readouterr().out.splitlines()
    head = next(line for line in lines if "accuracy" in line)
    row = next(line for line in lines if line.startswith("pairs.bin"))
    assert "AUC" in head
    assert "0.9" in row or "0.8" in row or "0.7" in row


@pytest.fixture
def measurable(use, monkeypatch):
    """The fake recogniser with this evaluator, as the only plugin."""

    class Plugin:
        @hookimpl
        def vitrail_components(self):
            return [replace(SPECS["recognizer"], evaluator="vitrail_recognition.evaluate:evaluate")]

    module = ModuleType("measurable_fake")
    module.vitrail_components = Plugin().vitrail_components
    monkeypatch.setitem(sys.modules, module.__name__, module)
    return use(EntryPoint(name="fake", value=module.__name__, group="vitrail.plugins"))


def test_the_command(measurable, vitrail, layouts, tmp_path):
    words = ["eval", "fake/recognizer", "--data", layouts / "people", "--genuine", 100, "--impostors", 1000]
    code, out, err = vitrail(*words, "--calibrate", "--out", tmp_path, "--json")
    assert code == 0, err
    assert json.loads(out)["pairs"]["people"]["impostors"] == 1000
    made = {path.name for path in tmp_path.iterdir()}
    assert made == {"roc.png", "scores.json", "calibration.json", "report.json"}
    code, out, err = vitrail(*words)
    assert (code, "people" in out, "accuracy" in out) == (0, True, True)
    code, out, err = vitrail("eval", "fake/recognizer", "--data", tmp_path / "nowhere")
    assert (code, out) == (2, "")
    assert "nowhere does not exist; wanted is a .rec" in err


def test_torch_is_not_needed_for_a_recogniser_without_a_network(layouts):
    code = (
        "import sys\n"
        "from pathlib import Path\n"
        "from vitrail.testing.fake_components import FakeRecognizer\n"
        "from vitrail.testing.fakes import vitrail_components\n"
        "from vitrail_recognition.evaluate import EvalConfig, evaluate\n"
        "spec = next(s for s in vitrail_components() if s.kind == 'recognizer')\n"
        "evaluate(FakeRecognizer(None, spec), EvalConfig(data=(Path(sys.argv[1]),)))\n"
        "assert 'torch' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code, str(Path(layouts) / "pairs.bin")], check=True, timeout=120)
