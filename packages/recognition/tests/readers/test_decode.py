"""Bytes to pixels, and what a download may have done to a file."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from vitrail.errors import InputError
from vitrail_recognition.decode import decode_image, encode_image, fit_size


def saved(image, format, **more):
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, format=format, **more)
    return buffer.getvalue()


@pytest.fixture
def photo():
    rng = np.random.default_rng(0)
    return np.kron(rng.integers(0, 256, (4, 6, 3)), np.ones((8, 8, 1))).astype(np.uint8)


def test_png_comes_back_exactly(photo):
    data = encode_image(photo, format="png")
    np.testing.assert_array_equal(decode_image(data, where="x"), photo)
    assert encode_image(data) is data


def test_jpeg_is_rgb(photo):
    data = encode_image(photo)
    found = decode_image(data, where="x")
    assert found.dtype == np.uint8
    np.testing.assert_array_equal(found, np.array(Image.open(io.BytesIO(data))))
    assert np.abs(found.astype(int) - photo).mean() < 4


def test_grey_palette_and_transparent(photo):
    grey = photo[..., 0]
    np.testing.assert_array_equal(decode_image(saved(grey, "PNG"), where="x"), np.stack([grey] * 3, axis=-1))
    palette = io.BytesIO()
    Image.fromarray(photo).quantize(24).save(palette, format="PNG")
    assert decode_image(palette.getvalue(), where="x").shape == photo.shape
    rgba = np.dstack([photo, np.full(photo.shape[:2], 9, np.uint8)])
    np.testing.assert_array_equal(decode_image(saved(rgba, "PNG"), where="x"), photo)


def test_exif_rotation(photo):
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned by 90 degrees
    data = saved(photo, "PNG", exif=exif)
    np.testing.assert_array_equal(decode_image(data, where="x"), np.rot90(photo, -1))


def test_every_truncation_of_a_jpeg_is_an_input_error(photo):
    data = saved(photo, "JPEG")
    for kept in range(0, len(data) - 2, 37):
        with pytest.raises(InputError, match=r"^a\.jpg is (empty|not a JPEG|damaged)"):
            decode_image(data[:kept], where="a.jpg")


def test_every_truncation_of_a_png_is_an_input_error(photo):
    data = encode_image(photo, format="png")
    pixels = data.rindex(b"IEND") - 12  # before the checksums of the last two chunks
    for kept in range(0, pixels, 11):
        with pytest.raises(InputError, match=r"^a\.png is "):
            decode_image(data[:kept], where="a.png")


def test_other_formats_are_not_tried(photo):
    for format in ("TIFF", "GIF", "PPM"):
        with pytest.raises(InputError, match="not a JPEG or PNG"):
            decode_image(saved(photo, format), where="x")


def test_sixteen_bits(photo):
    deep = photo[..., 0].astype(np.uint16) * 257
    with pytest.raises(InputError, match="more than 8 bits"):
        decode_image(saved(deep, "PNG"), where="x")


def test_bombs(photo, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    with pytest.raises(InputError, match="damaged"):
        decode_image(encode_image(photo), where="x")


def test_sizes(photo):
    square = photo[:32, :32]
    assert fit_size(square, (32, 32), where="x") is square
    assert fit_size(square, (112, 112), where="x").shape == (112, 112, 3)
    grey = np.full((250, 250, 3), 77, np.uint8)
    assert (fit_size(grey, (112, 112), where="x") == 77).all()
    with pytest.raises(InputError, match=r"x is 32x48; wanted are aligned crops of 112x112"):
        fit_size(photo, (112, 112), where="x")
