"""The main path of an archive: files -> tasks -> workers -> parts, and what is known of each written down."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cluster.alike import software
from cluster.archive import ledger as ledgers
from cluster.archive.find import Item, batches
from cluster.archive.reader import Batch, BatchDone, Reading, read
from cluster.connect import connect
from cluster.parcels import Packed, of_bundle, of_file
from cluster.spec import Spec
from cluster.work import Crew, Done
from edge import bundle as bundles
from edge import detect
from edge import engine as engines
from edge.commands.progress import Progress
from edge.errors import ClusterError, FerliteError
from edge.fetch import cached
from edge.priors import is_file
from edge.settings import RunSettings

if TYPE_CHECKING:
    from cluster.archive.ledger import Ledger, PartDone

PICTURES = 64  # in a task: some seconds of work, against milliseconds that a task costs
# What a reading depends on; where it goes, and what is said meanwhile, is another matter.
OF_READINGS = (
    "prior",
    "engine",
    "engine_order",
    "device",
    "engine_settings",
    "threads",
    "smooth",
    "detector",
    "detector_engine",
    "detect_size",
    "detect_every",
    "pace",
    "detect_score",
)
Complain = Callable[[FerliteError], None]


@dataclass
class Summary:
    """What an archive came to: files that were asked for, those done before this run, and their readings.

    ``failed``: names of the files that gave nothing, or not all. ``parts`` are those of the files asked for.
    """

    files: int = 0
    before: int = 0
    frames: int = 0
    faces: int = 0
    failed: list[str] = field(default_factory=list)
    parts: list[Path] = field(default_factory=list)


@dataclass(frozen=True)
class Order:
    """What is to be read, by whom, and to where. ``batch``: pictures in a task."""

    items: Sequence[Item]
    settings: RunSettings
    spec: Spec
    out: Path
    batch: int = PICTURES


def run(
    order: Order, complain: Complain = lambda error: None, told: Callable[[Path], None] = lambda part: None
) -> Summary:
    """Read every file that is not done yet. ``told`` gets each part when it is whole, those of before first.

    A file that fails goes to ``complain`` and is counted, and the others go on; what is done stays done,
    whatever ends the run. Raises ClusterError, UsageError, StorageFailed, FerliteError.
    """
    settings, packed = prepared(order.settings)
    summary = Summary(files=len(order.items))
    with ledgers.opened(order.out, made_with(settings, packed)) as ledger:
        ledger.forget_changed(order.items)
        todo = [item for item in order.items if ledger.state(item) is None]
        if not todo:
            ledger.begin()
            _count_before(order.items, ledger, summary, complain, told)
            return summary
        with connect(order.spec) as client:
            ledger.begin()
            _count_before(order.items, ledger, summary, complain, told)
            crew = Crew(client, complain)
            crew.carry(list(packed.values()))
            parcels = {name: each.parcel for name, each in packed.items()}
            reading = Reading(settings, parcels, ledger.lease)
            # Few pictures are shared out, not given to one worker.
            size = max(1, min(order.batch, len(todo) // (2 * max(1, crew.threads()))))
            _read_all(crew, reading, batches(todo, size), ledger, summary, complain, told)
    return summary


def _read_all(
    crew: Crew,
    reading: Reading,
    todo: Iterable[tuple[Item, ...]],
    ledger: Ledger,
    summary: Summary,
    complain: Complain,
    told: Callable[[Path], None],
) -> None:
    suspects: list[Item] = []
    with Progress("reading", summary.files, "files", start=summary.before) as progress:

        def keep(done: Done[Batch, BatchDone]) -> None:
            progress.clear()
            for name, error in _failures(done):
                summary.failed.append(name)
                complain(error)
            part = done.result.part if done.result else None
            if part is not None:
                ledger.add(part)
                _count(part, summary)
                summary.parts.append(ledger.folder / ledgers.PARTS / part.part)
                told(summary.parts[-1])
            progress.advance(len(done.order.items), f"{summary.faces} faces, {len(summary.failed)} failed")

        for done in crew.do(read, (Batch(reading, items) for items in todo), name="read"):
            if done.result is None:
                suspects += done.order.items
            else:
                keep(done)
        # A worker that died may have had several tasks: which file it was shows when each is read by itself.
        for item in suspects:
            for done in crew.do(read, [Batch(reading, (item,))], name="suspect"):
                keep(done)


def _failures(done: Done[Batch, BatchDone]) -> Iterator[tuple[str, FerliteError]]:
    """Each file that gave nothing or not all, with its reason."""
    if done.result is None:
        (item,) = done.order.items
        yield item.name, ClusterError(f"'{item.name}' could not be read: {done.error}")
        return
    for name, reason in done.result.failed:
        yield name, ClusterError(reason)
    for one in done.result.part.files if done.result.part else ():
        for reason in one.errors:
            yield one.name, ClusterError(reason)


def _count(part: PartDone, summary: Summary) -> None:
    summary.frames += sum(one.frames for one in part.files)
    summary.faces += sum(one.faces for one in part.files)


def _count_before(
    items: Sequence[Item], ledger: Ledger, summary: Summary, complain: Complain, told: Callable[[Path], None]
) -> None:
    """What was done before: counted and told as if it had been done now, what was wrong with it too."""
    parts: dict[Path, None] = {}
    for item in items:
        one = ledger.state(item)
        if one is None:
            continue
        summary.before += 1
        summary.frames += one.frames
        summary.faces += one.faces
        parts.setdefault(ledger.part_of(item))
        for reason in one.errors:
            summary.failed.append(one.name)
            complain(ClusterError(reason))
    for part in parts:
        told(part)
    summary.parts.extend(parts)


def prepared(settings: RunSettings) -> tuple[RunSettings, Mapping[str, Packed]]:
    """The settings with every choice made here, so that all workers make the same, and the files for them.

    A worker computes on one thread unless more are asked for: there is a worker for each processor.
    Raises FerliteError.
    """
    bundle = bundles.load(settings.bundle, settings.require_signature)
    engine = engines.choose(settings.engine, bundle.files, settings.engine_order).name
    options = detect.DetectorOptions(model=settings.detector_model, engine=settings.detector_engine)
    detector = detect.choose(settings.detector, options).name
    bundle.scaling_of(engine, settings.prior)  # a prior that it has not is said here
    packed = {"bundle": of_bundle(bundle, engine)}
    model = settings.detector_model or (cached("yunet") if detector == "yunet" else None)
    if model is not None:
        packed["detector_model"] = of_file(model)
    if is_file(settings.prior):
        packed["prior"] = of_file(Path(settings.prior))
    return replace(
        settings,
        source=(),
        engine=engine,
        detector=detector,
        threads=settings.threads or 1,
        require_signature=None,
    ), packed


def made_with(settings: RunSettings, packed: Mapping[str, Packed]) -> dict[str, Any]:
    """What must be the same for readings to stand in one folder, JSON-ready."""
    told = {name: getattr(settings, name) for name in OF_READINGS}
    told["engine_settings"] = dict(settings.engine_settings)
    digests = {name: each.parcel.sha256 for name, each in packed.items()}
    told.update({name: digest for name, digest in digests.items() if name != "bundle"})
    return {"kind": "archive", "ferlite": software().ferlite, "bundle": digests["bundle"], **told}
