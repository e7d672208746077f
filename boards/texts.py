"""What people see: a probe, a profile or a plan as text that fits 80 columns."""

from __future__ import annotations

import shutil
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from boards.agreement import disagreements
from boards.choice import Plan
from boards.facts import Accelerator, Facts
from boards.profile import EngineChoice, Profile

if TYPE_CHECKING:
    from boards.fleet import Outcome

_LABEL = 13
_POWER = {
    "none": "no sensor of its own: name a meter (--power shelly:ADDRESS, tasmota:ADDRESS or command:PROGRAM)",
    "pmic": "the board's power chip, through vcgencmd",
    "ina3221": "the module's own monitor (ina3221)",
    "rapl": "the processor package's energy counter (RAPL), which only root may read",
}


def _row(label: str, text: str) -> str:
    width = max(40, min(100, shutil.get_terminal_size().columns)) - 1
    lines = textwrap.wrap(text, width - _LABEL, break_on_hyphens=False) or [""]
    return "\n".join(f"{label if not index else '':<{_LABEL}}{line}" for index, line in enumerate(lines))


def _rows(pairs: Iterable[tuple[str, str]]) -> str:
    return "\n".join(_row(label, text) for label, text in pairs)


def probe_text(facts: Facts, profile: Profile | None, why: str) -> str:
    """A probe's result, one fact a row; what could not be known is said so."""
    pairs = [
        ("board", f"{profile.name} ({profile.id})" if profile else "not supported"),
        ("because", why),
        ("system", _system(facts)),
        ("python", facts.system.python or "not found"),
        ("cpu", _cpu(facts)),
        ("int8", _int8(facts)),
        ("memory", _memory(facts)),
    ]
    pairs += [("accelerator", _accelerator(one)) for one in facts.accelerators] or [("accelerator", "none")]
    pairs += [
        ("camera", f"{one.node}  {one.name or 'no name'}{f' ({one.bus})' if one.bus else ''}")
        for one in facts.cameras
    ] or [("camera", "none seen (a Raspberry Pi's ribbon camera shows only through libcamera)")]
    pairs += [
        ("temperature", _temperature(facts)),
        ("clock", _clock(facts)),
        ("throttling", _throttling(facts)),
    ]
    if profile:
        pairs += [("power", _POWER[profile.sensors.power])]
        unlike = disagreements(profile, facts)
        pairs += [("unlike" if not index else "", f"its profile: {one}") for index, one in enumerate(unlike)]
        pairs += [("engines", "; ".join(_engine(one) for one in profile.engine))]
        pairs += [("note" if not index else "", f"- {text}") for index, text in enumerate(profile.limits)]
    pairs += [("not allowed", ", ".join(facts.denied))] if facts.denied else []
    return _rows(pairs)


def _engine(one: EngineChoice) -> str:
    return f"{one.name} {one.precision} on {one.device}"


def _system(facts: Facts) -> str:
    system = facts.system
    parts = [system.name or "unknown system", system.arch or "unknown architecture"]
    parts += [f"{system.bits}-bit"] if system.bits else []
    parts += [f"glibc {system.glibc}"] if system.glibc else []
    parts += [f"L4T {system.l4t}"] if system.l4t else []
    return ", ".join([*parts, f"kernel {system.kernel}"] if system.kernel else parts)


def _cpu(facts: Facts) -> str:
    name = facts.cpu.name or facts.cpu.core or "unknown"
    return f"{facts.cpu.cores or '?'} x {name}"


def _int8(facts: Facts) -> str:
    if not facts.cpu.features_known:
        return "not known: the kernel lists no CPU features"
    return ", ".join(facts.cpu.int8) or "no int8 dot-product instructions"


def _memory(facts: Facts) -> str:
    memory = facts.memory
    if memory.total_mb is None:
        return "not known"
    free = f", {memory.available_mb} MB free" if memory.available_mb is not None else ""
    return f"{memory.total_mb} MB{free}" + (f", {memory.swap_mb} MB swap" if memory.swap_mb else "")


def _accelerator(one: Accelerator) -> str:
    parts = [
        one.kind,
        one.id or "",
        one.node or "no device file",
        f"driver {one.driver}" if one.driver else "",
    ]
    return ", ".join(part for part in parts if part)


def _temperature(facts: Facts) -> str:
    value = facts.telemetry.temperature_c
    return "not known" if value is None else f"{value:.1f} °C ({facts.telemetry.temperature_from})"


def _clock(facts: Facts) -> str:
    heat = facts.telemetry
    if heat.clock_mhz is None:
        return "not known"
    top = f" of {heat.clock_max_mhz:.0f}" if heat.clock_max_mhz else ""
    return f"{heat.clock_mhz:.0f}{top} MHz" + (f", governor {heat.governor}" if heat.governor else "")


