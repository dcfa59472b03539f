from __future__ import annotations

from pathlib import Path

from vitrail.testing.papers import PaperSuite


class TestPaper(PaperSuite):
    paper = Path(__file__).parents[2] / "PAPER.md"
    modules = (
        "vitrail_prcl.consistency",
        "vitrail_prcl.contrast",
        "vitrail_prcl.heads",
        "vitrail_prcl.model",
        "vitrail_prcl.prototypes",
        "vitrail_prcl.sampling",
        "vitrail_prcl.score",
        "vitrail_prcl.virtual",
    )
    beside_the_point = frozenset(
        {
            "vitrail_prcl.contrast:Contrasted",  # the loss and a number for the log
            "vitrail_prcl.heads:convolution",
            "vitrail_prcl.sampling:ByClass",
            "vitrail_prcl.virtual:other_classes",
        }
    )
