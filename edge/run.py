"""``ferlite run`` as library calls: settings to a pipeline and sinks, a source through it into them."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import cv2

from edge.bundle import Bundle, shipped
from edge.commands.progress import Progress
from edge.detect import DetectorOptions
from edge.engine import EngineOptions, Wrap
from edge.errors import FerliteError, SourceFault, UsageError
from edge.live.enduring import Enduring, pass_on
from edge.live.listen import address
from edge.live.vitals import Vitals
from edge.pipeline import Joint, Pipeline, no_joint, open_pipeline
from edge.results import FrameReadings
from edge.settings import RULE, RunSettings
from edge.sink import Sink, Target, open_sink
from edge.source import Frame, Source
from edge.sources.live import LiveSource
from edge.steps import FrameReader, Steps, with_last
from edge.track import Tracker
from edge.video.follow import DETECT_EVERY

if TYPE_CHECKING:
    from edge.moments.watch import Spotter

STILL_SIZE, VIDEO_SIZE = 640, 384  # benchmarks/records/detection.json has what is found at which
# Detectors that OpenCV's own threads compute. All else that it does for a frame of a video is over before a
# second thread has begun, and its threads wait for the next piece of work without sleeping: half as much
# processor time again for six faces (benchmarks/records/peers.json before and after).
SHARED_BY_OPENCV = ("haar",)
Complain = Callable[[FerliteError], None]
Watch = Callable[[Frame, FrameReadings, bool], FrameReadings]


@dataclass
class Summary:
    """What was done: frames read, faces found in them, and what could not be read or saved.

    ``taken``: what the source gave, of which a frame may have been lost on its way.
    """

    taken: int = 0
    frames: int = 0
    faces: int = 0
    failures: int = 0


def unwatched(frame: Frame, result: FrameReadings, last: bool) -> FrameReadings:
    """The readings as they are: a Watch where nobody asks what comes and goes."""
    return result


def pipeline_of(
    settings: RunSettings,
    stills: bool,
    joint: Joint = no_joint,
    wrap: Wrap | None = None,
    first_track: int = 1,
) -> Pipeline:
    """The pipeline that the settings ask for, with a detector that searches as is good for stills or videos.

    ``joint`` hears of each stage's end, and ``wrap`` stands around every engine, for who measures. Faces of
    videos are numbered from ``first_track`` on. Raises FerliteError.
    """
    pipeline = open_pipeline(
        settings.bundle,
        settings.engine,
        settings.detector,
        engine_order=settings.engine_order,
        engine_options=EngineOptions(settings.threads, settings.device, settings.engine_settings, wrap),
        detector_options=DetectorOptions(
            size=settings.detect_size or (STILL_SIZE if stills else VIDEO_SIZE),
            score=settings.detect_score,
            model=settings.detector_model,
            engine=settings.detector_engine,
            engine_options=EngineOptions(threads=settings.threads, wrap=wrap),
        ),
        tracker=Tracker(smooth=settings.smooth, first=first_track),
        prior=settings.prior,
        joint=joint,
        trusted=settings.require_signature,
        # A face that is first searched for a tenth of a second after it came would be seen in that time.
        detect_every=1 if settings.privacy else settings.detect_every or DETECT_EVERY,
        pace=settings.pace,
        profile=settings.profile or "",
    )
    if not stills and pipeline.chosen.detector not in SHARED_BY_OPENCV:
        cv2.setNumThreads(1)
    return pipeline


def open_sinks(
    settings: RunSettings,
    sources: Sequence[Source],
    bundle: Bundle,
    vitals: Vitals,
    complain: Complain = lambda error: None,
    usual: tuple[str, ...] = ("table:-",),
) -> list[Sink]:
    """The sinks that the settings ask for, ``usual`` where they name none. ``vitals`` counts what they lose.

    Where a source is live, ``complain`` hears of a sink that fails and the run goes on. Raises SinkError, and
    UsageError.
    """
    live = any(not source.stills and isinstance(source, LiveSource) for source in sources)
    opened: list[Sink] = []
    try:
        for spec in settings.sink or usual:
            kind, _, place = spec.partition(":")
            limit = settings.sink_limit_mb * 2**20
            opened.append(open_sink(kind, Target(place, bundle.labels, limit=limit, live=live)))
        if settings.save:
            opened.append(_saving(settings, sources))
        if live:
            opened = [Enduring(sink, complain, vitals.losses) for sink in opened]
        if settings.timeline:
            from edge.sinks.timeline import TimelineSink

            opened.append(TimelineSink(settings.timeline))
        opened += _over_the_network(settings, bundle, vitals, complain)
    except BaseException:
        for sink in opened:
            sink.close()
        raise
    return opened


def _over_the_network(
    settings: RunSettings, bundle: Bundle, vitals: Vitals, complain: Complain
) -> Iterator[Sink]:
    """What needs a package of its own, imported only where it is asked for."""
    if settings.mqtt:
        from edge.live.mqtt import MqttSink, broker

        to = broker(settings.mqtt, settings.mqtt_password, settings.mqtt_ca)
        yield MqttSink(to, bundle.labels, bundle.name, complain, vitals.losses, vitals.as_json)
    if settings.metrics:
        from edge.live.metrics import MetricsSink

        yield MetricsSink(address(settings.metrics, "--metrics"), vitals)


def learn(settings: RunSettings, bundle: Bundle, engine: str) -> list[Sink]:
    """What learns a person's profile, where the settings ask for that. Raises UsageError."""
    if settings.learn_profile is None:
        return []
    from edge import profile
    from edge.sinks.profile import ProfileSink

    worn = profile.read(settings.profile, bundle) if settings.profile else None
    learner = profile.Learner(bundle, engine, settings.prior, worn)
    return [ProfileSink(learner, settings.learn_profile)]


