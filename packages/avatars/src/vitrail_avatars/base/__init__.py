"""The small latent diffusion model of this world: its pictures, its words, its networks and their training.

Needs `pip install "vitrail-avatars[diffusion]"`.
"""
