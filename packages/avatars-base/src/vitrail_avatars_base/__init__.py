"""A small latent diffusion model of rendered people, in diffusers' layout; weights only.

from diffusers import StableDiffusionPipeline
from vitrail_avatars_base import PIPELINE

pipeline = StableDiffusionPipeline.from_pretrained(PIPELINE)
"""

from pathlib import Path

PIPELINE = Path(__file__).parent / "pipeline"
"""The folder that `StableDiffusionPipeline.from_pretrained` and its kin read."""
