"""Where a server of ours listens: HOST:PORT as it is typed, and whether others can reach it there."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass

from edge.errors import UsageError

LOOPBACK = "127.0.0.1"


@dataclass(frozen=True)
class Address:
    """A host and a port to listen at; port 0 lets the system choose one."""

    host: str
    port: int

    @property
    def loopback(self) -> bool:
        """Whether only this machine can reach it."""
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def address(text: str, option: str) -> Address:
    """What stands behind ``option``: HOST:PORT, [IPv6]:PORT, or PORT alone for this machine only.

    Raises UsageError.
    """
    match = re.fullmatch(r"(?:(?P<host>\[[0-9a-fA-F:.%]+\]|[^:\[\]/\s]*):)?(?P<port>\d{1,5})", text)
    if match is None or int(match["port"]) > 65535 or not _is_name(match["host"] or LOOPBACK):
        raise UsageError(f"{option} is '{text}', and must be HOST:PORT or PORT, as in {LOOPBACK}:8600")
    return Address((match["host"] or LOOPBACK).strip("[]"), int(match["port"]))


def _is_name(host: str) -> bool:
    """Whether every part between dots is there and no longer than a host's name may have it."""
    try:
        return bool(host.encode("idna"))
    except UnicodeError:
        return False
