"""IResNet, the backbone of TopoFR and of insightface's ArcFace: residual blocks that begin with a BatchNorm.

Names and shapes of the parameters are those of the published checkpoints, without the class centres that
theirs hold.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from vitrail_topofr.config import SIZE, STRIDE, TopoFRConfig


class Block(nn.Module):
    """BN, 3x3, BN, PReLU, 3x3 (strided), BN; plus the input, projected where the shape changes."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.bn1 = nn.BatchNorm2d(inputs)
        self.conv1 = nn.Conv2d(inputs, outputs, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.prelu = nn.PReLU(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, stride, padding=1, bias=False)
        self.bn3 = nn.BatchNorm2d(outputs)
        self.downsample = None
        if stride != 1 or inputs != outputs:
            self.downsample = nn.Sequential(
                nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs)
            )

    def forward(self, x: Tensor) -> Tensor:
        y = self.prelu(self.bn2(self.conv1(self.bn1(x))))
        y = self.bn3(self.conv2(y))
        return y + (x if self.downsample is None else self.downsample(x))


class IResNet(nn.Module):
    """Aligned faces (B, 3, 112, 112), values (x / 255 - 0.5) / 0.5 -> embeddings (B, D), not normalised.

    The gain of the last BatchNorm, `features.weight`, is trained, unlike in insightface: the structure loss
    sets the scale of the embeddings through it.
    """

    def __init__(self, config: TopoFRConfig) -> None:
        super().__init__()
        self.config = config
        stem, last = config.widths[0], config.widths[-1]
        self.conv1 = nn.Conv2d(3, stem, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(stem)
        self.prelu = nn.PReLU(stem)
        inputs = stem
        for number, (outputs, count) in enumerate(zip(config.widths, config.blocks), start=1):
            first = Block(inputs, outputs, stride=2)
            rest = [Block(outputs, outputs, stride=1) for _ in range(count - 1)]
            self.add_module(f"layer{number}", nn.Sequential(first, *rest))
            inputs = outputs
        self.bn2 = nn.BatchNorm2d(last)
        self.dropout = nn.Dropout(config.dropout)
        self.fc = nn.Linear(last * (SIZE // STRIDE) ** 2, config.embedding)
        self.features = nn.BatchNorm1d(config.embedding)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.normal_(module.weight, 0, 0.1)
        settle(self)

    def forward(self, x: Tensor) -> Tensor:
        if x.shape[1:] != (3, SIZE, SIZE):
            raise ValueError(f"the input has shape {tuple(x.shape)}; wanted is (B, 3, {SIZE}, {SIZE}).")
        x = self.prelu(self.bn1(self.conv1(x)))
        x = self.bn2(self.layer4(self.layer3(self.layer2(self.layer1(x)))))
        if not torch.is_autocast_enabled(x.device.type):
            return self.embed(x)
        with torch.autocast(x.device.type, enabled=False):  # the embedding in float32, as the published code
            return self.embed(x.float())

    def embed(self, x: Tensor) -> Tensor:
        """The last map (B, C, 7, 7) -> embeddings (B, D)."""
        return self.features(self.fc(self.dropout(x.flatten(1))))


@torch.no_grad()
def settle(network: IResNet) -> None:
    """Give every BatchNorm the variance that its input has on average over fresh weights.

    The convolutions start with a standard deviation of 0.1, whatever their size. With PyTorch's running
    variance of 1 an untrained network in eval mode then overflows; with these it does not. Training forgets
    them in some steps.
    """
    after_prelu = (1 + 0.25**2) / 2  # mean square of PReLU(z), z normal, at its initial slope
    network.bn1.running_var.fill_(0.01 * 27 / 3)  # pixels are from -1 to 1: mean square about a third
    stream = after_prelu
    for stage in (network.layer1, network.layer2, network.layer3, network.layer4):
        for block in stage:
            block.bn1.running_var.fill_(stream)
            block.bn2.running_var.fill_(0.01 * 9 * block.conv1.in_channels)
            block.bn3.running_var.fill_(0.01 * 9 * block.conv2.in_channels * after_prelu)
            if block.downsample is not None:
                convolution, norm = block.downsample
                norm.running_var.fill_(0.01 * convolution.in_channels * stream)
                stream = 1.0
            stream += 1
    network.bn2.running_var.fill_(stream)
    network.features.running_var.fill_(1 / 3)
