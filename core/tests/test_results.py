"""Results: what they refuse, how they draw, and that what they write can be read back."""

from __future__ import annotations

import struct
import wave

import numpy as np
import pytest
from PIL import Image

from vitrail.errors import InputError, NotInstalledError, UsageError
from vitrail.palettes import distinct_colours
from vitrail.results import (
    Audio,
    Clip,
    Embeddings,
    Face,
    Generation,
    Segmentation,
    open_image,
    open_images,
    save_image,
)

CLASSES = ("water", "wood", "town")
PALETTE = np.array([[0, 0, 200], [0, 100, 0], [200, 0, 0]], dtype=np.uint8)


@pytest.fixture
def segmentation():
    labels = np.array([[0, 1, 2, 255], [2, 2, 1, 0]], dtype=np.uint8)
    return Segmentation(labels=labels, classes=CLASSES, palette=PALETTE)


class TestFace:
    def test_shapes_are_checked(self):
        box, landmarks = np.zeros(4, np.float32), np.zeros((5, 2), np.float32)
        assert Face(box=box, landmarks=landmarks, score=0.9).score == 0.9
        with pytest.raises(InputError, match=r"box has shape \(3,\); wanted is \(4,\)"):
            Face(box=box[:3], landmarks=landmarks, score=1)
        with pytest.raises(InputError, match=r"landmarks have shape \(5, 3\)"):
            Face(box=box, landmarks=np.zeros((5, 3), np.float32), score=1)


class TestEmbeddings:
    def test_similarity_is_the_cosine(self):
        a = Embeddings(vectors=np.array([[1, 0], [0.6, 0.8]], np.float32))
        b = Embeddings(vectors=np.array([[0, 1]], np.float32))
        assert len(a) == 2
        np.testing.assert_allclose(a.similarity(b), [[0], [0.8]], atol=1e-7)
        np.testing.assert_allclose(np.diag(a.similarity(a)), 1, atol=1e-6)

    def test_no_faces_are_no_vectors(self):
        none = Embeddings(vectors=np.zeros((0, 5), np.float32))
        assert none.similarity(none).shape == (0, 0)

    @pytest.mark.parametrize(
        ("vectors", "text"),
        [
            (np.ones((2, 4), np.float32), "length 1; divide by"),
            (np.zeros((1, 4), np.float32), "length 1"),
            (np.full((1, 4), np.nan, np.float32), "length 1"),
            (np.eye(3), "are float64; wanted is float32"),
            (np.array([1, 0], np.float32), r"shape \(2,\); wanted is \(B, D\)"),
        ],
    )
    def test_other_vectors_are_refused(self, vectors, text):
        with pytest.raises(InputError, match=text):
            Embeddings(vectors=vectors)

    def test_saved_vectors_are_read_back(self, tmp_path):
        vectors = np.eye(4, dtype=np.float32)
        path = Embeddings(vectors=vectors).save(tmp_path / "new" / "faces.npy")
        np.testing.assert_array_equal(np.load(path, allow_pickle=False), vectors)


