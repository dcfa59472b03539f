"""A head, a small map to paint it on, and the mean face to grow hair on."""

from __future__ import annotations

import pytest

from vitrail_avatars.appearance.atlas import load_atlas
from vitrail_avatars.appearance.strands import Face
from vitrail_avatars.head import load_head


@pytest.fixture(scope="session")
def head():
    return load_head()


@pytest.fixture(scope="session")
def atlas():
    return load_atlas(128)


@pytest.fixture(scope="session")
def face(head):
    mean = head.mean[: head.points].numpy()
    return Face(mean, mean, head.triangles.numpy(), (head.parts == 0).numpy(), head.lips.numpy() / 255)
