"""`vitrail animate ID SOUND -o FILE`: any animator."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from vitrail.cli import flags, output
from vitrail.cli.generate import HELP_SHOWN, parse_options
from vitrail.errors import UsageError
from vitrail.loading import find_component, load

app = flags.verb(
    "animate",
    usage="animate ID SOUND.wav [-o CLIP] [FLAGS]",
    more="`vitrail animate ID --help` lists the method's own options.",
)


@app.default
def animate(
    id: flags.Word = "",
    audio: flags.Word = "",
    /,
    *tokens: flags.Hidden,
    out: Annotated[Path, Parameter(name=["--out", "-o"])] = Path("animated.mp4"),
    portrait: Path | None = None,
    prompt: flags.Text = "",
    size: tuple[int, int] | None = None,
    fps: float = 25,
    seed: int | None = None,
    weights: Path | None = None,
    device: str | None = None,
) -> None:
    """Make a talking clip: .mp4, .gif, or a folder of frames.

    Args:
        id: an animator as plugin/variant.
        audio: a WAV file with speech.
        out: clip to write.
        portrait: a picture of who speaks; without one the method imagines a face.
        prompt: how the speaker looks, in words.
        size: height and width in pixels.
        fps: frames a second.
        seed: the same seed gives the same clip.
        weights: a folder with weights; those of the package by default.
        device: cpu, cuda, cuda:1, mps.
    """
    if flags.asks_help(id):
        app.help_print([])
        return
    spec = find_component(id)
    if spec.kind != "animator":
        raise UsageError(f"{id} is a {spec.kind}; `vitrail animate` wants an animator.")
    options = parse_options(spec, flags.after(audio, tokens, "the sound"), "animate")
    if options is HELP_SHOWN:
        return
    if not audio:
        raise UsageError(f"No sound was given. Write: vitrail animate {id} SPEECH.wav -o {out}")
    from vitrail.results import Audio, open_image

    sound = Audio.open(audio)
    clip = load(id, weights=weights, device=device).animate(
        sound, portrait=None if portrait is None else open_image(portrait), prompt=prompt, size=size, fps=fps,
        seed=seed, options=options,
    )  # fmt: skip
    clip.save(out)
    output.say(f"Wrote {out}, {sound.seconds:.1f} s.")
