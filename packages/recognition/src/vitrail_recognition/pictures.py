"""Pictures of comparisons and identifications, drawn with Pillow."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from vitrail.palettes import distinct_colours

if TYPE_CHECKING:
    from vitrail_recognition.compare import Comparison, Photo
    from vitrail_recognition.faces import AlignedFace
    from vitrail_recognition.identify import Identification

Colour = tuple[int, int, int]
PAPER, INK, GREY, PALE = (250, 250, 248), (32, 34, 38), (112, 116, 122), (186, 190, 196)
TAKEN, YES, NO = (36, 104, 214), (22, 128, 74), (190, 56, 44)
WIDTH, MARGIN, GAP = 1200, 36, 24
PHOTO_HEIGHT, CROP = 480, 168
LOW, HIGH = -0.2, 1.0
"""Ends of the bar. Cosines below, which no pair of faces has by more than chance, are drawn at its left end."""


def draw_comparison(comparison: Comparison) -> NDArray[np.uint8]:
    """Both photographs with boxes, the aligned crops, and the cosine as a bar with the threshold on it."""
    page = Page()
    column = (WIDTH - 2 * MARGIN - GAP) // 2
    photos = (comparison.first, comparison.second)
    fitted = [_fit(photo.pixels, column, PHOTO_HEIGHT) for photo in photos]
    height = max(picture.height for picture, _ in fitted)
    for index, (photo, (picture, scale)) in enumerate(zip(photos, fitted)):
        left = MARGIN + index * (column + GAP) + (column - picture.width) // 2
        top = page.y + height - picture.height
        page.reserve(height)
        _mark_faces(picture, photo.faces, scale, photo.taken)
        page.image.paste(picture, (left, top))
    page.y += height + 10
    for index, photo in enumerate(photos):
        middle = MARGIN + index * (column + GAP) + column // 2
        page.text(_caption(photo), middle, page.y, size=18, colour=GREY, anchor="ma", width=column)
    page.y += 50
    top = page.y
    page.reserve(CROP)
    for photo, left in zip(photos, (MARGIN, WIDTH - MARGIN - CROP)):
        page.paste(photo.face.crop, left, top, CROP)
    _similarity(page, comparison, MARGIN + CROP + 2 * GAP, WIDTH - MARGIN - CROP - 2 * GAP, top)
    page.y = top + CROP + 26
    _conclusion(page, comparison)
    for note in comparison.notes:
        page.paragraph(note, size=16, colour=GREY)
    return page.finish()


def draw_identification(result: Identification) -> NDArray[np.uint8]:
    """The photograph with a numbered box for each face, and beside it who in the gallery is most like it."""
    page = Page()
    column = 560
    picture, scale = _fit(result.photo, column, 900)
    colours = [_plain(colour) for colour in distinct_colours(len(result.faces))]
    for number, (face, colour) in enumerate(zip(result.faces, colours), start=1):
        _box(picture, face.face, scale, colour, 4, str(number))
    left, right = MARGIN + column + 2 * GAP, WIDTH - MARGIN
    start, side = page.y, 112
    page.reserve(picture.height)
    page.image.paste(picture, (MARGIN, start))
    page.text(Path(result.name).name, MARGIN, start + picture.height + 10, size=18, colour=GREY, width=column)
    for number, (face, matches, colour) in enumerate(zip(result.faces, result.matches, colours), start=1):
        line = 34
        row = max(side, line * len(matches) + 30)
        page.reserve(row)
        page.paste(face.crop, left, page.y, side)
        page.draw.rectangle((left, page.y, left + side, page.y + side), outline=colour, width=4)
        _tag(page.draw, str(number), left, page.y + 22, colour)
        text_left = left + side + GAP
        for rank, match in enumerate(matches):
            y = page.y + rank * line
            strong = rank == 0 and match.accepted is not False
            shade = GREY if match.accepted is False else INK
            page.text(
                match.identity, text_left, y, size=18, colour=shade, bold=strong, width=right - text_left - 62
            )
            page.text(f"{match.cosine:.2f}", right, y, size=18, colour=shade, anchor="ra", bold=strong)
            _bar(
                page, text_left, right, y + 24, 5, match.cosine, colour if strong else PALE, result.threshold
            )
        if matches and matches[0].accepted is False:
            page.text(
                "nobody above the threshold", text_left, page.y + len(matches) * line, size=16, colour=NO
            )
        page.y += row + GAP
    page.y = max(page.y, start + picture.height + 40) + 8
    page.paragraph(result.summary, size=16, colour=GREY)
    for note in result.notes:
        page.paragraph(note, size=16, colour=GREY)
    return page.finish()


class Page:
    """A sheet that grows downwards; `y` is where the next thing goes."""

    def __init__(self) -> None:
        self.image = Image.new("RGB", (WIDTH, MARGIN), PAPER)
        self.draw = ImageDraw.Draw(self.image)
        self.y = MARGIN

    def reserve(self, height: int) -> None:
        """Make room for `height` pixels below `y`."""
        if self.y + height > self.image.height:
            taller = Image.new("RGB", (WIDTH, self.y + height), PAPER)
            taller.paste(self.image)
            self.image, self.draw = taller, ImageDraw.Draw(taller)

    def text(
        self,
        text: str,
        x: float,
        y: float,
        *,
        size: int,
        colour: Colour = INK,
        bold: bool = False,
        anchor: str = "la",
        width: int | None = None,
    ) -> None:
        """One line; what is wider than `width` is cut in its middle."""
        self.reserve(int(y - self.y) + size * 2)
        used = font(size, bold)
        if width is not None:
            text = _shortened(text, used, width)
        self.draw.text((x, y), text, fill=colour, font=used, anchor=anchor)

    def paragraph(self, text: str, *, size: int, colour: Colour = INK, bold: bool = False) -> None:
        """Wrapped, over the whole width, below everything."""
        for line in _wrapped(text, font(size, bold), WIDTH - 2 * MARGIN):
            self.text(line, MARGIN, self.y, size=size, colour=colour, bold=bold)
            self.y += round(size * 1.45)
        self.y += 6

    def paste(self, pixels: NDArray[np.uint8], x: int, y: int, side: int) -> None:
        self.image.paste(Image.fromarray(pixels).resize((side, side), Image.Resampling.LANCZOS), (x, y))

    def finish(self) -> NDArray[np.uint8]:
        self.reserve(MARGIN)
        return np.array(self.image.crop((0, 0, WIDTH, self.y + MARGIN - 12)))


@functools.cache
def font(size: int, bold: bool = False) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """DejaVu Sans, which comes with matplotlib and knows most scripts; else Pillow's own."""
    found = find_spec("matplotlib")
    if found is not None and found.submodule_search_locations:
        name = "DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf"
        path = Path(next(iter(found.submodule_search_locations))) / "mpl-data" / "fonts" / "ttf" / name
        if path.is_file():
            return ImageFont.truetype(str(path), size)
    return ImageFont.load_default(size)


