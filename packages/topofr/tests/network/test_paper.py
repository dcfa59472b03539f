from __future__ import annotations

from pathlib import Path

from vitrail.testing.papers import PaperSuite


class TestPaper(PaperSuite):
    paper = Path(__file__).parents[2] / "PAPER.md"
    modules = (
        "vitrail_topofr.damage",
        "vitrail_topofr.model",
        "vitrail_topofr.objective",
        "vitrail_topofr.perturb",
        "vitrail_topofr.structure",
    )
