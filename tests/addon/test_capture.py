# SPDX-License-Identifier: GPL-3.0-or-later
"""Images of every kind and meshes become plain files, and the scene stays as it was."""

import math
import struct
import zlib
from pathlib import Path

import bpy
import numpy as np
import pytest
from mathutils import Matrix
from PIL import Image

from backend.contract import MeshData

from .conftest import Extension

RED, CLEAR = (1.0, 0.0, 0.0, 1.0), (0.0, 0.0, 0.0, 0.0)


@pytest.fixture
def image_file(tmp_path: Path) -> Path:
    """A 4x2 PNG: left half red, right half transparent."""
    pixels = np.zeros((2, 4, 4), np.uint8)
    pixels[:, :2] = (255, 0, 0, 255)
    Image.fromarray(pixels).save(tmp_path / "source.png")
    return tmp_path / "source.png"


@pytest.fixture
def inputs(tmp_path: Path) -> Path:
    """Where captured files go."""
    (tmp_path / "inputs").mkdir()
    return tmp_path / "inputs"


def generated(name: str, pixels: np.ndarray, is_float: bool = False) -> bpy.types.Image:
    """An unsaved image datablock with these pixels [H, W, 4], bottom row first."""
    image = bpy.data.images.new(name, pixels.shape[1], pixels.shape[0], alpha=True, float_buffer=is_float)
    image.pixels.foreach_set(pixels.astype(np.float32).ravel())
    return image


def halves(value: tuple[float, ...] = RED) -> np.ndarray:
    """[2, 4, 4]: left half of this color, right half transparent."""
    pixels = np.zeros((2, 4, 4))
    pixels[:, :2] = value
    return pixels


def read(folder: Path, name: str) -> np.ndarray:
    return np.asarray(Image.open(folder / name).convert("RGBA"))


def is_halves(pixels: np.ndarray, level: int = 255) -> bool:
    left, right = pixels[:, :2], pixels[:, 2:]
    return bool((abs(left.astype(int) - (level, 0, 0, 255)) <= 1).all() and (right[..., 3] == 0).all())


def test_a_file_is_taken_byte_for_byte(extension: Extension, scene: bpy.types.Scene, image_file: Path,
                                       inputs: Path) -> None:
    image = bpy.data.images.load(str(image_file))
    name = extension.module("capture").capture_image(image, inputs, scene)
    assert name == "image.png" and (inputs / name).read_bytes() == image_file.read_bytes()


def test_the_suffix_follows_the_content(extension: Extension, scene: bpy.types.Scene, tmp_path: Path,
                                        inputs: Path) -> None:
    Image.new("RGB", (8, 8), "red").save(tmp_path / "photo.png", "JPEG")
    image = bpy.data.images.load(str(tmp_path / "photo.png"))
    assert extension.module("capture").capture_image(image, inputs, scene) == "image.jpg"


def test_a_packed_image_whose_file_has_gone(extension: Extension, scene: bpy.types.Scene, image_file: Path,
                                              inputs: Path) -> None:
    content = image_file.read_bytes()
    image = bpy.data.images.load(str(image_file))
    image.pack()
    image_file.unlink()
    name = extension.module("capture").capture_image(image, inputs, scene)
    assert (inputs / name).read_bytes() == content


@pytest.mark.parametrize("is_float", [False, True])
def test_unsaved_pixels(extension: Extension, scene: bpy.types.Scene, inputs: Path, is_float: bool) -> None:
    image = generated("Painted", halves((0.2140411, 0, 0, 1) if is_float else (0.5, 0, 0, 1)), is_float)
    before = set(bpy.data.images)
    name = extension.module("capture").capture_image(image, inputs, scene)
    pixels = read(inputs, name)
    assert is_halves(pixels, 128), f"scene-linear 0.214 is sRGB 0.5: {pixels[0]}"
    assert set(bpy.data.images) == before, "the temporary datablock is gone"


def test_painted_over_a_file_gives_the_paint(extension: Extension, scene: bpy.types.Scene, image_file: Path,
                                             inputs: Path) -> None:
    image = bpy.data.images.load(str(image_file))
    image.pixels.foreach_set(np.full(32, 1.0, np.float32))
    name = extension.module("capture").capture_image(image, inputs, scene)
    assert (read(inputs, name) == 255).all()


def test_an_exr_becomes_a_png(extension: Extension, scene: bpy.types.Scene, tmp_path: Path, inputs: Path) -> None:
    saved = generated("Light", halves((1.0, 0, 0, 1)), is_float=True)
    saved.file_format, saved.filepath_raw = "OPEN_EXR", str(tmp_path / "light.exr")
    saved.save()
    image = bpy.data.images.load(str(tmp_path / "light.exr"))
    name = extension.module("capture").capture_image(image, inputs, scene)
    assert name == "image.png" and is_halves(read(inputs, name))


