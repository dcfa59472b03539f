"""Pictures of people without end, each the same for its seed and number, in any order, process or worker."""

from __future__ import annotations

import io
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageFilter
from torch import Tensor

from vitrail.errors import UsageError
from vitrail_avatars.appearance.atlas import Atlas, load_atlas
from vitrail_avatars.appearance.colours import from_srgb
from vitrail_avatars.appearance.look import dressed, look_of
from vitrail_avatars.head import load_head
from vitrail_avatars.maps import Maps, maps
from vitrail_avatars.population import Person, person
from vitrail_avatars.render import Look, Picture, render
from vitrail_avatars.scenes import Scene, caption, description, scene, shot_of
from vitrail_avatars.seeds import stream


@dataclass(frozen=True, eq=False)
class Example:
    """A picture and all that is known of it.

    picture: see `render.Picture`; its rgb is after grain, blur and JPEG. identity: number of the person. caption: the
    circumstances; description: the person, in words.
    """

    picture: Picture
    identity: int
    person: Person
    scene: Scene
    caption: str
    description: str


class Avatars:
    """Example `index` shows person `index // views` for the `index % views`-th time.

    >>> some = Avatars(seed=0, people=500, views=6, size=112)
    >>> some[17].picture.rgb.shape, some[17].identity
    ((112, 112, 3), 2)

    seed: of all that is random. people: how many; views: pictures of each. size: pixels, 16 to 2048. across: about how
    many eye distances a picture is wide; 4.4 shows head and shoulders. degraded: with grain, blur and JPEG. first:
    number of the first person, so that two sets of one seed can have other people. UsageError for values out of range.

    Works with torch's DataLoader, with any number of workers: nothing depends on what was asked before. The looks of
    the last few people are kept, since they cost more than a picture.
    """

    def __init__(
        self, *, seed: int = 0, people: int = 1000, views: int = 8, size: int = 256, across: float = 4.4,
        degraded: bool = False, first: int = 0, keep: int = 4,
    ) -> None:  # fmt: skip
        for name, value, low, high in (
            ("seed", seed, 0, 2**63), ("people", people, 1, 2**31), ("views", views, 1, 2**31),
            ("size", size, 16, 2048), ("first", first, 0, 2**31), ("across", across, 1, 20),
        ):  # fmt: skip
            if not low <= value <= high:
                raise UsageError(f"{name} is {value}; wanted is {low} to {high}.")
        self.seed, self.people, self.views, self.size = seed, people, views, size
        self.across, self.degraded, self.first, self.keep = across, degraded, first, keep
        self._looks: OrderedDict[int, tuple[Person, Tensor, Look]] = OrderedDict()

    def __len__(self) -> int:
        return self.people * self.views

    def __iter__(self) -> Iterator[Example]:
        return (self[index] for index in range(len(self)))

    def __getitem__(self, index: int) -> Example:
        if not 0 <= index < len(self):
            raise IndexError(f"there is no example {index}; the last one is {len(self) - 1}.")
        number, view = self.first + index // self.views, index % self.views
        somebody, neutral, look = self._look(number)
        now = scene(self.seed, picture_number(number, view), across=self.across, degraded=self.degraded)
        return Example(
            picture=take(neutral, look, now, self.size),
            identity=number,
            person=somebody,
            scene=now,
            caption=caption(now),
            description=description(somebody),
        )

    def _look(self, number: int) -> tuple[Person, Tensor, Look]:
        if number not in self._looks:
            somebody = person(self.seed, number)
            self._looks[number] = (somebody, *look_of(load_head(), atlas_for(self.size), somebody))
            while len(self._looks) > self.keep:
                self._looks.popitem(last=False)
        self._looks.move_to_end(number)
        return self._looks[number]


def picture_number(identity: int, view: int) -> int:
    """Which of a seed's endless scenes the `view`-th picture of a person shows."""
    return identity * 1_000_003 + view


def atlas_for(size: int) -> Atlas:
    """The map that people are painted on for pictures of this size; a smaller one is painted faster."""
    return load_atlas(256 if size <= 192 else 512)


def take(neutral: Tensor, look: Look, now: Scene, size: int) -> Picture:
    """The picture of a person in a scene, with its grain, blur and JPEG. look: painted on `atlas_for(size)`."""
    head, atlas = load_head(), atlas_for(size)
    worn = dressed(atlas, neutral, look, from_srgb(now.shirt_colour), now.neckline, now.glasses)
    # Of small pictures hairs are much thinner than pixels.
    picture = render(head, atlas, neutral, worn, shot_of(now, size), size, samples=3 if size <= 192 else 2)
    rgb = _developed(picture.rgb, now)
    return Picture(rgb, picture.mask, picture.parts, picture.landmarks_68, picture.landmarks_5)


def maps_of(neutral: Tensor, look: Look, now: Scene, size: int, following: Scene | None = None) -> Maps:
    """What the pixels of `take`'s picture show, and where it goes in a following scene."""
    head, atlas = load_head(), atlas_for(size)
    worn = dressed(atlas, neutral, look, from_srgb(now.shirt_colour), now.neckline, now.glasses)
    after = None if following is None else shot_of(following, size)
    return maps(head, neutral, worn, shot_of(now, size), size, after)


def _developed(rgb: np.ndarray, now: Scene) -> np.ndarray:
    if now.blur:
        rgb = np.asarray(Image.fromarray(rgb).filter(ImageFilter.GaussianBlur(now.blur * len(rgb) / 256)))
    if now.grain:
        noise = stream(*now.seed, "grain of a picture").normal(0, 255 * now.grain, rgb.shape)
        rgb = np.clip(np.round(rgb + noise), 0, 255).astype(np.uint8)
    if now.quality:
        file = io.BytesIO()
        Image.fromarray(rgb).save(file, "JPEG", quality=now.quality)
        rgb = np.asarray(Image.open(file))
    return rgb
