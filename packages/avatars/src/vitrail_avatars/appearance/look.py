"""Painting a person: skin with brows, stubble and scalp, and a shirt."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from vitrail_avatars.appearance.atlas import Atlas
from vitrail_avatars.appearance.beard import grow_beard, stubble
from vitrail_avatars.appearance.glasses import Glasses, glasses_mesh
from vitrail_avatars.appearance.hair import grow, scalp
from vitrail_avatars.appearance.lids import grow_lashes, shade_lids
from vitrail_avatars.appearance.lines import shade_lines
from vitrail_avatars.appearance.makeup import make_up
from vitrail_avatars.appearance.noise import noise, smoothstep
from vitrail_avatars.appearance.skin import brow_cover, paint
from vitrail_avatars.appearance.strands import Face, joined
from vitrail_avatars.head import PARTS, Head
from vitrail_avatars.population import Person
from vitrail_avatars.render import Look


def look_of(head: Head, atlas: Atlas, person: Person) -> tuple[Tensor, Look]:
    """A person's neutral points (1, V + 2, 3), and their look, without a shirt. Takes under a second."""
    neutral = head.neutral(torch.from_numpy(person.identity)[None])
    place, seed = atlas.place, person.skin.seed
    colour = paint(atlas, person.skin)
    relief = shade_lids(place, person.lids, seed + 51) + shade_lines(place, person.lines, seed + 61)
    # Light that comes out of a fold has gone through more skin, and is redder.
    colour = colour * np.exp(-relief[..., None] * np.array([0.75, 1.05, 1.1], np.float32))
    colour = make_up(colour, place, atlas.lips, person.make_up)
    brows = brow_cover(atlas, person.brows, seed + 31)
    colour = _over(colour, person.brows.colour, 0.95 * brows)
    colour = _over(colour, person.beard.colour, stubble(place, atlas.lips, person.beard, seed + 41))
    roots = 0.35 if person.hair.style == "bald" else 0.85
    dark = 0.45 * np.array(person.hair.colour)
    colour = _over(colour, dark, roots * scalp(place, person.hair.recede) * atlas.painted)
    middle = np.exp(-((np.abs(place[..., 0]) / 0.35) ** 2)) * (
        place[..., 2] > 0.2
    )  # forehead, nose and chin shine
    gloss = np.clip(0.5 + 0.2 * noise(place, 0.02, seed + 20) + 0.3 * middle, 0, 1.3) * (1 - 0.85 * brows)
    skin = np.concatenate([colour, gloss[..., None]], axis=2).astype(np.float32)
    face = Face(
        mean=head.mean[: head.points].numpy(),
        neutral=neutral[0, : head.points].numpy(),
        triangles=head.triangles.numpy(),
        skin=(head.parts == PARTS.index("skin")).numpy(),
        lips=head.lips.numpy() / 255,
    )
    grown = [
        grow(person.hair, face),
        grow_beard(person.beard, face, seed),
        grow_lashes(person.lids, face, seed),
    ]
    strands = joined([each for each in grown if each is not None])
    return neutral, Look(np.ascontiguousarray(skin), np.array(person.iris), strands)


def dressed(
    atlas: Atlas,
    neutral: Tensor,
    look: Look,
    shirt: np.ndarray,
    neckline: float,
    glasses: Glasses | None = None,
) -> Look:
    """A look with a shirt, and with glasses where there are any.

    neutral: (1, V + 2, 3), whom they are to fit. shirt: linear RGB (3,). neckline: 0 (high) to 1 (low).
    """
    x, y, z = np.moveaxis(atlas.place, -1, 0)
    forward = np.clip(z + 1.2, 0, 2)
    edge = -2.2 - 0.12 * forward - neckline * 0.45 * forward - 0.1 * np.abs(x)
    cover = smoothstep(0.025, -0.025, y - edge)
    weave = _weave(atlas) - 0.25 * np.exp(-(((y - edge + 0.06) / 0.03) ** 2))
    skin = look.skin.copy()
    skin[..., :3] = _over(skin[..., :3], shirt * weave[..., None], cover)
    skin[..., 3] *= 1 - 0.9 * cover
    worn = None if glasses is None else glasses_mesh(glasses, neutral[0, :-2].numpy())
    return replace(look, skin=skin, glasses=worn)


@lru_cache(maxsize=2)
def _weave(atlas: Atlas) -> np.ndarray:
    """Of every shirt, (S, S)."""
    return 1 + 0.06 * noise(atlas.place, 0.02, 5)


def _over(colour: np.ndarray, top: object, cover: np.ndarray) -> np.ndarray:
    return colour * (1 - cover[..., None]) + np.asarray(top) * cover[..., None]
