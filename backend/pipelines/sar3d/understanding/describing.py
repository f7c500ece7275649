# SPDX-License-Identifier: GPL-3.0-or-later
"""The task `describe`: a mesh to a caption, by its tokens or by its views."""

from PIL import Image

from ....contract import Artifact, BadInput, JobFolder, MeshData, Progress, Request, Resources, Result
from ..model import PublishedModel
from .language_model import TokenLanguageModel, tokens_read
from .mesh_views import MeshViews, render_views
from .view_captioner import ViewCaptioner

ENCODED_SIZE = 256
"""Side of the views that the encoder sees."""
CAPTIONED_SIZE = 384
CAPTION_FILE, VIEWS_FILE = "caption.txt", "views.png"


def describe_mesh(
    model: ViewCaptioner | PublishedModel, request: Request, folder: JobFolder, resources: Resources,
    progress: Progress,
) -> Result:
    """Describe the request's mesh. Raises MeshwrightError."""
    (file,) = request.inputs["mesh"]
    writer = None if isinstance(model, ViewCaptioner) else _language_model(model, request, progress)
    progress.stage("views", 0, 1)
    mesh = MeshData.read(folder.inputs / file)
    size = CAPTIONED_SIZE if isinstance(model, ViewCaptioner) else ENCODED_SIZE
    views = render_views(mesh, size, resources.device)
    _show(views, folder, progress)
    progress.stage("views", 1, 1)
    if isinstance(model, ViewCaptioner):
        caption = model.describe(views.images(), lambda done, of: progress.stage("caption", done, of))
    else:
        assert writer is not None
        caption = _by_tokens(model, writer, views, progress)
    if not caption:
        raise BadInput("The model found no words for this mesh.", "Its answer was empty.", "Try another model.")
    progress.stage("caption", 1, 1)
    (folder.outputs / CAPTION_FILE).write_text(caption + "\n", "utf-8")
    return Result((
        Artifact(request.subject, "text", CAPTION_FILE, "caption", target=file),
        Artifact("views", "image", VIEWS_FILE, "preview", target=file),
    ))


def _language_model(model: PublishedModel, request: Request, progress: Progress) -> TokenLanguageModel:
    chosen = str(request.parameters["language_model"])
    if not chosen:
        raise BadInput("A language model is needed.", "SAR3D publishes none, and no folder with one was chosen.",
                       "Choose the folder of a language model trained for SAR3D, or describe with other weights.")
    return model.language_model(chosen, progress)


def _by_tokens(model: PublishedModel, writer: TokenLanguageModel, views: MeshViews, progress: Progress) -> str:
    quantizer = model.quantizer(progress)
    encoder = model.encoder(progress)
    latent = encoder(views.encoder_input().to(next(encoder.parameters()).device))
    progress.stage("tokens", 1, 1)
    tokens = quantizer.layout.join(quantizer.quantize(latent).indices)[0, : tokens_read(quantizer.layout)]
    return writer.describe(quantizer.unit_codes()[tokens], lambda done, of: progress.stage("caption", done, of))


def _show(views: MeshViews, folder: JobFolder, progress: Progress) -> None:
    """All views next to each other, as an image of the job."""
    images = views.images()
    sheet = Image.new("RGB", (len(images) * images.shape[2], images.shape[1]))
    for number, image in enumerate(images):
        sheet.paste(Image.fromarray(image), (number * images.shape[2], 0))
    sheet.save(folder.outputs / VIEWS_FILE)
    progress.preview(VIEWS_FILE)
