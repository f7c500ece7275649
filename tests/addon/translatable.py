# SPDX-License-Identifier: GPL-3.0-or-later
"""Every text that the artist may read, collected from Blender's registered classes and from the add-on's source."""

import ast
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import bpy

from backend.contract import PipelineSpec

_WORD = re.compile(r"[A-Za-z]{2,}")
_IDENTIFIER = re.compile(r"[a-z0-9_]+|[A-Z][A-Z0-9]{3,}(_[A-Z0-9]+)*")
_FIRST_ARGUMENT = {"poll_message_set", "translated"}
_SECOND_ARGUMENT = {"wrapped", "report"}
_ALL_ARGUMENTS = {"BadInput", "MeshwrightError", "ErrorReport"}
_UNTRANSLATED = {"prop_search"}


def of_class(cls: type) -> Iterator[str]:
    """Labels and descriptions of a registered class, its properties and their choices."""
    registered: Any = getattr(bpy.types, cls.__name__, cls)
    rna = registered.bl_rna
    yield getattr(cls, "bl_label", "")
    if issubclass(cls, bpy.types.Operator):
        yield rna.description
    own = {name for base in cls.__mro__ for name in getattr(base, "__annotations__", {})}
    for known in rna.properties:
        if known.identifier in own and not known.identifier.startswith("bl_"):
            yield from (known.name, known.description)
            if known.type == "ENUM":
                yield from (text for item in known.enum_items for text in (item.name, item.description))


def of_source(path: Path) -> Iterator[str]:
    """Literals that are drawn, reported, or said by an error; what an f-string fills in is {}."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call):
            for argument in _read_by_artists(node):
                yield from _literals(argument)
        elif isinstance(node, ast.Assign) and any(map(_is_words, node.targets)):
            yield from _literals(node.value)
        elif isinstance(node, ast.For) and path.parent.name == "panels":  # rows of buttons, say
            yield from _literals(node.iter)
        elif isinstance(node, ast.FunctionDef) and node.name.endswith("words"):
            yield from (text for line in ast.walk(node) if isinstance(line, ast.Return) and line.value
                        for text in _literals(line.value))


def of_spec(spec: PipelineSpec) -> Iterator[str]:
    """What a pipeline's spec says and no class has: stages, groups of parameters, what results may be used for."""
    for task in spec.tasks:
        yield from (stage.label for stage in task.stages)
        yield from (parameter.group for parameter in task.parameters)
    yield from (weights.license.outputs for weights in spec.weights)


def worth_translating(texts: Iterable[str]) -> set[str]:
    """Those that have words, and are no name of a property or an icon."""
    return {text for text in texts if _WORD.search(text.replace("{}", "")) and not _IDENTIFIER.fullmatch(text)}


def _read_by_artists(call: ast.Call) -> Iterator[ast.expr]:
    name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
    if name in _ALL_ARGUMENTS:
        yield from call.args
    if name in _FIRST_ARGUMENT and call.args:
        yield call.args[0]
    if name in _SECOND_ARGUMENT and len(call.args) > 1:
        yield call.args[1]
    if name not in _UNTRANSLATED:
        yield from (keyword.value for keyword in call.keywords if keyword.arg in ("text", "confirm_text"))


def _is_words(target: ast.expr) -> bool:
    """Whether what is assigned is read by artists, by the name of where it goes."""
    if isinstance(target, ast.Tuple):
        return any(map(_is_words, target.elts))
    name = target.attr if isinstance(target, ast.Attribute) else getattr(target, "id", "")
    return name == "stage" or name.lower().endswith(("words", "labels"))


def _literals(node: ast.expr) -> Iterator[str]:
    """String literals of an expression, f-strings as a whole; not what calls inside of it are given."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value
    elif isinstance(node, ast.JoinedStr):
        yield "".join(str(part.value) if isinstance(part, ast.Constant) else "{}" for part in node.values)
    elif isinstance(node, ast.IfExp):
        yield from (*_literals(node.body), *_literals(node.orelse))
    elif isinstance(node, ast.BoolOp):
        yield from (text for value in node.values for text in _literals(value))
    elif isinstance(node, ast.Call) and getattr(node.func, "id", "") == "translated":
        yield from _literals(node.args[0])
    elif isinstance(node, ast.BinOp):
        yield from (*_literals(node.left), *_literals(node.right))
    elif isinstance(node, ast.Tuple | ast.List):
        yield from (text for element in node.elts for text in _literals(element))
    elif isinstance(node, ast.Dict):
        yield from (text for value in node.values for text in _literals(value))
