"""Tasks to workers and their answers back, a few at a time, whatever becomes of the workers.

A task is a function of ours and an order for it. A worker that dies is replaced by who keeps it (Dask's
nanny, Kubernetes, Slurm), and Dask gives its task to another, ``connect.RUNS_AGAIN`` times at most. A worker
that cannot do a task (its disk is full, its ferlite is another) gets no more of them, and others do it.
"""

from __future__ import annotations

import itertools
import queue
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from cluster.alike import Software, software
from cluster.parcels import LacksParcel, Packed, keep
from edge.errors import ClusterError, FerliteError, WorkerRefuses

if TYPE_CHECKING:
    from distributed import Client, Future

O = TypeVar("O")  # noqa: E741 - an order
R = TypeVar("R")
# Tasks that the scheduler knows of, for each thread of the workers: it never holds the whole archive.
WINDOW = 3
PATIENCE_S = 10.0  # between two looks whether the cluster is still there
LONGEST_S = 120.0  # without any worker, then nothing more is waited for


@dataclass(frozen=True)
class Done(Generic[O, R]):
    """A task's end: what it gave, or the error that ended it for good."""

    order: O
    result: R | None = None
    error: FerliteError | None = None


@dataclass(frozen=True)
class Answer:
    """What a worker sends back: a result, an error of the task's own, or that it cannot do this one."""

    worker: str
    result: Any = None
    error: FerliteError | None = None
    refuses: str = ""
    lacks: bool = False


@dataclass
class Crew:
    """The workers of a cluster. ``complain`` hears of those that get no more tasks."""

    client: Client
    complain: Callable[[FerliteError], None] = lambda error: None
    parcels: Sequence[Packed] = ()
    sent: int = 0
    _shunned: dict[str, str] = field(default_factory=dict)

    def carry(self, parcels: Sequence[Packed]) -> None:
        """Let every worker have these files; later ones get them when they need them. Raises ClusterError."""
        self.parcels = parcels
        self._send(list(self.client.nthreads()))

    def threads(self) -> int:
        """How many tasks the workers can do at once, 0 where none is there."""
        return sum(self.client.nthreads().values())

    def do(
        self,
        act: Callable[[O], R],
        orders: Iterable[O],
        *,
        resources: Mapping[str, float] | None = None,
        name: str = "ferlite",
    ) -> Iterator[Done[O, R]]:
        """``act`` on every order, as they end. Raises ClusterError where no worker is left.

        ``act`` must be a function of a module. ``resources`` are those that a task takes, in Dask's sense.
        """
        shift = _Shift(self, act, resources, name)
        waiting = iter(orders)
        try:
            while True:
                room = max(1, WINDOW * self.threads()) - len(shift.running) if shift.may_grow else 0
                for order in itertools.islice(waiting, max(0, room)):
                    shift.submit(order)
                if not shift.running:
                    return
                yield from shift.next()
        finally:
            shift.cancel()

    def allowed(self) -> list[str] | None:
        """The workers that get tasks; None: all. Raises ClusterError where all that are there are shunned."""
        if not self._shunned:
            return None
        left = [address for address in self.client.nthreads() if address not in self._shunned]
        if not left:
            raise ClusterError(f"no worker is left: {next(reversed(self._shunned.values()))}")
        return left

    def shun(self, answer: Answer) -> None:
        """Give this worker no more tasks, and say so once."""
        if answer.worker not in self._shunned:
            self._shunned[answer.worker] = f"worker {answer.worker} {answer.refuses}"
            self.complain(ClusterError(f"worker {answer.worker} {answer.refuses}: it gets no more tasks"))

    def send_to(self, worker: str) -> None:
        """Send a worker what it lacks; one that will not take it is shunned by its next answer."""
        self._send([worker])

    def _send(self, workers: list[str]) -> None:
        if not self.parcels or not workers:
            return
        needs = [packed.parcel for packed in self.parcels]
        lacking = self.client.run(_lacks, needs, workers=workers, on_error="return")
        for address, missing in lacking.items():
            packed = [each for each in self.parcels if isinstance(missing, list) and each.parcel in missing]
            if packed:
                answers = self.client.run(_keep, packed, workers=[address], on_error="return")
                self.sent += len(packed)
                for error in (each for each in answers.values() if isinstance(each, Exception)):
                    self.shun(Answer(address, refuses=str(error)))


