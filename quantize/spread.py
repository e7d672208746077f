"""A ladder's rungs as tasks of a cluster: each is built and judged by a worker, and the climb finds it done.

What a worker makes is a step of the build's workspace, in a folder that all workers see: the same steps,
under the same digests, as the build itself would make, so that the same bytes come of them. Time is never
measured beside other work: on a worker that offers the Dask resource ALONE, has one thread and no neighbour
on its machine, or else by the build itself, when the cluster is done.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from cluster.connect import connect
from cluster.lease import Lease, held
from cluster.spec import Spec
from cluster.work import Crew
from edge.commands.progress import Progress
from edge.errors import ClusterError, FerliteError
from quantize import ladder
from quantize.build import Order, opened, workplace
from quantize.ladder import Setting
from quantize.recipe import Recipe

ALONE = "alone"
_here = threading.local()
Complain = Callable[[FerliteError], None]


@dataclass(frozen=True)
class Task:
    """One step for a worker. ``recipe`` None is the float model; ``what``: see ``do``."""

    order: Order
    lease: Lease
    what: str
    engine: str
    recipe: Recipe | None = None
    torch_threads: int = 0

    @property
    def called(self) -> str:
        """What a message calls it."""
        return f"{self.engine} {self.recipe.name if self.recipe else 'float'} ({self.what})"


def prepare(order: Order, setting: Setting, spec: Spec, complain: Complain) -> None:
    """Let the cluster do what a build of ``order`` needs. Raises ClusterError, FerliteError.

    ``setting`` is the build's own: what all tasks start from is in its workspace already. Rungs that cost a
    training, or a scan of all layers, are begun where none of the cheaper holds the gate.
    """
    with held(workplace(order)) as lease, connect(spec) as client:
        shared: dict[str, Any] = {
            "order": _everywhere(order),
            "lease": lease,
            "torch_threads": _torch_threads(),
        }
        crew = Crew(client, complain)
        cheap = {
            engine: [each for each in order.ladder.engines[engine] if not _is_dear(each)]
            for engine in order.engines
        }
        _each(crew, [Task(what="float", engine=engine, **shared) for engine in order.engines], "float models")
        holding = _rungs(crew, cheap, shared)
        dear = {
            engine: [each for each in order.ladder.engines[engine] if _is_dear(each)]
            for engine in order.engines
            if engine not in holding
        }
        if any(dear.values()):
            _each(crew, _foundations(dear, shared), "foundations")
            resolved = {
                engine: [variant for each in recipes for variant in ladder.variants_of(each, setting)]
                for engine, recipes in dear.items()
            }
            holding |= _rungs(crew, resolved, shared)
        if alone(client.scheduler_info(n_workers=-1)["workers"]):
            races = [
                Task(what="race", engine=engine, recipe=each, **shared) for engine, each in holding.items()
            ]
            _each(crew, races, "races", {ALONE: 1})


def alone(workers: Mapping[str, Any]) -> list[str]:
    """The workers that offer ALONE, by address. Raises ClusterError where one has no machine to itself."""
    offering = [address for address, each in workers.items() if ALONE in (each.get("resources") or {})]
    for address in offering:
        neighbours = [one for one, each in workers.items() if each["host"] == workers[address]["host"]]
        if len(neighbours) > 1 or workers[address]["nthreads"] != 1:
            raise ClusterError(
                f"worker {address} offers '{ALONE}' and has {workers[address]['nthreads']} threads and "
                f"{len(neighbours) - 1} neighbours on its machine: start one with --nthreads 1, by itself"
            )
    return offering


def _is_dear(recipe: Recipe) -> bool:
    return bool(recipe.mixed or recipe.qat)


def _foundations(dear: Mapping[str, list[Recipe]], shared: Mapping[str, Any]) -> list[Task]:
    """What several rungs share, each once: the scan of the layers, and each training."""
    recipes = [(engine, each) for engine, some in dear.items() for each in some]
    tasks = [Task(what="sensitivity", engine=engine, **shared) for engine, each in recipes if each.mixed][:1]
    trained = {each.qat: (engine, each) for engine, each in recipes if each.qat}
    return tasks + [
        Task(what="qat", engine=engine, recipe=each, **shared) for engine, each in trained.values()
    ]


def _rungs(crew: Crew, recipes: Mapping[str, list[Recipe]], shared: Mapping[str, Any]) -> dict[str, Recipe]:
    """The first recipe of each engine that holds the gate's accuracy; rungs after it are not begun."""
    found: dict[str, Recipe] = {}

    def orders() -> Iterator[Task]:
        for number in range(max(map(len, recipes.values()), default=0)):
            for engine, some in recipes.items():
                if number < len(some) and engine not in found:
                    yield Task(what="rung", engine=engine, recipe=some[number], **shared)

    total = sum(map(len, recipes.values()))
    with Progress("building", total, "rungs") as progress:
        for done in crew.do(do, orders(), name="rung"):
            if done.error:
                raise done.error
            recipe, engine = done.order.recipe, done.order.engine
            assert recipe is not None
            before = recipes[engine].index(found[engine]) if engine in found else len(recipes[engine])
            if done.result and recipes[engine].index(recipe) < before:
                found[engine] = recipe
            progress.advance(note=done.order.called)
    return found


def _each(crew: Crew, tasks: Iterable[Task], what: str, resources: Mapping[str, float] | None = None) -> None:
    listed = list(tasks)
    with Progress("building", len(listed), what) as progress:
        for done in crew.do(do, listed, resources=resources, name=what.replace(" ", "-")):
            if done.error:
                raise done.error
            progress.advance(note=done.order.called)


def do(task: Task) -> bool:
    """On the worker: make one step; of a rung, whether it holds the gate's accuracy. Raises FerliteError."""
    task.lease.check()
    setting = _setting(task)
    if task.what == "float":
        ladder.float_model(task.engine, setting)
    elif task.what == "sensitivity":
        ladder.sensitivity(setting)
    elif task.recipe is not None and task.what == "qat":
        ladder.trained(task.recipe, setting)
    elif task.recipe is not None and task.what == "race":
        ladder.raced(task.engine, task.recipe, setting, elsewhere=True)
    elif task.recipe is not None:
        return ladder.holds_ahead(task.engine, task.recipe, task.order.ladder.gate, setting)
    return True


def _setting(task: Task) -> Setting:
    """The build's setting, made anew on this worker from the same files, once."""
    kept: dict[str, Setting] = getattr(_here, "settings", {})
    if task.lease.token not in kept:
        if task.torch_threads:
            import torch

            torch.set_num_threads(task.torch_threads)
        kept = {task.lease.token: opened(task.order)}
        _here.settings = kept
    return kept[task.lease.token]


def _everywhere(order: Order) -> Order:
    """The order with paths that hold wherever a worker stands."""
    return replace(
        order,
        run=order.run.resolve(),
        data=order.data.resolve(),
        out=order.out.resolve(),
        domains=[path.resolve() for path in order.domains],
    )


def _torch_threads() -> int:
    """How many threads torch computes with here: sums come out the same where there are as many."""
    try:
        import torch
    except ImportError:
        return 0
    return int(torch.get_num_threads() or len(os.sched_getaffinity(0)))
