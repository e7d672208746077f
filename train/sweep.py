"""Many trainings that differ in recipe, settings and seed, on a cluster, and what comes of them in one table.

Each run is ``ferlite train run`` in a process of its own, with its own folder and checkpoint: a sweep that
was stopped goes on where each run was.
"""

from __future__ import annotations

import json
import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from cluster.child import last_words
from cluster.child import run as run_child
from cluster.connect import connect
from cluster.lease import Lease, held
from cluster.spec import Spec
from cluster.work import Crew
from edge.commands.progress import Progress
from edge.errors import FerliteError, RecipeInvalid, ToolchainError, WorkerRefuses
from edge.files import read_text, reason, write_json, write_text
from edge.strict import SCHEMA, fill, read_toml
from train import recipe
from train.recipe import Recipe

RECIPE, LOG = "recipe.toml", "log.txt"
RECORD, PAGE = "sweep.json", "sweep.html"
SECTIONS = ("model", "data", "augment", "train", "system")
Complain = Callable[[FerliteError], None]


@dataclass(frozen=True)
class Override:
    """Settings that take the place of the recipes' own, by names as in "train.lr"."""

    name: str
    set: Mapping[str, Any]


@dataclass(frozen=True)
class Sweep:
    """What is varied: every recipe with every override and every seed. Without overrides: as they are."""

    recipes: tuple[str, ...]
    seeds: tuple[int, ...] = (1, 2, 3)
    override: tuple[Override, ...] = ()


@dataclass(frozen=True)
class Variant:
    """One run: its folder's name, what it is a seed of, and its recipe."""

    name: str
    group: str
    seed: int
    recipe: Recipe


@dataclass(frozen=True)
class RunOrder:
    """One run as a worker gets it."""

    name: str
    text: str
    lease: Lease
    options: tuple[str, ...]


@dataclass(frozen=True)
class RunDone:
    """What a run came to. ``accuracy``: its best on the public test, 0-1; ``error`` "" where it finished."""

    name: str
    group: str
    seed: int
    recipe_sha256: str
    steps: int = 0
    total_steps: int = 0
    finished: bool = False
    accuracy: float | None = None
    error: str = ""


@dataclass(frozen=True)
class Group:
    """All seeds of one recipe with one override. ``deviation``: of the sample; None for a single seed."""

    name: str
    seeds: int
    mean: float | None
    deviation: float | None
    lowest: float | None
    highest: float | None
    values: tuple[float, ...] = field(default=())


def load(path: Path) -> Sweep:
    """A sweep's file; its recipes are built-in names or files beside it. Raises RecipeInvalid."""
    where = f"sweep '{path}'"
    table = read_toml(read_text(path, RecipeInvalid), where, ("recipes", "seeds", "override"), RecipeInvalid)
    sweep = fill(Sweep, table, where, RecipeInvalid)
    for name, values in (("recipes", sweep.recipes), ("seeds", sweep.seeds)):
        if not values or len(set(values)) != len(values):
            raise RecipeInvalid(f"{where}: '{name}' must be one or more, each once")
    return sweep


def variants(sweep: Sweep, beside: Path) -> list[Variant]:
    """Every run, all seeds of a group together. Raises RecipeInvalid."""
    found = []
    for name in sweep.recipes:
        base = recipe.load(str(beside / name) if name.endswith(".toml") else name)
        for override in sweep.override or (Override("", {}),):
            group = f"{base.name}-{override.name}" if override.name else base.name
            found += [_variant(base, override, group, seed) for seed in sweep.seeds]
    names = [each.name for each in found]
    twice = next((name for name in names if names.count(name) > 1 or "/" in name or name[:1] == "."), None)
    if twice:
        raise RecipeInvalid(
            f"run '{twice}' cannot be a folder of its own: give recipes and overrides other names"
        )
    return found


def _variant(base: Recipe, override: Override, group: str, seed: int) -> Variant:
    tables: dict[str, dict[str, Any]] = {section: asdict(getattr(base, section)) for section in SECTIONS}
    for key, value in {**override.set, "train.seed": seed}.items():
        section, _, name = key.partition(".")
        if name not in tables.get(section, {}):
            raise RecipeInvalid(
                f"override '{override.name}': a recipe has no setting '{key}', as in train.lr"
            )
        tables[section][name] = value
    lines = [f"# From {base.name} ({base.sha256[:12]}).", f"schema = {SCHEMA}", f"name = {json.dumps(group)}"]
    for section, table in tables.items():
        # JSON writes words, numbers, true, false and lists of them as TOML reads them.
        lines += [
            "",
            f"[{section}]",
            *(f"{key} = {json.dumps(value)}" for key, value in table.items() if value is not None),
        ]
    made = recipe.parse("\n".join(lines) + "\n", f"override '{override.name}'")
    return Variant(f"{group}-s{seed}", group, seed, made)


