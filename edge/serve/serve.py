"""``ferlite serve`` as a library call: a run whose newest frame can be looked at, and a reader of stills."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field

from edge.errors import FerliteError
from edge.listen import LOOPBACK, Address
from edge.pipeline import Pipeline
from edge.run import Summary, run
from edge.serve.film import Newest
from edge.serve.played import open_played
from edge.sink import Sink
from edge.vitals import Vitals

PORT = 8600


@dataclass(frozen=True)
class ServeOptions:
    """Where to serve, who may look ("": whoever reaches a loopback address), and whether without faces."""

    address: Address = field(default_factory=lambda: Address(LOOPBACK, PORT))
    token: str = ""
    privacy: bool = False


def serve(
    spec: str,
    open_pipeline: Callable[[bool], Pipeline],
    options: ServeOptions,
    *,
    sinks: Callable[[Vitals, Pipeline], Sequence[Sink]] = lambda vitals, pipeline: (),
    ready: Callable[[int], None] = lambda port: None,
    complain: Callable[[FerliteError], None] = lambda error: None,
    after_frame: Callable[[], None] = lambda: None,
    most: int = 0,
) -> Summary:
    """Serve the source ``spec`` until it ends, or for ever without one ("": stills only).

    ``open_pipeline`` makes one for stills (True) or for the video. ``sinks`` are further ways out; ``ready``
    is told the port. Raises FerliteError.
    """
    from edge.serve.server import Server, Show
    from edge.serve.stills import Stills

    with ExitStack() as open_ones:
        vitals, newest = Vitals(), Newest(options.privacy)
        stills = Stills(lambda: open_pipeline(True))
        source = open_ones.enter_context(closing(open_played(spec))) if spec else None
        pipeline = open_ones.enter_context(open_pipeline(False)) if source else None
        show = Show(newest, vitals, stills, pipeline.bundle.labels if pipeline else None)
        server = open_ones.enter_context(closing(Server(options.address, options.token, show)))
        ready(server.port)
        if source is None or pipeline is None:
            threading.Event().wait()
            return Summary()
        ways_out: list[Sink] = [vitals, newest, *sinks(vitals, pipeline)]
        for sink in ways_out:
            open_ones.callback(sink.close)
        return run(
            pipeline, vitals.watch(source), ways_out, most=most, complain=complain, after_frame=after_frame
        )
