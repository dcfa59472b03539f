from __future__ import annotations

from pathlib import Path

from vitrail.testing.papers import PaperSuite


class TestPaper(PaperSuite):
    paper = Path(__file__).parents[2] / "PAPER.md"
    modules = (
        "vitrail_transface.dpap",
        "vitrail_transface.ehsm",
        "vitrail_transface.model",
        "vitrail_transface.probe",
    )