def _similarity(page: Page, comparison: Comparison, left: int, right: int, top: int) -> None:
    middle = (left + right) // 2
    verdict = comparison.verdict
    colour = TAKEN if verdict is None else YES if verdict.same else NO
    page.text(f"{comparison.similarity:.2f}", middle, top, size=46, bold=True, anchor="ma", colour=colour)
    page.text("cosine similarity", middle, top + 56, size=17, colour=GREY, anchor="ma")
    y, thick = top + 104, 18
    threshold = None if verdict is None else verdict.point.cosine
    _bar(page, left, right, y, thick, comparison.similarity, colour, threshold)
    for value in (0.0, 0.5, 1.0):
        x = _position(value, left, right)
        page.draw.line((x, y + thick, x, y + thick + 5), fill=GREY)
        page.text(f"{value:g}", x, y + thick + 8, size=14, colour=GREY, anchor="ma")
    if threshold is not None:
        x = _position(threshold, left, right)
        page.text(f"threshold {threshold:.2f}", x, y - 24, size=14, colour=INK, anchor="ma")


def _conclusion(page: Page, comparison: Comparison) -> None:
    verdict = comparison.verdict
    if verdict is None:
        page.paragraph("No verdict", size=24, bold=True)
        reason = comparison.why_none[:1].upper() + comparison.why_none[1:]
        page.paragraph(f"{reason}. Compared with {comparison.recognizer}.", size=16, colour=GREY)
        return
    words = "The same person" if verdict.same else "Not the same person"
    page.paragraph(words, size=24, bold=True, colour=YES if verdict.same else NO)
    side = "at or above" if verdict.same else "below"
    point = verdict.point
    page.paragraph(
        f"The cosine is {side} {point.cosine:.3f}, which one in {round(1 / point.far):,} pairs of strangers and "
        f"{point.tar:.1%} of the pairs of one person reach on {verdict.data}. Compared with "
        f"{comparison.recognizer}.",
        size=16,
        colour=GREY,
    )


