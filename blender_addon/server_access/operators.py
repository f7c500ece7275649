# SPDX-License-Identifier: GPL-3.0-or-later
"""Buttons of the server's settings."""

import bpy

from .. import preferences
from ..backend.contract import MeshwrightError
from ..translations import translated
from .connection_test import ConnectionTest
from .token_file import write_token

_INTERVAL = 0.2
_test = ConnectionTest()


def connection_test() -> ConnectionTest:
    """The latest try, for the preferences to draw."""
    return _test


def poll_once() -> float | None:
    """The timer's function: the seconds until the next look, None when the try has ended."""
    running = _test.poll()
    for window in bpy.context.window_manager.windows:
        for area in window.screen.areas:
            if area.type == "PREFERENCES":
                area.tag_redraw()
    return _INTERVAL if running else None


class MESHWRIGHT_OT_set_server_token(bpy.types.Operator):
    """Keep the server's token in a file that only you can read. It is not saved in .blend files or preferences"""

    bl_idname = "meshwright.set_server_token"
    bl_label = "Set Token"
    bl_options = {"INTERNAL"}

    token: bpy.props.StringProperty(
        name="Token", subtype="PASSWORD", options={"HIDDEN", "SKIP_SAVE"},
        description="As whoever runs the server has it. Empty: forget the token",
    )

    def invoke(self, context: bpy.types.Context, _event: bpy.types.Event) -> set[str]:
        return context.window_manager.invoke_props_dialog(self, width=420, confirm_text=self.bl_label)

    def draw(self, _context: bpy.types.Context) -> None:
        self.layout.prop(self, "token")

    def execute(self, _context: bpy.types.Context) -> set[str]:
        token, self.token = self.token, ""
        try:
            write_token(preferences.server_folder(), token)
        except MeshwrightError as error:
            self.report({"ERROR"}, translated(str(error)))
            return {"CANCELLED"}
        self.report({"INFO"}, translated("Token kept" if token.strip() else "Token removed"))
        return {"FINISHED"}


class MESHWRIGHT_OT_test_server(bpy.types.Operator):
    """Ask the server what it is, with the address and the token as they are set"""

    bl_idname = "meshwright.test_server"
    bl_label = "Test Connection"

    @classmethod
    def poll(cls, _context: bpy.types.Context) -> bool:
        complaint = "A test is running" if _test.busy else preferences.server_complaint()
        if complaint:
            cls.poll_message_set(translated(complaint))
        return not complaint

    def execute(self, _context: bpy.types.Context) -> set[str]:
        settings = preferences.server_settings()
        try:
            _test.begin(settings)
        except OSError as error:
            self.report({"ERROR"}, translated(f"{settings.python} cannot be started: {error.strerror}"))
            return {"CANCELLED"}
        if not bpy.app.timers.is_registered(poll_once):
            bpy.app.timers.register(poll_once, first_interval=_INTERVAL, persistent=True)
        return {"FINISHED"}


CLASSES = (MESHWRIGHT_OT_set_server_token, MESHWRIGHT_OT_test_server)


def stop() -> None:
    """For `unregister`: no child and no timer is left."""
    if bpy.app.timers.is_registered(poll_once):
        bpy.app.timers.unregister(poll_once)
    _test.end()
