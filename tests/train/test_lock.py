"""One process at a time in a run's folder."""

from __future__ import annotations

import errno
import fcntl
import subprocess
import sys
from pathlib import Path

import pytest

from edge.errors import StorageFailed, UsageError
from train import lock

HOLDS = """
import sys, time
from pathlib import Path
from train.lock import alone
with alone(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


def test_another_process_is_waited_for_and_one_that_was_killed_is_not(tmp_path: Path) -> None:
    out = tmp_path / "deep" / "run"
    with subprocess.Popen([sys.executable, "-c", HOLDS, str(out)], stdout=subprocess.PIPE) as other:
        assert other.stdout is not None and other.stdout.readline() == b"held\n"
        with pytest.raises(UsageError, match="another run trains in '.*run': wait for that"), lock.alone(out):
            pytest.fail("two runs at once")
        other.kill()
        other.wait()
    assert [path.name for path in out.iterdir()] == [lock.NAME]
    with lock.alone(out):
        pass
    assert list(out.iterdir()) == []


def test_a_lock_that_was_taken_away_meanwhile_is_nobodys(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its holder ends between our opening the file and our holding it."""
    real = lock._opened

    def slow(place: Path) -> object:
        file = real(place)
        place.unlink()
        return file

    with monkeypatch.context() as patch:
        patch.setattr(lock, "_opened", slow)
        with pytest.raises(UsageError), lock.alone(tmp_path):
            pytest.fail("the lock was no longer there")
    with lock.alone(tmp_path):
        pass


def test_where_the_disk_knows_no_locks_a_run_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(file: object, how: int) -> None:
        raise OSError(errno.ENOSYS, "Function not implemented")

    monkeypatch.setattr(fcntl, "flock", unknown)
    with lock.alone(tmp_path):
        assert [path.name for path in tmp_path.iterdir()] == [lock.NAME]
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder", encoding="utf-8")
    run = tmp_path / "file" / "run"
    with pytest.raises(StorageFailed, match="cannot write '.*lock': Not a directory"), lock.alone(run):
        pytest.fail("there is no such folder")
