"""A board reached over the system's own ssh, with the user's keys, settings and known hosts."""

from __future__ import annotations

import contextlib
import io
import os
import shlex
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import IO, cast

from boards.child import last_line
from boards.errors import DeployFailed, ToolMissing, UsageError
from edge.commands.progress import Progress

_SSH_FAILED = 255
# What ssh says, and what to do about it; the first that fits is told.
_FAILURES = (
    (
        "REMOTE HOST IDENTIFICATION HAS CHANGED",
        "the host key of {host} is not the one known here, so this may be another machine: if you "
        "re-installed the board, forget the old key with ssh-keygen -R {name} and try again",
    ),
    (
        "Host key verification failed",
        "the host key of {host} is not known yet: check it with ssh {host}, or pass --accept-new-host-key",
    ),
    ("Permission denied", "{host} does not let you in with a key: copy yours there with ssh-copy-id {host}"),
    ("Too many authentication failures", "{host} refused your keys: name the right one with --identity"),
    ("Could not resolve hostname", "there is no host '{name}': check the name, or use its address"),
    ("Connection refused", "{host} answers but runs no ssh server: enable ssh on the board"),
    ("timed out", "{host} does not answer: is it switched on and on this network?"),
    ("No route to host", "there is no way to {host} from here: is it on this network?"),
)


@dataclass
class Remote:
    """One connection, shared by all commands. Use it as a context manager. ``quiet``: no progress line."""

    host: str
    port: int = 0
    identity: str = ""
    config: str = ""
    accept_new_host_key: bool = False
    quiet: bool = False
    _folder: str = field(default="", init=False, repr=False)

    def __enter__(self) -> Remote:
        if not self.host or self.host.startswith("-") or any(ord(letter) <= 32 for letter in self.host):
            raise UsageError(f"'{self.host}' is not a host: give it as user@name or user@address")
        if self.port and not 1 <= self.port <= 65535:
            raise UsageError(f"--port is {self.port}, and must be 1 to 65535")
        if not shutil.which("ssh"):
            raise ToolMissing("deploying needs the ssh program: sudo apt install openssh-client")
        self._folder = tempfile.mkdtemp(prefix="ferlite-ssh-")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        subprocess.run([*self._command(), "-O", "exit", self.host], capture_output=True, check=False)
        shutil.rmtree(self._folder, ignore_errors=True)

    def _command(self) -> list[str]:
        options = ["BatchMode=yes", "ConnectTimeout=15", "ServerAliveInterval=15", "ServerAliveCountMax=4"]
        options += ["ControlMaster=auto", f"ControlPath={self._folder}/c", "ControlPersist=60"]
        options += ["StrictHostKeyChecking=accept-new"] if self.accept_new_host_key else []
        command = ["ssh", *(["-F", self.config] if self.config else [])]
        command += [part for option in options for part in ("-o", option)]
        command += ["-p", str(self.port)] if self.port else []
        return command + (["-i", self.identity] if self.identity else [])

    def run(self, script: str, data: bytes = b"") -> subprocess.CompletedProcess[str]:
        """Run a shell script on the board. Raises DeployFailed only where the connection fails."""
        command = [*self._command(), self.host, f"exec sh -c {shlex.quote(script)}"]
        done = subprocess.run(
            command, input=data, capture_output=True, check=False, env={**os.environ, "LC_ALL": "C"}
        )
        out, err = done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace")
        if done.returncode == _SSH_FAILED:
            raise self._failure(err)
        return subprocess.CompletedProcess(command, done.returncode, out, err)

    def check(self, script: str, what: str, data: bytes = b"") -> str:
        """What a script prints. Raises DeployFailed with its last words where it fails."""
        done = self.run(script, data)
        if done.returncode:
            raise DeployFailed(
                f"{self.host}: {what}: {last_line(done.stderr) or f'exit code {done.returncode}'}"
            )
        return done.stdout

    def send(self, files: Mapping[str, Path], folder: str) -> None:
        """Put files into a folder of the board, under their keys as names."""
        total = sum(path.stat().st_size for path in files.values())
        command = [*self._command(), self.host, f"exec tar -xf - -C {shlex.quote(folder)}"]
        with (
            tempfile.TemporaryFile() as complaints,
            subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=complaints,
                env={**os.environ, "LC_ALL": "C"},
            ) as process,
        ):
            # A broken pipe is tar's or ssh's end; their own words say more.
            with (
                contextlib.suppress(BrokenPipeError),
                Progress("sending", total, "bytes", stream=io.StringIO() if self.quiet else None) as progress,
                cast(IO[bytes], process.stdin) as stream,
            ):
                _write_tar(stream, files, progress)
            code = process.wait()
            complaints.seek(0)
            words = complaints.read().decode(errors="replace")
        if code == _SSH_FAILED:
            raise self._failure(words)
        if code:
            full = "No space left on device" in words
            reason = "its card is full: free some space and deploy again" if full else last_line(words)
            raise DeployFailed(f"{self.host} could not take the payload: {reason}")

    def _failure(self, words: str) -> DeployFailed:
        name = self.host.rpartition("@")[2]
        for sign, sentence in _FAILURES:
            if sign in words:
                return DeployFailed(sentence.format(host=self.host, name=name))
        return DeployFailed(f"ssh to {self.host} failed: {last_line(words) or 'the connection broke off'}")


def _write_tar(stream: IO[bytes], files: Mapping[str, Path], progress: Progress) -> None:
    with tarfile.open(fileobj=stream, mode="w|", format=tarfile.PAX_FORMAT) as archive:
        for name, path in files.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = path.stat().st_size, 0o644
            with path.open("rb") as file:
                archive.addfile(entry, _Counted(file, progress))


class _Counted(io.RawIOBase):
    """A file that tells how much of it was read."""

    def __init__(self, file: io.BufferedReader, progress: Progress) -> None:
        self._file, self._progress = file, progress

    def read(self, size: int = -1) -> bytes:
        data = self._file.read(size)
        self._progress.advance(len(data))
        return data
