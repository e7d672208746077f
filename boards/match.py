"""Which profile a board is, and whether its system can run ferlite at all."""

from __future__ import annotations

from collections.abc import Sequence

from boards.errors import BoardRefused, BoardUnknown
from boards.facts import Facts
from boards.profile import Profile, load_all

OLDEST_PYTHON = (3, 10)


def identify(facts: Facts, profiles: Sequence[Profile] | None = None) -> tuple[Profile, str]:
    """The profile that fits, and the fact that decided it. Raises BoardRefused, BoardUnknown."""
    reason = refusal(facts)
    if reason:
        raise BoardRefused(reason)
    known = list(profiles) if profiles is not None else load_all()
    for find in (_by_model, _by_revision, _by_compatible, _by_pci, _by_cpu, _by_arch):
        found = find(facts, known)
        if found:
            return found
    raise BoardUnknown(
        f"nothing here says what this board is (architecture {facts.system.arch or 'unknown'}): "
        "name its profile with --board, or write one (docs/add-a-board.md)"
    )


def refusal(facts: Facts) -> str | None:
    """Why this system cannot run ferlite, as one sentence; None where nothing speaks against it."""
    system = facts.system
    if system.bits == 32:
        return (
            f"this is a 32-bit system ({system.arch} programs), and neither ONNX Runtime nor LiteRT "
            "publishes wheels for it: write the 64-bit image of the same system to the card"
        )
    if system.arch not in (None, "aarch64", "x86_64"):
        return f"this is a {system.arch} system, and ferlite's engines exist for aarch64 and x86_64 only"
    if system.python is not None and not python_is_enough(system.python):
        return python_refusal(system.python)
    return None


def python_is_enough(version: str) -> bool:
    """Whether ferlite runs on that Python (such as "3.11")."""
    return tuple(int(part) for part in version.split(".")[:2]) >= OLDEST_PYTHON


def python_refusal(version: str) -> str:
    """The sentence for a Python that is too old."""
    return (
        f"the system's Python is {version} and ferlite needs {OLDEST_PYTHON[0]}.{OLDEST_PYTHON[1]}: "
        "use a newer system image, or run ferlite in a container that has a newer Python"
    )


def _by_model(facts: Facts, known: list[Profile]) -> tuple[Profile, str] | None:
    model = facts.hardware.model or ""
    fits = [(prefix, one) for one in known for prefix in one.match.model if model.startswith(prefix)]
    if not fits:
        return None
    prefix, profile = max(fits, key=lambda fit: len(fit[0]))
    return profile, f"device tree model '{model}' begins with '{prefix}'"


def _by_revision(facts: Facts, known: list[Profile]) -> tuple[Profile, str] | None:
    kind = facts.hardware.revision_type
    for one in known:
        if kind is not None and not facts.hardware.model and kind in one.match.revision_type:
            return one, f"revision word {facts.hardware.revision:#x} is of type {kind:#04x}"
    return None


def _by_compatible(facts: Facts, known: list[Profile]) -> tuple[Profile, str] | None:
    for one in known:
        for wanted in one.match.compatible:
            for string in facts.hardware.compatible:
                if wanted in string:
                    return one, f"device tree is compatible with '{string}'"
    return None


def _by_pci(facts: Facts, known: list[Profile]) -> tuple[Profile, str] | None:
    for one in known:
        for wanted in one.match.pci:
            if wanted in facts.hardware.pci:
                return one, f"PCI device {wanted}"
    return None


def _by_cpu(facts: Facts, known: list[Profile]) -> tuple[Profile, str] | None:
    words = (facts.cpu.name or "").replace("(R)", " ").replace("(TM)", " ").split()
    for one in known:
        for wanted in one.match.cpu:
            if wanted in words:
                return one, f"CPU '{facts.cpu.name}'"
    return None


def _by_arch(facts: Facts, known: list[Profile]) -> tuple[Profile, str] | None:
    for one in known:
        if one.match.any_of_arch and one.arch == facts.system.arch:
            return one, f"no profile names this board; its architecture is {facts.system.arch}"
    return None
