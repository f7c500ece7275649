# SPDX-License-Identifier: GPL-3.0-or-later
"""The metrics of a remeshed mesh that the artist sees: their names among an artifact's properties, and the words and
units in which every list of them is drawn.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class MeshMetric:
    """One metric. `label` is as it reads inside a sentence; percents are of the original's bounding-box diagonal."""

    name: str
    label: str
    unit: str = ""

    @property
    def heading(self) -> str:
        """The label as it reads at the beginning of a row."""
        return self.label[0].upper() + self.label[1:]

    def in_words(self, value: float) -> str:
        """The value as the artist reads it: "1,234", or "0.42 %"."""
        return f"{value:.2f} {self.unit}" if self.unit else f"{value:,}"


FACES = MeshMetric("faces", "faces")
OPEN_EDGES = MeshMetric("open_edges", "open edges")
NON_MANIFOLD_EDGES = MeshMetric("non_manifold_edges", "non-manifold edges")
COMPONENTS = MeshMetric("components", "components")
MEAN_DISTANCE = MeshMetric("mean_distance_percent", "mean distance", "%")
HAUSDORFF_DISTANCE = MeshMetric("hausdorff_percent", "Hausdorff distance", "%")
MESH_METRICS = (FACES, OPEN_EDGES, NON_MANIFOLD_EDGES, COMPONENTS, MEAN_DISTANCE, HAUSDORFF_DISTANCE)
"""In the order in which they are listed. A mesh whose properties have no components has no metrics; distances that
could not be measured are absent."""
