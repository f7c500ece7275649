# SPDX-License-Identifier: GPL-3.0-or-later
"""The figures of a remeshed mesh that the artist is told: under which names they are among the artifact's properties,
and in which words and units every list of them is drawn.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class MeshFigure:
    """One figure. `label` is as it reads inside a sentence; percents are of the original's bounding-box diagonal."""

    name: str
    label: str
    unit: str = ""

    @property
    def heading(self) -> str:
        """The label as it stands at the beginning of a row."""
        return self.label[0].upper() + self.label[1:]

    def told(self, value: float) -> str:
        """The value in words: "1,234", or "0.42 %"."""
        return f"{value:.2f} {self.unit}" if self.unit else f"{value:,}"


FACES = MeshFigure("faces", "faces")
OPEN_EDGES = MeshFigure("open_edges", "open edges")
NON_MANIFOLD_EDGES = MeshFigure("non_manifold_edges", "non-manifold edges")
COMPONENTS = MeshFigure("components", "components")
MEAN_DISTANCE = MeshFigure("mean_distance_percent", "mean distance", "%")
HAUSDORFF_DISTANCE = MeshFigure("hausdorff_percent", "Hausdorff distance", "%")
MESH_FIGURES = (FACES, OPEN_EDGES, NON_MANIFOLD_EDGES, COMPONENTS, MEAN_DISTANCE, HAUSDORFF_DISTANCE)
"""In the order in which they are told. A mesh that has no components among its properties has none of them to tell;
distances that could not be measured are absent."""
