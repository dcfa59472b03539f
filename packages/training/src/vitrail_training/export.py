"""ONNX: export a network, and check with onnxruntime that the file computes the same."""

from __future__ import annotations

import copy
import logging
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves

from vitrail.errors import BrokenError, NotInstalledError, UsageError
from vitrail.files import atomic_path


@dataclass(frozen=True, kw_only=True)
class OnnxReport:
    """What was written, and how far it is from the network.

    size: bytes. errors: input shapes -> largest difference of any output; empty when unchecked.
    """

    path: Path
    opset: int
    size: int
    errors: dict[str, float]

    @property
    def max_error(self) -> float | None:
        return max(self.errors.values(), default=None)


def export_onnx(
    module: nn.Module,
    example: Tensor | Sequence[Tensor],
    path: Path | str,
    *,
    input_names: Sequence[str] = ("input",),
    output_names: Sequence[str] = ("output",),
    dynamic: Mapping[str, Mapping[int, str]] | None = None,
    check: bool = True,
    check_on: Sequence[Tensor | Sequence[Tensor]] | None = None,
    tolerance: float = 1e-4,
    relative: bool = False,
    reference: nn.Module | None = None,
    metadata: Mapping[str, str] | None = None,
    custom_translation_table: dict[Callable[..., Any], Callable[..., Any]] | None = None,
    opset: int | None = None,
) -> OnnxReport:
    """Write `module`, as it is in eval mode, to one ONNX file, which appears only if it passes the check.

    example: its inputs, tensors whose sizes suit the network.
    dynamic: input name -> {dimension: name} of the sizes that may vary, such as
        {"image": {0: "batch", 2: "height", 3: "width"}}.
    check: run onnxruntime on `example` and on `check_on`, and compare every output.
    check_on: further inputs; by default the example with each dynamic size doubled in turn, then all of them.
    tolerance: the largest absolute difference that passes. relative: divided by the largest absolute output.
    reference: the network to compare with, where `module` is one made for the export; by default `module`.
    metadata: strings to store in the file, such as class names.
    custom_translation_table: torch operator -> ONNX Script function, for operators of one's own.

    Raises NotInstalledError without the extra "export", UsageError when the network cannot be exported,
    BrokenError when the file computes something else.
    """
    _need(check)
    module = copy.deepcopy(module).cpu().eval()
    inputs = _tuple(example)
    dynamic = dynamic or {}
    if len(inputs) != len(input_names):
        raise UsageError(
            f"{len(inputs)} example inputs and {len(input_names)} input names were given; wanted are as many."
        )
    if unknown := sorted(set(dynamic) - set(input_names)):
        raise UsageError(f"dynamic names {', '.join(unknown)}; the inputs are {', '.join(input_names)}.")
    shapes = tuple(dict(dynamic.get(name, {})) for name in input_names) if dynamic else None
    with atomic_path(path) as temporary:
        try:
            with _quiet(), torch.no_grad():
                program = torch.onnx.export(
                    module,
                    inputs,
                    input_names=list(input_names),
                    output_names=list(output_names),
                    dynamic_shapes=shapes,
                    custom_translation_table=custom_translation_table,
                    opset_version=opset,
                    dynamo=True,
                    verbose=False,
                )
        except Exception as error:
            raise UsageError(
                f"{type(module).__name__} cannot be exported to ONNX: {_reason(error)}"
            ) from error
        assert program is not None
        program.model.metadata_props.update(metadata or {})
        program.save(temporary, external_data=False)
        errors = {}
        if check:
            others = _doubled(inputs, input_names, dynamic) if check_on is None else map(_tuple, check_on)
            right = module if reference is None else copy.deepcopy(reference).cpu().float().eval()
            errors = _compare(right, temporary, [inputs, *others], tolerance, relative)
    return OnnxReport(
        path=Path(path), opset=program.model.opset_imports[""], size=Path(path).stat().st_size, errors=errors
    )


def _reason(error: BaseException) -> str:
    """The first cause: what the exporter wraps around it are instructions for its own authors."""
    while error.__cause__ is not None:
        error = error.__cause__
    return " ".join(str(error).split())[:500] or type(error).__name__


def _doubled(
    inputs: tuple[Tensor, ...], names: Sequence[str], dynamic: Mapping[str, Mapping[int, str]]
) -> list[tuple[Tensor, ...]]:
    """The inputs with each named size doubled in turn, then with all of them."""
    sizes = sorted({what for dimensions in dynamic.values() for what in dimensions.values()})
    chosen = [{size} for size in sizes] + ([set(sizes)] if len(sizes) > 1 else [])
    made = []
    for some in chosen:
        larger = []
        for tensor, name in zip(inputs, names, strict=True):
            for dimension, what in dynamic.get(name, {}).items():
                if what in some:
                    tensor = torch.cat([tensor, tensor.flip(dimension)], dimension)
            larger.append(tensor)
        made.append(tuple(larger))
    return made


def _compare(
    module: nn.Module, path: Path, cases: Sequence[tuple[Tensor, ...]], tolerance: float, relative: bool
) -> dict[str, float]:
    """Largest difference between network and file for each case; BrokenError above `tolerance`."""
    import onnxruntime

    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    names = [each.name for each in session.get_inputs()]
    errors: dict[str, float] = {}
    for inputs in cases:
        shapes = " ".join(str(tuple(tensor.shape)) for tensor in inputs)
        with torch.no_grad():
            wanted = _outputs(module(*inputs))
        try:
            found = session.run(None, {name: tensor.numpy() for name, tensor in zip(names, inputs)})
        except Exception as error:  # onnxruntime's own exceptions share no base class
            raise BrokenError(f"onnxruntime cannot run the exported network on {shapes}: {error}") from error
        pairs = list(zip(found, wanted, strict=True))
        if any(tuple(ours.shape) != tuple(theirs.shape) for ours, theirs in pairs):
            raise BrokenError(
                f"The exported network gives outputs of other shapes for {shapes}; nothing was written."
            )
        errors[shapes] = max(
            _difference(torch.from_numpy(ours).double(), theirs.double(), relative) for ours, theirs in pairs
        )
        if not errors[shapes] <= tolerance:
            raise BrokenError(
                f"The exported network differs by {errors[shapes]:.3g} for {shapes}; at most {tolerance:g} was "
                "asked for. Nothing was written."
            )
    return errors


def _difference(ours: Tensor, theirs: Tensor, relative: bool) -> float:
    if not theirs.numel():
        return 0.0
    found = (ours - theirs).abs().max()
    return float(found / theirs.abs().max().clamp_min(1e-30) if relative else found)


def _outputs(result: Any) -> list[Tensor]:
    """The tensors of an output, in the order of the ONNX outputs."""
    return [each for each in tree_leaves(result) if isinstance(each, Tensor)]


@contextmanager
def _quiet() -> Iterator[None]:
    """The exporter logs and warns about its own workings."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)


def _need(check: bool) -> None:
    try:
        import onnx  # noqa: F401
        import onnxscript  # noqa: F401

        if check:
            import onnxruntime  # noqa: F401
    except ImportError as error:
        raise NotInstalledError(
            f"ONNX export needs {error.name}. pip install 'vitrail-training[export]'"
        ) from error


def _tuple(inputs: Tensor | Sequence[Tensor]) -> tuple[Tensor, ...]:
    return (inputs,) if isinstance(inputs, Tensor) else tuple(inputs)
