"""The process that holds engine and detector: opens the pipeline it is told of, then answers frames."""

from __future__ import annotations

import signal
import socket
import sys

import numpy as np

from edge.errors import FerliteError
from edge.isolate.wire import Wire
from edge.memory import one_arena
from edge.run import pipeline_of


def main(descriptor: int) -> None:
    """Serve the parent at the other end of ``descriptor`` until it closes it."""
    # A terminal's Ctrl-C and a service's stop go to the whole group: the parent finishes, then closes this.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    one_arena()
    wire = Wire(socket.socket(fileno=descriptor))
    try:
        _serve(wire)
    except OSError:
        return  # the parent has closed its end, or died


def _serve(wire: Wire) -> None:
    (settings, stills, first_track), _ = wire.receive()
    try:
        pipeline = pipeline_of(settings, stills, first_track=first_track)
    except FerliteError as error:
        wire.send(error)
        return
    with pipeline:
        wire.send((pipeline.bundle, pipeline.chosen))
        while True:
            order, content = wire.receive()
            if order is None:
                pipeline.restart()
                continue
            shape, dtype, time, behind = order
            frame = np.frombuffer(content, dtype).reshape(shape)
            pipeline.hurry(behind)
            try:
                wire.send(pipeline(frame, time))
            except FerliteError as error:
                wire.send(error)


if __name__ == "__main__":
    main(int(sys.argv[1]))