def _throttling(facts: Facts) -> str:
    now, before = facts.telemetry.throttled, facts.telemetry.throttled_before
    if now is None and before is None:
        return "not known"
    parts = [f"now: {', '.join(now) or 'none'}"] if now is not None else []
    return "; ".join([*parts, f"since boot: {', '.join(before) or 'none'}"] if before is not None else parts)


def profile_text(profile: Profile) -> str:
    """A profile, with what is known from memory only."""
    pairs = [
        ("board", f"{profile.name} ({profile.id})"),
        (
            "cpu",
            f"{profile.cpu.cores} x {profile.cpu.core}"
            + (f"; has {', '.join(profile.cpu.has)}" if profile.cpu.has else "")
            + (f"; lacks {', '.join(profile.cpu.lacks)}" if profile.cpu.lacks else ""),
        ),
        ("memory", " or ".join(f"{ram:g}" for ram in profile.ram_gb) + " GB"),
        *(
            (
                "engine" if not index else "",
                f"{index + 1}. {_engine(one)} ({one.library.package})"
                + (f": needs {one.needs}" if one.needs else ""),
            )
            for index, one in enumerate(profile.engine)
        ),
        *(
            ("image" if not index else "", f"{one.name}: {one.os}, Python {one.python}, glibc {one.glibc}")
            for index, one in enumerate(profile.image)
        ),
        ("camera", ", ".join([profile.camera.source, *profile.camera.also])),
        (
            "sensors",
            f"temperature: {profile.sensors.temperature}, throttling: {profile.sensors.throttle}, "
            f"power: {profile.sensors.power}",
        ),
        ("threads", str(profile.deploy.threads)),
        *(("note" if not index else "", f"- {text}") for index, text in enumerate(profile.limits)),
        ("unverified", ", ".join(profile.unverified) or "nothing"),
    ]
    return _rows(pairs)


def plan_text(chosen: Plan) -> str:
    """A plan: every engine weighed, and the one taken."""
    pairs = [
        ("board", f"{chosen.profile.name} ({chosen.profile.id})"),
        ("bundle", f"{chosen.bundle.name} for {', '.join(chosen.bundle.engines)}"),
    ]
    taken = False
    for index, one in enumerate(chosen.candidates):
        mark = "->" if one.usable and not taken else "ok" if one.usable else "no"
        taken = taken or one.usable
        hint = f"; to change that: {one.then_type}" if one.then_type else ""
        pairs.append(("engines" if not index else "", f"{mark} {_engine(one.engine)}: {one.reason}{hint}"))
    pairs.append(("threads", str(chosen.profile.deploy.threads)))
    return _rows(pairs)


def installed_text(result: Mapping[str, Any]) -> str:
    """What is installed on a board, and what became of the service."""
    started = {True: "running: the first frame went through", False: "does not run (journalctl -u ferlite)"}
    pairs = [
        ("host", str(result["host"])),
        ("version", str(result["current"] or "none installed")),
        ("previous", str(result["previous"] or "none")),
        ("bundle", f"{result['bundle']} on {result['engine']}" if result.get("bundle") else "none"),
    ]
    if "started" in result:
        pairs.append(("service", started.get(result["started"], "not started here: it starts at power-on")))
    return _rows(pairs)


def fleet_text(done: Sequence[Outcome]) -> str:
    """A row a board: how it fared, what it is or runs, what went wrong."""
    width = max(len(one.name) for one in done) + 2
    lines = []
    for one in done:
        runs = one.result.get("current")
        parts = (
            one.result.get("board"),
            f"version {runs}" if runs else "",
            one.result.get("bundle"),
            _time(one),
        )
        told = one.error or ", ".join(str(part) for part in parts if part)
        lines.append(f"{one.name:<{width}}{'ok ' if one.ok else 'BAD'}  {told}")
    well = sum(one.ok for one in done)
    return "\n".join([*lines, f"{well} of {len(done)} boards are well"])


def _time(one: Outcome) -> str:
    time = one.result.get("median_ms")
    beside = " beside its service" if one.result.get("beside_service") else ""
    return "" if time is None else f"{time:.2f} ms a face{beside}"


def table(result: Mapping[str, Any]) -> str:
    """Named values, a list taking one row for each of its entries."""
    rows = []
    for name, value in result.items():
        lines = (
            [line for one in value for line in one.splitlines()] if isinstance(value, list) else [str(value)]
        )
        rows += [(name if not index else "", line) for index, line in enumerate(lines)]
    return _rows(rows)
