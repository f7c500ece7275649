# SPDX-License-Identifier: GPL-3.0-or-later
"""A pipeline in a folder of the artist's own passes what ours do."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from backend.contract import MeshData
from backend.pipelines import registry
from tests.painting.boxes import painted_box
from tests.pipelines.contract import PipelineContract
from tests.pipelines.trials import Trial

FOREIGN = Path(__file__).parents[1] / "foreign_pipelines"
GRAY, LIGHTER = (np.full((8, 8, 3), level, np.uint8) for level in (20, 21))
BARE = MeshData(painted_box().vertices, painted_box().faces)


@pytest.fixture(scope="class", autouse=True)
def foreign_folder() -> Iterator[None]:
    registry.use_folder(FOREIGN)
    yield
    registry.use_folder(None)


@pytest.mark.usefixtures("foreign_folder")
class TestContract(PipelineContract):
    pipeline = "pottery"
    networks = False
    trials = (
        Trial("throw", {"front": GRAY}, weights="plain", note="image"),
        Trial("throw", {}, {"prompt": "blue"}, weights="plain", note="prompt"),
        Trial("shards", {"image": GRAY, "cracks": LIGHTER}),
        Trial("remesh", {"mesh": BARE}),
        Trial("shelve", {"meshes": (BARE, painted_box((3, 0, 0), (1, 1, 4)))}),
        Trial("glaze", {"mesh": (painted_box(), painted_box((3, 0, 0)))}, {"prompt": "red"}),
        Trial("appraise", {"mesh": BARE}),
    )

    def write_weights(self, folder: Path, weights: str) -> None:
        """The plain weights have no files."""
