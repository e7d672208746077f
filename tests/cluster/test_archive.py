"""``ferlite run --on``: the same readings as without it, whatever happens on the way."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from cluster.archive.rows import lines
from edge import cli, engine
from edge.errors import FerliteError
from tests.cluster.conftest import Processes, scheduler
from tests.conftest import DATA

Run = Callable[..., tuple[int, str, str]]
SHOTS, CLIPS = 14, 2


@pytest.fixture
def run(
    make_bundle: Callable[..., Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Run:
    """Runs ``ferlite run`` in ``tmp_path`` with the tiny models: exit code, output, what it said."""
    try:
        engine.choose("auto", ["onnx"])
    except FerliteError as error:
        pytest.skip(str(error))
    monkeypatch.chdir(tmp_path)
    bundle = make_bundle()

    def typed(*words: str) -> tuple[int, str, str]:
        tiny = ["--bundle", str(bundle), "--detector-model", str(DATA / "tiny_yunet.onnx"), "--quiet"]
        code = cli.main(["run", *words, "--detector", "yunet", "--detect-size", "160", *tiny])
        said = capsys.readouterr()
        return code, said.out, said.err

    return typed


@pytest.fixture
def files(tmp_path: Path, bright_square: np.ndarray) -> Path:
    """Pictures and clips whose square wanders, and a file that is neither."""
    for number in range(SHOTS):
        (tmp_path / "shots").mkdir(exist_ok=True)
        picture = np.roll(bright_square, 3 * number, axis=1)
        assert cv2.imwrite(str(tmp_path / f"shots/s{number:02}.png"), picture)
    (tmp_path / "clips").mkdir()
    for number in range(CLIPS):
        size = bright_square.shape[1::-1]
        writer = cv2.VideoWriter(
            str(tmp_path / f"clips/c{number}.avi"), cv2.VideoWriter.fourcc(*"MJPG"), 10.0, size
        )
        for step in range(6):
            writer.write(np.roll(bright_square, 2 * step + number, axis=0))
        writer.release()
    return tmp_path


def frames(text: str) -> list[dict[str, Any]]:
    """The frames in order; how long each took is no reading, and is another time each time."""
    return in_order(json.loads(line) for line in text.splitlines())


def in_order(rows: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    found = []
    for one in rows:
        took = one.pop("latency_ms")
        assert (took is None) == (one["time"] is None)
        found.append(one)
    return sorted(found, key=lambda one: (one["source"], one["frame"]))


def plain(run: Run) -> list[dict[str, Any]]:
    """What runs without --on say of the same files, each video by itself."""
    texts = [run("shots", "--json")[1]]
    texts += [run(f"clips/c{number}.avi", "--json")[1] for number in range(CLIPS)]
    return frames("".join(texts))


def test_readings_are_those_of_a_plain_run_in_json_and_in_parquet(
    run: Run, files: Path, cluster: Processes
) -> None:
    import pyarrow.dataset

    code, out, said = run("shots", "clips", "--on", cluster.address, "--out", "r", "--json")
    wanted = plain(run)
    assert code == 0, said
    assert len(wanted) == SHOTS + 6 * CLIPS and any(one["faces"] for one in wanted)
    assert frames(out) == wanted
    table = pyarrow.dataset.dataset("r/parts", format="parquet").to_table()
    assert in_order(table.to_pylist()) == wanted
    # A video's rows are in a part of its own.
    assert {len(set(part["source"])) for part in parts("r") if "c0" in part["source"][0]} == {1}


def parts(folder: str) -> list[dict[str, list[Any]]]:
    import pyarrow.parquet as pq

    return [pq.read_table(path).to_pydict() for path in parts_of(folder)]


def test_a_stopped_run_goes_on_and_reads_only_what_is_not_done(
    run: Run, files: Path, cluster: Processes
) -> None:
    assert run("shots/s0*.png", "--on", cluster.address, "--out", "r")[0] == 0
    before = {path: path.stat().st_mtime_ns for path in Path("r/parts").rglob("*.parquet")}
    # What a killed run leaves: a part that nobody wrote down, and half a line.
    orphan = next(iter(before)).with_name("orphan-0.parquet")
    shutil.copy(next(iter(before)), orphan)
    with Path("r/done.jsonl").open("a") as ledger:
        ledger.write('{"part": "aa/x.parq')
    code, out, _ = run("shots", "--on", cluster.address, "--out", "r")
    assert (code, out) == (
        0,
        f"r: {SHOTS} files (10 of them before), {SHOTS} frames, {count_faces(run)} faces\n",
    )
    assert {path: path.stat().st_mtime_ns for path in before} == before and not orphan.exists()
    names = [name for part in parts("r") for name in part["source"]]
    assert sorted(names) == [f"shots/s{number:02}.png" for number in range(SHOTS)]


def count_faces(run: Run) -> int:
    return sum(len(one["faces"]) for one in frames(run("shots", "--json")[1]))


def test_a_file_that_changed_is_read_again_and_one_that_was_touched_is_not(
    run: Run, files: Path, cluster: Processes
) -> None:
    assert run("shots", "--on", cluster.address, "--out", "r")[0] == 0
    before = {path: path.stat().st_mtime_ns for path in Path("r/parts").rglob("*.parquet")}
    os.utime("shots/s00.png", ns=(1, 1))
    assert run("shots", "--on", cluster.address, "--out", "r")[1].startswith(
        f"r: {SHOTS} files ({SHOTS} of them"
    )
    assert {path: path.stat().st_mtime_ns for path in Path("r/parts").rglob("*.parquet")} == before
    assert cv2.imwrite("shots/s05.png", np.zeros((70, 90, 3), np.uint8))
    code, out, _ = run("shots", "--on", cluster.address, "--out", "r", "--json")
    assert code == 0 and frames(out) == frames(run("shots", "--json")[1])
    assert [one["width"] for one in frames(out)].count(90) == 1


def test_where_a_file_changed_the_others_of_its_part_keep_their_readings(
    run: Run, files: Path, cluster: Processes
) -> None:
    """Some are gone by then, as where a camera's folder is emptied, and some are not asked for this time."""
    odd = os.fsdecode(b"shots/s\xff.png")
    shutil.copy("shots/s00.png", odd)
    assert run("shots", "--on", cluster.address, "--out", "r", "--json")[0] == 0
    before = in_order(row for part in parts_of("r") for row in lines(part))
    assert [row["source"] for row in before].count(odd) == 1
    assert any(len(set(part["source"])) > 1 for part in parts("r")), "some files share a part"
    for number in range(0, SHOTS, 2):
        Path(f"shots/s{number:02}.png").unlink()
    assert cv2.imwrite("shots/s05.png", np.zeros((70, 90, 3), np.uint8))
    assert cv2.imwrite("shots/s07.png", np.zeros((70, 90, 3), np.uint8))
    code, out, said = run("shots/s0*.png", "--on", cluster.address, "--out", "r", "--json")
    assert code == 0, said
    after = in_order(row for part in parts_of("r") for row in lines(part))
    again = [row for row in after if row["width"] == 90]
    assert [row["source"] for row in again] == ["shots/s05.png", "shots/s07.png"]
    old = [row for row in before if row["source"] not in ("shots/s05.png", "shots/s07.png")]
    assert [row for row in after if row["width"] != 90] == old
    # What is printed has no reading of a file as it was before it changed.
    assert [row["width"] for row in frames(out) if row["source"] == "shots/s05.png"] == [90]
    assert not list(Path("r").rglob("*.part*"))


