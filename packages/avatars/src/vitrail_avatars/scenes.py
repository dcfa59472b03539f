"""What changes from picture to picture of a person: face, pose, light, camera, clothes, background; and its words."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from vitrail_avatars.appearance.background import KINDS, Kind, background
from vitrail_avatars.appearance.colours import from_srgb
from vitrail_avatars.appearance.glasses import GLASSES, Glasses
from vitrail_avatars.appearance.light import Light, random_light
from vitrail_avatars.arkit import ARKIT, places
from vitrail_avatars.camera import Camera
from vitrail_avatars.population import Person
from vitrail_avatars.render import Shot
from vitrail_avatars.seeds import stream
from vitrail_avatars.speech.emotion import EMOTIONS, face

COLOURS = {
    "white": (0.92, 0.92, 0.90), "grey": (0.52, 0.52, 0.53), "black": (0.07, 0.07, 0.08), "red": (0.74, 0.13, 0.13),
    "orange": (0.92, 0.52, 0.14), "yellow": (0.92, 0.82, 0.28), "green": (0.20, 0.52, 0.24), "blue": (0.16, 0.32, 0.70),
    "purple": (0.44, 0.22, 0.58), "pink": (0.93, 0.60, 0.72), "brown": (0.42, 0.28, 0.17),
}  # fmt: skip
"""sRGB; colours of shirts and walls lie about these."""

TURNED = np.radians(18)
"""A head that is turned further aside than this is said to be turned."""

_FACES = {
    "neutral": "a neutral face", "happy": "a happy face", "sad": "a sad face", "angry": "an angry face",
    "fear": "a frightened face", "disgust": "a disgusted face", "surprised": "a surprised face",
    "contempt": "a scornful face",
}  # fmt: skip
_SPECTACLES = {"none": "", "round": "round glasses", "square": "square glasses", "sun": "sunglasses"}


@dataclass(frozen=True, eq=False)
class Scene:
    """One picture's circumstances. What has a name is in the caption.

    emotion: of `EMOTIONS`; level: 1 to 3. expression: (52,) float32, ARKit's units. angles: (3,) radians. gaze: (2, 2).
    shirt, wall: names of `COLOURS`. behind: kind of background. grain: standard deviation of noise, sRGB. blur: pixels
    of a picture of 256. quality: of JPEG, 0 for none.
    """

    emotion: str
    level: int
    expression: np.ndarray = field(repr=False)
    angles: np.ndarray
    gaze: np.ndarray = field(repr=False)
    light: Light = field(repr=False)
    camera: Camera
    shirt: str
    shirt_colour: np.ndarray = field(repr=False)
    neckline: float
    glasses: Glasses
    behind: Kind
    wall: str
    wall_colour: np.ndarray = field(repr=False)
    grain: float
    blur: float
    quality: int
    seed: tuple[int, int] = field(repr=False)


def scene(seed: int, index: int, *, across: float = 4.4, degraded: bool = False) -> Scene:
    """Scene `index` of the seed: each thing has random numbers of its own, so that one can be changed alone.

    across: about how many eye distances the picture is wide. degraded: with grain, blur and JPEG.
    """
    draw = stream(seed, index, "emotion of a picture")
    emotion = EMOTIONS[int(draw.integers(len(EMOTIONS)))]
    level = int(draw.integers(1, 4))
    moved = face(emotion, level, mirrored=bool(draw.integers(2))) * np.float32(draw.uniform(0.7, 1.1))
    moved = np.clip(moved + _fidgets(stream(seed, index, "fidgets")), 0, 1).astype(np.float32)
    pose = stream(seed, index, "pose of a picture")
    angles = np.clip(pose.normal(0, [0.12, 0.38, 0.09]), [-0.4, -1.0, -0.3], [0.4, 1.0, 0.3])
    look = stream(seed, index, "gaze")
    towards = np.clip(look.normal(0, [0.06, 0.12]) - 0.35 * angles[:2] * (look.random() < 0.6), -0.4, 0.4)
    camera = stream(seed, index, "camera")
    clothes, walls, worn = (stream(seed, index, name) for name in ("shirt", "wall", "glasses"))
    shirt, shirt_colour = _colour(clothes)
    wall, wall_colour = _colour(walls)
    kind = GLASSES[int(worn.choice(len(GLASSES), p=[0.7, 0.11, 0.11, 0.08]))]
    bad = stream(seed, index, "grain")
    return Scene(
        emotion=emotion,
        level=level,
        expression=moved,
        angles=angles,
        gaze=np.repeat(towards[None], 2, axis=0),
        light=random_light(stream(seed, index, "light")),
        camera=Camera(
            distance=float(camera.uniform(9, 22)),
            across=float(across * camera.uniform(0.88, 1.15)),
            centre=(
                float(camera.normal(0, 0.06 * across / 4)),
                float(-0.35 + camera.normal(0, 0.08 * across / 4)),
            ),
        ),
        shirt=shirt,
        shirt_colour=shirt_colour,
        neckline=float(clothes.random()),
        glasses=Glasses(
            kind, tuple(from_srgb(np.full(3, worn.uniform(0.02, 0.5))).tolist()), *worn.random(2).tolist()
        ),
        behind=KINDS[int(walls.integers(len(KINDS)))],
        wall=wall,
        wall_colour=wall_colour,
        grain=float(bad.exponential(0.012)) if degraded else 0.0,
        blur=float(bad.exponential(0.4)) if degraded else 0.0,
        quality=int(bad.integers(55, 97)) if degraded else 0,
        seed=(seed, index),
    )


def shot_of(scene: Scene, size: int) -> Shot:
    """What `render` wants, for a picture of size x size pixels."""
    behind = background(scene.behind, scene.wall_colour, size, stream(*scene.seed, "background"))
    return Shot(scene.expression, scene.angles, scene.gaze, scene.light, scene.camera, behind)


def caption(scene: Scene) -> str:
    """The circumstances in words; nothing of who it is."""
    parts = [f"a photo of a person with {_FACES[scene.emotion]}"]
    yaw = scene.angles[1]
    if abs(yaw) > TURNED:
        parts.append(f"turned to the {'right' if yaw > 0 else 'left'}")  # as whoever looks at it sees it
    if scene.glasses.kind != "none":
        parts.append(f"wearing {_SPECTACLES[scene.glasses.kind]}")
    parts.append(f"in a {scene.shirt} shirt" if scene.shirt != "orange" else "in an orange shirt")
    parts.append(
        {
            "plain": f"{scene.wall} wall",
            "gradient": f"{scene.wall} gradient",
            "clutter": f"{scene.wall} room",
        }[scene.behind]
    )
    parts.append(_lit(scene.light))
    return ", ".join(parts)


def description(person: Person) -> str:
    """A person in words: gender, age, hair, beard, eyes."""
    age = (
        "child"
        if person.age < 16
        else "young"
        if person.age < 32
        else "middle-aged"
        if person.age < 58
        else "old"
    )
    noun = {"female": ("girl", "woman"), "male": ("boy", "man")}[person.gender][age != "child"]
    who = f"a {noun}" if age == "child" else f"{'an' if age == 'old' else 'a'} {age} {noun}"
    hair = (
        "a bald head" if person.hair.style == "bald" else f"{hair_colour(person)} {_HAIR[person.hair.style]}"
    )
    beard = {
        "none": "",
        "stubble": " and stubble",
        "moustache": " and a moustache",
        "goatee": " and a goatee",
    }
    return f"{who} with {hair}{beard.get(person.beard.style, ' and a full beard')}, {person.eyes} eyes"


_HAIR = {
    "buzz": "cropped hair", "short": "short hair", "swept": "swept-back hair", "fringe": "hair with a fringe",
    "bob": "shoulder-length hair", "long": "long hair", "curly": "curly hair", "afro": "frizzy hair",
    "tied": "tied-back hair",
}  # fmt: skip


def hair_colour(person: Person) -> str:
    """The nearest word for the colour of a person's hair."""
    red, green, blue = person.hair.colour
    if max(red, green, blue) < 1.5 * min(red, green, blue) and green > 0.12:
        return "grey"
    if green < 0.03:
        return "black"
    if red > 2.2 * green:
        return "red"
    return "blond" if green > 0.2 else "brown"


def _lit(light: Light) -> str:
    strength = float(light.colour.mean())
    if strength < 0.5:
        return "soft light"
    side = light.key[0]
    where = "from the front" if abs(side) < 0.35 else f"from the {'right' if side > 0 else 'left'}"
    return f"light {where}"


def _colour(draw: np.random.Generator) -> tuple[str, np.ndarray]:
    names = list(COLOURS)
    name = names[int(draw.integers(len(names)))]
    return name, np.clip(np.array(COLOURS[name]) + draw.normal(0, 0.035, 3), 0.02, 0.98)


def _fidgets(draw: np.random.Generator) -> np.ndarray:
    """Small movements that no emotion asked for."""
    moved = np.zeros(len(ARKIT))
    for name, spread in (
        ("browInnerUp", 0.15),
        ("mouthSmile", 0.1),
        ("eyeBlink", 0.1),
        ("jawOpen", 0.06),
        ("eyeSquint", 0.1),
    ):
        moved[places(name)] += abs(draw.normal(0, spread))
    return moved
