"""ROC curves as a picture."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vitrail.errors import UsageError
from vitrail.files import atomic_path
from vitrail_recognition.verification.roc import Roc

# Okabe and Ito's colours, which people with colour-blindness can tell apart
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
STYLES = ("-", "--", "-.", ":")
MOST_POINTS = 4000
FEW = 10


def draw_roc(curves: Mapping[str, Roc], path: Path | str, *, title: str = "", dpi: int = 150) -> Path:
    """True-accept over false-accept rate, the latter on a logarithmic axis that ends at one impostor pair.

    Where fewer than ten impostor pairs pass the curve is thin: there it rests on chance. The format follows
    the name's ending (.png, .pdf, .svg). Draws without a screen, and leaves pyplot alone.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.ticker import MultipleLocator

    if not curves:
        raise UsageError("There is no curve to draw.")
    figure = Figure(figsize=(7, 5), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    lowest = 0.1
    for number, (name, roc) in enumerate(curves.items()):
        far, tar = _thinned(roc)
        look = {
            "color": COLOURS[number % len(COLOURS)],
            "linestyle": STYLES[number // len(COLOURS) % len(STYLES)],
            "drawstyle": "steps-post",
        }
        few = far * roc.impostors < FEW
        start = max(int(few.sum()) - 1, 0)
        label = f"{name}: AUC {roc.auc:.4f}, {roc.genuine:,} + {roc.impostors:,} pairs"
        axes.plot(far[start:], tar[start:], linewidth=1.8, label=label, **look)
        axes.plot(far[: start + 1], tar[: start + 1], linewidth=0.7, **look)
        lowest = min(lowest, 10 ** math.floor(math.log10(1 / roc.impostors)))
    axes.set(xscale="log", xlim=(lowest, 1), ylim=(0, 1.005))
    axes.set_xlabel("false-accept rate")
    axes.set_ylabel("true-accept rate")
    axes.yaxis.set_major_locator(MultipleLocator(0.1))
    axes.grid(which="major", color="0.85")
    axes.grid(which="minor", axis="x", color="0.94", linewidth=0.5)
    axes.set_axisbelow(True)
    axes.legend(loc="lower right", fontsize=8, title="thin: fewer than 10 impostor pairs", title_fontsize=7)
    if title:
        axes.set_title(title)
    try:
        with atomic_path(path) as temporary:
            figure.savefig(temporary, dpi=dpi)
    except ValueError as error:  # an ending that matplotlib does not know
        raise UsageError(f"{path} cannot be drawn: {error}.") from error
    return Path(path)


def _thinned(roc: Roc) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The curve from one impostor pair on, at most about MOST_POINTS, evenly spread over the logarithmic
    axis."""
    far = np.maximum(
        roc.far, 1 / roc.impostors
    )  # the axis has no zero: what passes before the first impostor
    if len(far) <= MOST_POINTS:
        return far, roc.tar
    grid = np.geomspace(1 / roc.impostors, 1, MOST_POINTS)
    places = np.unique(np.searchsorted(far, grid * (1 + 1e-12), side="right") - 1)
    return far[places], roc.tar[places]
