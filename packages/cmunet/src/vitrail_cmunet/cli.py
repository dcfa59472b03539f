"""`vitrail cmunet ...`: the verbs that only this method has."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import App, Parameter

app = App(name="cmunet", help="Prepare data for CM-UNet.", help_format="plaintext")
Part = Literal["train", "validation", "test"]
Flag = Parameter(negative="")


@app.command
def patches(
    dataset: Literal["vaihingen", "potsdam"],
    root: Path,
    /,
    *,
    out: Annotated[Path, Parameter(name=["--out", "-o"])],
    part: Annotated[tuple[Part, ...], Flag] = ("train", "validation", "test"),
    split: Literal["usual", "odd-even"] = "usual",
    patch: int = 1024,
    train_stride: int | None = None,
    flips: bool = True,
    car_share: float | None = None,
    keep_patch: Annotated[bool, Flag] = False,
    imagery: Literal["rgb", "irrg"] = "rgb",
    padding_compat: Annotated[bool, Flag] = False,
    unknown: Literal["error", "ignore"] = "error",
    seed: int = 42,
) -> None:
    """Cut the tiles of ISPRS Vaihingen or Potsdam into patches, once, before training.

    LoveDA needs no cutting: its presets read the folders as they are downloaded.

    Args:
        dataset: vaihingen or potsdam.
        root: the folder of the download, unpacked; files are found by their names.
        out: a folder that gets train, validation and test.
        part: only this part; may be given several times.
        split: usual (the benchmark's test tiles) or odd-even.
        patch: side of a patch in pixels.
        train_stride: pixels from one training patch to the next; half a patch for Vaihingen, a whole one for Potsdam.
        flips: store training tiles mirrored either way too.
        car_share: store an enlarged crop, four times, instead of a training patch where it has more than this share of
            cars; 0.1 for Vaihingen, 1 (never) for Potsdam.
        keep_patch: store the patch beside such a crop.
        imagery: of Potsdam: rgb, or irrg (infrared, red, green).
        padding_compat: pad at the top and the left and count it as impervious surface, as the published script does.
        unknown: error or ignore, for label colours of no class.
        seed: of the random crops.
    """
    from rich.console import Console

    from vitrail_cmunet.patching import PatchOptions, write_patches

    options = PatchOptions(
        patch=patch,
        train_stride=train_stride,
        flips=flips,
        car_share=car_share,
        keep_patch=keep_patch,
        imagery=imagery,
        padding_compat=padding_compat,
        unknown=unknown,
        seed=seed,
    )
    counts = write_patches(dataset, root, out, parts=part, split_name=split, options=options)
    for name, count in counts.items():
        Console(stderr=True).print(f"{out / name}: {count} patches", highlight=False)