def test_the_render_result(extension: Extension, scene: bpy.types.Scene, inputs: Path) -> None:
    capture = extension.module("capture").capture_image
    studio(scene)
    bpy.ops.render.render()
    scene.render.image_settings.file_format = "JPEG"
    image = next(item for item in bpy.data.images if item.type == "RENDER_RESULT")
    pixels = read(inputs, capture(image, inputs, scene))
    assert pixels.shape == (48, 64, 4) and pixels[..., 3].min() == 0 and pixels[..., 3].max() == 255
    assert scene.render.image_settings.file_format == "JPEG"


@pytest.mark.parametrize("content", [b"I am a letter, not an image.", b"", b"\x89PNG\r\n\x1a\n then nothing"])
def test_a_file_that_is_no_image(extension: Extension, scene: bpy.types.Scene, tmp_path: Path,
                                   content: bytes) -> None:
    (tmp_path / "letter.png").write_bytes(content)
    with pytest.raises(RuntimeError, match=r"letter\.png (is not an image|cannot be opened)"):
        bpy.ops.meshwright.drop_image(filepath=str(tmp_path / "letter.png"))
    assert scene.meshwright.images.image is None and not bpy.data.images


def test_a_image_whose_file_has_gone(extension: Extension, scene: bpy.types.Scene, image_file: Path,
                                       inputs: Path) -> None:
    image = bpy.data.images.load(str(image_file))
    image_file.unlink()
    image.reload()
    with pytest.raises(extension.module("backend.contract").BadInput, match="cannot be read"):
        extension.module("capture").capture_image(image, inputs, scene)


def test_odd_images_go_to_the_worker_as_they_are(extension: Extension, scene: bpy.types.Scene, tmp_path: Path,
                                                   inputs: Path) -> None:
    """An image 20 000 pixels wide, CMYK: the worker judges them with its own words, Blender only hands them over."""
    row = zlib.compress(b"\x00" + b"\x7f" * 20_000)
    chunks = [(b"IHDR", struct.pack(">IIBBBBB", 20_000, 1, 8, 0, 0, 0, 0)), (b"IDAT", row), (b"IEND", b"")]
    wide = b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in chunks)
    (tmp_path / "wide.png").write_bytes(wide)
    Image.new("CMYK", (8, 8)).save(tmp_path / "cmyk.jpg")
    for source in (tmp_path / "wide.png", tmp_path / "cmyk.jpg"):
        name = extension.module("capture").capture_image(bpy.data.images.load(str(source)), inputs, scene)
        assert (inputs / name).read_bytes() == source.read_bytes()


def studio(scene: bpy.types.Scene) -> tuple[bpy.types.Object, bpy.types.Object]:
    """A cube before a larger wall, a camera; Cycles with one sample on transparent ground. Returns (cube, wall)."""
    scene.render.engine = "CYCLES"
    scene.cycles.samples, scene.cycles.use_denoising = 1, False
    scene.render.resolution_x, scene.render.resolution_y, scene.render.film_transparent = 64, 48, True
    mesh = bpy.data.meshes.new("Cube")
    corners = [(x, y, z) for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)]
    mesh.from_pydata(corners, [], [(0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3)])
    cube, wall = bpy.data.objects.new("Cube", mesh), bpy.data.objects.new("Wall", mesh)
    wall.scale, wall.location = (1.5, 0.1, 1.5), (0, 2, 0)
    camera = bpy.data.objects.new("Camera", bpy.data.cameras.new("Camera"))
    camera.matrix_world = Matrix.Translation((0, -8, 0)) @ Matrix.Rotation(math.pi / 2, 4, "X")
    for item in (cube, wall, camera):
        scene.collection.objects.link(item)
    scene.camera = camera
    return cube, wall


def scene_state(scene: bpy.types.Scene) -> dict[str, object]:
    """All plain settings of the scene, its render settings and its view, and what is in the file."""
    state: dict[str, object] = {}
    for owner in (scene, scene.render, scene.cycles, scene.view_settings, scene.render.image_settings):
        for item in owner.bl_rna.properties:
            plain = item.type in ("INT", "FLOAT", "BOOLEAN", "ENUM", "STRING") and not item.is_readonly
            if plain and item.identifier != "use_nodes":  # deprecated, and warns when it is read
                value = getattr(owner, item.identifier)
                is_array = getattr(item, "is_array", False)
                state[f"{owner.bl_rna.identifier}.{item.identifier}"] = tuple(value) if is_array else value
    names = ("scenes", "objects", "cameras", "lights", "worlds", "collections")
    return state | {name: [item.name for item in getattr(bpy.data, name)] for name in names}


def test_the_camera_sees_the_selected_object_alone(extension: Extension, scene: bpy.types.Scene,
                                                   monkeypatch: pytest.MonkeyPatch) -> None:
    camera_module = extension.module("capture.camera")
    monkeypatch.setattr(camera_module, "LONG_SIDE", 64)
    monkeypatch.setattr(camera_module, "SAMPLES", 1)
    cube, _ = studio(scene)
    scene.render.film_transparent = False
    cube.select_set(True)
    before, objects = scene_state(scene), set(bpy.data.objects)
    assert bpy.ops.meshwright.capture_view() == {"FINISHED"}
    assert scene_state(scene) == before and set(bpy.data.objects) == objects
    image = scene.meshwright.images.image
    assert tuple(image.size) == (64, 48) and image.packed_file
    pixels = np.array(image.pixels).reshape(48, 64, 4)
    assert pixels[24, 32, 3] == 1.0 and pixels[24, 32, :3].max() > 0.1, "the cube is there, and lit without a lamp"
    seen = np.flatnonzero(pixels[24, :, 3] > 0.5)
    assert 5 < len(seen) < 30 and pixels[24, seen.max() + 2:, 3].max() == 0.0, "the wall is not"


