"""Photographs of every kind that Pillow writes."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from vitrail.errors import InputError, NotInstalledError
from vitrail_recognition.photo import check_rgb, open_photo, shrink


@pytest.fixture
def colours():
    rows, columns = np.mgrid[:24, :32]
    return np.dstack([rows * 8, columns * 7, 200 - rows - columns]).astype(np.uint8)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_rotation(colours, tmp_path, orientation):
    """The same upright picture from all eight ways in which a phone may store it."""
    stored = {
        1: colours,
        2: colours[:, ::-1],
        3: colours[::-1, ::-1],
        4: colours[::-1],
        5: colours.transpose(1, 0, 2),
        6: np.rot90(colours, 1),
        7: colours[::-1, ::-1].transpose(1, 0, 2),
        8: np.rot90(colours, -1),
    }[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(np.ascontiguousarray(stored)).save(tmp_path / "a.png", exif=exif)
    np.testing.assert_array_equal(open_photo(tmp_path / "a.png"), colours)


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "RGBX", "CMYK", "YCbCr", "LAB", "P", "L", "LA", "1"])
def test_modes(colours, tmp_path, mode):
    path = tmp_path / ("a.tif" if mode in ("CMYK", "YCbCr", "LAB", "RGBX") else "a.png")
    picture = Image.fromarray(colours)
    (picture.convert("L") if mode in ("LA", "1") else picture).convert(mode).save(path)
    found = open_photo(path)
    assert found.shape == (24, 32, 3)
    assert found.dtype == np.uint8
    if mode in ("RGB", "RGBA", "RGBX", "CMYK"):
        np.testing.assert_array_equal(found, colours)
    elif mode in ("L", "LA"):
        np.testing.assert_array_equal(found[..., 0], np.asarray(picture.convert("L")))


def test_sixteen_bits_keep_their_upper_eight(tmp_path):
    values = (np.arange(600).reshape(20, 30) * 109).astype(np.uint16)
    Image.fromarray(values).save(tmp_path / "a.png")
    np.testing.assert_array_equal(open_photo(tmp_path / "a.png")[..., 0], values >> 8)


def test_what_is_transparent_becomes_white(colours, tmp_path):
    alpha = np.full((24, 32, 1), 255, dtype=np.uint8)
    alpha[:, :10] = 0
    Image.fromarray(np.dstack([colours, alpha])).save(tmp_path / "a.png")
    found = open_photo(tmp_path / "a.png")
    assert (found[:, :10] == 255).all()
    np.testing.assert_array_equal(found[:, 10:], colours[:, 10:])


def test_of_an_animation_the_first_frame(colours, tmp_path):
    frames = [Image.fromarray(colours), Image.new("RGB", (32, 24), "red")]
    frames[0].save(tmp_path / "a.webp", save_all=True, append_images=frames[1:], lossless=True)
    np.testing.assert_array_equal(open_photo(tmp_path / "a.webp"), colours)


def write(path, data):
    path.write_bytes(data)
    return path


def test_errors_name_the_file_and_what_to_do(colours, tmp_path):
    Image.fromarray(colours).save(tmp_path / "whole.png")
    data = (tmp_path / "whole.png").read_bytes()
    Image.fromarray(colours[..., 0].astype(np.float32)).save(tmp_path / "float.tif")
    wrong = {
        tmp_path / "none.jpg": "does not exist; wanted is a photograph",
        tmp_path: "is a folder",
        write(tmp_path / "text.jpg", b"not a picture"): "is not a picture that can be read",
        write(tmp_path / "empty.jpg", b""): "is not a picture that can be read",
        write(tmp_path / "half.png", data[: len(data) // 2]): "is damaged",
        tmp_path / "float.tif": "floating-point",
    }
    for path, words in wrong.items():
        with pytest.raises(InputError, match=words) as caught:
            open_photo(path)
        assert str(path) in str(caught.value)


def test_a_bomb_is_refused(colours, tmp_path, monkeypatch):
    Image.fromarray(colours).save(tmp_path / "a.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    with pytest.raises(InputError, match="megapixels, which is refused"):
        open_photo(tmp_path / "a.png")


def test_heic_without_its_reader_says_what_to_install(tmp_path, monkeypatch):
    path = write(tmp_path / "IMG_1.HEIC", b"\x00\x00\x00\x18ftypheic" + bytes(40))
    monkeypatch.setitem(__import__("sys").modules, "pillow_heif", None)
    with pytest.raises(NotInstalledError, match="pip install pillow-heif"):
        open_photo(path)


def test_shrink():
    image = np.full((3000, 4000, 3), 80, dtype=np.uint8)
    small = shrink(image, 1600)
    assert small.shape == (1200, 1600, 3)
    assert (small == 80).all()
    assert shrink(image, 4000) is image
    assert shrink(np.zeros((1, 9000, 3), dtype=np.uint8), 100).shape == (1, 100, 3)


@pytest.mark.parametrize(
    "image", [np.zeros((4, 4)), np.zeros((4, 4, 3)), np.zeros((0, 4, 3), dtype=np.uint8), "a.jpg"]
)
def test_what_is_no_photograph(image):
    with pytest.raises(InputError, match="wanted is uint8 RGB"):
        check_rgb(image)
