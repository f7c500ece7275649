# SPDX-License-Identifier: GPL-3.0-or-later
"""Feed-forward layers of the 2.1 denoiser: the plain one and the mixture of experts."""

import torch
from diffusers.models.attention import FeedForward
from torch import Tensor, nn
from torch.nn import functional


class MLP(nn.Module):
    """Two linear layers with an exact GELU between, `[..., W] -> [..., W]`."""

    def __init__(self, width: int, hidden: int):
        super().__init__()
        self.fc1 = nn.Linear(width, hidden)
        self.fc2 = nn.Linear(hidden, width)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc2(gelu(self.fc1(x)))


def gelu(hidden: Tensor) -> Tensor:
    """Exact GELU. Without gradients in place: this is the widest tensor of a run."""
    return functional.gelu(hidden) if torch.is_grad_enabled() else torch.ops.aten.gelu_(hidden)


class Gate(nn.Module):
    """Probabilities of the experts, float32 `[T, experts]`, of tokens `[T, W]`."""

    def __init__(self, width: int, experts: int):
        super().__init__()
        self.weight = nn.Parameter(torch.empty(experts, width))
        nn.init.kaiming_uniform_(self.weight, a=5**0.5)

    def forward(self, tokens: Tensor) -> Tensor:
        return functional.linear(tokens, self.weight).float().softmax(dim=-1)


class Expert(FeedForward):
    """One expert: diffusers' feed-forward, whose tensor names the published weights have."""

    def __init__(self, width: int, hidden: int):
        super().__init__(width, inner_dim=hidden, activation_fn="gelu")

    def forward(self, tokens: Tensor) -> Tensor:
        return self.net[2](gelu(self.net[0].proj(tokens)))


class MixtureOfExperts(nn.Module):
    """Every token goes through its `top` most probable experts and a shared one.

    The experts' outputs are weighted by their raw probabilities, whose sum is below 1 (they are not normalized over
    the chosen ones), and the shared expert counts in full.
    """

    def __init__(self, width: int, hidden: int, experts: int, top: int):
        super().__init__()
        self.top = top
        self.gate = Gate(width, experts)
        self.experts = nn.ModuleList(Expert(width, hidden) for _ in range(experts))
        self.shared_experts = Expert(width, hidden)

    def forward(self, x: Tensor) -> Tensor:
        """`[B, L, W] -> [B, L, W]`. Tokens are sorted by expert, so each expert runs once, on its own."""
        tokens = x.flatten(0, -2)
        probability, chosen = self.gate(tokens).topk(self.top, dim=-1)
        order = chosen.flatten().argsort(stable=True)
        counts = torch.bincount(chosen.flatten(), minlength=len(self.experts)).tolist()
        rows = tokens[order // self.top].split(counts)
        answers = torch.cat([expert(part) for expert, part in zip(self.experts, rows, strict=True)])
        total, weight = self.shared_experts(tokens), probability.to(x.dtype)
        # Back by the inverse order and summed per token: unlike an atomic index_add the same sum on every run.
        for choice, place in enumerate(order.argsort().view(-1, self.top).unbind(dim=1)):
            total = torch.addcmul(total, answers[place], weight[:, choice : choice + 1])
        return total.view_as(x)
