# SPDX-License-Identifier: GPL-3.0-or-later
"""The server's box in the preferences. It draws the state and changes nothing."""

import bpy

from .. import preferences
from .operators import connection_test
from .token_file import complaint, token_file


def draw_server(layout: bpy.types.UILayout, own: bpy.types.AddonPreferences) -> None:
    """Address, certificate, token, and the button that tries them with what it found."""
    column = layout.box().column()
    column.use_property_split, column.use_property_decorate = True, False
    column.prop(own, "server")
    if preferences.server_is_open(own.server):
        column.label(text="Others in the network can read what is sent: use https", icon="ERROR")
    column.prop(own, "server_certificate")
    row = column.row()
    row.operator("meshwright.set_server_token", icon="KEYINGSET")
    row.operator("meshwright.test_server", icon="URL")
    folder = preferences.server_folder()
    if unsafe := complaint(folder):
        column.label(text=unsafe, icon="ERROR")
    elif token_file(folder) is None:
        column.label(text="No token is set", icon="INFO")
    test = connection_test()
    if test.words:
        column.label(text=test.words, icon={True: "CHECKMARK", False: "ERROR", None: "SORTTIME"}[test.well])
