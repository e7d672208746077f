"""What a probe found, held against the profile: where the two disagree, one of them is wrong.

A key that the profile lists as unverified claims nothing, so it is not held against the board.
"""

from __future__ import annotations

from boards.facts import Facts
from boards.profile import Profile

# The kernel tells less than the label on the board: firmware and GPU keep a share of the memory.
_LEAST_SHARE = 0.7
_MB = 1024


def disagreements(profile: Profile, facts: Facts) -> tuple[str, ...]:
    """Where this board is not as its profile says, each in a few words; () where nothing contradicts."""
    told = (
        ("cpu.has", _features(profile, facts)),
        ("cpu.cores", _cores(profile, facts)),
        ("ram_gb", _memory(profile, facts)),
        ("sensors.temperature", _temperature(profile, facts)),
        ("sensors.throttle", _throttle(profile, facts)),
    )
    return tuple(text for key, text in told if text and key not in profile.unverified)


def camera_note(profile: Profile, facts: Facts, source: str) -> str:
    """What to say where the board shows no camera at ``source``; "" where it does or nobody can tell."""
    if not source.startswith("/dev/video") or source in {one.node for one in facts.cameras}:
        return ""
    others = [one.node for one in facts.cameras]
    others += [one for one in profile.camera.also if one not in others and one != source]
    hint = f", or name another with --source, as in {others[0]}" if others else ""
    return f"no camera is seen at {source}: the service waits until one is plugged in{hint}"


def _features(profile: Profile, facts: Facts) -> str:
    if not facts.cpu.features_known:
        return ""
    missing = [one for one in profile.cpu.has if one not in facts.cpu.features]
    surplus = [one for one in profile.cpu.lacks if one in facts.cpu.features]
    parts = [f"lacks {', '.join(missing)}"] if missing else []
    parts += [f"has {', '.join(surplus)}"] if surplus else []
    return f"the CPU {' and '.join(parts)}" if parts else ""


def _cores(profile: Profile, facts: Facts) -> str:
    there = facts.cpu.cores
    return f"{there} cores, not {profile.cpu.cores}" if there not in (None, profile.cpu.cores) else ""


def _memory(profile: Profile, facts: Facts) -> str:
    there = facts.memory.total_mb
    if there is None or any(_LEAST_SHARE * ram * _MB <= there <= ram * _MB for ram in profile.ram_gb):
        return ""
    return f"{there} MB of memory, not {' or '.join(f'{ram:g}' for ram in profile.ram_gb)} GB"


def _temperature(profile: Profile, facts: Facts) -> str:
    if profile.sensors.temperature == "none" or facts.telemetry.temperature_c is not None:
        return ""
    return f"no temperature can be read ({profile.sensors.temperature})"


def _throttle(profile: Profile, facts: Facts) -> str:
    heat = facts.telemetry
    if profile.sensors.throttle == "none" or (heat.throttled, heat.throttled_before) != (None, None):
        return ""
    return f"throttling cannot be read ({profile.sensors.throttle})"