class TestSegmentation:
    def test_the_png_holds_indices_and_colours(self, segmentation, tmp_path):
        path = segmentation.save(tmp_path / "labels.png")
        with Image.open(path) as opened:
            assert opened.mode == "P"
            np.testing.assert_array_equal(np.array(opened), segmentation.labels)
            table = np.array(opened.getpalette(), np.uint8).reshape(-1, 3)
            np.testing.assert_array_equal(table[:3], PALETTE)
            np.testing.assert_array_equal(np.array(opened.convert("RGB")), segmentation.picture())

    @pytest.mark.parametrize(("dtype", "ignore"), [(np.int64, -1), (np.uint16, 65535), (np.int32, 255)])
    def test_what_is_unknown_is_255_in_the_png_whatever_it_was(self, tmp_path, dtype, ignore):
        labels = np.array([[0, ignore], [2, 1]]).astype(dtype)
        result = Segmentation(labels=labels, classes=CLASSES, ignore=ignore)
        with Image.open(result.save(tmp_path / "labels.png")) as opened:
            np.testing.assert_array_equal(np.array(opened), [[0, 255], [2, 1]])

    def test_the_overlay_by_hand(self, segmentation):
        image = np.full((2, 4, 3), 100, np.uint8)
        drawn = segmentation.overlay(image, alpha=0.25)
        assert drawn.dtype == np.uint8
        assert drawn[0, 0].tolist() == [75, 75, 125]  # 0.75 * 100 + 0.25 * (0, 0, 200)
        assert drawn[0, 1].tolist() == [75, 100, 75]
        assert drawn[0, 2].tolist() == [125, 75, 75]
        assert drawn[0, 3].tolist() == [100, 100, 100]  # unknown: the image itself
        np.testing.assert_array_equal(segmentation.overlay(image, alpha=0), image)
        np.testing.assert_array_equal(segmentation.overlay(image, alpha=1)[0, :3], PALETTE)
        assert (image == 100).all()

    def test_the_picture_is_black_where_nothing_is_known(self, segmentation):
        np.testing.assert_array_equal(segmentation.picture()[0], [*PALETTE, [0, 0, 0]])

    @pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.int64, np.uint64])
    def test_fractions_leave_out_what_is_unknown(self, segmentation, dtype):
        labels = segmentation.labels.astype(dtype)
        shares = Segmentation(labels=labels, classes=CLASSES).fractions()
        assert shares == pytest.approx({"water": 2 / 7, "wood": 2 / 7, "town": 3 / 7})
        nothing = Segmentation(labels=np.full((2, 2), 255, dtype), classes=CLASSES)
        assert nothing.fractions() == {"water": 0, "wood": 0, "town": 0}

    def test_an_image_that_does_not_fit_is_refused(self, segmentation):
        with pytest.raises(InputError, match=r"the image is \(3, 4\) and the labels are \(2, 4\)"):
            segmentation.overlay(np.zeros((3, 4, 3), np.uint8))
        with pytest.raises(InputError, match=r"float32; wanted is a uint8 RGB image \(H, W, 3\)"):
            segmentation.overlay(np.zeros((2, 4, 3), np.float32))

    @pytest.mark.parametrize(
        ("changes", "text"),
        [
            ({"labels": np.zeros((2, 2, 1), int)}, r"labels have shape \(2, 2, 1\)"),
            ({"labels": np.zeros((2, 2))}, "labels are float64; wanted are integers"),
            ({"palette": PALETTE[:2]}, r"palette must be uint8 of shape \(3, 3\)"),
            ({"palette": PALETTE.astype(int)}, "palette must be uint8"),
            ({"scores": np.zeros((2, 2, 4), np.float32)}, r"wanted is \(3, 2, 4\)"),
            ({"uncertainty": np.zeros((2, 3), np.float32)}, "uncertainty and labels differ"),
        ],
    )
    def test_parts_that_do_not_fit_are_refused(self, segmentation, changes, text):
        fields = {"labels": segmentation.labels, "classes": CLASSES, "palette": PALETTE}
        with pytest.raises(InputError, match=text):
            Segmentation(**{**fields, **changes})

    def test_more_classes_than_a_colour_table_holds(self, tmp_path):
        many = Segmentation(labels=np.zeros((2, 2), int), classes=tuple(map(str, range(256))))
        with pytest.raises(InputError, match="at most 255 classes"):
            many.save(tmp_path / "labels.png")
        assert list(tmp_path.iterdir()) == []

    def test_colours_of_its_own_are_all_different(self):
        colours = distinct_colours(60)
        assert colours.shape == (60, 3)
        assert len({tuple(colour) for colour in colours.tolist()}) == 60
        assert distinct_colours(0).shape == (0, 3)


