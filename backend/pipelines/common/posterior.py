# SPDX-License-Identifier: GPL-3.0-or-later
"""What an encoder of a variational autoencoder gives (Kingma and Welling 2014)."""

from dataclasses import dataclass

import torch
from diffusers.utils.torch_utils import randn_tensor
from torch import Tensor


@dataclass(frozen=True)
class Posterior:
    """Diagonal normal distribution of a latent; `mean` and `log_variance` are float32 `[B, L, C]`."""

    mean: Tensor
    log_variance: Tensor

    def sample(self, generator: torch.Generator | None = None) -> Tensor:
        """One draw `[B, L, C]`, differentiable in both parameters. Inference uses the mean instead."""
        noise = randn_tensor(self.mean.shape, generator=generator, device=self.mean.device, dtype=self.mean.dtype)
        return self.mean + torch.exp(0.5 * self.log_variance) * noise

    def kl(self) -> Tensor:
        """Divergence from the standard normal distribution per sample `[B]`, the mean over tokens and channels."""
        divergence = 0.5 * (self.mean.square() + self.log_variance.exp() - 1 - self.log_variance)
        return divergence.mean(dim=(1, 2))
