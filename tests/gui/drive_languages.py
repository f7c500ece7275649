# SPDX-License-Identifier: GPL-3.0-or-later
"""What an artist sees who works in Japanese or Chinese: the tab, its menu, and a texture that one button shows."""

import importlib
from collections.abc import Generator, Mapping
from typing import Any

import bpy

EXTENSION = "bl_ext.user_default.meshwright"
LANGUAGES = {"1-japanese": "ja_JP", "2-chinese": "zh_HANS"}


def drive(window: Any, task: Mapping[str, Any]) -> Generator[float, None, None]:
    """`task` names labels whose translation is asked for."""
    view, translate = bpy.context.preferences.view, bpy.app.translations
    yield from window.open_tab("Meshwright")
    for photo, language in LANGUAGES.items():
        view.language = language
        view.use_translate_interface = view.use_translate_tooltips = True
        window.viewport.tag_redraw()
        yield 2.0
        window.photograph(photo)
        window.say(language, [translate.pgettext_iface(label) for label in task["labels"]])
        window.say(f"{language} operators", [translate.pgettext_iface(label, "Operator") for label in task["labels"]])
    view.language = "en_US"
    shading = window.viewport.spaces.active.shading
    shading.type, shading.color_type = "SOLID", "MATERIAL"
    with window.pointed():
        window.say("shown", list(bpy.ops.meshwright.show_textures()))
        window.say("shown again", bpy.ops.meshwright.show_textures.poll())
        bpy.ops.wm.call_menu("INVOKE_DEFAULT", name="MESHWRIGHT_MT_selected")
    window.say("shading", [shading.type, shading.color_type])
    yield 1.5
    window.photograph("3-menu")
    shortcuts = importlib.import_module(f"{EXTENSION}.shortcuts")
    window.say("shortcuts", len(list(shortcuts.entries())))
