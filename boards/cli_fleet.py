"""The verb for many boards: probe them, roll a bundle out to them in stages, ask how they are."""

from __future__ import annotations

import argparse
import datetime
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from boards import bundle, texts
from boards.cli_verb import cache_folder, path
from boards.errors import UsageError
from boards.settings import Settings
from edge.commands import command
from edge.commands.exits import FAILED, OK
from edge.files import refuse_same, write_json, write_text

if TYPE_CHECKING:
    from boards.fleet import Fleet, Outcome


def add_verb(verbs: Any) -> None:
    """Declare fleet."""
    one = command.verb(verbs, "fleet", "probe, update or ask many boards at once, over ssh", _fleet)
    one.add_argument("fleet", metavar="FLEET", type=path, help="file that names the boards (.toml)")
    one.add_argument(
        "action",
        choices=["probe", "deploy", "bench", "status"],
        help="what to do; deploy goes in stages: one board, a tenth of them, all",
    )
    one.add_argument(
        "--limit",
        type=command.whole(1, 256),
        default=0,
        metavar="N",
        help="boards to work on at once (default: the file's, or 8)",
    )
    one.add_argument("--record", type=path, metavar="FILE", help="keep what became of each board as JSON")
    one.add_argument("--html", type=path, metavar="FILE", help="and as a page")
    one.add_argument(
        "--on",
        type=command.filled,
        metavar="CLUSTER",
        help="let workers go to the boards: local:N, tcp://SCHEDULER:PORT or ssh:HOSTS.txt (not for deploy)",
    )
    one.add_argument("--wheels", action="append", default=[], type=path, help="folder of wheels of your own")
    one.add_argument("--wheelhouse", type=path, help="folder to keep downloaded wheels in")
    one.add_argument("--offline", action="store_true", help="download nothing")


def _fleet(arguments: argparse.Namespace) -> int:
    from boards import fleet as fleets

    fleet = fleets.load(arguments.fleet)
    refuse_same([arguments.record, arguments.html], _read(arguments, fleet))
    fleet = replace(fleet, limit=arguments.limit or fleet.limit)
    if arguments.action == "deploy":
        if arguments.on:
            raise UsageError("deploy gathers the wheels here and sends them from here: leave --on out")
        if not fleet.bundle:
            raise UsageError(f"'{arguments.fleet}' names no bundle to deploy: add bundle = '...'")
        settings = Settings(
            own_wheels=tuple(arguments.wheels), wheelhouse=arguments.wheelhouse, offline=arguments.offline
        )
        done = fleets.rollout(
            fleet,
            settings=settings,
            cache=cache_folder() / "wheels",
            told=lambda known: _keep(arguments, known),
        )
    elif arguments.on:
        from boards import fleet_spread
        from cluster import spec

        done = fleet_spread.each(fleet, arguments.action, spec.parse(arguments.on))
    else:
        acts = {"probe": fleets.probe, "bench": fleets.bench, "status": fleets.status}
        done = acts[arguments.action](fleet)
    _keep(arguments, done)
    command.output(arguments, _facts(arguments.action, done), texts.fleet_text(done))
    return OK if all(one.ok for one in done) else FAILED


def _read(arguments: argparse.Namespace, fleet: Fleet) -> list[Path | None]:
    """The files that this run reads, as far as they are known by their names."""
    profiles = (member.board for member in fleet.board)
    named = (fleet.identity, fleet.ssh_config, (arguments.on or "").removeprefix("ssh:"), *profiles)
    bundled = bundle.files_of(fleet.bundle) if fleet.bundle else []
    return [arguments.fleet, fleet.detector_model, *(Path(name) for name in named if name), *bundled]


def _facts(action: str, done: Sequence[Outcome]) -> dict[str, Any]:
    now = datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds")
    return {"kind": "fleet", "action": action, "when": now, "boards": [asdict(one) for one in done]}


def _keep(arguments: argparse.Namespace, done: Sequence[Outcome]) -> None:
    """Write the record, whole, after each stage: a rollout that is cut off leaves what is known."""
    record: Path | None = arguments.record
    if record:
        facts = {"schema": command.SCHEMA, **_facts(arguments.action, done)}
        write_json(record, facts)
    if arguments.html:
        from pages import fleet as page

        write_text(arguments.html, page.page(_facts(arguments.action, done)))
