"""``ferlite serve`` as a library call: a run whose newest frame can be looked at, and a reader of stills."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import ExitStack, closing
from dataclasses import dataclass, field

from edge.errors import FerliteError, SinkError, UsageError
from edge.live.listen import LOOPBACK, Address
from edge.live.vitals import Vitals
from edge.run import Summary, open_sinks, pipeline_of, run, watching
from edge.serve.film import Newest
from edge.serve.played import open_played
from edge.serve.server import Server, Show
from edge.serve.stills import Stills
from edge.settings import RunSettings
from edge.sink import Sink
from edge.steps import default_overlap

PORT = 8600


@dataclass(frozen=True)
class ServeOptions:
    """Where to serve, and the token that opens it ("": whoever reaches a loopback address may look)."""

    address: Address = field(default_factory=lambda: Address(LOOPBACK, PORT))
    token: str = ""

    def __post_init__(self) -> None:
        if not self.token and not self.address.loopback:
            raise UsageError(f"whoever can reach '{self.address}' could look: a token is needed")


def serve(
    settings: RunSettings,
    options: ServeOptions,
    *,
    ready: Callable[[int], None] = lambda port: None,
    complain: Callable[[FerliteError], None] = lambda error: None,
    after_frame: Callable[[], None] = lambda: None,
    remark: Callable[[str], None] = lambda sentence: None,
) -> Summary:
    """Serve the source of ``settings`` until it ends, or for ever without one (stills only).

    ``ready`` is told the port; ``remark`` hears what is to be said of the frames (``edge.run.watching``).
    Frames that a way out lost are failures of the summary too. Raises FerliteError.
    """
    if len(settings.source) > 1:
        raise UsageError("serve shows one source: give one video, camera or stream")
    vitals, newest = Vitals(), Newest(settings.privacy)
    stills = Stills(lambda: pipeline_of(settings, stills=True))
    with ExitStack() as finish:
        if not settings.source:
            if settings.moments:
                raise UsageError("--moments watches faces move: give serve a video, a camera or a stream")
            show = Show(newest, vitals, stills, None, _numbers(vitals))
            server = finish.enter_context(closing(Server(options.address, options.token, show)))
            ready(server.port)
            threading.Event().wait()
        source = finish.enter_context(closing(open_played(settings.source[0])))
        pipeline = finish.enter_context(pipeline_of(settings, stills=False))
        chosen = pipeline.bundle, pipeline.chosen.engine
        watch = finish.enter_context(watching(settings, [source], *chosen, remark))
        sinks = open_sinks(settings, [source], pipeline.bundle, vitals, complain, usual=())
        for sink in sinks:
            finish.callback(sink.close)
        show = Show(newest, vitals, stills, pipeline.bundle.labels, _numbers(vitals))
        server = finish.enter_context(closing(Server(options.address, options.token, show)))
        ready(server.port)
        ways_out: list[Sink] = [newest, *sinks]
        summary = run(
            pipeline,
            source,
            ways_out,
            vitals,
            most=settings.most,
            overlap=settings.overlap or default_overlap(),
            complain=complain,
            after_frame=after_frame,
            watch=watch,
            lookahead=False,
        )
    summary.failures += sum(vitals.losses.values())  # some are known only when all is closed
    return summary


def _numbers(vitals: Vitals) -> Callable[[], tuple[bytes, str]] | None:
    """Prometheus' text, where its package is installed."""
    try:
        from edge.live import metrics
    except SinkError:
        return None
    return lambda: metrics.text(vitals)
