# SPDX-License-Identifier: GPL-3.0-or-later
"""An image input of a job, cut out as the request and the worker's settings say."""

from pathlib import Path

from PIL import Image

from ....contract import Artifact, BadInput, JobFolder, Progress, Remedy, Request, Resources
from ..components import BACKGROUND_REMOVERS
from ..image_files import RgbaArray, read_image
from ..image_preparation import has_transparency, load_image
from .cut_out import cut_out
from .network import FORMS, BackgroundModel


def cut_out_input(
    request: Request, folder: JobFolder, resources: Resources, progress: Progress, slot: str = "image"
) -> tuple[RgbaArray, tuple[Artifact, ...]]:
    """The image of the input `slot` with its background removed, and the mask as an artifact where one was made.

    The mask of the input "image" is the input "mask", that of "left" is "left_mask": it is obeyed where a file was
    given. The parameter `remove_background` decides about an opaque image without one. A new mask is written to the
    outputs, and previewed. Raises BadInput.
    """
    file = request.inputs[slot][0]
    image = load_image(folder.inputs / file)
    masks = request.inputs.get("mask" if slot == "image" else f"{slot}_mask", ())
    if not masks and not request.parameters["remove_background"]:
        return image, ()
    mask = read_image(folder.inputs / masks[0]) if masks else None
    model = None if masks or has_transparency(image) else background_model(resources)
    cut = cut_out(image, mask, model, progress)
    if cut.mask is None:
        return cut.image, ()
    name = "mask.png" if slot == "image" else f"mask.{slot}.png"
    Image.fromarray(cut.mask).save(folder.outputs / name)
    progress.preview(name)
    return cut.image, (Artifact("mask", "image", name, "mask", target=file),)


def background_model(resources: Resources) -> BackgroundModel | None:
    """The one that the artist chose, as a name of a shared model, a file, or a file with its form before it
    ("isnet:matting.onnx"); else the first of the shared ones that is installed, None where none is.

    Raises BadInput for one that was chosen and is missing.
    """
    chosen = resources.background_model.strip()
    known = {each.name: each for each in BACKGROUND_REMOVERS}
    if chosen and chosen not in known:
        return _own_model(chosen)
    if chosen and chosen not in resources.components:
        raise BadInput(f"The background remover {known[chosen].label} is not installed.", "The settings name it.",
                       "Download it, or choose another one.", Remedy.DOWNLOAD,
                       needs={"pipeline": "shared", "weights": chosen})
    for each in BACKGROUND_REMOVERS:
        if each.name in resources.components and chosen in ("", each.name):
            return BackgroundModel(resources.components[each.name] / each.files[0].local)
    return None


def _own_model(chosen: str) -> BackgroundModel:
    form, _, rest = chosen.partition(":")
    form, file = (form, rest) if rest and form in FORMS else ("", chosen)
    path = Path(file).expanduser()
    if not path.is_file():
        raise BadInput(f"The background remover {path.name} cannot be found.", f"There is no file {path}.",
                       "Choose it again.", Remedy.OPEN_PREFERENCES, needs={"file": str(path)})
    return BackgroundModel(path, form)
