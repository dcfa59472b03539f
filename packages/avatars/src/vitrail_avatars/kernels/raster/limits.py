"""The grid on which points are placed, and the limits of what is drawn."""

from __future__ import annotations

SUBPIXELS = 256
"""Steps of a pixel. x and y are moved to the nearest: floor(256 x + 0.5), computed in float64, where it is exact."""

FARTHEST_OUT = 2.0**20
"""Pixels by which x and y may be away from 0; edge functions then stay below 2**60."""

NEAREST, FARTHEST = 2.0**-100, 2.0**100
"""Depths between which a point may be, so that 1 / z is an ordinary float32."""

LARGEST = 1 << 15
"""Pixels of the height and of the width of a picture, at most."""
