"""Files that are almost right: what a reader must refuse is seldom far from what it takes.

After the mutators of AFL (Zalewski, 2013): bits, bytes, interesting numbers, cuts, copies and splices of real
files; for JSON also values in the place of others.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Sequence
from copy import deepcopy
from typing import Any

INTERESTING = (0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)
LARGEST = 1 << 20  # bytes of a mutant
VALUES: tuple[Any, ...] = (
    None,
    True,
    False,
    0,
    -1,
    1e308,
    -0.0,
    2**64,
    "",
    "\ud800",
    "../../etc/passwd",
    "\0",
    [],
    {},
    [[]],
    "x" * 5000,
)


def mutant(seeds: Sequence[bytes], dice: random.Random) -> bytes:
    """One of the ``seeds`` after one to eight changes."""
    content = bytearray(dice.choice(seeds))
    for _ in range(dice.choice((1, 1, 1, 2, 3, 8))):
        content = dice.choice(_CHANGES)(content, seeds, dice)[:LARGEST]
    return bytes(content)


def json_mutant(seeds: Sequence[bytes], dice: random.Random) -> bytes:
    """A JSON text with values or keys changed, or with bytes that make it none."""
    if dice.random() < 0.3:
        return mutant(seeds, dice)
    table = json.loads(dice.choice(seeds))
    for _ in range(dice.choice((1, 1, 2, 4))):
        place = _places(table)
        if not place:
            break
        inside, key = dice.choice(place)
        choice = dice.random()
        if choice < 0.15 and isinstance(inside, dict):
            inside[dice.choice(("", "schema", "x", "\ud800", str(key) + " "))] = inside.pop(key)
        elif choice < 0.3:
            del inside[key]
        elif choice < 0.4:
            inside[key] = _nested(dice.choice((10, 500, 5000)))
        elif choice < 0.5 and isinstance(inside[key], (int, float)):
            inside[key] = inside[key] * dice.choice((-1, 0, 1e9, 1e-9, float("nan"), float("inf")))
        else:
            inside[key] = deepcopy(dice.choice(VALUES))
    try:
        return json.dumps(table, ensure_ascii=dice.random() < 0.5).encode("utf-8", "surrogatepass")
    except RecursionError:
        return b"[" * 100_000


def _places(table: Any) -> list[tuple[Any, Any]]:
    """Every container of the table with each of its keys."""
    found: list[tuple[Any, Any]] = []
    waiting = [table]
    while waiting:
        inside = waiting.pop()
        keys = list(inside) if isinstance(inside, dict) else list(range(len(inside)))
        found += [(inside, key) for key in keys]
        waiting += [inside[key] for key in keys if isinstance(inside[key], (dict, list))]
    return found


def _nested(depth: int) -> Any:
    value: Any = 0
    for _ in range(depth):
        value = [value]
    return value


def _flip(content: bytearray, seeds: Sequence[bytes], dice: random.Random) -> bytearray:
    if content:
        at = dice.randrange(8 * len(content))
        content[at // 8] ^= 1 << at % 8
    return content


def _byte(content: bytearray, seeds: Sequence[bytes], dice: random.Random) -> bytearray:
    if content:
        content[_near_the_beginning(content, dice)] = dice.randrange(256)
    return content


def _number(content: bytearray, seeds: Sequence[bytes], dice: random.Random) -> bytearray:
    size = dice.choice((1, 2, 4, 8))
    if len(content) >= size:
        at = min(_near_the_beginning(content, dice), len(content) - size)
        value = dice.choice(INTERESTING) & (1 << 8 * size) - 1
        content[at : at + size] = value.to_bytes(size, dice.choice(("big", "little")))
    return content


def _cut(content: bytearray, seeds: Sequence[bytes], dice: random.Random) -> bytearray:
    begin, end = _part(content, dice)
    del content[begin:end]
    return content


def _truncate(content: bytearray, seeds: Sequence[bytes], dice: random.Random) -> bytearray:
    return content[: dice.randrange(len(content) + 1)]


def _repeat(content: bytearray, seeds: Sequence[bytes], dice: random.Random) -> bytearray:
    begin, end = _part(content, dice)
    at = dice.randrange(len(content) + 1)
    content[at:at] = content[begin:end] * dice.choice((1, 2, 50))
    return content


def _splice(content: bytearray, seeds: Sequence[bytes], dice: random.Random) -> bytearray:
    other = dice.choice(seeds)
    return content[: dice.randrange(len(content) + 1)] + other[dice.randrange(len(other) + 1) :]


def _noise(content: bytearray, seeds: Sequence[bytes], dice: random.Random) -> bytearray:
    begin, end = _part(content, dice)
    content[begin:end] = dice.randbytes(end - begin)
    return content


def _part(content: bytearray, dice: random.Random) -> tuple[int, int]:
    begin = dice.randrange(len(content) + 1)
    return begin, min(len(content), begin + dice.choice((1, 4, 16, 200, 5000)))


def _near_the_beginning(content: bytearray, dice: random.Random) -> int:
    """Headers are where a byte means most."""
    return dice.randrange(min(len(content), dice.choice((16, 64, 512, len(content)))))


_CHANGES: tuple[Callable[[bytearray, Sequence[bytes], random.Random], bytearray], ...] = (
    _flip,
    _byte,
    _number,
    _cut,
    _truncate,
    _repeat,
    _splice,
    _noise,
)
