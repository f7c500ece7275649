# SPDX-License-Identifier: GPL-3.0-or-later
"""The history's gallery: thousands of jobs in small steps, limits that lose nothing unseen, names that stay inside."""

import dataclasses
import json
import os
import shutil
import statistics
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import bpy
import pytest
from PIL import Image

from backend.contract import Artifact, CancelledEvent, ErrorReport, JobFolder, MeshwrightError, Request, Result
from blender_addon import history
from blender_addon.gallery import walk as walking
from blender_addon.gallery.card import Card, read_card
from blender_addon.gallery.retention import DAY, EntryRemoval, excess
from blender_addon.gallery.walk import MOST_WORK, READING, Walk
from blender_addon.jobs.queue import DELIVERED_NOTE

from .conftest import Extension
from .jobs_at_work import WAIT, new_job
from .synthetic_jobs import finished_job
from .test_panels import drawn

MANY = 3000
CARD = Card("job-1", 0.0, "finished", True, True, "chair", "Make", "", 1, None, 100, 0)

_opened: Counter[str] | None = None


def _count(event: str, arguments: tuple[object, ...]) -> None:
    if _opened is not None and event in ("open", "os.scandir", "os.listdir"):
        _opened[event] += 1


sys.addaudithook(_count)


@pytest.fixture
def opened() -> Iterator[Counter[str]]:
    """How often this process opens a file or lists a folder, as Python itself reports."""
    global _opened
    _opened = Counter()
    yield _opened
    _opened = None


def walked(folder: Path, known: dict[str, Card] | None = None) -> Walk:
    walk = Walk(folder, known or {})
    while not walk.step(60.0):
        pass
    return walk


# ------------------------------------------------------------------------------------------------------------- walking

