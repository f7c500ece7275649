# SPDX-License-Identifier: GPL-3.0-or-later
"""How the original splits too many views into batches, to check our networks on its groups.

Our pipeline never splits views: its attention runs in chunks of queries, which changes nothing.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class MicroBatch:
    """Some views of a rig as the original takes them when there are too many: `views` go through the network,
    `kept` are the positions of those whose output counts. `neighbors` and `references` are positions in `views`."""

    views: tuple[int, ...]
    kept: tuple[int, ...]
    neighbors: tuple[tuple[int, ...], ...]
    references: tuple[int, ...]


def micro_batches(
    neighbors: tuple[tuple[int, ...], ...], references: tuple[int, ...], most: int
) -> list[MicroBatch]:
    """The original's grouping of views. Helpers see truncated neighbor lists, so it changes results."""
    count = len(neighbors)
    if count + len(references) <= most:
        return [_micro_batch(tuple(range(count)), neighbors, references)]
    groups: list[list[int]] = []
    for view in range(count):
        if not groups or len(_needed([*groups[-1], view], neighbors, references)) > most:
            groups.append([])
        groups[-1].append(view)
    return [_micro_batch(tuple(group), neighbors, references) for group in groups]


def _needed(
    group: list[int], neighbors: tuple[tuple[int, ...], ...], references: tuple[int, ...]
) -> tuple[int, ...]:
    return tuple(sorted({*group, *references, *(near for view in group for near in neighbors[view])}))


def _micro_batch(
    group: tuple[int, ...], neighbors: tuple[tuple[int, ...], ...], references: tuple[int, ...]
) -> MicroBatch:
    views = _needed(list(group), neighbors, references)
    place = {view: position for position, view in enumerate(views)}
    return MicroBatch(
        views,
        tuple(place[view] for view in group),
        tuple(tuple(place[near] for near in neighbors[view] if near in place) for view in views),
        tuple(place[view] for view in references),
    )
