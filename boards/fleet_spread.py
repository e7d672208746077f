"""A fleet that workers of a cluster go to: they stand nearer, or are more than one computer reaches."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from boards import fleet as fleets
from boards.fleet import Fleet, Member, Outcome, Result
from cluster.connect import connect
from cluster.spec import Spec
from cluster.work import Crew
from edge.errors import FerliteError

ACTS: dict[str, Callable[[Fleet, Member], Result]] = {
    "probe": fleets.probe_one,
    "status": fleets.status_one,
    "bench": fleets.bench_one,
}


@dataclass(frozen=True)
class Visit:
    """One board, as a worker goes to it: over ssh, with the keys and the configuration that are there."""

    fleet: Fleet
    member: Member
    action: str


def each(fleet: Fleet, action: str, spec: Spec) -> list[Outcome]:
    """One of ``ACTS`` on every board, in the fleet's order. Raises ClusterError."""
    found: dict[str, Outcome] = {}
    with connect(spec) as client:
        visits = [Visit(fleet, member, action) for member in fleet.board]
        for done in Crew(client, _complain).do(visit, visits, name=f"fleet-{action}"):
            member = done.order.member
            lost = Outcome(member.called, member.host, False, error=str(done.error))
            found[member.called] = done.result or lost
    outcomes = [found[member.called] for member in fleet.board]
    return [fleets.judged(one) for one in outcomes] if action == "status" else outcomes


def visit(order: Visit) -> Outcome:
    """On the worker: go to one board."""
    return fleets.attempt(partial(ACTS[order.action], order.fleet), order.member)


def _complain(error: FerliteError) -> None:
    print(error, file=sys.stderr)
