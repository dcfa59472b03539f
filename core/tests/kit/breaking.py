"""What the modules that break things share: a list of mutations, and ways to make one."""

from dataclasses import replace

from vitrail.testing import fakes

MUTATIONS = {}


def breaks(check, id="fake/segmenter"):
    """Register a mutation that the named check must object to."""

    def register(function):
        MUTATIONS.setdefault(check, []).append((function, id))
        return function

    return register


def respec(mp, id, **changes):
    """Change the spec of one fake, as its plugin gives it."""
    before = fakes.vitrail_components()
    changed = [replace(spec, **changes) if spec.id == id else spec for spec in before]
    mp.setattr(fakes, "vitrail_components", _hook(lambda: changed))


def _hook(function):
    from vitrail.hookspecs import hookimpl

    function.__name__ = "vitrail_components"
    return hookimpl(function)


def wrap(mp, owner, method, change):
    """Pass the result of a method through `change(self, result, args, kwargs)`."""
    old = getattr(owner, method)
    mp.setattr(owner, method, lambda self, *a, **k: change(self, old(self, *a, **k), a, k))
