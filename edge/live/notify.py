"""Tells systemd that frames really flow (sd_notify): READY after the first, WATCHDOG after each."""

from __future__ import annotations

import os
import socket
import time


class Notifier:
    """Sends datagrams to $NOTIFY_SOCKET; without one it does nothing.

    The watchdog is fed by work that was done, never by a timer: a stalled camera or a hung engine sends
    nothing, and systemd restarts the service.
    """

    def __init__(self) -> None:
        self._address = os.environ.get("NOTIFY_SOCKET", "")
        # Half the watchdog's period is what sd_watchdog_enabled(3) advises.
        self._pause = int(os.environ.get("WATCHDOG_USEC") or 0) / 2_000_000
        self._ready, self._sent = False, 0.0

    def frame_passed(self) -> None:
        """A frame went from the source to every sink."""
        if not self._address:
            return
        now = time.monotonic()
        if not self._ready:
            self._ready = self._sends(b"READY=1\nWATCHDOG=1")
            self._sent = now
        elif self._pause and now - self._sent >= self._pause and self._sends(b"WATCHDOG=1"):
            self._sent = now

    def _sends(self, message: bytes) -> bool:
        """Whether it went out. One that did not, the next frame tries again: systemd may be starting anew."""
        address = "\0" + self._address[1:] if self._address.startswith("@") else self._address
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
            channel.setblocking(False)  # frames matter more than reports about them
            try:
                channel.sendto(message, address)
            except OSError:
                return False
        return True
