"""What a picture of the training set is said to show, and the tokenizer that knows those words."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from vitrail_avatars.population import Person
from vitrail_avatars.scenes import Scene, caption, description

if TYPE_CHECKING:
    from transformers import CLIPTokenizer

LONGEST = 56
"""Tokens, with those for begin and end."""

BEGIN, END = "<|startoftext|>", "<|endoftext|>"


def told(person: Person, scene: Scene, who: bool) -> str:
    """The caption of a scene; with `who`, it also says what the person looks like."""
    said = caption(scene)
    if not who:
        return said
    looks = description(person).replace(", ", " and ")
    return said.replace("a person with", f"{looks}, with", 1)


def train_tokenizer(captions: Iterable[str]) -> CLIPTokenizer:
    """A tokenizer of CLIP's kind whose tokens are the words of these captions, as byte pairs."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers
    from transformers import CLIPTokenizer

    tokenizer = Tokenizer(models.BPE(end_of_word_suffix="</w>", unk_token=END))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(_words(), behavior="removed", invert=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False),
        ]
    )
    trainer = trainers.BpeTrainer(
        vocab_size=2000,
        special_tokens=[BEGIN, END],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        end_of_word_suffix="</w>",
        show_progress=False,
    )
    tokenizer.train_from_iterator(sorted(set(captions)), trainer)
    learned = json.loads(tokenizer.to_str())["model"]
    # CLIP's vocabulary has each byte twice, inside and at the end of a word. The trainer numbers bytes by a hash table,
    # another one in each process; so the numbers are given here.
    merges = [pair.split() if isinstance(pair, str) else pair for pair in learned["merges"]]
    bytes_ = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokens = [BEGIN, END, *bytes_, *(f"{byte}</w>" for byte in bytes_), *map("".join, merges)]
    vocabulary = {token: number for number, token in enumerate(dict.fromkeys(tokens))}
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "vocab.json").write_text(json.dumps(vocabulary))
        (Path(folder) / "merges.txt").write_text("#version: 0.2\n" + "\n".join(map(" ".join, merges)) + "\n")
        return CLIPTokenizer.from_pretrained(folder, model_max_length=LONGEST)


def _words() -> object:
    """CLIP's way to part a text: words, single digits, and runs of other signs."""
    from tokenizers import Regex

    return Regex(
        r"""<\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"""
    )