@contextmanager
def listening(
    settings: RunSettings, sources: Sequence[Source], complain: Complain
) -> Iterator[Callable[[FrameReadings], FrameReadings]]:
    """What hears the voice beside the frames, where the settings ask for one.

    Raises SourceError, UsageError and what opening a bundle does.
    """
    if not settings.voice:
        yield lambda result: result
        return
    if len(sources) != 1 or sources[0].stills:
        raise UsageError("--voice goes with one video or camera, which it is heard beside")
    from edge.voice import listener, reader, sound

    with ExitStack() as finish:
        heard = sound.open_sound(settings.voice)
        finish.callback(heard.close)
        reads = reader.open_reader(settings.voice_bundle, settings.engine, settings.require_signature)
        finish.callback(reads.close)
        yield listener.Listener(heard, reads, complain)


@contextmanager
def watching(
    settings: RunSettings,
    sources: Sequence[Source],
    bundle: Bundle,
    engine: str,
    remark: Callable[[str], None] = lambda sentence: None,
) -> Iterator[Watch]:
    """What spots movements that come and go, where the settings ask for that; ``bundle`` names them in
    ``engine``. ``remark`` hears what is to be said of the frames.

    Raises UsageError and what opening a bundle does.
    """
    if not settings.moments:
        yield unwatched
        return
    if any(source.stills for source in sources):
        raise UsageError("--moments watches faces move: give a video or a camera, and no pictures")
    from edge.classify import load_classifier
    from edge.moments.watch import Watcher

    with ExitStack() as finish:
        make = spotter_of(
            settings.spotter, finish, settings.engine, settings.threads, settings.require_signature
        )
        options = EngineOptions(settings.threads, settings.device, settings.engine_settings)
        classifier = load_classifier(bundle, engine, options, settings.prior)
        watcher = Watcher(bundle, classifier, remark, make)
        finish.callback(watcher.close)
        yield watcher