class _Shift(Generic[O, R]):
    """The tasks of one ``Crew.do`` that are running."""

    def __init__(
        self, crew: Crew, act: Callable[[O], R], resources: Mapping[str, float] | None, name: str
    ) -> None:
        self._crew, self._act, self._name = crew, act, name
        self._resources = dict(resources) if resources else None
        self._ended: queue.SimpleQueue[Future] = queue.SimpleQueue()
        # Keys of two shifts must never be alike: Dask would take the second's task for the first's.
        self._token, self._count = uuid.uuid4().hex, itertools.count()
        self.running: dict[Future, O] = {}
        self._alone_s = 0.0

    @property
    def may_grow(self) -> bool:
        """Whether tasks may be added: not while nobody is there to do them."""
        return not self._alone_s

    def submit(self, order: O) -> None:
        """One more task."""
        restricted = self._crew.allowed()
        future = self._crew.client.submit(
            attempt,
            software(),
            self._act,
            order,
            key=(f"{self._name}-{self._token}", next(self._count)),
            workers=restricted,
            resources=self._resources,
            pure=False,
        )
        self.running[future] = order
        future.add_done_callback(self._ended.put)

    def next(self) -> Iterator[Done[O, R]]:
        """Wait for a task's end; nothing where it is to be done again, or none came in time."""
        try:
            future = self._ended.get(timeout=PATIENCE_S)
        except queue.Empty:
            self._look()
            return
        self._alone_s = 0.0
        order = self.running.pop(future, None)
        if order is None:
            return
        done = self._judge(future, order)
        future.release()
        if done is not None:
            yield done

    def _judge(self, future: Future, order: O) -> Done[O, R] | None:
        if future.status == "error":
            return Done(order, error=_told(future.exception()))
        if future.status != "finished":
            raise ClusterError("the scheduler went away, and the tasks that ran with it")
        answer: Answer = future.result()
        if answer.refuses:
            if answer.lacks:
                self._crew.send_to(answer.worker)
            else:
                self._crew.shun(answer)
            self.submit(order)
            return None
        return Done(order, answer.result, answer.error)

    def _look(self) -> None:
        """Nothing came for a while: is the cluster still there?"""
        client = self._crew.client
        if client.status != "running":
            raise ClusterError("the scheduler does not answer any more")
        self._crew.allowed()
        self._alone_s = 0.0 if self._crew.threads() else self._alone_s + PATIENCE_S
        if self._alone_s >= LONGEST_S:
            raise ClusterError(f"no worker is left, and none came for {LONGEST_S:g} s")

    def cancel(self) -> None:
        """Take back what has not begun."""
        if self.running and self._crew.client.status == "running":
            self._crew.client.cancel(list(self.running), force=True)
        self.running.clear()


def attempt(here: Software, act: Callable[[Any], Any], order: Any) -> Answer:
    """On the worker: do the task, unless the worker is unlike ``here`` or cannot."""
    from distributed import get_worker

    address = str(get_worker().address)
    unlike = here.unlike(software())
    if unlike:
        return Answer(address, refuses=f"has {unlike}")
    try:
        return Answer(address, act(order))
    except WorkerRefuses as error:
        return Answer(address, refuses=str(error), lacks=isinstance(error, LacksParcel))
    except FerliteError as error:
        return Answer(address, error=error)
    except Exception as error:  # one that cannot be pickled would be waited for in vain
        return Answer(address, error=ClusterError(f"unexpected {type(error).__name__}: {error}"))


def kept_here() -> Path:
    """The worker's own folder, where parcels are kept; it goes with the worker."""
    from distributed import get_worker

    return Path(get_worker().local_directory)


def _lacks(parcels: Sequence[Any], dask_worker: Any) -> list[Any]:
    """On the worker: which of the parcels are not here."""
    return [each for each in parcels if not _is_here(each, Path(dask_worker.local_directory))]


def _is_here(parcel: Any, kept: Path) -> bool:
    from cluster.parcels import find

    try:
        find(parcel, kept)
    except LacksParcel:
        return False
    return True


def _keep(parcels: Sequence[Packed], dask_worker: Any) -> int:
    return keep(parcels, Path(dask_worker.local_directory))


def _told(error: BaseException | None) -> FerliteError:
    """The error for a task that ended without an answer."""
    if type(error).__name__ == "KilledWorker":
        from cluster.connect import RUNS_AGAIN

        return ClusterError(f"the worker that had it died, {RUNS_AGAIN + 1} times in a row")
    return ClusterError(f"unexpected {type(error).__name__}: {error}")
