# SPDX-License-Identifier: GPL-3.0-or-later
"""What Blender and the worker say to each other: plain data, JSON in and out, no torch and no bpy.

Everything crosses the boundary in these forms. A change that an older partner could not read raises `VERSION`.
"""

from .error import BadInput, Cancelled, ErrorReport, MeshwrightError, Remedy, unwritable_folder
from .event import (
    TERMINAL_EVENTS,
    CancelledEvent,
    Done,
    Downloading,
    Event,
    Failed,
    Loading,
    LogLine,
    Preview,
    Queued,
    StageProgress,
    event_from_json,
    event_to_json,
)
from .far_origin import middle_if_far
from .job_folder import JobFolder
from .license import License
from .line import MAXIMUM_LINE_BYTES, item_of, line_of
from .mesh_data import MeshData
from .message import (
    Cancel,
    FreeMemory,
    Message,
    Ping,
    Pong,
    Ready,
    Shutdown,
    Submit,
    message_from_json,
    message_to_json,
)
from .parameter import Choice, Parameter
from .pipeline_spec import PipelineSpec
from .progress import Progress
from .request import MAXIMUM_SEED, Request, given
from .resources import MEMORY_MODES, MemoryMode, Resources
from .result import MATERIAL_ROLES, VARIANT_GROUP, Artifact, FileResult, Result, Role
from .service import ServiceHost
from .spec_rules import check_spec
from .task_spec import Delivery, InputSpec, MeshNeed, Preset, Selection, StageSpec, TaskSpec
from .version import VERSION
from .weight_set import Component, WeightFile, WeightSet
from .weights_tasks import DOWNLOAD_WEIGHTS, IMPORT_WEIGHTS, REMOVE_WEIGHTS, VERIFY_WEIGHTS, WEIGHTS_TASKS
from .whole_file import replace_preview, replace_whole, write_text_whole

__all__ = [
    "DOWNLOAD_WEIGHTS",
    "IMPORT_WEIGHTS",
    "MATERIAL_ROLES",
    "MAXIMUM_LINE_BYTES",
    "MAXIMUM_SEED",
    "MEMORY_MODES",
    "REMOVE_WEIGHTS",
    "TERMINAL_EVENTS",
    "VARIANT_GROUP",
    "VERIFY_WEIGHTS",
    "VERSION",
    "WEIGHTS_TASKS",
    "Artifact",
    "BadInput",
    "Cancel",
    "Cancelled",
    "CancelledEvent",
    "Choice",
    "Component",
    "Delivery",
    "Done",
    "Downloading",
    "ErrorReport",
    "Event",
    "Failed",
    "FileResult",
    "FreeMemory",
    "InputSpec",
    "JobFolder",
    "License",
    "Loading",
    "LogLine",
    "MemoryMode",
    "MeshData",
    "MeshNeed",
    "MeshwrightError",
    "Message",
    "Parameter",
    "Ping",
    "PipelineSpec",
    "Pong",
    "Preset",
    "Preview",
    "Progress",
    "Queued",
    "Ready",
    "Remedy",
    "Request",
    "Resources",
    "Result",
    "Role",
    "Selection",
    "ServiceHost",
    "Shutdown",
    "StageProgress",
    "StageSpec",
    "Submit",
    "TaskSpec",
    "WeightFile",
    "WeightSet",
    "check_spec",
    "event_from_json",
    "event_to_json",
    "given",
    "item_of",
    "line_of",
    "message_from_json",
    "message_to_json",
    "middle_if_far",
    "replace_preview",
    "replace_whole",
    "unwritable_folder",
    "write_text_whole",
]