class TestGeneration:
    def test_the_sheet_holds_every_image(self):
        images = tuple(np.full((4 + i, 6, 3), 10 * i, np.uint8) for i in range(3))
        sheet = Generation(images=images).sheet(gap=2)
        assert sheet.shape == (2 * (6 + 2) - 2, 2 * (6 + 2) - 2, 3)
        np.testing.assert_array_equal(sheet[0:4, 0:6], images[0])
        np.testing.assert_array_equal(sheet[0:5, 8:14], images[1])
        np.testing.assert_array_equal(sheet[8:14, 0:6], images[2])
        assert (sheet[8:, 8:] == 255).all()
        assert Generation(images=images).sheet(columns=3, gap=0).shape == (6, 18, 3)

    def test_one_image_is_saved_as_it_is(self, tmp_path):
        image = np.random.default_rng(0).integers(0, 256, (5, 7, 3), dtype=np.uint8)
        path = Generation(images=(image,)).save(tmp_path / "one.png")
        np.testing.assert_array_equal(open_image(path), image)

    def test_what_is_refused(self):
        image = np.zeros((2, 2, 3), np.uint8)
        with pytest.raises(InputError, match="at least one image"):
            Generation(images=())
        with pytest.raises(InputError, match="one seed for each image"):
            Generation(images=(image, image), seeds=(1,))
        with pytest.raises(InputError, match="a generated image has shape"):
            Generation(images=(image[..., 0],))


def write_wav(path, width, channels, frames):
    with wave.open(str(path), "wb") as file:
        file.setparams((channels, width, 8000, 0, "NONE", ""))
        file.writeframes(frames)
    return path


class TestAudio:
    @pytest.mark.parametrize(
        ("width", "frames"),
        [
            (1, bytes([128, 128, 0, 0, 192, 128, 255, 255])),
            (2, struct.pack("<8h", 0, 0, -(2**15), -(2**15), 2**14, 0, 2**15 - 1, 2**15 - 1)),
            (
                3,
                b"".join(
                    int(v).to_bytes(3, "little", signed=True)
                    for v in (0, 0, -(2**23), -(2**23), 2**22, 0, 2**23 - 1, 2**23 - 1)
                ),
            ),
            (4, struct.pack("<8i", 0, 0, -(2**31), -(2**31), 2**30, 0, 2**31 - 1, 2**31 - 1)),
        ],
        ids=["8 bit", "16 bit", "24 bit", "32 bit"],
    )
    def test_every_width_in_stereo(self, tmp_path, width, frames):
        sound = Audio.open(write_wav(tmp_path / "s.wav", width, 2, frames))
        assert sound.rate == 8000
        assert sound.samples.dtype == np.float32
        np.testing.assert_allclose(sound.samples, [0, -1, 0.25, 1], atol=1 / 2 ** (8 * width - 1) + 1e-9)

    def test_a_16_bit_file_is_written_back_bit_for_bit(self, tmp_path):
        frames = (
            np.random.default_rng(0).integers(-(2**15), 2**15, 1000, dtype=np.int16).astype("<i2").tobytes()
        )
        first = write_wav(tmp_path / "first.wav", 2, 1, frames)
        second = Audio.open(first).save(tmp_path / "second.wav")
        assert second.read_bytes() == first.read_bytes()

    def test_too_loud_is_clipped(self, tmp_path):
        loud = Audio(samples=np.array([-3, 3, 0.5], np.float32), rate=8000)
        np.testing.assert_allclose(Audio.open(loud.save(tmp_path / "s.wav")).samples, [-1, 1, 0.5], atol=1e-4)

    def test_seconds(self):
        assert Audio(samples=np.zeros(4000, np.float32), rate=8000).seconds == 0.5

    def test_a_file_that_ends_too_early_gives_what_is_there(self, tmp_path):
        path = write_wav(tmp_path / "s.wav", 2, 1, bytes(2000))
        path.write_bytes(path.read_bytes()[:-501])
        assert len(Audio.open(path).samples) == 749

    def test_an_empty_file_of_two_channels(self, tmp_path):
        assert Audio.open(write_wav(tmp_path / "s.wav", 2, 2, b"")).samples.shape == (0,)

    def test_what_is_not_a_wav_file(self, tmp_path):
        with pytest.raises(InputError, match=r"gone\.wav does not exist; wanted is a WAV file"):
            Audio.open(tmp_path / "gone.wav")
        with pytest.raises(InputError, match="is not a PCM WAV file"):
            Audio.open(tmp_path)
        for content in (b"", b"ID3 this is something else", b"RIFF\x04\x00\x00\x00WAVE"):
            (tmp_path / "x.wav").write_bytes(content)
            with pytest.raises(InputError, match=r"is not a PCM WAV file .*ffmpeg -i x\.wav out\.wav"):
                Audio.open(tmp_path / "x.wav")

    def test_what_is_refused(self):
        with pytest.raises(InputError, match="wanted is mono"):
            Audio(samples=np.zeros((2, 5), np.float32), rate=1)
        with pytest.raises(InputError, match="float64; wanted is float32"):
            Audio(samples=np.zeros(5), rate=1)
        with pytest.raises(InputError, match="the rate is 0"):
            Audio(samples=np.zeros(5, np.float32), rate=0)


