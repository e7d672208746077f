"""``ferlite run`` as library calls: settings to a pipeline and sinks, a source through it into them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from edge.detect import DetectorOptions
from edge.engine import EngineOptions, Wrap
from edge.errors import FerliteError, FrameNotSaved, UsageError
from edge.follow import DETECT_EVERY
from edge.pipeline import Joint, Pipeline, no_joint, open_pipeline
from edge.progress import Progress
from edge.results import FrameReadings
from edge.settings import RunSettings
from edge.sink import Sink, Target, open_sink
from edge.source import Frame, Source
from edge.track import Tracker

STILL_SIZE, VIDEO_SIZE = 640, 384  # benchmarks/records/detection.json has what is found at which
Complain = Callable[[FerliteError], None]


@dataclass
class Summary:
    """What was done: frames read, faces found in them, and what could not be read or saved."""

    frames: int = 0
    faces: int = 0
    failures: int = 0


def pipeline_of(
    settings: RunSettings, stills: bool, joint: Joint = no_joint, wrap: Wrap | None = None
) -> Pipeline:
    """The pipeline that the settings ask for, with a detector that searches as is good for stills or videos.

    ``joint`` hears of each stage's end, and ``wrap`` stands around every engine, for who measures.
    Raises FerliteError.
    """
    return open_pipeline(
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
        tracker=Tracker(smooth=settings.smooth),
        prior=settings.prior,
        joint=joint,
        # A face that is first searched for two frames after it came would be seen in those two.
        detect_every=1 if settings.privacy else settings.detect_every or DETECT_EVERY,
    )


def open_sinks(settings: RunSettings, sources: Sequence[Source], labels: tuple[str, ...]) -> list[Sink]:
    """The sinks that the settings ask for; a table on standard output where they name none.

    Raises SinkError and UsageError.
    """
    opened: list[Sink] = []
    try:
        for spec in settings.sink or ("table:-",):
            kind, _, place = spec.partition(":")
            opened.append(open_sink(kind, Target(place, labels, limit=settings.sink_limit_mb * 2**20)))
        if settings.save:
            opened.append(_saving(settings, sources))
    except BaseException:
        for sink in opened:
            sink.close()
        raise
    return opened


def _saving(settings: RunSettings, sources: Sequence[Source]) -> Sink:
    stills, save = all(source.stills for source in sources), settings.save
    assert save is not None
    if not stills and len(sources) > 1:
        raise UsageError("--save writes one video at a time: give one video, or pictures only")
    single = sum(source.total for source in sources) == 1 and not save.is_dir() and bool(save.suffix)
    target = Target(str(save), privacy=settings.privacy, rate=sources[0].rate, single=single)
    return open_sink("pictures" if stills else "video", target)


def run(
    pipeline: Pipeline,
    source: Source,
    sinks: Sequence[Sink],
    *,
    most: int = 0,
    complain: Complain = lambda error: None,
    after_frame: Callable[[], None] = lambda: None,
) -> Summary:
    """Take ``most`` frames (0: all) from ``source`` through ``pipeline`` into ``sinks``.

    A file or stream that fails, and a picture that cannot be saved, is handed to ``complain`` and counted;
    the rest goes on. ``after_frame`` is called when a frame has passed all the way. Raises SinkError where
    results cannot be written at all.
    """
    summary = Summary()
    pipeline.restart()
    total = min(most, source.total) if most and source.total else most or source.total
    with Progress("reading", total, "frames") as progress:

        def failed(error: FerliteError) -> None:
            summary.failures += 1
            progress.clear()
            complain(error)

        for frame in _until_failure(source, most):
            if isinstance(frame, FerliteError):
                failed(frame)
            else:
                result = read(pipeline, frame)
                progress.clear()
                for sink in sinks:
                    try:
                        sink.write(frame, result)
                    except FrameNotSaved as error:
                        failed(error)
                summary.frames += 1
                summary.faces += len(result.readings)
                after_frame()
            progress.advance(note=f"{summary.faces} faces")
    return summary


def read(pipeline: Pipeline, frame: Frame) -> FrameReadings:
    """One frame's readings."""
    height, width = frame.image.shape[:2]
    readings = tuple(pipeline(frame.image, frame.time))
    return FrameReadings(frame.source, frame.index, frame.time, width, height, readings)


def _until_failure(source: Source, most: int) -> Iterator[Frame | FerliteError]:
    """The source's frames; an error that ends it comes last, as one more item."""
    taken = 0
    try:
        for frame in source.frames():
            yield frame
            taken += 1
            if taken == most:
                return
    except FerliteError as error:
        yield error