def spotter_of(
    bundle: str,
    finish: ExitStack,
    engine: str = "auto",
    threads: int = 0,
    trusted: Path | None = None,
) -> Callable[[], Spotter]:
    """What makes a spotter for each face: the network of a ``bundle``, freed by ``finish``, or the "rule".

    "" is the network that ships, and the rule where it is not there or where only what the key ``trusted``
    has signed may run. Raises UsageError and what opening a bundle does.
    """
    from edge.moments.rule import RuleSpotter

    if bundle == RULE or not (bundle or (shipped("spotter") and trusted is None)):
        return RuleSpotter
    from edge.moments.network import NetworkSpotter, open_network

    network = open_network(bundle, engine, threads, trusted)
    finish.callback(network.close)
    return lambda: NetworkSpotter(network)


def _saving(settings: RunSettings, sources: Sequence[Source]) -> Sink:
    stills, save = all(source.stills for source in sources), settings.save
    assert save is not None
    if not stills and len(sources) > 1:
        raise UsageError("--save writes one video at a time: give one video, or pictures only")
    single = sum(source.total for source in sources) == 1 and not save.is_dir() and bool(save.suffix)
    target = Target(str(save), privacy=settings.privacy, rate=sources[0].rate, single=single)
    return open_sink("pictures" if stills else "video", target)


def run(
    pipeline: FrameReader,
    source: Source,
    sinks: Sequence[Sink],
    vitals: Vitals | None = None,
    *,
    most: int = 0,
    overlap: int = 1,
    complain: Complain = lambda error: None,
    after_frame: Callable[[], None] = lambda: None,
    listen: Callable[[FrameReadings], FrameReadings] = lambda result: result,
    watch: Watch = unwatched,
    lookahead: bool = True,
    quiet: bool = False,
) -> Summary:
    """Take ``most`` frames (0: all) from ``source`` through ``pipeline`` into ``sinks``; ``vitals`` counts.

    A file or stream that fails, and a picture that cannot be saved, is handed to ``complain`` and counted;
    the rest goes on. What a camera gets over (SourceFault) is handed on too, and is no failure.
    ``overlap``: how many steps of a video go on at the same time (edge/steps.py); whatever it is, results
    and errors come in order, and come here. ``after_frame`` is called when a frame has passed all the way;
    ``listen`` makes of each frame's readings what a voice adds to them, and ``watch`` what comes and
    goes in its faces, told whether a file has no frame after it, for which each waits for the next unless
    there is no ``lookahead``; ``quiet``: no progress line. Raises SinkError where results cannot be written
    at all, BrokenPipeError when nobody reads any more.
    """
    watched, live = vitals.watch(source) if vitals else source, isinstance(source, LiveSource)
    ways_out = list(sinks)
    summary = Summary()
    pipeline.restart()
    total = min(most, source.total) if most and source.total else most or source.total
    with (
        Steps(pipeline, watched, most, live=live, overlap=overlap) as steps,
        Progress("reading", total, "frames", stream=io.StringIO() if quiet else None) as progress,
    ):

        def failed(error: FerliteError) -> None:
            summary.failures += not isinstance(error, SourceFault)
            progress.clear()
            complain(error)

        # Of a camera nobody knows the last frame but by number, and none waits for the next.
        foreseen = watch is not unwatched and not live and lookahead
        for outcome, last in with_last(steps) if foreseen else ((each, False) for each in steps):
            summary.taken += not isinstance(outcome, SourceFault)
            if isinstance(outcome, FerliteError):
                failed(outcome)
            else:
                frame, seen = outcome
                result = listen(watch(frame, seen, last or summary.taken == most))
                progress.clear()
                if vitals:
                    vitals.passed(result)
                ways_out = pass_on(ways_out, frame, result, failed)
                summary.frames += 1
                summary.faces += len(result.readings)
                after_frame()
            progress.advance(note=f"{summary.faces} faces")
    return summary
