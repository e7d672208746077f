"""A real systemd as process 1 of namespaces of its own, with the units of a test and no others.

It shares nothing with the machine but the read-only system files: /var, /run, /tmp and /opt are empty memory,
network and host name are its own, and the machine's own units are out of its sight.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType

import pytest

SYSTEMD = Path("/lib/systemd/systemd")
# What a service needs to be there by default, and nothing that does something.
_TARGETS = ("sysinit.target", "basic.target", "shutdown.target", "timers.target", "network-online.target")
_SCRIPT = """
set -e
mount --make-rprivate /
mount -t proc proc /proc
for folder in /run /var /opt /home; do mount -t tmpfs tmpfs $folder; done
mkdir -p /run/systemd/system /run/lock /var/lib /var/cache /opt/ferlite
mount --bind "$1/opt" /opt/ferlite
mount --bind "$1" /home
mount -t cgroup2 cgroup2 /sys/fs/cgroup
cd /
exec env -i PATH=/usr/sbin:/usr/bin container=test SYSTEMD_UNIT_PATH=/home/units \\
    SYSTEMD_GENERATOR_PATH=/none {systemd} --system --show-status=0 --log-target=null --unit=basic.target
"""


class Box:
    """A running systemd. ``opt`` is its /opt/ferlite. Use it as a context manager."""

    def __init__(self, folder: Path, units: Mapping[str, str]) -> None:
        if os.geteuid() != 0 or not SYSTEMD.exists() or not shutil.which("nsenter"):
            pytest.skip("needs root and systemd's own program, to start it in namespaces")
        self.folder, self.opt = folder, folder / "opt"
        (folder / "units").mkdir()
        self.opt.mkdir(exist_ok=True)
        for name, text in {**dict.fromkeys(_TARGETS, "[Unit]\nDefaultDependencies=no\n"), **units}.items():
            (folder / "units" / name).parent.mkdir(exist_ok=True)
            (folder / "units" / name).write_text(text)
        for path in (folder, *folder.parents):  # the service's user must get through
            if path != Path("/tmp") and path.is_relative_to("/tmp"):
                path.chmod(0o755)

    def __enter__(self) -> Box:
        words = ["unshare", "--fork", "--pid", "--mount", "--cgroup", "--uts", "--net", "--kill-child=KILL"]
        script = _SCRIPT.format(systemd=SYSTEMD)
        with (self.folder / "err").open("wb") as err:
            self._outer = subprocess.Popen(
                [*words, "sh", "-c", script, "sh", str(self.folder)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=err,
            )
        until(self._is_up, 20, lambda: (self.folder / "err").read_text()[-300:] or "systemd does not come up")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        inner = self._inner()
        if inner:
            os.kill(inner, signal.SIGKILL)  # process 1: all of the namespace goes with it
        self._outer.kill()
        self._outer.wait(10)

    def _inner(self) -> int:
        pid = self._outer.pid
        try:
            children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        except OSError:
            return 0
        return int(children[0]) if children else 0

    def _is_up(self) -> bool:
        if self._outer.poll() is not None:
            pytest.skip(f"no namespaces to start systemd in: {(self.folder / 'err').read_text()[-200:]}")
        return self.systemctl("is-system-running").strip() in ("running", "degraded")

    def systemctl(self, *words: str) -> str:
        """What systemctl prints inside."""
        inner = self._inner()
        if not inner:
            return ""
        command = ["nsenter", "--target", str(inner), "--mount", "--pid", "systemctl", "--no-pager", *words]
        return subprocess.run(command, capture_output=True, text=True, check=False).stdout

    def shown(self, unit: str, name: str) -> str:
        """One property of a unit."""
        return self.systemctl("show", "--value", "--property", name, unit).strip()


def until(holds: Callable[[], bool], seconds: float, otherwise: Callable[[], str]) -> None:
    """Wait for it."""
    end = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > end:
            pytest.fail(otherwise())
        time.sleep(0.1)
