# SPDX-License-Identifier: GPL-3.0-or-later
"""The object by a segmentation network in an ONNX file, run on the CPU.

Three forms are known, by the published networks that have them: U2Net (320 pixels, ImageNet's mean and deviation),
ISNet (1024 pixels, mean 0.5) and BiRefNet (1024 pixels, ImageNet's, logits). All take RGB as float32 [1, 3, S, S],
divided by the brightest value of the image before mean and deviation; the first output is what counts.
"""

import threading
from collections.abc import Callable
from concurrent.futures import Future, wait
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ....contract import BadInput, Remedy
from ..components import BIREFNET_LITE
from ..image_files import RgbaArray

T = TypeVar("T")
_MEAN, _DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
_TICK = 0.1


@dataclass(frozen=True)
class NetworkForm:
    """How a network wants its input and what its output means. `side` is used where the file names no size."""

    side: int
    mean: tuple[float, float, float]
    deviation: tuple[float, float, float]
    logits: bool = False


FORMS = {
    "u2net": NetworkForm(320, _MEAN, _DEVIATION),
    "isnet": NetworkForm(1024, (0.5, 0.5, 0.5), (1.0, 1.0, 1.0)),
    "birefnet": NetworkForm(1024, _MEAN, _DEVIATION, logits=True),
}


@dataclass(frozen=True)
class BackgroundModel:
    """An ONNX file and the name of its form; "" has the form found out, by the file's name, then by its input size and
    its number of outputs.
    """

    file: Path
    form: str = ""


def network_mask(rgba: RgbaArray, model: BackgroundModel, check: Callable[[], None]) -> NDArray[np.uint8]:
    """How much of each pixel is the object, uint8 [H, W] in [0, 255].

    `check` is called ten times a second and may raise to cancel. Raises BadInput for a file that is no such network.
    """
    session = _opened(model, check)
    form = FORMS[model.form or _form_of(model.file, session)]
    wanted = session.get_inputs()[0]
    side = wanted.shape[-1] if isinstance(wanted.shape[-1], int) else form.side
    pixels = {wanted.name: _prepared(rgba, form, side)}
    try:
        output = _interruptible(lambda options: session.run(None, pixels, options)[0], check)
        mask = _between_zero_and_one(np.asarray(output, np.float32)[0, 0], form)
        image = Image.fromarray((mask * 255).astype(np.uint8))
    except _runtime_errors() as error:
        raise _unusable(model.file, "It is no network that separates objects from backgrounds.", error) from error
    return np.asarray(image.resize((rgba.shape[1], rgba.shape[0]), Image.Resampling.LANCZOS)).copy()


def _opened(model: BackgroundModel, check: Callable[[], None]) -> Any:
    import onnxruntime  # takes a second to import and is needed for opaque images only

    onnxruntime.disable_telemetry_events()
    settings = onnxruntime.SessionOptions()
    settings.log_severity_level = 3

    def opened(_: Any) -> Any:
        return onnxruntime.InferenceSession(str(model.file), settings, providers=["CPUExecutionProvider"])

    try:
        session = _interruptible(opened, check)
    except _runtime_errors() as error:
        raise _unusable(model.file, "The file is damaged, or is no ONNX network.", error) from error
    shape = session.get_inputs()[0].shape
    if len(shape) != 4 or shape[1] != 3:
        raise _unusable(model.file, f"Its input has the shape {shape}, not [1, 3, height, width].")
    return session


def _form_of(file: Path, session: Any) -> str:
    name = file.stem.lower()
    for known in FORMS:
        if known in name:
            return known
    side = session.get_inputs()[0].shape[-1]
    if not isinstance(side, int) or side <= 512:
        return "u2net"
    return "isnet" if len(session.get_outputs()) > 1 else "birefnet"


def _prepared(rgba: RgbaArray, form: NetworkForm, side: int) -> NDArray[np.float32]:
    image = Image.fromarray(rgba[..., :3]).resize((side, side), Image.Resampling.LANCZOS)
    values = np.asarray(image, np.float32)
    values = values / max(float(values.max()), 1e-6)
    values = (values - np.array(form.mean, np.float32)) / np.array(form.deviation, np.float32)
    return np.ascontiguousarray(values.transpose(2, 0, 1)[None], np.float32)


def _between_zero_and_one(mask: NDArray[np.float32], form: NetworkForm) -> NDArray[np.float32]:
    """The published networks' own way: logits through a sigmoid, others stretched to their whole range."""
    if not np.isfinite(mask).all():
        raise ValueError("its output is not finite")
    if form.logits:
        return (1 / (1 + np.exp(-np.clip(mask, -50, 50)))).astype(np.float32)
    return (mask - mask.min()) / max(float(mask.max() - mask.min()), 1e-6)


def _interruptible(work: Callable[[Any], T], check: Callable[[], None]) -> T:
    """What `work(options)` returns, run on a thread of its own so that `check` can leave it at once; a network that
    runs then stops by itself.
    """
    import onnxruntime

    options, outcome = onnxruntime.RunOptions(), Future[T]()

    def body() -> None:
        try:
            outcome.set_result(work(options))
        except BaseException as error:  # noqa: BLE001 - handed to the caller, whatever it is
            outcome.set_exception(error)

    threading.Thread(target=body, daemon=True, name="background removal").start()
    try:
        while not outcome.done():
            check()
            wait([outcome], _TICK)
    except BaseException:
        options.terminate = True
        raise
    return outcome.result()


def _runtime_errors() -> tuple[type[Exception], ...]:
    """What onnxruntime raises, whose classes share no base of their own, and numpy for an output of another form."""
    from onnxruntime.capi import onnxruntime_pybind11_state as state

    own = (value for value in vars(state).values() if isinstance(value, type) and issubclass(value, Exception))
    return (*own, ValueError, TypeError, IndexError)


def _unusable(file: Path, why: str, error: Exception | None = None) -> BadInput:
    return BadInput(f"The background remover {file.name} cannot be used.", why,
                    "Choose another file, or download one of Meshwright's.", Remedy.DOWNLOAD, str(error or ""),
                    {"pipeline": "shared", "weights": BIREFNET_LITE.name})