def parts_of(folder: str) -> list[Path]:
    return sorted(Path(folder).rglob("*.parquet"))


def test_a_part_that_cannot_be_read_any_more_is_named(run: Run, files: Path, cluster: Processes) -> None:
    assert run("shots", "--on", cluster.address, "--out", "r")[0] == 0
    for part in parts_of("r"):
        part.write_bytes(part.read_bytes()[:99])
    assert cv2.imwrite("shots/s05.png", np.zeros((70, 90, 3), np.uint8))
    before = Path("r/done.jsonl").read_text()
    code, _, said = run("shots", "--on", cluster.address, "--out", "r")
    assert code == 1 and "is no Parquet file of ferlite, or it is damaged" in said
    assert Path("r/done.jsonl").read_text() == before and not list(Path("r").rglob("*.part.*"))


def test_a_file_that_fails_is_named_and_counted_and_the_others_go_on(
    run: Run, files: Path, cluster: Processes
) -> None:
    Path("shots/s03.png").write_bytes(Path("shots/s03.png").read_bytes()[:60])
    Path("shots/notes.md").write_text("no picture")
    Path("shots/more").mkdir()
    for _ in range(2):  # and they are no better known the second time
        code, out, said = run("shots", "gone.mp4", "--on", cluster.address, "--out", "r")
        assert code == 1 and f"{SHOTS - 1} frames" in out and "2 files failed" in out
        lines = said.splitlines()
        assert sum("'shots/s03.png' is cut short: the PNG's end is missing" in line for line in lines) == 1
        assert sum("'shots/notes.md' is neither a picture nor a video" in line for line in lines) == 1
        assert sum("folder 'shots/more' inside the folder" in line for line in lines) == 1
        assert sum("no such file or folder: 'gone.mp4'" in line for line in lines) == 1 and len(lines) == 4
    assert len([name for part in parts("r") for name in part["source"]]) == SHOTS - 1


