from __future__ import annotations

from pathlib import Path

from vitrail.testing.papers import PaperSuite


class TestPaper(PaperSuite):
    paper = Path(__file__).parents[2] / "PAPER.md"
    modules = (
        "vitrail_cmunet.attention",
        "vitrail_cmunet.blocks",
        "vitrail_cmunet.csmamba",
        "vitrail_cmunet.model",
    )
    beside_the_point = frozenset({"vitrail_cmunet.blocks:Stage"})  # a list of blocks
