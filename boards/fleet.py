"""Many boards at once: one file names them, a few threads go to them over ssh, one record tells the end.

A rollout goes in stages (one board, a tenth of them, all): after each the boards done so far are asked how
they are, and where one of them is not well nothing more is sent. What a board runs is changed by its own
installer, which puts the old version back where the new one does not become ready.
"""

from __future__ import annotations

import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field, fields, replace
from functools import partial
from pathlib import Path
from typing import Any

from boards import agreement, bundle, deploy, fleet_bench, match, payload, profile
from boards.bundle import Bundle
from boards.deploy import Ready
from boards.errors import BoardsError, FleetInvalid
from boards.payload import Payload
from boards.progress import say, speaking_for
from boards.remote import Remote
from boards.settings import Settings, check_settings
from edge.files import read_text
from edge.strict import fill, read_toml, within

Result = dict[str, Any]
_NOT_YET = "it was not its turn: the rollout stopped before"


@dataclass(frozen=True)
class Member:
    """One board of a fleet; what is empty is as in ``ferlite boards deploy``. ``name`` is for people."""

    host: str
    name: str = ""
    board: str = ""
    source: str = ""
    prefix: str = ""
    port: int = field(default=0, metadata=within(0, 65535))

    @property
    def called(self) -> str:
        """What it is called in every line about it."""
        return self.name or self.host


@dataclass(frozen=True)
class Fleet:
    """Boards, and what all of them get. ``limit`` are the boards worked on at once."""

    board: tuple[Member, ...]
    bundle: str = ""
    sink: tuple[str, ...] = ("jsonl:-",)
    detector: str = "haar"
    detector_model: Path | None = None
    start: bool = True
    limit: int = field(default=8, metadata=within(1, 256))
    settle_s: float = field(default=20.0, metadata=within(0, 3600))
    bench_s: float = field(default=5.0, metadata=within(0.05, 3600))
    identity: str = ""
    ssh_config: str = ""

    def remote(self, member: Member) -> Remote:
        """The way to one board."""
        return Remote(
            member.host, port=member.port, identity=self.identity, config=self.ssh_config, quiet=True
        )

    def settings(self, member: Member, given: Settings) -> Settings:
        """What runs on one board: the fleet's choices over ``given``, which has the wheels."""
        return replace(
            given,
            source=member.source,
            sinks=self.sink,
            detector=self.detector,
            detector_model=self.detector_model,
        )


@dataclass(frozen=True)
class Outcome:
    """How one board fared. ``stage`` counts a rollout's from 1; 0: it was not its turn."""

    name: str
    host: str
    ok: bool
    seconds: float = 0.0
    stage: int = 0
    error: str = ""
    result: Result = field(default_factory=dict)


def load(path: Path) -> Fleet:
    """A fleet's file. Raises FleetInvalid."""
    where = f"fleet '{path}'"
    keys = [each.name for each in fields(Fleet)]
    table = read_toml(read_text(path, FleetInvalid), where, keys, FleetInvalid)
    fleet = fill(Fleet, table, where, FleetInvalid)
    if not fleet.board:
        raise FleetInvalid(f'{where}: it has no board: add [[board]] with host = "user@name"')
    seen: set[str] = set()
    for member in fleet.board:
        if member.called in seen:
            raise FleetInvalid(f"{where}: two boards are called '{member.called}': give each its own name")
        seen.add(member.called)
    return fleet


def probe(fleet: Fleet) -> list[Outcome]:
    """What each board is, and where it is unlike its profile."""
    return _each(fleet, fleet.board, partial(probe_one, fleet))


def status(fleet: Fleet) -> list[Outcome]:
    """What each board runs; one whose service does not run fares badly."""
    return [judged(outcome) for outcome in _each(fleet, fleet.board, partial(status_one, fleet))]


def bench(fleet: Fleet) -> list[Outcome]:
    """What the bundle costs on each board, for ``bench_s`` seconds of work."""
    return _each(fleet, fleet.board, partial(bench_one, fleet))


def probe_one(fleet: Fleet, member: Member) -> Result:
    """What one board is. Raises BoardsError."""
    with fleet.remote(member) as remote:
        facts = deploy.probe_remote(remote)
    if member.board:
        found, why = profile.load(member.board), "the fleet's file says so"
    else:
        found, why = match.identify(facts)
    unlike = agreement.disagreements(found, facts)
    return {"board": found.id, "why": why, "unlike_profile": unlike, **asdict(facts)}


def status_one(fleet: Fleet, member: Member) -> Result:
    """What one board runs. Raises BoardsError."""
    with fleet.remote(member) as remote:
        return deploy.status(remote, prefix=member.prefix or "/")


def bench_one(fleet: Fleet, member: Member) -> Result:
    """What the bundle costs on one board. Raises BoardsError."""
    with fleet.remote(member) as remote:
        return fleet_bench.bench(remote, member.prefix or "/", fleet.bench_s)


