"""The small diffusion model: words, the file of pictures, and a training of seconds whose result diffusers loads."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
from diffusers import StableDiffusionInpaintPipeline, StableDiffusionPipeline
from PIL import Image
from safetensors.torch import load_file

from vitrail.errors import InputError, NotInstalledError, UsageError
from vitrail_avatars.base.autoencoder import AutoencoderTask, as_input, psnr
from vitrail_avatars.base.diffusion import DiffusionTask, Latents
from vitrail_avatars.base.networks import (
    BaseConfig,
    Float32Attention,
    large,
    make_autoencoder,
    make_text_encoder,
    make_unet,
    small,
)
from vitrail_avatars.base.picture_file import PictureFile, write_pictures
from vitrail_avatars.base.train import BaseTraining, preset, train_base
from vitrail_avatars.base.words import LONGEST, told, train_tokenizer
from vitrail_avatars.cli import app
from vitrail_avatars.population import person
from vitrail_avatars.scenes import caption, description, scene
from vitrail_training import FitConfig

TINY = BaseConfig(size=32, autoencoder=(16, 16, 16), unet=(16, 32), text=32, text_layers=1, heads=16)
RUN = FitConfig(steps=3, batch_size=4, ema=0.5, checkpoint_every=2, log_every=1, eval_every=0)


@pytest.fixture(scope="module")
def captions():
    return [told(person(0, number), scene(0, number), bool(number % 2)) for number in range(120)]


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    path = tmp_path_factory.mktemp("base") / "pictures.npz"
    return write_pictures(path, people=5, views=2, size=32, seed=3)


def test_captions_say_who_it_is_only_if_they_are_to():
    somebody, now = person(0, 4), scene(0, 4)
    assert told(somebody, now, False) == caption(now)
    said = told(somebody, now, True)
    assert description(somebody).split(",")[0] in said
    assert said.startswith("a photo of a")
    assert said.endswith(caption(now).split("with ", 1)[1])


def test_every_word_is_one_token_and_unknown_ones_are_spelt(captions):
    tokenizer = train_tokenizer(captions)
    words = {word for said in captions for word in re.findall("[a-z]+|,", said)}
    assert all(len(tokenizer.tokenize(word)) == 1 for word in words)
    assert tokenizer.decode(tokenizer("a zebra").input_ids, skip_special_tokens=True).strip() == "a zebra"
    found = tokenizer(captions, padding="max_length", truncation=True)
    assert {len(ids) for ids in found.input_ids} == {LONGEST}
    assert max(sum(mask) for mask in found.attention_mask) < LONGEST, "none is cut off"


def test_tokens_have_the_same_numbers_in_every_process(captions):
    code = (
        "import json, sys; from vitrail_avatars.base.words import train_tokenizer; "
        "print(json.dumps(train_tokenizer(json.load(sys.stdin)).get_vocab()))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], input=json.dumps(captions), capture_output=True, text=True, check=True
    )
    assert json.loads(done.stdout) == train_tokenizer(captions).get_vocab()


def test_networks_are_as_small_as_they_should_be(captions):
    tokenizer = train_tokenizer(captions)

    def millions(network):
        return sum(value.numel() for value in network.parameters()) / 1e6

    for config, most in ((small(), 3.0), (large(), 5.2)):
        unet = make_unet(config)
        assert millions(unet) < most
        assert all("CrossAttn" in name for name in unet.config.down_block_types)
        whole = (
            millions(unet)
            + millions(make_autoencoder(config))
            + millions(make_text_encoder(config, tokenizer))
        )
        assert 2 * whole < 12, "megabytes in fp16"


def test_attention_in_fp32_is_that_of_diffusers():
    torch.manual_seed(0)
    unet = make_unet(TINY).eval()
    noisy, step, words = torch.randn(2, 4, 8, 8), torch.tensor([10, 700]), torch.randn(2, 7, 32)
    with torch.no_grad():
        wanted = unet(noisy, step, encoder_hidden_states=words).sample
        unet.set_attn_processor(Float32Attention())
        assert torch.allclose(unet(noisy, step, encoder_hidden_states=words).sample, wanted, atol=1e-5)
        with torch.autocast("cpu", torch.bfloat16):
            half = unet(noisy, step, encoder_hidden_states=words).sample.float()
    assert 0 < (half - wanted).abs().max() < 0.05


def test_a_file_of_pictures_holds_what_was_drawn(file):
    found = PictureFile.open(file)
    assert found.images.shape == (10, 32, 32, 3)
    assert found.identities.tolist() == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4]
    assert len(found.captions) == 10
    assert all(said.startswith("a photo of a") for said in found.captions)
    assert found.images.std() > 20


def test_files_that_are_none_are_refused(tmp_path):
    with pytest.raises(UsageError, match=r"ends in \.npz"):
        write_pictures(tmp_path / "a.zip", people=1, views=1)
    (tmp_path / "b.npz").write_text("no file")
    with pytest.raises(InputError, match="no file of pictures"):
        PictureFile.open(tmp_path / "b.npz")
    with pytest.raises(UsageError, match="preset is medium"):
        preset("medium")


def test_psnr_is_that_of_the_definition(file):
    images = PictureFile.open(file).images[:4]
    torch.manual_seed(0)
    autoencoder = make_autoencoder(TINY).eval()
    with torch.no_grad():
        back = autoencoder.decode(autoencoder.encode(as_input(images)).latent_dist.mean).sample.clamp(-1, 1)
    pixels = (back.numpy().transpose(0, 2, 3, 1) + 1) / 2
    error = np.square(pixels - images / 255).mean(axis=(1, 2, 3))
    assert psnr(autoencoder, images) == pytest.approx(float(np.mean(-10 * np.log10(error))), abs=1e-3)


def test_the_autoencoder_learns(file):
    images = PictureFile.open(file).images
    torch.manual_seed(0)
    task = AutoencoderTask(TINY, images, images)
    before = psnr(task.autoencoder.eval(), images)
    optimizer = torch.optim.AdamW(task.model.parameters(), lr=3e-3)
    rng = np.random.default_rng(0)
    for step in range(25):
        batch = task.collate([task.dataset.sample(index % 10, rng) for index in range(8)])
        loss, _ = task.loss(task.model.train(), batch, step)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert psnr(task.autoencoder.eval(), images) > before + 2


def test_the_loss_weighs_errors_of_the_picture(captions):
    tokenizer = train_tokenizer(captions)
    tokens = np.array(tokenizer(captions[:2], padding="max_length").input_ids)
    task = DiffusionTask(TINY, tokenizer, *[Latents(torch.randn(2, 4, 8, 8), tokens, tokens[0])] * 2)
    share = task.scheduler.alphas_cumprod.double()
    for step, weight in ((100, 5.0), (600, 1 / (1 - share[600])), (999, 1 / (1 - share[999]))):
        rng = np.random.default_rng(step)
        batch = task.collate([task.dataset.sample(index, rng) | {"step": step} for index in range(2)])

        def wrong(noisy, step, tokens, *, batch=batch):  # everywhere by a tenth, of the picture
            kept = share[step].view(-1, 1, 1, 1)
            picture = batch["latent"] + 0.1
            return (noisy - kept.sqrt() * picture) / (1 - kept).sqrt()

        assert float(task.loss(wrong, batch, 0)) == pytest.approx(0.01 * float(weight), rel=1e-3)


def test_what_is_trained_is_loaded_by_diffusers_unchanged(file, tmp_path):
    config = BaseTraining(networks=TINY, autoencoder=RUN, denoiser=RUN)
    folder = train_base(file, config, out=tmp_path / "run")
    assert folder == tmp_path / "run" / "pipeline"
    names = {path.name for path in folder.iterdir()}
    assert {"model_index.json", "vae", "unet", "text_encoder", "tokenizer", "scheduler"} <= names
    assert json.loads((folder / "unet" / "config.json").read_text())["sample_size"] == 8
    draw = StableDiffusionPipeline.from_pretrained(folder)
    draw.set_progress_bar_config(disable=True)
    made = draw(
        "a photo of a person", num_inference_steps=2, output_type="np", generator=torch.manual_seed(0)
    ).images
    assert made.shape == (1, 32, 32, 3)
    again = draw(
        "a photo of a person", num_inference_steps=2, output_type="np", generator=torch.manual_seed(0)
    ).images
    assert np.array_equal(made, again)
    fill = StableDiffusionInpaintPipeline.from_pretrained(folder)
    fill.set_progress_bar_config(disable=True)
    image, mask = np.full((1, 32, 32, 3), 0.5, np.float32), np.zeros((1, 32, 32, 1), np.float32)
    mask[:, :16] = 1
    filled = fill(
        "a happy face", image=image, mask_image=mask, height=32, width=32, num_inference_steps=2, strength=1.0,
        output_type="np",
    ).images  # fmt: skip
    assert filled.shape == (1, 32, 32, 3)
    before = (folder / "unet" / "diffusion_pytorch_model.safetensors").read_bytes()
    assert train_base(file, config, out=tmp_path / "run") == folder
    after = folder / "unet" / "diffusion_pytorch_model.safetensors"
    assert after.read_bytes() == before, "what is finished is not repeated"
    longer = replace(config, denoiser=replace(RUN, steps=5))
    train_base(file, longer, out=tmp_path / "run")
    assert after.read_bytes() != before, "more steps give another model"
    further = train_base(
        file, replace(config, denoiser=replace(RUN, lr=1e-9)), out=tmp_path / "b", begin=folder
    )
    weights = [load_file(at / "unet" / "diffusion_pytorch_model.safetensors") for at in (folder, further)]
    assert all(
        torch.allclose(value.float(), weights[1][name].float(), atol=1e-3)
        for name, value in weights[0].items()
    )
    assert not (tmp_path / "b" / "autoencoder").exists()
    assert not any(str(tmp_path) in path.read_text() for path in further.rglob("*.json")), "no path is in it"
    with pytest.raises(UsageError, match="holds other networks"):
        train_base(file, replace(config, networks=replace(TINY, text=16)), out=tmp_path / "c", begin=folder)
    with pytest.raises(UsageError, match=r"no model_index\.json"):
        train_base(file, config, out=tmp_path / "c", begin=tmp_path)
    with pytest.raises(UsageError, match="this preset is for 64"):
        train_base(file, replace(config, networks=small()), out=tmp_path / "other")


def test_the_commands(tmp_path, monkeypatch, capsys):
    def run(*words):
        return app([*map(str, words)], exit_on_error=False)

    tiny = BaseTraining(networks=TINY, autoencoder=RUN, denoiser=RUN)
    monkeypatch.setattr("vitrail_avatars.base.train.preset", lambda name: tiny)
    run("base", "pictures", "-o", tmp_path / "p.npz", "--people", 3, "--views", 1, "--size", 32)
    assert "3 pictures of 3 people" in capsys.readouterr().err
    run("base", "train", tmp_path / "p.npz", "-o", tmp_path / "run", "--autoencoder-steps", 2, "--steps", 2)
    folder = tmp_path / "run" / "pipeline"
    run(
        "base",
        "sample",
        "a happy face",
        "a sad face",
        "--model",
        folder,
        "-o",
        tmp_path / "s.png",
        "--each",
        3,
        "--steps",
        1,
    )
    assert Image.open(tmp_path / "s.png").size == (96, 64)
    for words, message in (
        (("-o", tmp_path / "t.png"), "no prompt was given"),
        (("a face", "-o", tmp_path / "t.txt"), "no name of a picture"),
        (("a face", "-o", tmp_path / "t.png", "--model", tmp_path), "no model_index.json"),
    ):
        with pytest.raises(UsageError, match=message):
            run("base", "sample", *words)
    monkeypatch.setattr("vitrail_avatars.base.drawing.find_spec", lambda name: None)
    with pytest.raises(NotInstalledError, match="pip install vitrail-avatars-base"):
        run("base", "sample", "a face", "-o", tmp_path / "t.png")
