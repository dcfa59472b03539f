"""`vitrail avatars ...`: look at this world and listen to it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import App, Parameter

from vitrail.cli import output
from vitrail.errors import UsageError
from vitrail.files import atomic_path
from vitrail_avatars.base.cli import app as base

if TYPE_CHECKING:
    from vitrail.results import Clip
    from vitrail_avatars.speech import Utterance

app = App(
    name="avatars",
    help="Draw people of a parametric world, and let them speak.",
    help_format="plaintext",
    result_action="return_value",
)
Out = Annotated[Path, Parameter(name=["--out", "-o"])]
Json = Annotated[bool, Parameter(negative="")]
Gender = Literal["female", "male"]
Emotion = Literal["neutral", "happy", "sad", "angry", "fear", "disgust", "surprised", "contempt"]


@app.command
def sheet(
    *,
    out: Out,
    seed: int = 0,
    people: int = 64,
    views: int = 1,
    size: int = 128,
    columns: int = 8,
    degraded: Annotated[bool, Parameter(negative="")] = False,
) -> None:
    """Draw many people on one sheet.

    Args:
        out: the picture, a PNG or JPEG file.
        seed: which population.
        people: how many.
        views: pictures of each, side by side.
        size: pixels of each.
        columns: pictures in a row.
        degraded: with grain, blur and JPEG, as training data has it.
    """
    import numpy as np
    from PIL import Image

    from vitrail_avatars.pictures import Avatars

    if columns < 1:
        raise UsageError(f"columns is {columns}; wanted is at least 1.")
    _image_name(out)
    data = Avatars(seed=seed, people=people, views=views, size=size, degraded=degraded)
    rows = -(-len(data) // columns)
    page = np.full((rows * size, min(columns, len(data)) * size, 3), 255, np.uint8)
    for place, example in enumerate(data):
        top, left = place // columns * size, place % columns * size
        page[top : top + size, left : left + size] = example.picture.rgb
    with atomic_path(out) as temporary:
        Image.fromarray(page).save(temporary)
    output.say(f"{len(data)} pictures of {people} people are in {out}.")


@app.command
def render(
    number: int,
    /,
    *,
    out: Out,
    seed: int = 0,
    scene: int = 0,
    gender: Gender | None = None,
    age: float | None = None,
    emotion: Emotion | None = None,
    level: int = 3,
    pitch: float | None = None,
    yaw: float | None = None,
    roll: float | None = None,
    size: int = 512,
    landmarks: Annotated[bool, Parameter(negative="")] = False,
    maps: Path | None = None,
    json: Json = False,
) -> None:
    """Draw one person.

    Args:
        number: which person of the population.
        out: the picture, a PNG or JPEG file.
        seed: which population.
        scene: which of the endless scenes: light, clothes, background, and all that is not given.
        gender: female or male.
        age: 10 to 85 years.
        emotion: what the face shows.
        level: of the emotion, 1 to 3.
        pitch: degrees that the head is turned up.
        yaw: degrees that it is turned to its left, which is on the right of the picture.
        roll: degrees that it leans to its left.
        size: pixels.
        landmarks: draw the 68 landmarks too.
        maps: write normals, places on the mean head, depth, parts and landmarks to this .npz file.
        json: print what is known of the picture.
    """
    from dataclasses import replace

    import numpy as np
    from PIL import Image, ImageDraw

    from vitrail_avatars.appearance.look import look_of
    from vitrail_avatars.head import load_head
    from vitrail_avatars.pictures import atlas_for, maps_of, take
    from vitrail_avatars.population import person
    from vitrail_avatars.scenes import caption, description
    from vitrail_avatars.scenes import scene as scene_of
    from vitrail_avatars.speech.emotion import face

    _image_name(out)
    if maps is not None and maps.suffix != ".npz":
        raise UsageError(f"{maps} is no name for maps; wanted is one that ends in .npz.")
    if not 16 <= size <= 4096:
        raise UsageError(f"size is {size}; wanted is 16 to 4096.")
    somebody = person(seed, number, gender=gender, age=age)
    now = scene_of(seed, scene)
    if emotion is not None:
        now = replace(now, emotion=emotion, level=level, expression=face(emotion, level))
    given = [now.angles[i] if a is None else np.radians(a) for i, a in enumerate((pitch, yaw, roll))]
    if np.abs(given).max() > np.pi / 2:
        raise UsageError("a head turns by at most 90 degrees.")
    now = replace(now, angles=np.array(given))
    neutral, look = look_of(load_head(), atlas_for(size), somebody)
    picture = take(neutral, look, now, size)
    image = Image.fromarray(picture.rgb)
    if landmarks:
        pen, radius = ImageDraw.Draw(image), max(1, size / 256)
        for x, y in picture.landmarks_68:
            pen.ellipse((x - radius, y - radius, x + radius, y + radius), fill=(60, 255, 60))
    with atomic_path(out) as temporary:
        image.save(temporary)
    if maps is not None:
        found = maps_of(neutral, look, now, size)
        with atomic_path(maps) as temporary, temporary.open("wb") as file:
            np.savez_compressed(
                file, parts=found.parts, depth=found.depth, normals=found.normals, position=found.position,
                mask=picture.mask, landmarks_68=picture.landmarks_68, landmarks_5=picture.landmarks_5,
            )  # fmt: skip
    if json:
        output.print_json(
            {
                "person": description(somebody), "caption": caption(now), "age": round(somebody.age, 1),
                "gender": somebody.gender, "landmarks_68": picture.landmarks_68.round(2).tolist(),
                "landmarks_5": picture.landmarks_5.round(2).tolist(),
            }
        )  # fmt: skip
        return
    output.say(f"{description(somebody).capitalize()}: {caption(now)}.")


@app.command
def speech(
    text: str | None = None,
    /,
    *,
    out: Out,
    curves: Path | None = None,
    seed: int = 0,
    index: int = 0,
    voice: str | None = None,
    gender: Gender | None = None,
    age: Literal["child", "young", "middle", "old"] | None = None,
    emotion: Emotion | None = None,
    level: int | None = None,
    video: Path | None = None,
    number: int = 0,
    size: int = 256,
    json: Json = False,
) -> None:
    """Let somebody say something, with what the face does meanwhile.

    Args:
        text: English; without it, a sentence is made up.
        out: the sound, a WAV file of 16 kHz.
        curves: write ARKit's 52 units, 25 times a second, to this CSV file.
        seed: of all that is not given.
        index: another number, another utterance.
        voice: a name of the catalogue, in place of gender and age.
        gender: female or male.
        age: child, young, middle or old.
        emotion: what is heard and seen.
        level: of the emotion, 1 to 3.
        video: write a film of somebody who says it, .mp4 or .gif; .mp4 needs pip install "vitrail-avatars[video]".
        number: who that is, of those with the voice's gender and age.
        size: pixels of the film.
        json: print the phones and their times as JSON.
    """
    from vitrail_avatars.arkit import ARKIT
    from vitrail_avatars.speech import utterance

    if video is not None and video.suffix not in (".mp4", ".gif"):
        raise UsageError(f"{video} is no name of a film; wanted is one that ends in .mp4 or .gif.")
    if not 16 <= size <= 2048:
        raise UsageError(f"size is {size}; wanted is 16 to 2048.")
    said = utterance(
        seed, index, text=text, voice=voice, gender=gender, age=age, emotion=emotion, level=level
    )
    said.audio.save(out)
    if curves is not None:
        rows = [",".join(("seconds", *ARKIT))]
        for frame, values in enumerate(said.curves):
            rows.append(",".join((f"{(frame + 0.5) / said.fps:.2f}", *(f"{value:.4f}" for value in values))))
        with atomic_path(curves) as temporary:
            temporary.write_text("\n".join(rows) + "\n", encoding="utf-8")
    if video is not None:
        _film(said, seed, number, size).save(video)
    if json:
        record = {
            "text": said.text, "voice": said.voice.name, "emotion": said.emotion, "level": said.level,
            "frames": said.frames, "fps": said.fps,
            "phones": [[p.symbol, round(p.start, 3), round(p.end, 3)] for p in said.phones],
        }  # fmt: skip
        output.print_json(record)
        return
    output.say(f'{said.voice.name} says, {said.emotion}: "{said.text}" ({said.duration:.1f} s, in {out})')


def _film(said: Utterance, seed: int, number: int, size: int) -> Clip:
    """Somebody who says it, looking ahead, without glasses."""
    from dataclasses import replace

    import numpy as np

    from vitrail_avatars.films import film, speaker
    from vitrail_avatars.scenes import scene

    now = scene(seed, number)
    now = replace(now, angles=np.zeros(3), glasses=replace(now.glasses, kind="none"))
    return film(speaker(seed, number, said), said, now, size)


app.command(base)
export = App(name="export", help="Write data sets for other programs.", help_format="plaintext")
app.command(export)


@export.command
def people(
    out: Path,
    /,
    *,
    people: int = 1000,
    views: int = 8,
    seed: int = 0,
    first: int = 0,
    size: int = 112,
    layout: Literal["folders", "recordio"] = "folders",
    degraded: bool = True,
    jitter: float = 0.03,
    workers: int = 0,
) -> None:
    """Write aligned crops of many people, for the training and the trial of face recognisers.

    Args:
        out: a new folder, which `vitrail train transface/tiny --data` and other programs read.
        people: how many.
        views: pictures of each.
        seed: which population.
        first: number of the first person; people to test with need numbers that were not trained with.
        size: side of a crop, pixels; a multiple of 112 or 128.
        layout: folders of identities, or insightface's train.rec with its index.
        degraded: with grain, blur and JPEG.
        jitter: how far the points that crops are aligned by lie off, in eye distances.
        workers: processes that draw.
    """
    from vitrail_avatars.people_export import export_people

    export_people(
        out, people=people, views=views, seed=seed, first=first, size=size, layout=layout, degraded=degraded,
        jitter=jitter, workers=workers, track=lambda found: output.track(found, "drawing", people),
    )  # fmt: skip
    output.say(f"{people} people with {views} pictures each are in {out}.")


def _image_name(path: Path) -> None:
    if path.suffix.lower() not in (".png", ".jpg", ".jpeg"):
        raise UsageError(f"{path} is no name of a picture; wanted is one that ends in .png or .jpg.")
