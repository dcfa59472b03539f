"""Every check is shown something wrong, and must object: a check that cannot fail checks nothing."""

import break_kinds  # noqa: F401 - it fills MUTATIONS
import break_plugins  # noqa: F401 - so does it
import pytest
from breaking import MUTATIONS

from vitrail import manager
from vitrail.testing import fake_components as fc
from vitrail.testing import fakes
from vitrail.testing.checks.train import TrainSubject
from vitrail.testing.registry import CHECKS, Skip, checks_of
from vitrail.testing.subject import Subject

GROUPS = (
    "packaging",
    "config",
    "component",
    "batch",
    "recognizer",
    "segmenter",
    "generator",
    "animator",
    "train",
    "kernel",
)


def wrong_kernel():
    """An "op" that no compiler can see, since it is no torch.library op."""
    import torch

    from vitrail.testing.checks.kernel import KernelSubject
    from vitrail_training.kernels import Case

    cases = [Case(str(shape), (torch.randn(shape),)) for shape in ((3, 5), (0, 2))]
    return KernelSubject(op=lambda x: x.sin(), reference=lambda x: x.sin(), cases=cases)


CASES = [(name, m, id) for name, mutations in MUTATIONS.items() for m, id in mutations]


def test_every_check_has_a_mutation():
    assert set(MUTATIONS) == set(checks_of(*GROUPS))
    assert set(CHECKS) == set(GROUPS)


@pytest.mark.parametrize(("name", "mutate", "id"), CASES, ids=[f"{c[0]}-{i}" for i, c in enumerate(CASES)])
def test_check_objects(name, mutate, id, fakes, monkeypatch):
    mutate(monkeypatch)
    manager.current.cache_clear()
    group = next(g for g in GROUPS if name in CHECKS[g])
    if group == "packaging":
        subject = manager.current().record("fake")
    elif group == "train":
        spec = next(s for s in fakes_specs() if s.id == id)
        subject = TrainSubject(spec=spec, config=fc.FakeTrainConfig())
    elif group == "kernel":
        subject = wrong_kernel()
    else:
        subject = Subject(id)
    with pytest.raises(Exception) as caught:
        CHECKS[group][name](subject)
    assert not isinstance(caught.value, Skip), f"{name} skipped instead of objecting"


def fakes_specs():
    return fakes.vitrail_components()
