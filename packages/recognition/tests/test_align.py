"""Alignment against the golden, scikit-image and scipy."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from vitrail.errors import InputError, UsageError
from vitrail_recognition.align import ARCFACE, align, align_batch, five_points, similarity, template, warp

GOLDEN = json.loads((Path(__file__).parent / "golden" / "recognition_golden.json").read_text())["align"]


@pytest.fixture
def rng():
    return np.random.default_rng(5)


@pytest.fixture
def picture(rng):
    return rng.integers(0, 256, (90, 130, 3)).astype(np.uint8)


def mirrored(points):
    return np.array(points) * (-1, 1)


def scikit_image(points, target):
    transform = pytest.importorskip("skimage.transform")
    made = getattr(transform.SimilarityTransform, "from_estimate", None)
    if made is not None:
        return made(points, target).params[:2]
    found = transform.SimilarityTransform()  # before scikit-image 0.26
    assert found.estimate(points, target)
    return found.params[:2]


def test_golden():
    matrix = similarity(GOLDEN["landmarks"], template())
    np.testing.assert_allclose(matrix, GOLDEN["M"], atol=2e-6)


def test_similarity_equals_scikit_image(rng):
    for _ in range(50):
        count = int(rng.integers(2, 9))
        points = rng.normal(size=(count, 2)) * 10 ** rng.uniform(-1, 3) + rng.normal(size=2) * 100
        target = rng.normal(size=(count, 2)) * 30
        np.testing.assert_allclose(
            similarity(points, target), scikit_image(points, target), rtol=1e-6, atol=1e-6
        )


def test_a_known_similarity_is_found_exactly(rng):
    angle, scale, shift = 2.1, 0.37, np.array([-40.0, 12.5])
    rotation = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    points = rng.normal(size=(5, 2)) * 50
    found = similarity(points, scale * points @ rotation.T + shift)
    np.testing.assert_allclose(found, np.column_stack([scale * rotation, shift]), atol=1e-9)


def test_it_never_mirrors():
    points = mirrored(ARCFACE)
    matrix = similarity(points, template())
    assert np.linalg.det(matrix[:, :2]) > 0
    np.testing.assert_allclose(matrix, scikit_image(points, template()), atol=1e-6)


@pytest.mark.parametrize(
    ("side", "scale", "margin"), [(112, 1, 0), (224, 2, 0), (128, 1, 8), (256, 2, 16), (896, 8, 0)]
)
def test_templates(side, scale, margin):
    np.testing.assert_allclose(template(size=(side, side)), np.array(ARCFACE) * scale + (margin, 0))


@pytest.mark.parametrize("size", [(100, 100), (112, 128), (0, 0), (-112, -112)])
def test_templates_of_other_sizes_are_refused(size):
    with pytest.raises(UsageError, match="multiple of 112 or 128"):
        template(size=size)


def test_unknown_template():
    with pytest.raises(UsageError, match="'ffhq' is no known alignment template; there is arcface"):
        template("ffhq")


def test_sixty_eight_points(rng):
    points = rng.normal(size=(68, 2))
    found = five_points(points)
    np.testing.assert_allclose(found[0], (points[36] + points[39]) / 2)
    np.testing.assert_allclose(found[1], (points[42] + points[45]) / 2)
    np.testing.assert_allclose(found[2:], points[[30, 48, 54]])


@pytest.mark.parametrize(
    ("points", "words"),
    [
        (np.zeros((4, 2)), "have shape"),
        (np.full((5, 2), np.nan), "NaN"),
        (np.full((5, 2), 7.0), "all lie in one point"),
    ],
)
def test_bad_landmarks(points, words, picture):
    with pytest.raises(InputError, match=words):
        align(picture, points)


@pytest.mark.parametrize("scale", [0.4, 1.0, 1.7])
def test_warp_equals_scipy(picture, rng, scale):
    """Bilinear with zeros outside, in double precision, for crops that reach far beyond the picture."""
    ndimage = pytest.importorskip("scipy.ndimage")
    for _ in range(8):
        angle = rng.uniform(-np.pi, np.pi)
        linear = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        middle = np.array([65.0, 45.0]) + rng.normal(size=2) * 30
        matrix = np.column_stack([linear, (56, 56) - linear @ middle])
        inverse = np.linalg.inv(linear)
        swap = np.eye(2)[::-1]
        padded = np.pad(picture, ((1, 1), (1, 1), (0, 0))).astype(float)  # scipy cuts off at the last pixel
        expected = np.stack(
            [
                ndimage.affine_transform(
                    padded[..., band],
                    swap @ inverse @ swap,
                    swap @ (-inverse @ matrix[:, 2]) + 1,
                    output_shape=(112, 112),
                    order=1,
                    cval=0,
                )
                for band in range(3)
            ],
            axis=2,
        )
        found = warp(picture, matrix, (112, 112)).astype(float)
        assert np.abs(found - expected).max() <= 0.5 + 1e-6
        assert found.any()


def test_warp_equals_scikit_image(picture):
    transform = pytest.importorskip("skimage.transform")
    matrix = similarity([[40, 30], [80, 35], [58, 52], [45, 68], [78, 70]], template())
    inverse = np.linalg.inv(np.vstack([matrix, [0, 0, 1]]))
    expected = transform.warp(picture, inverse, output_shape=(112, 112), order=1, cval=0, preserve_range=True)
    found = warp(picture, matrix, (112, 112)).astype(float)
    assert np.abs(found - expected)[2:-2, 2:-2].max() <= 0.5 + 1e-6


def test_warp_is_near_opencv(picture):
    """What insightface does. OpenCV weighs in steps of 1/32 of a pixel."""
    cv2 = pytest.importorskip("cv2")
    ramp = np.dstack([*np.mgrid[:90, :130], np.full((90, 130), 90)]).astype(np.uint8)
    matrix = similarity([[40, 30], [80, 35], [58, 52], [45, 68], [78, 70]], template())
    theirs = cv2.warpAffine(ramp, matrix, (112, 112), borderValue=0.0).astype(int)
    assert np.abs(warp(ramp, matrix, (112, 112)).astype(int) - theirs)[8:-8, 8:-8].max() <= 1


def test_identity_and_far_away(picture):
    same = np.array([[1.0, 0, 0], [0, 1.0, 0]])
    np.testing.assert_array_equal(warp(picture, same, picture.shape[:2]), picture)
    assert not warp(picture, np.array([[1.0, 0, 1e12], [0, 1.0, -1e12]]), (112, 112)).any()


def test_the_points_land_on_the_template():
    """A white dot at every landmark is found at its target."""
    landmarks = 3 * np.array(ARCFACE) + (20, 30)
    photo = np.zeros((400, 400, 3), dtype=np.uint8)
    for x, y in np.rint(landmarks).astype(int):
        photo[y - 3 : y + 4, x - 3 : x + 4] = 255
    crop = align(photo, landmarks)[..., 0]
    for x, y in np.rint(ARCFACE).astype(int):
        assert crop[y, x] == 255


def test_batches(picture, rng):
    points = [np.array(ARCFACE) + rng.normal(size=(5, 2)) for _ in range(3)]
    images = [picture, picture[:70], picture[:, :100]]
    crops = align_batch(images, points, size=(128, 128))
    assert crops.shape == (3, 128, 128, 3)
    assert crops.dtype == np.uint8
    for image, landmarks, crop in zip(images, points, crops):
        np.testing.assert_array_equal(align(image, landmarks, size=(128, 128)), crop)
    assert align_batch([], []).shape == (0, 112, 112, 3)
    with pytest.raises(InputError, match="3 photographs came with 2 sets"):
        align_batch(images, points[:2])


def test_other_pixels_are_refused():
    with pytest.raises(InputError, match="wanted is uint8 RGB"):
        align(np.zeros((50, 50)), ARCFACE)
