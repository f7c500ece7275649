# SPDX-License-Identifier: GPL-3.0-or-later
"""A small vocabulary in CLIP's form: byte pairs merged until every word of the captions is one token."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

from tokenizers.pre_tokenizers import ByteLevel
from tokenizers.trainers import BpeTrainer
from transformers import CLIPTokenizer

START, END = "<|startoftext|>", "<|endoftext|>"
WORD_END = "</w>"
LONGEST = 77
MOST_TOKENS = 4096


def write_vocabulary(folder: Path, texts: Iterable[str]) -> None:
    """Write ``vocab.json``, ``merges.txt`` and the configuration of a CLIP tokenizer that knows the texts' words.

    All bytes are in it, within words and at their ends, so any text can be read.
    """
    tokenizer = CLIPTokenizer().backend_tokenizer
    letters = sorted(ByteLevel.alphabet())
    trainer = BpeTrainer(vocab_size=MOST_TOKENS, min_frequency=1, show_progress=False, initial_alphabet=letters,
                         end_of_word_suffix=WORD_END)
    tokenizer.train_from_iterator(sorted(set(texts)), trainer)
    merges = [pair if isinstance(pair, str) else " ".join(pair)
              for pair in json.loads(tokenizer.to_str())["model"]["merges"]]
    tokens = [*letters, *(letter + WORD_END for letter in letters), *(pair.replace(" ", "") for pair in merges)]
    tokens = [*dict.fromkeys(tokens), START, END]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "vocab.json").write_text(json.dumps({token: index for index, token in enumerate(tokens)}), "utf-8")
    (folder / "merges.txt").write_text("\n".join(["#version: 0.2", *merges, ""]), "utf-8")
    special = {"bos_token": START, "eos_token": END, "pad_token": END, "unk_token": END}
    (folder / "special_tokens_map.json").write_text(json.dumps(special, indent=1), "utf-8")
    config = {"tokenizer_class": "CLIPTokenizer", "model_max_length": LONGEST, **special}
    (folder / "tokenizer_config.json").write_text(json.dumps(config, indent=1), "utf-8")


def read_vocabulary(folder: Path) -> CLIPTokenizer:
    """The tokenizer that ``write_vocabulary`` wrote."""
    return CLIPTokenizer.from_pretrained(folder, local_files_only=True)
