"""What generators promise."""

from __future__ import annotations

import numpy as np

from vitrail.errors import VitrailError
from vitrail.testing.registry import check, demand
from vitrail.testing.subject import Subject


@check("generator")
def check_count_and_seeds(subject: Subject) -> None:
    """`count` pictures come back, each with its own seed, and the same seed gives them again."""
    first = subject.component.generate("a face", count=2, seed=3)
    demand(
        len(first.images) == 2 and len(first.seeds) == 2,
        f"{len(first.images)} images, {len(first.seeds)} seeds.",
    )
    demand(not np.array_equal(first.images[0], first.images[1]), "two pictures of one call are the same.")
    again = subject.component.generate("a face", count=2, seed=3)
    demand(all(map(np.array_equal, first.images, again.images)), "the same seed gave other pictures.")
    alone = subject.component.generate("a face", count=1, seed=first.seeds[1])
    demand(
        bool(np.array_equal(alone.images[0], first.images[1])), "a picture's own seed does not give it again."
    )


@check("generator")
def check_another_seed_gives_another_picture(subject: Subject) -> None:
    """Seeds matter."""
    one = subject.component.generate("a face", seed=1).images[0]
    two = subject.component.generate("a face", seed=2).images[0]
    demand(not np.array_equal(one, two), "seeds 1 and 2 give the same picture.")


@check("generator")
def check_size_is_kept_or_refused(subject: Subject) -> None:
    """Pictures have the size that was asked for, or the size is refused in a sentence."""
    default = subject.component.generate("a face", seed=1).images[0]
    asked = default.shape[:2]
    again = subject.component.generate("a face", size=asked, seed=1).images[0]
    demand(again.shape == default.shape, f"size {asked} gave {again.shape[:2]}.")
    try:
        odd = subject.component.generate("a face", size=(asked[0] + 1, asked[1]), seed=1).images[0]
    except VitrailError:
        return
    demand(odd.shape[:2] == (asked[0] + 1, asked[1]), f"{asked[0] + 1}x{asked[1]} gave {odd.shape[:2]}.")


@check("generator")
def check_bad_requests_are_refused(subject: Subject) -> None:
    """A count of 0, a strength above 1 and a mask of another size raise a VitrailError."""
    image = subject.component.generate("a face", seed=1).images[0]
    bad = {
        "count=0": {"count": 0},
        "strength=1.5": {"strength": 1.5, "init_image": image},
        "a mask of another size": {"init_image": image, "mask": np.ones((2, 2), dtype=bool)},
    }
    for what, arguments in bad.items():
        try:
            subject.component.generate("a face", seed=1, **arguments)
        except VitrailError:
            continue
        raise AssertionError(f"{what} raised no VitrailError.")
