"""`vitrail animate ID SOUND -o FILE`: any animator."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from vitrail.cli import flags, output
from vitrail.cli.generate import HELP_SHOWN, parse_options
from vitrail.errors import UsageError
from vitrail.loading import find_component, load

app = App(name="animate", help="Make a talking clip from sound.", help_flags=[], help_format="plaintext")


@app.default
def animate(
    id: str = "",
    audio: str = "",
    /,
    *tokens: Annotated[str, Parameter(allow_leading_hyphen=True, show=False)],
    out: Annotated[Path, Parameter(name=["--out", "-o"])] = Path("animated.mp4"),
    portrait: Path | None = None,
    prompt: str = "",
    size: tuple[int, int] | None = None,
    fps: float = 25,
    seed: int | None = None,
    weights: Path | None = None,
    device: str | None = None,
) -> None:
    """Make a talking clip: .mp4, .gif, or a folder of frames. `vitrail animate ID --help` adds the method's options.

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
    if not id or id in flags.HELP_FLAGS:
        app.help_print([])
        return
    spec = find_component(id)
    if spec.kind != "animator":
        raise UsageError(f"{id} is a {spec.kind}; `vitrail animate` wants an animator.")
    options = parse_options(spec, (flags.HELP_FLAGS[0],) if audio in flags.HELP_FLAGS else tokens, "animate")
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
