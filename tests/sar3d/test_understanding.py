# SPDX-License-Identifier: GPL-3.0-or-later
"""A mesh described by its tokens (tiny Llama) or by its views (tiny captioner); views agree with their cameras."""

import json

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import (
    BertTokenizerFast,
    BlipConfig,
    BlipForConditionalGeneration,
    BlipProcessor,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedTokenizerFast,
)

from backend.contract import BadInput, JobFolder, MeshData, Request, Resources
from backend.pipelines.common.checkpoint_shapes import CheckpointError
from backend.pipelines.sar3d import job
from backend.pipelines.sar3d.encoder import TriplaneEncoder
from backend.pipelines.sar3d.model import PublishedModel
from backend.pipelines.sar3d.spec import DESCRIBE, SPEC
from backend.pipelines.sar3d.token_layout import TokenLayout
from backend.pipelines.sar3d.understanding.language_model import (
    TokenProjector,
    load_language_model,
    tokens_read,
)
from backend.pipelines.sar3d.understanding.mesh_views import DISTANCE, FOCAL, render_views
from backend.pipelines.sar3d.understanding.view_captioner import ViewCaptioner

from .test_job import Remarks
from .tiny_networks import tiny_decoder

WORDS = ["a", "red", "blue", "chair", "table", "USER", ":", "ASSISTANT", "Give", "concise"]


def box(size=(1.0, 2.0, 0.5), center=(3.0, -1.0, 0.7), colors=None):
    """A closed box in Blender's frame."""
    corners = np.array([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)], np.float32) / 2
    faces = [[0, 1, 3], [0, 3, 2], [4, 6, 7], [4, 7, 5], [0, 4, 5], [0, 5, 1], [2, 3, 7], [2, 7, 6], [0, 2, 6],
             [0, 6, 4], [1, 5, 7], [1, 7, 3]]
    return MeshData(corners * np.float32(size) + np.float32(center), np.array(faces), colors=colors)


def test_765_tokens_are_read():
    assert tokens_read(TokenLayout()) == 765


def test_depth_and_rays_meet_on_the_surface():
    """A pixel's ray, followed to its depth, ends on the box that the mesh is after scaling."""
    views = render_views(box(), 64, "cpu")
    given = views.encoder_input()
    assert given.shape == (6, 10, 64, 64)
    moment, direction, depth = given[:, 3:6], given[:, 6:9], given[:, 9:]
    forward = views.camera_to_world[:, :3, 2][:, :, None, None]
    along = depth / (direction * forward).sum(dim=1, keepdim=True)
    origin = views.camera_to_world[:, :3, 3][:, :, None, None]
    assert torch.allclose(torch.linalg.cross(origin.expand_as(direction), direction, dim=1), moment, atol=1e-6)
    assert origin.norm(dim=1).flatten() == pytest.approx(np.full(6, DISTANCE), abs=1e-4)
    hits = (depth > 0)[:, 0]
    assert 0.02 < hits.float().mean() < 0.6
    points = (origin + along * direction).permute(0, 2, 3, 1)[hits]
    half = torch.tensor([0.225, 0.45, 0.1125])
    outside = (points.abs() - half).amax(dim=-1)
    assert outside.abs().max() < 2e-3


def test_views_show_colors_the_right_way_around():
    """The half toward Blender's front is red: seen from 30 degrees to either side of the front, not from the back."""
    colors = np.tile(np.array([[0.0, 0.0, 1.0, 1.0]], np.float32), (8, 1))
    mesh = box((1, 1, 1), (0, 0, 0))
    colors[mesh.vertices[:, 1] < 0] = [1, 0, 0, 1]
    views = render_views(MeshData(mesh.vertices, mesh.faces, colors=colors), 64, "cpu")
    redness = (views.color[:, 0] - views.color[:, 2]).sum(dim=(1, 2))
    assert redness[0] > 0 and redness[5] > 0  # 30 degrees to either side of the front
    assert redness[2] < 0 and redness[3] < 0  # the back
    assert (views.color[:, :, 0, 0] == 1).all()  # white behind it
    assert pytest.approx(1422.222 / 1024, abs=1e-5) == FOCAL


@pytest.mark.parametrize("wrong", [MeshData.empty(), box((0, 0, 0))])
def test_a_mesh_without_extent_is_refused(wrong):
    with pytest.raises(BadInput, match="cannot be described"):
        render_views(wrong, 16, "cpu")


def save_tiny_llama(folder, projector=True, pickled=False, words=WORDS):
    """A language model in the original's layout."""
    folder.mkdir(exist_ok=True)
    vocabulary = {word: number for number, word in enumerate(["<unk>", "<s>", "</s>", *words])}
    backend = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    backend.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=backend, unk_token="<unk>", bos_token="<s>", eos_token="</s>")
    tokenizer.save_pretrained(folder)
    torch.manual_seed(0)
    llama = LlamaForCausalLM(LlamaConfig(
        vocab_size=len(vocabulary) + 3, hidden_size=16, intermediate_size=24, num_hidden_layers=1,
        num_attention_heads=2, max_position_embeddings=512,
    ))
    tensors = dict(llama.state_dict())
    if projector:
        layers = TokenProjector(4, 8, 12, 16).state_dict()
        tensors |= {f"model.point_proj.{name}": value for name, value in layers.items()}
        tensors["model.point_backbone.unused.weight"] = torch.zeros(3)
    config = llama.config.to_dict() | {"model_type": "pointllm", "architectures": ["PointLLMLlamaForCausalLM"]}
    (folder / "config.json").write_text(json.dumps(config))
    tensors = {name: value.clone() for name, value in tensors.items()}
    torch.save(tensors, folder / "pytorch_model.bin") if pickled else save_file(tensors, folder / "model.safetensors")
    return llama, tensors


