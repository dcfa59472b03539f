"""The weights load with diffusers as Stable Diffusion does, bring pictures back, and draw what they are told."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import StableDiffusionInpaintPipeline, StableDiffusionPipeline
from PIL import Image
from safetensors import safe_open

from vitrail.manager import Manager
from vitrail_avatars_base import PIPELINE, plugin

GOLDEN = Path(__file__).parent / "golden"
MOST = 12_000_000


@pytest.fixture(scope="module")
def pipeline():
    found = StableDiffusionPipeline.from_pretrained(PIPELINE)
    found.set_progress_bar_config(disable=True)
    return found


def draw(pipeline, prompts, seed=0, steps=12):
    """(N, 64, 64, 3), 0 to 1."""
    return pipeline(
        prompts, num_inference_steps=steps, guidance_scale=4.0, generator=torch.Generator().manual_seed(seed),
        output_type="np",
    ).images  # fmt: skip


def test_weights_are_small_and_no_pickles():
    files = [path for path in PIPELINE.rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) < MOST
    assert {path.suffix for path in files} <= {".json", ".safetensors", ".txt"}
    for path in PIPELINE.rglob("*.safetensors"):
        with safe_open(path, "pt") as weights:
            kinds = {weights.get_tensor(name).dtype for name in weights.keys() if "position_ids" not in name}  # noqa: SIM118
        assert kinds == {torch.float16}, path


def test_networks_are_those_of_stable_diffusion_but_small(pipeline):
    assert [type(getattr(pipeline, name)).__name__ for name in ("vae", "unet", "text_encoder", "tokenizer")] == [
        "AutoencoderKL", "UNet2DConditionModel", "CLIPTextModel", "CLIPTokenizer",
    ]  # fmt: skip
    assert all("CrossAttn" in name for name in pipeline.unet.config.down_block_types)
    assert pipeline.unet.config.sample_size == 16
    assert sum(value.numel() for value in pipeline.unet.parameters()) < 3e6
    assert {value.dtype for value in pipeline.unet.parameters()} == {torch.float32}
    about = json.loads((PIPELINE / "model_index.json").read_text())
    assert about["_class_name"] == "StableDiffusionPipeline"


@torch.no_grad()
def test_the_autoencoder_brings_pictures_of_other_people_back(pipeline):
    sheet = np.asarray(Image.open(GOLDEN / "pictures.png").convert("RGB"))
    pictures = sheet.reshape(4, 64, 4, 64, 3).swapaxes(1, 2).reshape(16, 64, 64, 3)
    image = torch.from_numpy(pictures.transpose(0, 3, 1, 2).copy()).float() / 127.5 - 1
    back = pipeline.vae.decode(pipeline.vae.encode(image).latent_dist.mean).sample.clamp(-1, 1)
    psnr = -10 * torch.log10((back - image).square().mean(dim=(1, 2, 3)) / 4)
    assert psnr.mean() > 27.5


def test_the_same_seed_draws_the_same_picture(pipeline):
    first, again, other = (draw(pipeline, ["a photo of a person"], seed, steps=3) for seed in (1, 1, 2))
    assert first.shape == (1, 64, 64, 3)
    assert np.array_equal(first, again)
    assert not np.allclose(first, other, atol=0.05)


def test_words_for_the_wall_and_for_sunglasses_are_followed(pipeline):
    said = "a photo of a person with a neutral face, {}in a grey shirt, {} wall, light from the front"
    red, blue = (
        draw(pipeline, [said.format("", wall)] * 4)[:, :16, [0, -1]].mean((0, 1, 2))
        for wall in ("red", "blue")
    )
    assert red[0] > 1.5 * red[2]
    assert blue[2] > 1.5 * blue[0]
    without, worn = (
        draw(pipeline, [said.format(worn, "white")] * 4)[:, 16:40, 20:44].min(axis=-1)
        for worn in ("", "wearing sunglasses, ")
    )
    assert (worn < 0.2).mean() > (without < 0.2).mean()


def test_heads_turn_to_the_side_that_is_said(pipeline):
    said = (
        "a photo of an old man with a bald head and brown eyes, with a neutral face, turned to the {}, "
        "wearing sunglasses, in a grey shirt, white wall, light from the front"
    )
    for side, (least, most) in {"left": (8, 28), "right": (36, 56)}.items():
        drawn = draw(pipeline, [said.format(side)] * 4)
        dark = drawn[:, 20:36].max(axis=-1) < 0.25
        places = (dark * np.arange(64)).sum(axis=(1, 2)) / dark.sum(axis=(1, 2)).clip(1)
        assert ((places > least) & (places < most)).all(), side


def test_a_part_of_a_picture_is_drawn_anew(pipeline):
    fill = StableDiffusionInpaintPipeline.from_pretrained(PIPELINE)
    fill.set_progress_bar_config(disable=True)
    image = draw(
        pipeline, ["a photo of a person with a neutral face, in a red shirt, white wall, soft light"]
    )
    mask = np.zeros((1, 64, 64, 1), np.float32)
    mask[:, 32:] = 1
    filled = fill(
        "a photo of a person with a happy face, in a blue shirt, white wall, soft light", image=image, mask_image=mask,
        height=64, width=64, num_inference_steps=8, strength=1.0, output_type="np",
        generator=torch.Generator().manual_seed(0),
    ).images  # fmt: skip
    kept, drawn = np.abs(filled - image)[0, :24].mean(), np.abs(filled - image)[0, 40:].mean()
    assert drawn > 2 * kept


def test_vitrail_knows_the_package():
    record = Manager().record("avatars-base")
    assert record is not None
    assert record.status == "ok"
    assert not record.components
    (line,) = plugin.vitrail_doctor()
    assert line.level == "ok"
    assert str(PIPELINE) in line.text


def test_doctor_says_what_is_missing(monkeypatch, tmp_path):
    monkeypatch.setattr(plugin, "find_spec", lambda name: None)
    (line,) = plugin.vitrail_doctor()
    assert (line.level, "pip install diffusers" in line.text) == ("note", True)
    monkeypatch.setattr(plugin, "PIPELINE", tmp_path)
    (line,) = plugin.vitrail_doctor()
    assert (line.level, "install the package again" in line.text) == ("problem", True)
