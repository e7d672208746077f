"""What the user typed for ``--on``: which computers work together."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from edge.errors import UsageError
from edge.files import read_text

VALID = "local:N (processes here), tcp://HOST:PORT or tls://HOST:PORT (a scheduler), ssh:HOSTS.txt"
HELP = f"cluster that does the work: {VALID}"
MOST_HERE = 1024
_HOST = re.compile(r"(?:(?P<user>[^\s@]+)@)?(?P<name>\[[^\s\]]+\]|[^\s@:\[\]]+)(?::(?P<port>\d{1,5}))?")


@dataclass(frozen=True)
class Host:
    """A computer that is reached over ssh. "" and 0 leave a choice to ssh's own configuration.

    ``python`` is the interpreter there that has ferlite; "": the path of this one.
    """

    name: str
    user: str = ""
    port: int = 0
    python: str = ""


@dataclass(frozen=True)
class Spec:
    """``kind`` says which of the others is set: how many processes, an address, or hosts."""

    kind: Literal["local", "scheduler", "ssh"]
    processes: int = 0
    address: str = ""
    hosts: tuple[Host, ...] = ()


def parse(text: str) -> Spec:
    """What ``--on`` asks for. Raises UsageError."""
    kind, _, rest = text.partition(":")
    if kind == "local" and rest.isascii() and rest.isdigit() and 1 <= int(rest) <= MOST_HERE:
        return Spec("local", processes=int(rest))
    if kind in ("tcp", "tls") and _is_address(text):
        return Spec("scheduler", address=text)
    if kind == "ssh" and rest:
        return Spec("ssh", hosts=_hosts(Path(rest)))
    raise UsageError(f"--on '{text}' is no cluster: give {VALID}")


def _is_address(text: str) -> bool:
    try:
        parts = urlsplit(text)
        return bool(parts.hostname and parts.port and parts.path in ("", "/"))
    except ValueError:
        return False


def _hosts(path: Path) -> tuple[Host, ...]:
    """A line a host: [USER@]HOST[:PORT] [PYTHON]; a line that begins with # is a remark."""
    lines = [line.strip() for line in read_text(path, UsageError).splitlines()]
    hosts = tuple(_host(line, path) for line in lines if line and not line.startswith("#"))
    if not hosts:
        raise UsageError(f"'{path}' names no host: give a line each, [USER@]HOST[:PORT] [PYTHON]")
    return hosts


def _host(line: str, path: Path) -> Host:
    where, *python = line.split()
    match = _HOST.fullmatch(where)
    port = int(match["port"] or 0) if match else 0
    if match is None or len(python) > 1 or port > 65535 or where.startswith("-"):
        raise UsageError(f"'{path}': '{line}' is no host: give [USER@]HOST[:PORT] [PYTHON]")
    return Host(match["name"].strip("[]"), match["user"] or "", port, *python)
