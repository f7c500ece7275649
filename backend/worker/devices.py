# SPDX-License-Identifier: GPL-3.0-or-later
"""Which device to run on, its name in words, its memory. torch is imported by the first call, not before."""

import gc
import logging
import platform
import sys
from contextlib import AbstractContextManager, nullcontext

import psutil

from ..contract import MeshwrightError, Remedy, Resources
from .settings import Settings

logger = logging.getLogger(__name__)

GIB = 2**30


def choose(device: str) -> str:
    """The torch device for "auto" (cuda, then mps, then cpu) or the named one. Raises MeshwrightError if absent."""
    if device == "cpu":  # without waiting for torch
        return device
    available = available_devices()
    if device == "auto":
        return available[0]
    wanted = "cuda:0" if device == "cuda" else device
    if wanted not in available:
        raise MeshwrightError(
            f"The device {device} is not available.", f"This computer offers {', '.join(available)}.",
            "Choose another device in the preferences.", Remedy.OPEN_PREFERENCES,
        )
    return wanted


def available_devices() -> list[str]:
    """Torch names of the devices of this computer, the fastest first."""
    import torch

    found = [f"cuda:{index}" for index in range(torch.cuda.device_count())]
    if torch.backends.mps.is_available():
        found.append("mps")
    return [*found, "cpu"]


def resources(settings: Settings) -> Resources:
    """The devices for a job; its memory mode is chosen later. A second device that is absent falls back to the first.
    """
    first = choose(settings.device)
    second = first
    if settings.second_device:
        try:
            second = choose(settings.second_device)
        except MeshwrightError as error:
            logger.warning("%s Everything runs on %s.", error.report.what, first)
    for device in {first, second}:
        stay_in_dedicated_memory(device)
    return Resources(first, second, compile=settings.compile, background_model=settings.background_model)


def stay_in_dedicated_memory(device: str, system: str = sys.platform) -> None:
    """On Windows, have allocations beyond the GPU's own memory fail, as they do elsewhere.

    There the driver moves what does not fit into the computer's memory and says nothing: everything goes on, ten to a
    hundred times as slowly. An error instead is answered with smaller chunks and a lower memory mode.
    """
    if system != "win32" or not device.startswith("cuda"):
        return
    import torch

    free, total = torch.cuda.mem_get_info(device)
    share = (free + torch.cuda.memory_reserved(device)) / total
    torch.cuda.set_per_process_memory_fraction(min(share, 1.0), device)


def attention_within_memory(device: str) -> AbstractContextManager[None]:
    """A context in which attention on the device does not keep more scores than fit; see `common.attention`."""
    if device != "mps":  # without importing torch, which a pipeline may not need
        return nullcontext()
    from ..pipelines.common import attention

    return attention.attention_within_memory(device)


def description(device: str) -> str:
    """For humans: "cuda:0 · NVIDIA H200"; a device that is absent is said to be so."""
    try:
        chosen = choose(device)
    except MeshwrightError:
        return f"{device} · not found"
    if chosen.startswith("cuda"):
        import torch

        return f"{chosen} · {torch.cuda.get_device_name(chosen)}"
    return f"{chosen} · {platform.processor() or platform.machine()}"


def free_gib(device: str) -> float:
    """Memory that a new model could take on the device, in GiB."""
    if device == "cpu":
        return psutil.virtual_memory().available / GIB
    import torch

    if device == "mps":  # shared with the system, which may have less to give than the driver recommends
        unused = torch.mps.recommended_max_memory() - torch.mps.driver_allocated_memory()
        return min(unused, psutil.virtual_memory().available) / GIB
    reserved_but_unused = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    return (torch.cuda.mem_get_info(device)[0] + reserved_but_unused) / GIB


def available_gib(device: str) -> float:
    """Memory that a model could take on the device, in GiB, if every model that this process keeps made room."""
    if device == "cpu":
        return float("inf")  # a mode moves weights between computer and GPU; without a GPU there is nothing to spare
    import torch

    if device == "mps":
        own = torch.mps.driver_allocated_memory()
        return min(torch.mps.recommended_max_memory(), psutil.virtual_memory().available + own) / GIB
    return (torch.cuda.mem_get_info(device)[0] + torch.cuda.memory_reserved(device)) / GIB


def release_unused() -> None:
    """Give back what nothing refers to: Python's cycles, then the allocators' caches."""
    gc.collect()
    torch = sys.modules.get("torch")
    if torch is None:
        return
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    if torch.backends.mps.is_available():
        torch.mps.empty_cache()


def is_out_of_memory(error: BaseException) -> bool:
    """Whether the error says that a device's or the computer's memory did not suffice."""
    torch = sys.modules.get("torch")
    if isinstance(error, MemoryError) or (torch is not None and isinstance(error, torch.OutOfMemoryError)):
        return True
    # The MPS and CPU allocators have no class of their own.
    return isinstance(error, RuntimeError) and any(
        phrase in str(error).lower() for phrase in ("out of memory", "can't allocate memory", "not enough memory")
    )
