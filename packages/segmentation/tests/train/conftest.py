"""These need torch, which comes with the extra "train"; without it only augmentation is tested."""

from importlib.util import find_spec

without = find_spec("vitrail_training") is None
collect_ignore = ["test_fitting.py", "test_losses.py", "test_losses_across_ranks.py"] if without else []


def pytest_terminal_summary(terminalreporter):
    if without:
        terminalreporter.line(
            "vitrail-segmentation[train] is not installed: losses and fitting are not tested."
        )