def run(
    sweep: Sequence[Variant], spec: Spec, out: Path, options: Sequence[str], complain: Complain
) -> list[RunDone]:
    """Train every variant, as far as each is not done; in the sweep's order. Raises ClusterError, UsageError.

    ``options`` are those of ``ferlite train run``. A run that fails goes to ``complain``, the others go on.
    The record and the page in ``out`` are written after each run.
    """
    known = {each.name: RunDone(each.name, each.group, each.seed, each.recipe.sha256) for each in sweep}
    by_name = {each.name: each for each in sweep}
    with held(out) as lease, connect(spec) as client:
        orders = [RunOrder(each.name, each.recipe.text, lease, tuple(options)) for each in sweep]
        with Progress("training", len(orders), "runs") as progress:
            for done in Crew(client, complain).do(train_one, orders, name="train"):
                variant = by_name[done.order.name]
                facts = done.result or {"error": str(done.error)}
                known[variant.name] = RunDone(
                    variant.name, variant.group, variant.seed, variant.recipe.sha256, **facts
                )
                if facts.get("error"):
                    progress.clear()
                    complain(ToolchainError(f"run '{variant.name}': {facts['error']}"))
                write_json(out / RECORD, record(known.values()))
                progress.advance(note=variant.name)
    return list(known.values())


def train_one(order: RunOrder) -> dict[str, Any]:
    """On the worker: one run, to its end or until nobody waits for it. Raises WorkerRefuses, ClusterError."""
    order.lease.check()
    folder = Path(order.lease.folder) / order.name
    try:
        folder.mkdir(exist_ok=True)
        write_text(folder / RECIPE, order.text)
    except OSError as error:
        raise WorkerRefuses(f"cannot write '{folder}': {reason(error)}") from error
    words = ["train.cli", "run", str(folder / RECIPE), "--out", str(folder), "--json", *order.options]
    code, printed = run_child(words, order.lease, folder / LOG)
    try:
        facts = json.loads(printed)
    except ValueError:
        said = last_words(folder / LOG).removeprefix("ferlite-train: ")
        return {"error": said or f"exit code {code}"}
    return {
        "steps": facts["steps"],
        "total_steps": facts["total_steps"],
        "finished": facts["finished"],
        "accuracy": facts["best_public_accuracy"],
        "error": "" if facts["finished"] else "it was stopped",
    }


def groups(done: Sequence[RunDone]) -> Iterator[Group]:
    """Mean and spread over the seeds that finished, a group each."""
    for name in dict.fromkeys(each.group for each in done):
        values = [
            each.accuracy
            for each in done
            if each.group == name and each.finished and each.accuracy is not None
        ]
        yield Group(
            name,
            len(values),
            statistics.mean(values) if values else None,
            statistics.stdev(values) if len(values) > 1 else None,
            min(values, default=None),
            max(values, default=None),
            tuple(values),
        )


def record(done: Any) -> dict[str, Any]:
    """What became of every run, and of the groups, JSON-ready."""
    runs = list(done)
    return {
        "kind": "sweep",
        "schema": SCHEMA,
        "groups": [asdict(each) for each in groups(runs)],
        "runs": [asdict(each) for each in runs],
    }


def rows(found: Sequence[Group]) -> list[list[str]]:
    """The table's rows, the best mean first."""
    ranked = sorted(found, key=lambda each: -1.0 if each.mean is None else each.mean, reverse=True)
    return [[each.name, str(each.seeds), *map(_percent, _figures(each))] for each in ranked]


HEADINGS = ("recipe", "seeds", "mean", "deviation", "lowest", "highest")


def _figures(group: Group) -> tuple[float | None, ...]:
    return group.mean, group.deviation, group.lowest, group.highest


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{value:.2%}"


def as_text(found: Sequence[Group]) -> str:
    """The table, for a terminal."""
    table = [list(HEADINGS), *rows(found)]
    wide = [max(len(row[column]) for row in table) for column in range(len(HEADINGS))]
    return "\n".join(
        "  ".join(
            [row[0].ljust(wide[0]), *(cell.rjust(w) for cell, w in zip(row[1:], wide[1:], strict=True))]
        )
        for row in table
    )


def page(done: Sequence[RunDone]) -> str:
    """The page: the groups, a plot of every seed, and the runs."""
    from pages import html, plots

    found = list(groups(done))
    about = "Best accuracy on the public test over the seeds that finished; deviation is the sample's."
    drawn = plots.seeds({each.name: [100 * value for value in each.values] for each in found if each.values})
    listing = [
        [each.name, f"{each.steps} of {each.total_steps}", _percent(each.accuracy), each.error]
        for each in done
    ]
    return html.page(
        "ferlite: a sweep",
        [
            html.heading("Recipes", about),
            html.table(HEADINGS, rows(found)),
            html.plots(("Every seed", drawn)),
            html.heading("Runs"),
            html.table(("run", "steps", "best accuracy", "what was wrong"), listing, words=(0, 3)),
        ],
    )
