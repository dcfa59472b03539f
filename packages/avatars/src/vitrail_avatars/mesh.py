"""Small things about meshes."""

from __future__ import annotations

import torch
from torch import Tensor


def vertex_normals(vertices: Tensor, triangles: Tensor) -> Tensor:
    """Unit normals (B, V, 3) of vertices (B, V, 3), the means of the triangles' (F, 3), weighed by area."""
    a, b, c = (vertices[:, triangles[:, i]] for i in range(3))
    normal = torch.linalg.cross(b - a, c - a)
    total = torch.zeros_like(vertices)
    for corner in range(3):
        total.index_add_(1, triangles[:, corner], normal)
    return torch.nn.functional.normalize(total, dim=2)