@pytest.mark.parametrize("pickled", [False, True])
def test_codes_take_the_place_of_the_placeholders(tmp_path, pickled):
    llama, tensors = save_tiny_llama(tmp_path / "llm", pickled=pickled)
    model = load_language_model(tmp_path / "llm", 4, torch.float32, "cpu", lambda: None)
    for name, value in llama.state_dict().items():
        assert torch.equal(model.llama.state_dict()[name], value)
    assert torch.equal(model.projector[0].weight, tensors["model.point_proj.0.weight"])
    codes, told = torch.randn(21, 4), []
    answer = model.describe(codes, lambda done, of: told.append((done, of)))
    assert isinstance(answer, str)
    assert 1 <= len(told) <= told[0][1]
    assert model.describe(codes, lambda done, of: None) == answer


def test_a_cancel_ends_the_writing(tmp_path):
    save_tiny_llama(tmp_path / "llm")
    model = load_language_model(tmp_path / "llm", 4, torch.float32, "cpu", lambda: None)

    def cancel(done, of):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        model.describe(torch.randn(21, 4), cancel)


def test_folders_without_projector_or_model_are_refused(tmp_path):
    save_tiny_llama(tmp_path / "llm", projector=False)
    with pytest.raises(CheckpointError) as error:
        load_language_model(tmp_path / "llm", 4, torch.float32, "cpu", lambda: None)
    assert "No projector" in error.value.report.why
    with pytest.raises(CheckpointError, match="no language model"):
        load_language_model(tmp_path, 4, torch.float32, "cpu", lambda: None)


def save_tiny_captioner(folder):
    """A captioner in transformers' form."""
    folder.mkdir(exist_ok=True)
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "[DEC]", *[word.lower() for word in WORDS]]
    (folder / "vocab.txt").write_text("\n".join(words))
    from transformers import BlipImageProcessorPil  # without torchvision

    processor = BlipProcessor(BlipImageProcessorPil(size={"height": 32, "width": 32}),
                              BertTokenizerFast(str(folder / "vocab.txt")))
    processor.save_pretrained(folder)
    torch.manual_seed(0)
    text = {"vocab_size": len(words), "hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1,
            "num_attention_heads": 2, "encoder_hidden_size": 16, "bos_token_id": 5, "eos_token_id": 3,
            "sep_token_id": 3, "pad_token_id": 0, "projection_dim": 8}
    vision = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2,
              "image_size": 32, "patch_size": 16, "projection_dim": 8}
    config = BlipConfig(text_config=text, vision_config=vision, projection_dim=8)
    BlipForConditionalGeneration(config).save_pretrained(folder)


def describe(folder, model, language_model=""):
    folder = JobFolder.create(folder)
    box().write(folder.inputs / "mesh.npz")
    parameters = DESCRIBE.validated({"language_model": language_model})
    request = Request("job", "describe", "sar3d", "any", "Cube", 0, parameters, {"mesh": ("mesh.npz",)})
    progress = Remarks()
    return folder, job.run(model, request, folder, Resources(), progress), progress


def test_a_mesh_is_described_by_its_views(tmp_path):
    save_tiny_captioner(tmp_path / "captioner")
    model = job.load(SPEC.weight_set("captioner"), tmp_path / "captioner", Resources(), Remarks())
    assert isinstance(model, ViewCaptioner)
    folder, result, progress = describe(tmp_path / "job", model)
    caption, views = result.artifacts
    assert (caption.kind, caption.role, caption.target) == ("text", "caption", "mesh.npz")
    assert (folder.outputs / caption.file).read_text("utf-8").strip()
    assert views.role == "preview" and progress.previews == [views.file]
    assert progress.stages[-1] == ("caption", 1, 1)


class TinyPublished(PublishedModel):
    """The published model's way to a caption, on tiny networks."""

    def quantizer(self, progress):
        return tiny_decoder().quantize

    def encoder(self, progress):
        torch.manual_seed(5)
        return TriplaneEncoder(width=32, multipliers=(1, 1, 1, 1, 1, 1, 1), residual_blocks=1, code_width=4, heads=2,
                               head_width=8).eval()


def test_a_mesh_is_described_by_its_tokens(tmp_path):
    save_tiny_llama(tmp_path / "llm", words=[f"word{number}" for number in range(40)])
    model = TinyPublished(tmp_path, Resources())
    _folder, result, progress = describe(tmp_path / "job", model, str(tmp_path / "llm"))
    assert result.artifacts[0].role == "caption"
    assert {"views", "tokens", "caption"} == {stage for stage, _, _ in progress.stages}


def test_without_a_language_model_it_is_said_that_none_is_published(tmp_path):
    with pytest.raises(BadInput, match="language model is needed"):
        describe(tmp_path / "job", TinyPublished(tmp_path, Resources()))