def test_a_list_and_a_pattern_name_the_same_files(run: Run, files: Path, cluster: Processes) -> None:
    Path("list.txt").write_text("clips/c0.avi\nshots/s0*.png\n\nclips/c0.avi\n")
    code, out, _ = run("list.txt", "--on", cluster.address, "--out", "r", "--json")
    wanted = run("shots/s0*.png", "--json")[1] + run("clips/c0.avi", "--json")[1]
    assert code == 0 and frames(out) == frames(wanted)


def test_a_name_that_is_not_utf8_comes_back_as_it_is(run: Run, files: Path, cluster: Processes) -> None:
    odd = os.fsdecode(b"shots/s\xff.png")
    shutil.copy("shots/s00.png", odd)
    code, out, _ = run(odd, "--on", cluster.address, "--out", "r", "--json")
    assert code == 0 and [one["source"] for one in frames(out)] == [odd]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--out", "other"), "'other' has other files in it: give a new folder"),
        (
            ("--out", "r", "--smooth", "0.1"),
            "'r' has readings of another run: its smooth is 0.4, not 0.1; give",
        ),
        (("--out", "r", "--save", "x"), "--save does not go with --on"),
        (("--out", "r", "--csv"), "--csv or --sink does not go with --on"),
        (("--out", "shots/s00.png"), "'shots/s00.png' is a file: give a folder with --out"),
        ((), "name the folder with --out"),
    ],
)
def test_what_would_spoil_other_files_is_refused(
    words: tuple[str, ...], says: str, run: Run, files: Path, cluster: Processes
) -> None:
    Path("r").mkdir()
    Path("r/run.json").write_text(json.dumps(made_before(run, cluster)))
    Path("other").mkdir()
    Path("other/mine").write_text("mine")
    code, _, said = run("shots", "--on", cluster.address, *words)
    assert code == 2 and says in said and len(said.splitlines()) == 1
    assert Path("other/mine").read_text() == "mine" and not Path("r/parts").exists()


def made_before(run: Run, cluster: Processes) -> dict[str, Any]:
    assert run("shots/s00.png", "--on", cluster.address, "--out", "before")[0] == 0
    return dict(json.loads(Path("before/run.json").read_text()))


def test_a_camera_is_no_archive(run: Run, files: Path) -> None:
    code, _, said = run("rtsp://10.0.0.1/live", "--on", "local:1", "--out", "r")
    assert code == 2 and "is no file: --on reads files" in said and not Path("r").exists()


def test_a_full_disk_is_said_and_the_same_command_goes_on_when_there_is_room(
    run: Run, files: Path, tmp_path: Path
) -> None:
    """The one worker may write no file over 2 KiB: its system calls fail as on a full disk."""
    (tmp_path / "dask").mkdir()
    with scheduler(tmp_path / "dask") as processes:
        full = processes.worker("--no-nanny", fsize=2048)
        code, _, said = run("shots", "--on", processes.address, "--out", "r")
        assert code == 1
        assert [line.partition(" cannot write ")[2].partition(": ")[2] for line in said.splitlines()] == [
            "File too large: it gets no more tasks",
            "File too large",
        ]
        assert "no worker is left: worker tcp://" in said
        processes.worker("--no-nanny")
        processes.wait_for(2)
        code, out, _ = run("shots", "--on", processes.address, "--out", "r", "--json")
        assert code == 0 and frames(out) == frames(run("shots", "--json")[1])
        assert full.poll() is None


@pytest.mark.slow
def test_a_picture_that_kills_its_worker_is_found_among_those_read_with_it(
    run: Run, files: Path, tmp_path: Path
) -> None:
    shutil.copy("shots/s00.png", "shots/poison.png")
    (tmp_path / "dask").mkdir()
    with scheduler(tmp_path / "dask") as processes:
        processes.worker("--preload", str(Path(__file__).with_name("poison.py")))
        code, out, said = run("shots", "--on", processes.address, "--out", "r")
    assert code == 1 and f"{SHOTS} frames" in out and "1 files failed" in out
    (line,) = said.splitlines()
    assert line.endswith(
        "'shots/poison.png' could not be read: the worker that had it died, 4 times in a row"
    )
    names = [name for part in parts("r") for name in part["source"]]
    assert sorted(names) == [f"shots/s{number:02}.png" for number in range(SHOTS)]
