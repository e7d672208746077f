"""Messages between the two processes, over a socket pair: a pickled head, and the bytes of a frame after it.

Both ends are our own, so pickle is as safe as a function call. A socket and no pipe, because a process that
hangs does not read: what is sent to it must be able to time out.
"""

from __future__ import annotations

import pickle
import socket
import struct
import time
from typing import Any

_HEAD = struct.Struct("<QQ")  # bytes of the pickle, bytes of the frame


class Wire:
    """One end of the pair. Calls raise OSError if the other end is gone, TimeoutError if it hangs."""

    def __init__(self, channel: socket.socket) -> None:
        self._channel = channel

    def send(self, head: Any, frame: memoryview | None = None, within: float | None = None) -> None:
        """Send ``head`` and a frame's bytes within so many seconds (None: however long it takes)."""
        deadline = None if within is None else time.monotonic() + within
        packed = pickle.dumps(head, pickle.HIGHEST_PROTOCOL)
        rest = [
            memoryview(_HEAD.pack(len(packed), len(frame) if frame is not None else 0)),
            memoryview(packed),
        ]
        if frame is not None:
            rest.append(frame)
        while rest:
            self._channel.settimeout(_left(deadline))
            rest[0] = rest[0][self._channel.send(rest[0]) :]
            if not rest[0]:
                rest.pop(0)

    def receive(self, within: float | None = None) -> tuple[Any, bytearray]:
        """The next head and frame, waiting at most so many seconds (None: for ever)."""
        deadline = None if within is None else time.monotonic() + within
        packed, frame = _HEAD.unpack(self._exactly(_HEAD.size, deadline))
        head = pickle.loads(self._exactly(packed, deadline))
        return head, self._exactly(frame, deadline)

    def close(self) -> None:
        """The other end then gets OSError."""
        self._channel.close()

    def _exactly(self, count: int, deadline: float | None) -> bytearray:
        content = bytearray(count)
        view = memoryview(content)
        while view:
            self._channel.settimeout(_left(deadline))
            taken = self._channel.recv_into(view)
            if not taken:
                raise ConnectionResetError("the other process is gone")
            view = view[taken:]
        return content


def _left(deadline: float | None) -> float | None:
    if deadline is None:
        return None
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError("no answer in time")
    return left
