"""`vitrail avatars base ...`: the small diffusion model of this world."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import App, Parameter

from vitrail.cli import output
from vitrail.errors import NotInstalledError, UsageError
from vitrail.files import atomic_path

app = App(
    name="base",
    help="Train the small diffusion model of this world, and draw with it.",
    help_format="plaintext",
)
Out = Annotated[Path, Parameter(name=["--out", "-o"])]


@app.command
def pictures(
    *,
    out: Out,
    people: int = 4000,
    views: int = 5,
    size: int = 64,
    seed: int = 7,
    first: int = 0,
    workers: int = 0,
) -> None:
    """Draw pictures with captions to train with, into one file.

    Args:
        out: an .npz file.
        people: how many; the last ones are kept for tests.
        views: pictures of each.
        size: pixels; 64 for the preset small, 128 for large.
        seed: which population.
        first: number of the first person.
        workers: processes that draw.
    """
    from vitrail_avatars.base.picture_file import write_pictures

    write_pictures(
        out, people=people, views=views, size=size, seed=seed, first=first, workers=workers,
        track=lambda found: output.track(found, "drawing", people),
    )  # fmt: skip
    output.say(f"{people * views} pictures of {people} people are in {out}.")


@app.command
def train(
    data: Path,
    /,
    *,
    out: Out,
    preset: Literal["small", "large"] = "small",
    begin: Path | None = None,
    autoencoder_steps: int | None = None,
    steps: int | None = None,
) -> None:
    """Train the autoencoder, then the denoiser with its text encoder. Run it again to go on where it was stopped.

    Args:
        data: a file that `vitrail avatars base pictures` wrote.
        out: the folder of the run; what diffusers loads is in its folder pipeline at the end.
        preset: small has 64 pixels and takes hours on two cores; large has 128 and wants a GPU.
        begin: a pipeline of the same preset to go on from; its autoencoder and its words stay as they are.
        autoencoder_steps: other than the preset's.
        steps: of the denoiser, other than the preset's.
    """
    from dataclasses import replace

    from vitrail_avatars.base.train import preset as chosen
    from vitrail_avatars.base.train import train_base
    from vitrail_training.distributed import rank

    _needs_diffusers()
    config = chosen(preset)
    if autoencoder_steps is not None:
        config = replace(config, autoencoder=replace(config.autoencoder, steps=autoencoder_steps))
    if steps is not None:
        config = replace(config, denoiser=replace(config.denoiser, steps=steps))
    folder = train_base(data, config, out=out, begin=begin)
    if rank() == 0:
        output.say(f"The model is in {folder}.")


@app.command
def sample(
    *prompts: str,
    out: Out,
    model: Path | None = None,
    each: int = 8,
    steps: int = 30,
    guidance: float = 4.0,
    seed: int = 0,
) -> None:
    """Draw pictures of prompts on one sheet, a row for each.

    Args:
        prompts: "a photo of a person with a happy face, wearing round glasses, in a red shirt, blue wall, soft light".
        out: a PNG or JPEG file.
        model: what `vitrail avatars base train` wrote, or any Stable Diffusion in diffusers' layout; without it, the
            weights of the package vitrail-avatars-base.
        each: pictures of each prompt.
        steps: of denoising.
        guidance: how strongly the prompt is followed; 1 for not at all beyond what was learnt.
        seed: of the noise.
    """
    import numpy as np
    from PIL import Image

    _needs_diffusers()
    if not prompts:
        raise UsageError("no prompt was given; wanted is at least one.")
    if out.suffix.lower() not in (".png", ".jpg", ".jpeg"):
        raise UsageError(f"{out} is no name of a picture; wanted is one that ends in .png or .jpg.")
    from vitrail_avatars.base.drawing import checked, draw, installed

    folder = installed() if model is None else checked(model)
    rows = [
        np.concatenate(list(draw(folder, [prompt] * each, steps=steps, guidance=guidance, seed=seed)), axis=1)
        for prompt in prompts
    ]
    with atomic_path(out) as temporary:
        Image.fromarray(np.concatenate(rows)).save(temporary)
    output.say(f"{len(prompts) * each} pictures are in {out}.")


def _needs_diffusers() -> None:
    if find_spec("diffusers") is None or find_spec("transformers") is None:
        raise NotInstalledError('This needs diffusers: pip install "vitrail-avatars[diffusion]"')
