"""The three networks of MTCNN (Zhang et al., "Joint Face Detection and Alignment Using Multitask Cascaded
Convolutional Networks", SPL 2016, fig. 2), with the layer sizes of its public weights.

Each takes normalised RGB, (B, 3, H, W), and returns the probability of a face, the correction of its box, and
ONet the landmarks too.
"""

from __future__ import annotations

from torch import Tensor, nn


def _conv(before: int, after: int, kernel: int) -> list[nn.Module]:
    return [nn.Conv2d(before, after, kernel), nn.PReLU(after)]


def _pool(kernel: int) -> nn.Module:
    return nn.MaxPool2d(kernel, stride=2, ceil_mode=True)


def _flatten(x: Tensor) -> Tensor:
    """(B, C, H, W) -> (B, W * H * C): the weights come from Caffe's MATLAB side, which counts columns first."""
    return x.permute(0, 3, 2, 1).flatten(1)


class PNet(nn.Module):
    """Proposals: looks at every 12x12 window, two pixels apart. H, W >= 12."""

    def __init__(self) -> None:
        super().__init__()
        self.trunk = nn.Sequential(*_conv(3, 10, 3), _pool(2), *_conv(10, 16, 3), *_conv(16, 32, 3))
        self.face = nn.Conv2d(32, 2, 1)
        self.box = nn.Conv2d(32, 4, 1)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Probabilities (B, H', W') and corrections (B, 4, H', W')."""
        x = self.trunk(x)
        return self.face(x).softmax(dim=1)[:, 1], self.box(x)


class RNet(nn.Module):
    """Refinement of 24x24 crops."""

    def __init__(self) -> None:
        super().__init__()
        self.trunk = nn.Sequential(*_conv(3, 28, 3), _pool(3), *_conv(28, 48, 3), _pool(3), *_conv(48, 64, 2))
        self.dense = nn.Sequential(nn.Linear(576, 128), nn.PReLU(128))
        self.face = nn.Linear(128, 2)
        self.box = nn.Linear(128, 4)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Probabilities (B,) and corrections (B, 4)."""
        x = self.dense(_flatten(self.trunk(x)))
        return self.face(x).softmax(dim=1)[:, 1], self.box(x)


class ONet(nn.Module):
    """The last word, on 48x48 crops, with landmarks."""

    def __init__(self) -> None:
        super().__init__()
        self.trunk = nn.Sequential(
            *_conv(3, 32, 3), _pool(3), *_conv(32, 64, 3), _pool(3), *_conv(64, 64, 3), _pool(2),
            *_conv(64, 128, 2),
        )  # fmt: skip
        self.dense = nn.Sequential(nn.Linear(1152, 256), nn.PReLU(256))
        self.face = nn.Linear(256, 2)
        self.box = nn.Linear(256, 4)
        self.points = nn.Linear(256, 10)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Probabilities (B,), corrections (B, 4), landmarks (B, 10): five x, then five y, in sides of the box."""
        x = self.dense(_flatten(self.trunk(x)))
        return self.face(x).softmax(dim=1)[:, 1], self.box(x), self.points(x)


class MTCNN(nn.Module):
    """The three together: what the weights file holds."""

    def __init__(self) -> None:
        super().__init__()
        self.pnet = PNet()
        self.rnet = RNet()
        self.onet = ONet()