def clip(count=5, size=(8, 12), audio=None, fps=10):
    grey = (np.full((*size, 3), 40 * i, np.uint8) for i in range(count))
    return Clip(frames=grey, fps=fps, size=size, audio=audio)


class TestClip:
    def test_a_folder_of_frames_and_sound(self, tmp_path):
        sound = Audio(samples=np.zeros(800, np.float32), rate=1600)
        folder = clip(audio=sound).save(tmp_path / "talking")
        assert sorted(p.name for p in folder.iterdir()) == [*(f"{i:06d}.png" for i in range(5)), "audio.wav"]
        assert (open_image(folder / "000003.png") == 120).all()
        assert Audio.open(folder / "audio.wav").seconds == 0.5

    def test_a_gif(self, tmp_path):
        with Image.open(clip().save(tmp_path / "clip.gif")) as opened:
            assert opened.n_frames == 5
            assert opened.size == (12, 8)
            assert opened.info["duration"] == 100
            opened.seek(4)
            assert np.abs(np.array(opened.convert("RGB")).astype(int) - 160).max() <= 2

    def test_an_mp4(self, tmp_path):
        av = pytest.importorskip("av", reason="needs the extra `video`")
        sound = Audio(samples=np.sin(np.arange(8000) / 5).astype(np.float32) / 2, rate=16000)
        path = clip(count=5, size=(33, 47), audio=sound).save(tmp_path / "clip.MP4")
        with av.open(str(path)) as container:
            video, heard = container.streams.video[0], container.streams.audio[0]
            assert (video.width, video.height, video.average_rate) == (48, 34, 10)
            frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(video)]
            container.seek(0)
            samples = sum(frame.samples for frame in container.decode(heard))
        assert len(frames) == 5
        assert np.abs(frames[4].astype(int) - 160).max() < 8
        assert heard.rate == 16000
        assert samples >= 8000

    def test_without_the_video_extra_an_mp4_says_how_to_get_it(self, tmp_path, monkeypatch):
        monkeypatch.setitem(__import__("sys").modules, "vitrail.video", None)
        with pytest.raises(NotInstalledError, match=r'pip install "vitrail\[video\]" \(or write a \.gif\)'):
            clip().save(tmp_path / "clip.mp4")
        assert list(tmp_path.iterdir()) == []

    @pytest.mark.parametrize("name", ["clip.gif", "folder"])
    def test_frames_stream_once(self, tmp_path, name):
        used = clip()
        used.save(tmp_path / name)
        with pytest.raises(InputError, match="no frames left"):
            used.save(tmp_path / f"again-{name}")
        assert [p.name for p in tmp_path.iterdir()] == [name]

    @pytest.mark.parametrize("name", ["clip.gif", "folder"])
    def test_a_frame_of_another_size_leaves_nothing_behind(self, tmp_path, name):
        frames = iter([np.zeros((8, 12, 3), np.uint8), np.zeros((8, 13, 3), np.uint8)])
        with pytest.raises(InputError, match=r"frame 2 is \(8, 13\), the clip \(8, 12\)"):
            Clip(frames=frames, fps=10, size=(8, 12)).save(tmp_path / name)
        assert list(tmp_path.iterdir()) == []

    def test_what_is_refused(self, tmp_path):
        with pytest.raises(
            UsageError, match=r"clip\.avi ends in \.avi; a clip is written as \.mp4, \.gif or a"
        ):
            clip().save(tmp_path / "clip.avi")
        with pytest.raises(InputError, match="0 frames a second cannot be shown"):
            clip(fps=0)


@pytest.fixture
def photograph():
    y, x = np.mgrid[0:24, 0:32]
    return np.stack([8 * x, 10 * y, 255 - 8 * x], axis=2).astype(np.uint8)