def _bar(
    page: Page,
    left: int,
    right: int,
    y: int,
    thick: int,
    value: float,
    colour: Colour,
    threshold: float | None = None,
) -> None:
    """A track from LOW to HIGH, filled from 0 to the value."""
    radius = thick // 2
    page.draw.rounded_rectangle((left, y, right, y + thick), radius, fill=(234, 236, 239))
    zero, end = _position(0.0, left, right), _position(value, left, right)
    page.draw.rectangle((min(zero, end), y, max(zero, end), y + thick), fill=colour)
    if threshold is not None:
        x = _position(threshold, left, right)
        page.draw.line((x, y - 5, x, y + thick + 5), fill=INK, width=3 if thick > 8 else 2)


def _position(value: float, left: int, right: int) -> int:
    share = (min(max(value, LOW), HIGH) - LOW) / (HIGH - LOW)
    return round(left + share * (right - left))


def _mark_faces(picture: Image.Image, faces: Sequence[AlignedFace], scale: float, taken: int) -> None:
    several = len(faces) > 1
    for index, face in enumerate(faces):
        if index != taken:
            _box(picture, face.face, scale, GREY, 2, str(index + 1))
    _box(picture, faces[taken].face, scale, TAKEN, 4, str(taken + 1) if several else "")
    draw = ImageDraw.Draw(picture)
    for x, y in faces[taken].face.landmarks * scale:
        draw.ellipse((x - 3, y - 3, x + 3, y + 3), fill="white", outline=TAKEN)


def _box(picture: Image.Image, face: object, scale: float, colour: Colour, width: int, text: str) -> None:
    draw = ImageDraw.Draw(picture)
    left, top, right, bottom = (float(value) * scale for value in face.box)  # type: ignore[attr-defined]
    # a box may reach beyond the photograph; its visible part keeps four sides
    left, right = max(left, 0), min(right, picture.width - 1)
    top, bottom = max(top, 0), min(bottom, picture.height - 1)
    if right - left < 1 or bottom - top < 1:
        return
    draw.rectangle((left, top, right, bottom), outline=colour, width=width)
    if text:
        _tag(draw, text, int(left), int(top), colour)


def _tag(draw: ImageDraw.ImageDraw, text: str, x: int, y: int, colour: Colour) -> None:
    """A number on the corner of a box: above it where there is room, else inside."""
    used = font(15, True)
    y = y - 22 if y >= 22 else y
    width = round(draw.textlength(text, font=used)) + 10
    draw.rectangle((x, y, x + width, y + 22), fill=colour)
    draw.text((x + width / 2, y + 11), text, fill="white", font=used, anchor="mm")


def _caption(photo: Photo) -> str:
    several = f" \N{MIDDLE DOT} face {photo.taken + 1} of {len(photo.faces)}" if len(photo.faces) > 1 else ""
    return f"{Path(photo.name).name}{several}"


def _fit(pixels: NDArray[np.uint8], width: int, height: int) -> tuple[Image.Image, float]:
    """The picture as large as fits, and its scale; small ones grow at most fourfold."""
    picture = Image.fromarray(pixels)
    scale = min(width / picture.width, height / picture.height, 4.0)
    size = (max(round(picture.width * scale), 1), max(round(picture.height * scale), 1))
    return picture.resize(size, Image.Resampling.LANCZOS), scale


def _wrapped(text: str, used: ImageFont.FreeTypeFont | ImageFont.ImageFont, width: int) -> list[str]:
    lines, line = [], ""
    for word in text.split():
        longer = f"{line} {word}".strip()
        if line and used.getlength(longer) > width:
            lines.append(line)
            line = _shortened(word, used, width)
        else:
            line = _shortened(longer, used, width) if not line else longer
    return [*lines, line]


def _shortened(text: str, used: ImageFont.FreeTypeFont | ImageFont.ImageFont, width: int) -> str:
    if used.getlength(text) <= width:
        return text
    keep = len(text)
    while keep > 2 and used.getlength(f"{text[: keep // 2]}…{text[-(keep - keep // 2) :]}") > width:
        keep -= 1
    return f"{text[: keep // 2]}…{text[-(keep - keep // 2) :]}"


def _plain(colour: NDArray[np.uint8]) -> Colour:
    red, green, blue = (int(value) for value in colour)
    return red, green, blue
