"""Nested state without pickle: the tensors go to safetensors, the rest is JSON."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from vitrail.errors import BrokenError, UsageError

_MARK = "$"


def flatten(tree: Any, *, where: str = "the state") -> tuple[Any, dict[str, Tensor]]:
    """A JSON skeleton, and the tensors of `tree` (on the CPU, by their path in it).

    `tree` is made of dicts, lists, tuples, tensors, numpy arrays, numbers, strings, bools and None. Anything
    else is a UsageError that names `where` and the path. A flat dict of tensors keeps its names.
    """
    tensors: dict[str, Tensor] = {}

    def walk(node: Any, path: str) -> Any:
        if isinstance(node, Tensor):
            # a copy, since safetensors takes no two tensors that share memory
            tensors[path] = node.detach().to("cpu", copy=True).contiguous()
            return {"$tensor": path}
        if isinstance(node, np.ndarray):
            # older safetensors know no wide unsigned numbers: the same bits, read as signed ones
            signed = f"i{node.itemsize}" if node.dtype.kind == "u" else node.dtype
            tensors[path] = torch.from_numpy(np.array(node, order="C").view(signed))
            return {"$array": path, "dtype": node.dtype.name}
        if node is None or isinstance(node, bool | int | float | str):
            return node
        if isinstance(node, np.generic):
            return node.item()
        if type(node) is tuple:
            return {"$tuple": [walk(item, f"{path}/{place}") for place, item in enumerate(node)]}
        if isinstance(node, list):
            return [walk(item, f"{path}/{place}") for place, item in enumerate(node)]
        if isinstance(node, dict):
            inner = f"{path}/" if path else ""
            if all(isinstance(key, str) and not key.startswith(_MARK) for key in node):
                return {key: walk(value, f"{inner}{key}") for key, value in node.items()}
            if all(isinstance(key, str | int) for key in node):
                return {"$items": [[key, walk(value, f"{inner}{key}")] for key, value in node.items()]}
        raise UsageError(
            f"{where} holds a {type(node).__name__} at {path or 'its root'}, which a checkpoint cannot keep; use "
            "tensors, arrays, numbers, strings, lists, tuples and dicts."
        )

    return walk(tree, ""), tensors


def unflatten(skeleton: Any, tensors: dict[str, Tensor]) -> Any:
    """What `flatten` was given. BrokenError when a tensor is missing."""
    if isinstance(skeleton, list):
        return [unflatten(item, tensors) for item in skeleton]
    if not isinstance(skeleton, dict):
        return skeleton
    match skeleton:
        case {"$tensor": path}:
            return _take(tensors, path)
        case {"$array": path, "dtype": dtype}:
            return _take(tensors, path).numpy().view(dtype)
        case {"$tuple": items}:
            return tuple(unflatten(item, tensors) for item in items)
        case {"$items": items}:
            return {key: unflatten(value, tensors) for key, value in items}
    return {key: unflatten(value, tensors) for key, value in skeleton.items()}


def _take(tensors: dict[str, Tensor], path: str) -> Tensor:
    if path not in tensors:
        raise BrokenError(f"The tensor {path} is missing from the checkpoint.")
    return tensors[path]
