"""`vitrail generate ID PROMPT -o FILE`: any generator."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from vitrail.cli import flags, output
from vitrail.errors import UsageError
from vitrail.loading import find_component, load
from vitrail.specs import ComponentSpec, resolve

app = flags.verb(
    "generate",
    usage="generate ID PROMPT [-o PICTURE] [FLAGS]",
    more="`vitrail generate ID --help` lists the method's own options.",
)


@app.default
def generate(
    id: flags.Word = "",
    prompt: flags.Word = "",
    /,
    *tokens: flags.Hidden,
    out: Annotated[Path, Parameter(name=["--out", "-o"])] = Path("generated.png"),
    face: Annotated[tuple[Path, ...], Parameter(show_default=False)] = (),
    negative_prompt: flags.Text = "",
    count: int = 1,
    size: tuple[int, int] | None = None,
    steps: int | None = None,
    guidance: float | None = None,
    strength: float = 0.6,
    init_image: Path | None = None,
    mask: Path | None = None,
    seed: int | None = None,
    weights: Path | None = None,
    device: str | None = None,
) -> None:
    """Make pictures; several go on one sheet.

    Args:
        id: a generator as plugin/variant.
        prompt: what to show, in words.
        out: picture to write.
        face: a photograph of the person to show; may be given several times.
        negative_prompt: what not to show.
        count: how many pictures.
        size: height and width in pixels.
        steps: denoising steps.
        guidance: how closely to follow the words.
        strength: how far init_image is changed, 0 to 1.
        init_image: a picture to start from.
        mask: a picture that is white where init_image may change.
        seed: the same seed gives the same pictures.
        weights: a folder with weights; those of the package by default.
        device: cpu, cuda, cuda:1, mps.
    """
    if flags.asks_help(id):
        app.help_print([])
        return
    spec = find_component(id)
    if spec.kind != "generator":
        raise UsageError(f"{id} is a {spec.kind}; `vitrail generate` wants a generator.")
    options = parse_options(spec, flags.after(prompt, tokens, "the prompt"), "generate")
    if options is HELP_SHOWN:
        return
    from vitrail.results import open_image, open_images

    mask_array = None if mask is None else open_image(mask).max(axis=2) > 127
    result = load(id, weights=weights, device=device).generate(
        prompt, faces=open_images(face), negative_prompt=negative_prompt, count=count, size=size, steps=steps,
        guidance=guidance, strength=strength, init_image=None if init_image is None else open_image(init_image),
        mask=mask_array, seed=seed, options=options,
    )  # fmt: skip
    result.save(out)
    seeds = f" Seeds: {', '.join(map(str, result.seeds))}." if result.seeds else ""
    output.say(f"Wrote {out}.{seeds}")


HELP_SHOWN = object()


def parse_options(spec: ComponentSpec, tokens: tuple[str, ...], verb: str) -> Any:
    """The `options` dataclass that the spec names, filled from flags; None if it names none."""
    if not spec.options:
        if tokens and tokens[0] not in flags.HELP_FLAGS:
            raise UsageError(f"{spec.id} has no options of its own; {' '.join(tokens)!r} is not understood.")
        if tokens:
            print(f"{spec.id} has no options of its own; see `vitrail {verb} --help`.")
            return HELP_SHOWN
        return None
    options_class = resolve(spec.options, wanted_by=spec.id)

    def takes(options: Any) -> None: ...

    takes.__annotations__ = {"options": options_class}
    summary = f"Options of {spec.id}; `vitrail {verb} --help` lists those that all have."
    values = flags.parse(takes, tokens, prog=f"vitrail {verb} {spec.id}", summary=summary)
    return HELP_SHOWN if values is None else values["options"]
