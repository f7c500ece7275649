# SPDX-License-Identifier: GPL-3.0-or-later
"""Every name of Blender's interface that the add-on uses exists in the Blender that runs this: icons, operators and
their properties, types, arguments of layouts, kinds of nodes. `tests/older_blenders.py` runs it in each version.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

import bpy
import pytest

from .conftest import Extension

ADDON = Path(__file__).parents[2] / "blender_addon"
LAYOUT = {function.identifier: set(function.parameters.keys()) for function in bpy.types.UILayout.bl_rna.functions}
ICONS = set(bpy.types.UILayout.bl_rna.functions["operator"].parameters["icon"].enum_items.keys())
DRAWN = ("operator", "prop", "label", "template_icon", "template_list", "menu", "prop_search", "progress", "popover")
NEWER = {"PATH_SUPPORTS_BLEND_RELATIVE"}
"""Names that are used in newer versions only, behind a look at the version."""


def dotted(node: ast.expr) -> str:
    """`bpy.ops.mesh.delete` of the expression, or ""."""
    if isinstance(node, ast.Attribute):
        before = dotted(node.value)
        return f"{before}.{node.attr}" if before else ""
    return node.id if isinstance(node, ast.Name) else ""


def constants(node: ast.expr) -> Iterator[str]:
    for part in ast.walk(node):
        if isinstance(part, ast.Constant) and isinstance(part.value, str):
            yield part.value


def wrong_in_call(call: ast.Call) -> Iterator[str]:
    name = dotted(call.func)
    for keyword in call.keywords:
        if keyword.arg == "icon":
            yield from (f"icon {icon}" for icon in constants(keyword.value)
                        if icon.isupper() and icon not in ICONS | NEWER)
    if isinstance(call.func, ast.Attribute) and call.func.attr in DRAWN:
        yield from (f"layout.{call.func.attr} has no {keyword.arg}" for keyword in call.keywords
                    if keyword.arg and keyword.arg not in LAYOUT[call.func.attr])
        if call.func.attr == "operator" and call.args and isinstance(call.args[0], ast.Constant):
            module, _, operator = str(call.args[0].value).partition(".")
            if module != "meshwright" and operator not in dir(getattr(bpy.ops, module, None)):
                yield f"operator {call.args[0].value}"
    if name.startswith("bpy.ops.") and name.count(".") == 3 and not name.startswith("bpy.ops.meshwright"):
        module, operator = name.split(".")[2:]
        if operator not in dir(getattr(bpy.ops, module)):
            yield name
            return
        known = set(getattr(getattr(bpy.ops, module), operator).get_rna_type().properties.keys())
        yield from (f"{name} has no {keyword.arg}" for keyword in call.keywords if keyword.arg not in known)
    if isinstance(call.func, ast.Attribute) and call.func.attr == "new" and call.args:
        yield from (node for node in constants(call.args[0])
                    if node.startswith(("ShaderNode", "GeometryNode")) and not hasattr(bpy.types, node))


def wrong_in(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call):
            yield from wrong_in_call(node)
        if isinstance(node, ast.Attribute):
            name = dotted(node)
            if name.startswith("bpy.types.") and name.count(".") == 2 and not hasattr(bpy.types, node.attr):
                yield name
            if name.startswith("bpy.app.") and name.count(".") == 2 and not hasattr(bpy.app, node.attr):
                yield name


def test_every_name_exists(extension: Extension) -> None:
    files = sorted(ADDON.rglob("*.py"))
    assert len(files) > 80
    missing = [f"{path.relative_to(ADDON)}: {name}" for path in files for name in wrong_in(path)
               if not name.startswith("bpy.types.MESHWRIGHT_")]
    assert missing == []


@pytest.mark.parametrize(("code", "found"), [
    ("layout.label(text='x', icon='NO_SUCH_ICON')", "icon NO_SUCH_ICON"),
    ("layout.label(txet='x')", "layout.label has no txet"),
    ("layout.operator('wm.no_such_operator')", "operator wm.no_such_operator"),
    ("bpy.ops.mesh.primitive_plane_add(sise=1)", "bpy.ops.mesh.primitive_plane_add has no sise"),
    ("nodes.new('ShaderNodeNothing')", "ShaderNodeNothing"),
    ("bpy.types.NothingLikeIt", "bpy.types.NothingLikeIt"),
])
def test_a_name_that_does_not_exist_is_found(tmp_path: Path, code: str, found: str) -> None:
    (tmp_path / "module.py").write_text(code, encoding="utf-8")
    assert list(wrong_in(tmp_path / "module.py")) == [found]