def rollout(
    fleet: Fleet, *, settings: Settings, cache: Path, told: Callable[[Sequence[Outcome]], object] = len
) -> list[Outcome]:
    """Deploy the fleet's bundle in stages. ``told`` gets what is known after each. Raises BoardsError.

    A board that failed, or is not well ``settle_s`` after its stage, ends the rollout; the boards whose turn
    it was not are in the answer too.
    """
    model = bundle.read(fleet.bundle)
    for member in fleet.board:
        check_settings(fleet.settings(member, settings))
    done: list[Outcome] = []
    with tempfile.TemporaryDirectory(prefix="ferlite-fleet-") as folder:
        shelf = _Shelf(Path(folder), cache)
        for number, turn in enumerate(stages(fleet.board), 1):
            say(f"stage {number}: {len(turn)} of {len(fleet.board)} boards")
            tried = _each(fleet, turn, _deploy_of(fleet, model, shelf, settings))
            done = _after(fleet, [*done, *(replace(one, stage=number) for one in tried)])
            told([*done, *_waiting(fleet, done)])
            if not all(one.ok for one in done):
                ill = ", ".join(one.name for one in done if not one.ok)
                say(f"stopped after stage {number}: {ill}")
                break
    return [*done, *_waiting(fleet, done)]


def stages(members: Sequence[Member]) -> Iterator[Sequence[Member]]:
    """One board, then a tenth of all (at least one), then the rest."""
    tenth = 1 + max(1, len(members) // 10)
    for turn in (members[:1], members[1:tenth], members[tenth:]):
        if turn:
            yield turn


class _Shelf:
    """Payloads, each made once: boards of a kind that run the same share it; only one thread makes any."""

    def __init__(self, folder: Path, cache: Path) -> None:
        self._folder, self._cache, self._lock = folder, cache, threading.Lock()
        self._made: dict[tuple[str, tuple[bool, ...], str, Settings], Payload] = {}

    def of(self, ready: Ready, settings: Settings) -> Payload:
        """The payload for a board. Raises BoardsError."""
        # Which engines can be used is a matter of the board too: one has its NPU's driver, another has not.
        usable = tuple(one.usable for one in ready.plan.candidates)
        key = (ready.plan.profile.id, usable, str(ready.target), settings)
        with self._lock:
            if key not in self._made:
                place = self._folder / str(len(self._made))
                self._made[key] = payload.make(ready.plan, ready.target, settings, place, self._cache)
            return self._made[key]


def _deploy_of(fleet: Fleet, model: Bundle, shelf: _Shelf, given: Settings) -> Callable[[Member], Result]:
    def one(member: Member) -> Result:
        settings = fleet.settings(member, given)
        with fleet.remote(member) as remote:
            ready = deploy.prepare(
                model, remote, board=member.board, settings=settings, prefix=member.prefix or "/"
            )
            made = shelf.of(ready, settings)
            return deploy.send_and_install(
                made, remote, ready.seen, prefix=member.prefix or "/", start=fleet.start
            )

    return one


def _after(fleet: Fleet, done: Sequence[Outcome]) -> list[Outcome]:
    """How the boards done so far are once they have settled: a version that dies at once shows here."""
    well = {one.name for one in done if one.ok}
    if not well:
        return list(done)
    time.sleep(fleet.settle_s)
    members = [member for member in fleet.board if member.called in well]
    now = {one.name: one for one in map(judged, _each(fleet, members, partial(status_one, fleet)))}
    return [_still(one, now[one.name]) if one.name in now else one for one in done]


def _still(before: Outcome, now: Outcome) -> Outcome:
    wanted, there = before.result.get("current"), now.result.get("current")
    if now.ok and wanted != there:
        return replace(before, ok=False, error=f"it went from version {wanted} to {there}")
    return replace(before, ok=now.ok, error=now.error)


def judged(outcome: Outcome) -> Outcome:
    """A board whose service does not run is not well, though it answers."""
    if outcome.ok and outcome.result.get("active") is False:
        return replace(outcome, ok=False, error="its service does not run (journalctl -u ferlite)")
    return outcome


def _waiting(fleet: Fleet, done: Sequence[Outcome]) -> list[Outcome]:
    names = {one.name for one in done}
    rest = [member for member in fleet.board if member.called not in names]
    return [Outcome(member.called, member.host, False, error=_NOT_YET) for member in rest]


def _each(fleet: Fleet, members: Sequence[Member], act: Callable[[Member], Result]) -> list[Outcome]:
    """``act`` on every board, ``limit`` at once; what goes wrong on one is its outcome and no other's."""

    pool = ThreadPoolExecutor(max_workers=fleet.limit, thread_name_prefix="board")
    try:
        return list(pool.map(partial(attempt, act), members))
    finally:  # after Ctrl-C no other board is begun
        pool.shutdown(cancel_futures=True)


def attempt(act: Callable[[Member], Result], member: Member) -> Outcome:
    """How ``act`` fares on one board; what goes wrong is said, and is in the outcome."""
    began = time.monotonic()
    with speaking_for(member.called):
        try:
            result, error = act(member), ""
        except (BoardsError, OSError) as problem:
            result, error = {}, " ".join(str(problem).split())
            say(error)
    seconds = round(time.monotonic() - began, 1)
    return Outcome(member.called, member.host, not error, seconds, error=error, result=result)
