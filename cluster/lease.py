"""A folder that all workers see, in the hands of one run at a time.

The run writes its lease into it and takes it away when it ends, however that is: a task that finds another,
or none, knows that nobody waits for it any more.
"""

from __future__ import annotations

import contextlib
import fcntl
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from edge.errors import ClusterError, StorageFailed, UsageError, WorkerRefuses
from edge.files import reason, write_text

LOCK, LEASE = ".lock", ".lease"
OURS = (LOCK, LEASE)


@dataclass(frozen=True)
class Lease:
    """A run's hold on a folder, as its tasks know it."""

    folder: str
    token: str

    def check(self) -> None:
        """Raise WorkerRefuses where the folder is not seen from here, ClusterError where the run is over."""
        place = Path(self.folder) / LEASE
        try:
            token = place.read_text(encoding="utf-8")
        except OSError as error:
            if isinstance(error, FileNotFoundError) and (place.parent / LOCK).exists():
                raise ClusterError(f"the run that asked for this, in '{self.folder}', is over") from error
            raise WorkerRefuses(
                f"does not see '{self.folder}' ({reason(error)}): --out and what is read must be where every "
                "worker sees them under the same name"
            ) from error
        if token != self.token:
            raise ClusterError(f"the run that asked for this is over: '{self.folder}' is another's now")

    def wanted(self) -> bool:
        """Whether the run still waits for what is done."""
        try:
            self.check()
        except ClusterError:
            return False
        return True


@contextlib.contextmanager
def held(folder: Path) -> Iterator[Lease]:
    """Make the folder ours. Raises UsageError where it is another run's, StorageFailed."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = (folder / LOCK).open("w")
    except OSError as error:
        raise StorageFailed(f"cannot write to '{folder}': {reason(error)}") from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise UsageError(
                f"another run writes to '{folder}': wait for that, or give another --out"
            ) from error
        lease = Lease(str(folder.resolve()), uuid.uuid4().hex)
        write_text(folder / LEASE, lease.token)
        try:
            yield lease
        finally:
            with contextlib.suppress(OSError):
                (folder / LEASE).unlink(missing_ok=True)