class TestImages:
    @pytest.mark.parametrize("suffix", [".png", ".bmp", ".tif", ".TIFF"])
    def test_round_trip(self, tmp_path, photograph, suffix):
        path = save_image(tmp_path / f"picture{suffix}", photograph)
        np.testing.assert_array_equal(open_image(path), photograph)

    @pytest.mark.parametrize("suffix", [".jpg", ".JPEG", ".webp"])
    def test_lossy_formats_are_close(self, tmp_path, photograph, suffix):
        read = open_image(save_image(tmp_path / f"picture{suffix}", photograph))
        assert np.abs(read.astype(int) - photograph).mean() < 6

    @pytest.mark.parametrize(("orientation", "turns"), [(1, 0), (3, 2), (6, 3), (8, 1)])
    def test_a_turned_jpeg_is_turned_upright(self, tmp_path, photograph, orientation, turns):
        exif = Image.Exif()
        exif[0x0112] = orientation
        Image.fromarray(photograph).save(tmp_path / "turned.jpg", exif=exif, quality=95, subsampling=0)
        read = open_image(tmp_path / "turned.jpg")
        upright = np.rot90(photograph, turns)
        assert read.shape == upright.shape
        assert np.abs(read.astype(int) - upright).mean() < 4

    @pytest.mark.parametrize("mode", ["L", "P", "RGBA", "1", "CMYK", "LA"])
    def test_other_modes_become_rgb(self, tmp_path, photograph, mode):
        picture = Image.fromarray(photograph).convert(mode)
        picture.save(tmp_path / "picture.tif")
        read = open_image(tmp_path / "picture.tif")
        assert (read.shape, read.dtype) == (photograph.shape, np.uint8)

    @pytest.mark.parametrize("dtype", [np.uint16, np.float32, np.int32])
    def test_more_than_8_bits_are_refused_and_not_clipped(self, tmp_path, dtype):
        Image.fromarray((np.arange(64).reshape(8, 8) * 500).astype(dtype)).save(tmp_path / "deep.tif")
        with pytest.raises(InputError, match="holds more than 8 bits a band; wanted is an 8-bit picture"):
            open_image(tmp_path / "deep.tif")

    @pytest.mark.parametrize("suffix", ["png", "jpg"])
    @pytest.mark.parametrize("share", [0.3, 0.6, 0.9])
    def test_a_truncated_file_is_damaged(self, tmp_path, suffix, share):
        noise = np.random.default_rng(0).integers(0, 256, (40, 40, 3), dtype=np.uint8)
        path = save_image(tmp_path / f"cut.{suffix}", noise)
        path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
        with pytest.raises(
            InputError, match=rf"cut\.{suffix} (is damaged: .* Get the file again|is not a picture)"
        ):
            open_image(path)

    def test_what_is_no_picture(self, tmp_path):
        with pytest.raises(InputError, match=r"gone\.png does not exist; wanted is a picture"):
            open_image(tmp_path / "gone.png")
        with pytest.raises(InputError, match="is a folder; wanted is a picture"):
            open_image(tmp_path)
        for content in (b"", b"hello", bytes(1000)):
            (tmp_path / "notes.png").write_bytes(content)
            with pytest.raises(InputError, match="is not a picture that can be read"):
                open_image(tmp_path / "notes.png")
        with pytest.raises(InputError, match="cannot be read: Not a directory"):
            open_image(tmp_path / "notes.png" / "inside.png")

    def test_several(self, tmp_path, photograph):
        paths = [save_image(tmp_path / f"{i}.png", photograph[i:]) for i in range(3)]
        assert [image.shape[0] for image in open_images(paths)] == [24, 23, 22]
        assert open_images([]) == []

    def test_what_cannot_be_saved(self, tmp_path, photograph):
        with pytest.raises(UsageError, match=r"picture\.txt ends in '\.txt'; pictures are written as \.png"):
            save_image(tmp_path / "picture.txt", photograph)
        with pytest.raises(InputError, match="the image to save has shape"):
            save_image(tmp_path / "picture.png", photograph[..., 0])
        assert list(tmp_path.iterdir()) == []