def test_without_a_camera_words(extension: Extension, scene: bpy.types.Scene) -> None:
    cube, _ = studio(scene)
    bpy.data.objects.remove(scene.camera)
    cube.select_set(True)
    before = scene_state(scene)
    with pytest.raises(RuntimeError, match="There is no camera"):
        bpy.ops.meshwright.capture_view()
    assert scene_state(scene) == before


def test_mesh_frames_and_modifiers(extension: Extension, scene: bpy.types.Scene, tmp_path: Path) -> None:
    capture_mesh = extension.module("capture").capture_mesh
    cube, _ = studio(scene)
    cube.matrix_world = Matrix.Translation((5, 0, 0)) @ Matrix.Scale(-2, 4, (1, 0, 0))
    modifier = cube.modifiers.new("Array", "ARRAY")
    modifier.count = 3
    bpy.context.view_layer.update()
    capture_mesh(cube, tmp_path / "base.npz", "BASE", "standing")
    mesh = MeshData.read(tmp_path / "base.npz")
    vertices, faces = mesh.vertices, mesh.faces
    assert len(vertices) == 8 and len(faces) == 12
    assert np.abs(vertices).max(axis=0) == pytest.approx([2.0, 1.0, 1.0], abs=1e-6), "scaled, but not moved"
    capture_mesh(cube, tmp_path / "evaluated.npz", "EVALUATED", "standing")
    assert len(MeshData.read(tmp_path / "evaluated.npz").faces) == 36
    capture_mesh(cube, tmp_path / "world.npz", "BASE", "world")
    mesh = MeshData.read(tmp_path / "world.npz")
    vertices, faces = mesh.vertices, mesh.faces
    assert vertices[:, 0].min() == pytest.approx(3.0) and vertices[:, 0].max() == pytest.approx(7.0)
    a, b, c = (vertices[faces[:, corner]] - (5, 0, 0) for corner in range(3))
    assert np.einsum("ij,ij->", a, np.cross(b, c)) / 6 == pytest.approx(16.0), "mirrored, yet facing outwards"


def test_an_object_without_faces(extension: Extension, scene: bpy.types.Scene, tmp_path: Path) -> None:
    empty = bpy.data.objects.new("Points", bpy.data.meshes.new("Points"))
    scene.collection.objects.link(empty)
    with pytest.raises(extension.module("backend.contract").BadInput, match="Points has no faces"):
        extension.module("capture").capture_mesh(empty, tmp_path / "mesh.npz", "BASE", "standing")


def test_the_targets_bounds_are_in_the_world(extension: Extension, scene: bpy.types.Scene) -> None:
    cube, _ = studio(scene)
    cube.matrix_world = Matrix.Translation((5, 0, 0)) @ Matrix.Rotation(math.pi / 4, 4, "Z")
    bpy.context.view_layer.update()
    target = extension.module("capture").target_of(cube)
    assert target.low == pytest.approx((5 - math.sqrt(2), -math.sqrt(2), -1), abs=1e-5)
    assert target.reference.uid == cube.session_uid and target.reference.name == "Cube"


def test_the_drop_handler_takes_images_in_the_viewport(extension: Extension) -> None:
    handler = next(cls for cls in bpy.types.FileHandler.__subclasses__() if cls.__name__ == "MESHWRIGHT_FH_image")
    assert handler.bl_import_operator == "meshwright.drop_image" and ".png" in handler.bl_file_extensions.split(";")


def test_a_dropped_file_becomes_the_panels_image(extension: Extension, scene: bpy.types.Scene,
                                                   image_file: Path) -> None:
    assert bpy.ops.meshwright.drop_image(filepath=str(image_file)) == {"FINISHED"}
    assert scene.meshwright.images.image.name == "source.png"


def test_the_picked_image_has_a_thumbnail_with_every_engine(extension: Extension, scene: bpy.types.Scene) -> None:
    scene.render.engine = "BLENDER_WORKBENCH"
    pixels = np.zeros((300, 600, 4), np.float32)
    pixels[:150, :] = RED  # the lower half
    image = generated("wide.png", pixels)
    scene.meshwright.images.image = image
    width, height = image.preview.image_size
    assert (width, height) == (150, 75)
    shown = np.empty(width * height * 4, np.float32)
    image.preview.image_pixels_float.foreach_get(shown)
    shown = shown.reshape(height, width, 4)
    assert np.allclose(shown[:36], RED, atol=0.01) and np.allclose(shown[39:], CLEAR, atol=0.01)
    scene.meshwright.images.image = generated("tall.png", np.ones((1000, 2, 4), np.float32))
    assert tuple(scene.meshwright.images.image.preview.image_size) == (1, 166)
    scene.meshwright.images.image = None
