# SPDX-License-Identifier: GPL-3.0-or-later
"""A language model that reads a triplane's tokens: a Llama whose placeholders are replaced by projected codes.

The original publishes no weights of it. A checkpoint of the artist's own is a folder in its layout: `config.json` and
the tokenizer of the Llama, and its tensors with those of the projector in safetensors or pickled shards.
"""

import json
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any, cast

import torch
from safetensors import safe_open
from torch import Tensor, nn
from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerBase

from ....contract import MeshwrightError
from ...common.checkpoint_shapes import CheckpointError, Origin, stored_shapes
from ...common.pickled_checkpoint import read_pickled
from ..token_layout import TokenLayout
from .text_generation import Finite, Watched

SIDES_READ = 8
"""Scales whose tokens the language model reads: all but the two finest."""
PATCH, START, END = "<point_patch>", "<point_start>", "<point_end>"
SYSTEM = (
    "A chat between a curious user and an artificial intelligence assistant. The assistant gives helpful, detailed, "
    "and polite answers to the user's questions."
)
INSTRUCTION = "Give a concise interpretation of the 3D data presented here."
"""The only instruction that the model is trained on."""
MOST_NEW_TOKENS = 96
CHOSEN = Origin("Choose a folder with a Llama and its projector, as the original's training writes it.")


def tokens_read(layout: TokenLayout) -> int:
    """How many of an object's first tokens the language model reads: 765 of the published 2040."""
    return layout.starts[min(SIDES_READ, len(layout.sides))]


class TokenProjector(nn.Sequential):
    """Unit codes `[B, T, C]` to embeddings `[B, T, W]`, through hidden layers of the given widths."""

    def __init__(self, *widths: int):
        layers: list[nn.Module] = []
        for before, after in pairwise(widths):
            layers += [nn.Linear(before, after), nn.GELU()]
        super().__init__(*layers[:-1])


class TokenLanguageModel:
    """Describes an object from its tokens."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase, llama: Any, projector: TokenProjector):
        tokenizer.add_tokens([PATCH, START, END], special_tokens=True)
        self.tokenizer, self.llama, self.projector = tokenizer, llama, projector
        self.patch = token_number(tokenizer, PATCH)
        if llama.get_input_embeddings().num_embeddings <= token_number(tokenizer, END):
            raise CheckpointError("The language model does not fit its tokenizer.",
                                  "It has no embeddings for the tokens around an object.",
                                  "Choose a language model that was trained for SAR3D.")

    @torch.inference_mode()
    def describe(self, codes: Tensor, report: Callable[[int, int], None]) -> str:
        """A sentence about the object with these unit codes, float `[T, C]`. `report` is called for every token."""
        prompt = f"{SYSTEM} USER: {START}{PATCH * len(codes)}{END}\n{INSTRUCTION} ASSISTANT:"
        ids = self.tokenizer(prompt, return_tensors="pt").input_ids.to(self.llama.device)
        embeddings = self.llama.get_input_embeddings()(ids)
        embeddings[ids == self.patch] = self.projector(codes.to(embeddings.device, embeddings.dtype))
        written = self.llama.generate(
            inputs_embeds=embeddings, attention_mask=torch.ones_like(ids), max_new_tokens=MOST_NEW_TOKENS,
            do_sample=False, logits_processor=[Finite()], stopping_criteria=[Watched(report, MOST_NEW_TOKENS)],
        )
        return str(self.tokenizer.decode(written[0], skip_special_tokens=True)).strip()


def token_number(tokenizer: PreTrainedTokenizerBase, token: str) -> int:
    """The number of a token."""
    return cast(list[int], tokenizer.convert_tokens_to_ids([token]))[0]


def load_language_model(
    folder: Path, code_width: int, dtype: torch.dtype, device: torch.device | str, check: Callable[[], None]
) -> TokenLanguageModel:
    """The model in `folder`. `check` is called for every tensor. Raises CheckpointError."""
    try:
        settings = json.loads((folder / "config.json").read_text("utf-8"))
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    except (OSError, ValueError, RecursionError) as error:
        raise _no_language_model(folder, str(error)) from error
    for own_class in ("architectures", "model_type"):
        settings.pop(own_class, None)
    config = LlamaConfig(**settings)
    with torch.device("meta"):
        wanted, projector = dict(LlamaForCausalLM(config).state_dict()), {}
    tensors: dict[str, Tensor] = {}
    for name, tensor in stored_tensors(folder):
        check()
        if name in wanted and tensor.shape == wanted[name].shape:
            tensors[name] = tensor.to(dtype)
        elif name not in wanted and "proj" in name and tensor.ndim <= 2:
            projector[name] = tensor
    missing = sorted(set(wanted) - set(tensors))
    if missing:
        raise _no_language_model(folder, f"{missing[0]} is missing or has another shape.")
    # Only from_pretrained fills what is in no file, such as the tables of positions.
    llama: Any = LlamaForCausalLM.from_pretrained(None, config=config, state_dict=tensors, dtype=dtype)
    llama.to(device)
    llama.generation_config.pad_token_id = tokenizer.pad_token_id or tokenizer.eos_token_id
    return TokenLanguageModel(
        tokenizer, llama.requires_grad_(False).eval(),
        projector_of(folder, projector, code_width, llama.config.hidden_size).to(device, dtype),
    )


def projector_of(folder: Path, tensors: dict[str, Tensor], code_width: int, width: int) -> TokenProjector:
    """The projector among `tensors`, found by its shapes: layer after layer from `code_width` to `width`.

    Raises CheckpointError.
    """
    layers, at = [], code_width
    remaining = {name: tensor for name, tensor in tensors.items() if tensor.ndim == 2}
    while at != width:
        found = next((name for name, tensor in remaining.items() if tensor.shape[1] == at), None)
        bias = tensors.get(f"{found.removesuffix('weight')}bias") if found else None
        if found is None or bias is None:
            raise _no_language_model(folder, f"No projector from {code_width} to {width} is among its tensors.")
        layers.append((remaining.pop(found), bias))
        at = layers[-1][0].shape[0]
    projector = TokenProjector(code_width, *(weight.shape[0] for weight, _ in layers))
    linear = [layer for layer in projector if isinstance(layer, nn.Linear)]
    for layer, (weight, bias) in zip(linear, layers, strict=True):
        layer.load_state_dict({"weight": weight, "bias": bias})
    return projector.requires_grad_(False).eval()


def stored_tensors(folder: Path) -> Iterator[tuple[str, Tensor]]:
    """Every tensor of the safetensors files in `folder`, or of its pickled shards where there are none.

    Raises CheckpointError.
    """
    safe = sorted(folder.glob("*.safetensors"))
    for path in safe:
        stored_shapes(path, CHOSEN)
        with safe_open(path, "pt") as file:
            for name in file.keys():  # noqa: SIM118 - not a mapping
                yield name, file.get_tensor(name)
    for path in () if safe else sorted(folder.glob("pytorch_model*.bin")):
        yield from ((name, value) for name, value in read_pickled(path).items() if isinstance(value, Tensor))


def _no_language_model(folder: Path, why: str) -> MeshwrightError:
    return CHOSEN.error(f"{folder.name} holds no language model for SAR3D.", why)
