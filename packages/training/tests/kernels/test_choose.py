from __future__ import annotations

import pytest
import torch

from vitrail.errors import UsageError, VitrailError
from vitrail_training.kernels.choose import Backend, choose, doctor_line, requested

X = torch.empty(0)


def backends(triton: str = "", cpu: str = "") -> tuple[Backend, ...]:
    return (
        Backend("triton", lambda x: triton),
        Backend("cpu", lambda x: cpu or ("it needs float32" if x.dtype == torch.float64 else "")),
        Backend("vendor", lambda x: "", automatic=False),
        Backend("reference", lambda x: ""),
    )


def test_auto_takes_the_first_that_can_run(monkeypatch):
    monkeypatch.delenv("VITRAIL_KERNELS", raising=False)
    assert requested() == "auto"
    assert choose("scan", backends(), X) == "triton"
    assert choose("scan", backends(triton="no device"), X) == "cpu"
    assert choose("scan", backends(triton="no device"), X.double()) == "reference"
    assert (
        choose("scan", backends("no device", "no numba"), X) == "reference"
    )  # never the one that is not automatic


def test_a_request_is_obeyed_or_an_error(monkeypatch):
    monkeypatch.setenv("VITRAIL_KERNELS", "CPU")
    assert choose("scan", backends(), X) == "cpu"
    assert choose("scan", backends(), X, request="vendor") == "vendor"
    with pytest.raises(
        VitrailError, match=r"VITRAIL_KERNELS=cpu was asked for, but scan cannot use it: no numba"
    ):
        choose("scan", backends(cpu="no numba"), X)
    with pytest.raises(UsageError, match=r"backend=triton was asked for, .* no device"):
        choose("scan", backends(triton="no device"), X, request="triton")


def test_unknown_names_list_what_there_is(monkeypatch):
    monkeypatch.setenv("VITRAIL_KERNELS", "cuda")
    with pytest.raises(
        UsageError, match="VITRAIL_KERNELS=cuda is unknown: scan offers auto, cpu, reference, triton, vendor"
    ):
        choose("scan", backends(), X)
    with pytest.raises(UsageError, match="triton, which scan does not have"):
        choose("scan", backends()[1:], X, request="triton")


def test_doctor_says_what_is_used_and_why(monkeypatch):
    monkeypatch.delenv("VITRAIL_KERNELS", raising=False)
    assert doctor_line("scan", backends("no device"), X).level == "ok"
    fallen = doctor_line("scan", backends("no device", "no numba"), X)
    assert (fallen.level, "cpu cannot run: no numba" in fallen.text) == ("problem", True)
    monkeypatch.setenv("VITRAIL_KERNELS", "triton")
    assert doctor_line("scan", backends("no device"), X).level == "problem"
    monkeypatch.setenv("VITRAIL_KERNELS", "reference")
    asked = doctor_line("scan", backends(), X)
    assert (asked.level, "asked for by VITRAIL_KERNELS" in asked.text) == ("ok", True)