@pytest.fixture(scope="module")
def three_thousand(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("many")
    model = finished_job(folder / "job-0000").path
    for number in range(1, MANY):
        shutil.copytree(model, folder / f"job-{number:04d}", copy_function=os.link)
        (folder / f"job-{number:04d}").chmod(0o700)
    return folder


def test_three_thousand_jobs_are_read_without_holding_blender_up(three_thousand: Path, opened: Counter[str],
                                                                 monkeypatch: pytest.MonkeyPatch) -> None:
    reads: list[str] = []
    monkeypatch.setattr(walking, "read_card", lambda path, stamp: reads.append(path.name) or read_card(path, stamp))
    walk, work, seconds, done = Walk(three_thousand, {}), [], [], False
    while not done:
        before, files, begin = len(reads), opened.total(), time.process_time()
        done = walk.step()
        seconds.append(time.process_time() - begin)
        work.append((len(reads) - before, opened.total() - files))
    assert len(walk.cards) == MANY == len(set(reads))
    assert max(count for count, _ in work) <= MOST_WORK // READING, "no step reads more than four jobs"
    assert max(files for _, files in work) <= 16 * MOST_WORK // READING, "and 16 files of each at most"
    assert statistics.quantiles(seconds, n=20)[-1] < 0.005

    reads.clear()
    opened.clear()
    again, seconds = Walk(three_thousand, walk.cards), []
    begin, done = time.process_time(), False
    while not done:
        begin = time.process_time()
        done = again.step()
        seconds.append(time.process_time() - begin)
    assert again.cards == walk.cards and not reads, "what has not changed is not read again"
    assert opened.total() == 1 and len(seconds) >= MANY // MOST_WORK
    assert statistics.quantiles(seconds, n=20)[-1] < 0.005


def test_a_changed_job_is_read_again(tmp_path: Path) -> None:
    _, folder = new_job(tmp_path)
    first = walked(tmp_path)
    assert first.cards[folder.path.name].state == "unfinished"
    time.sleep(0.01)
    folder.write_result(Result((Artifact("part", "mesh", "part.npz", "mesh"),)))
    second = walked(tmp_path, first.cards)
    card = second.cards[folder.path.name]
    assert card.state == "finished" and card.deliverable and not card.seen
    time.sleep(0.01)
    folder.write_note(DELIVERED_NOTE, {"at": 1.0})
    assert walked(tmp_path, second.cards).cards[folder.path.name].seen


def test_a_card_says_what_a_job_is(tmp_path: Path) -> None:
    folder = finished_job(tmp_path / "job-1", subject="stool")
    request = folder.read_request()
    folder.write_request(dataclasses.replace(request, inputs={"image": ("image.png",)}))
    Image.new("RGB", (8, 8)).save(folder.inputs / "image.png")
    card = walked(tmp_path).cards["job-1"]
    assert (card.subject, card.task, card.seed, card.thumbnail) == ("stool", "Generate Parts", 7,
                                                                    folder.inputs / "image.png")
    assert card.bytes == sum(path.stat().st_size for path in folder.path.rglob("*") if path.is_file())
    assert card.matches("STOOL parts") and not card.matches("chair")
    Image.new("RGB", (8, 8)).save(folder.outputs / "sheet.png")
    Image.new("RGB", (8, 8)).save(folder.outputs / "color.png")
    folder.write_result(Result((Artifact("c", "image", "color.png", "base_color"),
                                Artifact("s", "image", "sheet.png", "preview"))))
    assert walked(tmp_path).cards["job-1"].thumbnail == folder.outputs / "sheet.png"


def test_damaged_and_strange_folders_are_passed_over(tmp_path: Path) -> None:
    outside = finished_job(tmp_path / "outside" / "job-1").path
    jobs = tmp_path / "jobs"
    _, folder = new_job(jobs)
    (folder.path / "request.json").write_text("[" * 100_000)
    _, torn = new_job(jobs)
    (torn.path / "result.json").write_text('{"artifacts": ' + "[" * 100_000)
    (jobs / "link").symlink_to(outside)
    (jobs / "with a blank").mkdir()
    (jobs / "artists own").mkdir()
    (jobs / "file").touch()
    walk = walked(jobs)
    assert set(walk.cards) == {folder.path.name, torn.path.name} and not walk.leftovers
    assert walk.cards[folder.path.name].state == "unreadable"
    assert not walk.cards[torn.path.name].deliverable
    assert walked(tmp_path / "not there").cards == {}


@pytest.mark.skipif(os.name == "nt", reason="Windows keeps a user's folder from others")
def test_job_folders_are_private(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        _, folder = new_job(tmp_path)
    finally:
        os.umask(before)
    assert folder.path.stat().st_mode & 0o777 == 0o700
    folder.path.chmod(0o755)  # of an earlier version
    walked(tmp_path)
    assert folder.path.stat().st_mode & 0o777 == 0o700


def test_what_a_crash_left_is_removed_and_nothing_else(tmp_path: Path) -> None:
    captured, recent = JobFolder.create(tmp_path / "job-1").path, JobFolder.create(tmp_path / "job-2").path
    own = JobFolder.create(tmp_path / "job-3").path
    (own / "notes.txt").touch()
    (captured / "inputs" / "image.png").touch()
    for path in (captured, own):
        os.utime(path, (1e9, 1e9))
    job = finished_job(tmp_path / "job-4").path
    half = history.discard(tmp_path, "job-4")
    walk = walked(tmp_path)
    assert set(walk.leftovers) == {captured, half} and not job.exists()
    removal = EntryRemoval()
    for path in walk.leftovers:
        removal.add(path)
    assert removal.step(60.0)
    assert {path.name for path in tmp_path.iterdir()} == {recent.name, own.name}


# ------------------------------------------------------------------------------------------------------------- limits

def test_the_oldest_go_until_the_rest_fits() -> None:
    cards = [dataclasses.replace(CARD, name=f"job-{number}", started_at=number * DAY) for number in range(10)]
    now = 10 * DAY
    assert [card.name for card in excess(cards, 750, 0, (), now)] == ["job-0", "job-1", "job-2"]
    assert [card.name for card in excess(cards, 750, 0, {"job-0"}, now)] == ["job-1", "job-2", "job-3"]
    assert [card.name for card in excess(cards, 0, 8, (), now)] == ["job-0", "job-1"]
    assert [card.name for card in excess(cards, 850, 9.5, (), now)] == ["job-0", "job-1"]
    assert excess(cards, 0, 0, (), now) == [] == excess(cards, 1000, 100, (), now)


def test_what_nobody_has_seen_stays() -> None:
    now = 1000 * DAY
    unseen = dataclasses.replace(CARD, seen=False)
    assert excess([unseen, dataclasses.replace(unseen, state="unreadable")], 1, 1, (), now) == []
    ended = [dataclasses.replace(unseen, state=state) for state in ("failed", "cancelled")]
    assert excess(ended, 1, 0, (), now) == ended
    running = dataclasses.replace(unseen, state="unfinished", started_at=now - DAY)
    assert excess([running], 1, 0, (), now) == [], "it may run in another Blender"
    assert excess([dataclasses.replace(running, started_at=now - 30 * DAY)], 1, 0, (), now)


def test_a_large_folder_is_deleted_in_pieces(tmp_path: Path) -> None:
    for number in range(500):
        (tmp_path / f"parts-{number % 5}").mkdir(exist_ok=True)
        (tmp_path / f"parts-{number % 5}" / f"{number}.npz").touch()
    removal, steps = EntryRemoval(), 1
    removal.add(tmp_path)
    while not removal.step(0.0):
        steps += 1
    assert steps >= 500 // 20 and not tmp_path.exists()


# -------------------------------------------------------------------------------------------------------------- names

@pytest.mark.parametrize("name", ["..", ".", "", "../jobs/job-1", "job-1/../job-1", "/", "a/b", "a\\b", "a:b", "a\0b",
                                  "-rf", ".hidden", "x" * 300, "{outside}"])
def test_no_name_leaves_the_folder(tmp_path: Path, name: str) -> None:
    outside = finished_job(tmp_path / "outside").path
    (tmp_path / "request.json").write_text("{}")
    jobs = tmp_path / "jobs"
    inside = finished_job(jobs / "job-1").path
    (jobs / "link").symlink_to(outside)
    for asked in (name.replace("{outside}", str(outside)), "link"):
        with pytest.raises(MeshwrightError, match="not a job's folder"):
            history.delete(jobs, asked)
    assert outside.is_dir() and inside.is_dir() and tmp_path.is_dir()


def test_undelivered_results_are_found_however_old(tmp_path: Path) -> None:
    old = finished_job(tmp_path / "old").path
    os.utime(old / "request.json", (1e9, 1e9))
    for _ in range(60):
        _, folder = new_job(tmp_path)
        folder.append_event(CancelledEvent(folder.path.name))
    assert [entry.folder.path for entry in history.undelivered(tmp_path)] == [old]


# -------------------------------------------------------------------------------------------------------- in the panel

@pytest.fixture
def desk(extension: Extension, scene: bpy.types.Scene, tmp_path: Path) -> Iterator[Extension]:
    """The installed extension with a jobs folder of its own; nothing is left in the list."""
    extension.preferences.jobs_folder = str(tmp_path / "jobs")
    chosen = bpy.context.window_manager.meshwright_history
    for name in ("search", "kind", "page", "first", "second"):
        chosen.property_unset(name)
    bpy.ops.meshwright.refresh_history()
    yield extension
    for job in extension.module("jobs").jobs():
        extension.module("jobs").remove(job.id)
    extension.preferences.property_unset("jobs_folder")
    extension.preferences.property_unset("jobs_gigabytes")


def make(tmp_path: Path, count: int, seen: bool = True, **options: object) -> list[JobFolder]:
    """Finished jobs, the first the newest."""
    folders = [finished_job(tmp_path / "jobs" / f"job-{number:02d}", subject=f"thing {number}", **options)
               for number in range(count)]
    for age, folder in enumerate(folders):
        os.utime(folder.path / "request.json", (1.7e9 - age, 1.7e9 - age))
        if seen:
            folder.write_note(DELIVERED_NOTE, {"at": 1.0})
    bpy.ops.meshwright.refresh_history()
    return folders


def test_pages_and_filter(desk: Extension, tmp_path: Path, opened: Counter[str]) -> None:
    folders = make(tmp_path, 20)
    (folders[3].path / DELIVERED_NOTE).unlink()
    failed = JobFolder.create(tmp_path / "jobs" / "job-f")
    failed.write_request(Request("job-f", "generate_parts", "partpacker", "starter", "broken thing"))
    failed.write_error(ErrorReport("It failed.", "So.", "Again."))
    bpy.ops.meshwright.refresh_history()
    state, chosen = desk.module("gallery.state"), bpy.context.window_manager.meshwright_history
    assert [card.subject for card in state.page()] == [f"thing {number}" for number in range(6)]
    drawn(desk, "history")  # translates its words
    opened.clear()
    words = drawn(desk, "history")
    assert opened.total() == 0, "a draw reads nothing"
    assert "thing 5" in words and "thing 6" not in words and "1 of 4" in words
    assert "Generate Parts" in words and "seed 7" in words
    assert any(word.startswith("21 jobs, ") for word in words)
    bpy.ops.meshwright.turn_history_page(pages=1)
    assert state.page()[0].subject == "thing 6" and "2 of 4" in drawn(desk, "history")
    bpy.ops.meshwright.turn_history_page(pages=-5)
    assert state.number() == 1
    chosen.page = 3
    chosen.search = "PARTS 1"
    assert state.number() == 1 and {card.subject for card in state.matching()} >= {"thing 1", "thing 19"}
    chosen.search = ""
    chosen.kind = "UNSEEN"
    assert [card.subject for card in state.matching()] == ["thing 3"]
    chosen.kind = "FAILED"
    assert [card.subject for card in state.matching()] == ["broken thing"]
    assert "meshwright.deliver_earlier" not in drawn(desk, "history")


def test_the_limit_of_the_preferences_is_obeyed(desk: Extension, tmp_path: Path) -> None:
    folders = make(tmp_path, 5)
    (folders[4].path / DELIVERED_NOTE).unlink()  # the oldest, which nobody has seen
    size = sum(path.stat().st_size for path in folders[0].path.rglob("*") if path.is_file())
    desk.preferences.jobs_gigabytes = 3.5 * size / 1e9
    bpy.ops.meshwright.refresh_history()
    assert [folder.path.is_dir() for folder in folders] == [True, True, False, False, True]
    assert {path.name for path in (tmp_path / "jobs").iterdir()} == {"job-00", "job-01", "job-04"}
    assert bpy.ops.meshwright.prune_history(gigabytes=1e-9, days=0) == {"FINISHED"}
    assert {path.name for path in (tmp_path / "jobs").iterdir()} == {"job-04"}


def test_settings_of_an_earlier_job(desk: Extension, tmp_path: Path) -> None:
    folder, = make(tmp_path, 1)
    request = json.loads((folder.path / "request.json").read_text())
    request["parameters"] |= {"steps": 17, "of_another_version": 3}
    (folder.path / "request.json").write_text(json.dumps(request))
    settings = bpy.context.scene.meshwright
    settings.random_seed = True
    assert bpy.ops.meshwright.use_settings(folder="job-00") == {"FINISHED"}
    assert settings.partpacker_generate_parts.steps == 17 and settings.seed == 7 and not settings.random_seed
    bpy.ops.meshwright.deliver_earlier(folder="job-00")
    desk.module("jobs").wait("job-00", WAIT)
    bpy.context.view_layer.objects.active = bpy.data.objects["thing 0"]
    assert "meshwright.use_settings" in drawn(desk, "result")
    request["pipeline"] = "removed"
    (folder.path / "request.json").write_text(json.dumps(request))
    with pytest.raises(RuntimeError, match="not available"):
        bpy.ops.meshwright.use_settings(folder="job-00")
    bpy.ops.meshwright.delete_earlier(folder="job-00")
    with pytest.raises(RuntimeError, match="no longer exists"):
        bpy.ops.meshwright.use_settings(folder="job-00")


def test_two_results_against_each_other(desk: Extension, tmp_path: Path) -> None:
    make(tmp_path, 3)
    for name in ("job-00", "job-01", "job-02"):
        bpy.ops.meshwright.pick_for_comparison(folder=name)
    chosen = bpy.context.window_manager.meshwright_history
    assert (chosen.first, chosen.second) == ("job-00", "job-02"), "a third takes the second's place"
    words = drawn(desk, "history")
    assert {"A: thing 0", "B: thing 2", "Show A", "Show B"} <= set(words)
    with pytest.raises(RuntimeError, match="not in the scene"):
        bpy.ops.meshwright.show_compared(folder="job-00", other="job-02")
    for name in ("job-00", "job-02"):
        bpy.ops.meshwright.deliver_earlier(folder=name)
        desk.module("jobs").wait(name, WAIT)
    first, second = bpy.data.objects["thing 0"], bpy.data.objects["thing 2"]
    bpy.ops.meshwright.show_compared(folder="job-00", other="job-02")
    assert not first.hide_get() and second.hide_get() and all(child.hide_get() for child in second.children)
    bpy.ops.meshwright.show_compared(folder="job-02", other="job-00")
    assert first.hide_get() and not second.hide_get() and not any(child.hide_get() for child in second.children)
    bpy.ops.meshwright.pick_for_comparison(folder="job-00")
    assert (chosen.first, chosen.second) == ("job-02", "")
    assert "Pick a second result to compare" in drawn(desk, "history")


def test_a_file_that_somebody_sent_names_no_folder_outside(desk: Extension, tmp_path: Path) -> None:
    finished_job(tmp_path / "outside")
    make(tmp_path, 1)
    bpy.ops.meshwright.deliver_earlier(folder="job-00")
    desk.module("jobs").wait("job-00", WAIT)
    result = bpy.data.objects["thing 0"]
    result["meshwright_folder"] = "../outside"
    for child in result.children:
        child["meshwright_folder"] = "../outside"
    with pytest.raises(RuntimeError, match="not a job's folder"):
        bpy.ops.meshwright.run_again()
    for operator in (bpy.ops.meshwright.deliver_earlier, bpy.ops.meshwright.use_settings,
                     bpy.ops.meshwright.delete_earlier):
        with pytest.raises(RuntimeError, match="not a job's folder"):
            operator(folder="../outside")
    assert (tmp_path / "outside" / "request.json").is_file()
