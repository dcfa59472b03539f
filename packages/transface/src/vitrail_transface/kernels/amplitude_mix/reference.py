"""The definition of amplitude_mix. For each channel of a patch x and of its donor, with a share s,

    F = FFT2(x)    G = FFT2(donor)    y = IFFT2(((1 - s) |F| + s |G|) exp(i angle(F)))

clipped to low..high. Written as a factor on F, no angle is needed: F ((1 - s) + s |G| / |F|). Where |F| is 0 the phase
is taken as 0. So it is where |F| is nothing but rounding, below a millionth of the sum of |x|: a flat patch, such as
a black border, has no phase, and without the rule the noise of each implementation would be made visible. Real pixels
need half of the spectrum only.
"""

from __future__ import annotations

import torch
from torch import Tensor

NOISE = 1e-6


def amplitude_mix_reference(
    images: Tensor,
    targets: Tensor,
    donors: Tensor,
    share: Tensor,
    active: Tensor,
    patch: int = 9,
    scale: float = 127.5,
    shift: float = 127.5,
    low: float = 0.0,
    high: float = 255.0,
    floor: bool = False,
) -> Tensor:
    """As `amplitude_mix`, computed in float32, or float64 if the images are."""
    real = torch.promote_types(images.dtype, torch.float32)
    mixed = images.clone(memory_format=torch.contiguous_format)
    chosen = active.nonzero().squeeze(1)
    if not len(chosen):  # torch 2.11 has no FFT of nothing
        return mixed
    place, donor = (_place(images, number[chosen].long(), patch) for number in (targets, donors))
    s = share[chosen].to(real).view(-1, 1, 1, 1)
    x = scale * _read(images, donor, patch).to(real) + shift
    amplitude = torch.fft.rfft2(x).abs()
    x = scale * _read(images, place, patch).to(real) + shift
    spectrum = torch.fft.rfft2(x)
    own = spectrum.abs()
    without_phase = own <= NOISE * x.abs().sum(dim=(-2, -1), keepdim=True)
    ratio = amplitude / torch.where(without_phase, 1, own)
    spectrum = (1 - s) * spectrum + s * torch.where(without_phase, amplitude, ratio * spectrum)
    y = torch.fft.irfft2(spectrum, s=(patch, patch)).clamp(low, high)
    y = y.floor() if floor else y
    _grid(mixed, patch)[place[0], :, place[1], place[2]] = ((y - shift) / scale).to(images.dtype)
    return mixed


forward = amplitude_mix_reference


def _grid(images: Tensor, patch: int) -> Tensor:
    """A view of the whole patches, (B, C, rows, columns, patch, patch)."""
    return images.unfold(2, patch, patch).unfold(3, patch, patch)


def _place(images: Tensor, number: Tensor, patch: int) -> tuple[Tensor, Tensor, Tensor]:
    """Patch numbers -> image, row and column."""
    rows, columns = images.shape[2] // patch, images.shape[3] // patch
    image, cell = number // (rows * columns), number % (rows * columns)
    return image, cell // columns, cell % columns


def _read(images: Tensor, place: tuple[Tensor, Tensor, Tensor], patch: int) -> Tensor:
    """(P, C, patch, patch)."""
    image, row, column = place
    return _grid(images, patch)[image, :, row, column]
