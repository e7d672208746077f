"""Checks a TFLite file's bounds before LiteRT reads it.

LiteRT's Python interpreter follows a FlatBuffer's offsets unverified: a file that was cut short is a
segmentation fault, not an error. A bundle's digest keeps such a file out; this keeps it out of the engine
as well. Field numbers are those of TFLite's schema.fbs, version 3.
"""

from __future__ import annotations

import struct

from edge.errors import ModelMismatch

# table -> field -> what is there: a number is a vector of elements of so many bytes (1: also a string),
# a name is a table, a name in a list a vector of tables.
Kind = int | str | list[str]
TABLES: dict[str, dict[int, Kind]] = {
    "Model": {1: ["OperatorCode"], 2: ["SubGraph"], 3: 1, 4: ["Buffer"], 5: 4, 6: ["Metadata"]},
    "OperatorCode": {1: 1},
    "SubGraph": {0: ["Tensor"], 1: 4, 2: 4, 3: ["Operator"], 4: 1},
    "Tensor": {0: 4, 3: 1, 4: "Quantization", 7: 4},
    "Quantization": {0: 4, 1: 4, 2: 4, 3: 8},
    "Operator": {1: 4, 2: 4, 5: 1, 6: 1},
    "Buffer": {0: 1},
    "Metadata": {0: 1},
}
NEEDED = ("Model", 2)  # its subgraphs: LiteRT looks for the first without asking whether there is one


def refuse_damage(content: bytes, name: str) -> None:
    """Raise ModelMismatch if ``content`` is no TFLite model or points outside itself."""
    if content[4:8] != b"TFL3":
        raise ModelMismatch(f"'{name}' is not a TFLite model")
    try:
        _table(content, _offset(content, 0), "Model")
    except KeyError as error:
        raise ModelMismatch(f"'{name}' is damaged: it has no graph") from error
    except (struct.error, IndexError) as error:
        raise ModelMismatch(f"'{name}' is damaged or cut short: it points outside itself") from error


def _table(content: bytes, at: int, kind: str) -> None:
    vtable = at - _signed(content, at)
    size, inside = struct.unpack_from("<HH", content, _checked(vtable))
    _within(content, vtable, size)
    _within(content, at, inside)
    for field, what in TABLES[kind].items():
        slot = 4 + 2 * field
        (offset,) = struct.unpack_from("<H", content, vtable + slot) if slot + 2 <= size else (0,)
        if offset:
            _value(content, at + offset, what)
        elif (kind, field) == NEEDED:
            raise KeyError(field)


def _value(content: bytes, at: int, what: Kind) -> None:
    target = _offset(content, at)
    if isinstance(what, str):
        _table(content, target, what)
        return
    (count,) = struct.unpack_from("<I", content, target)
    _within(content, target + 4, count * (what if isinstance(what, int) else 4))
    if isinstance(what, list):
        for index in range(count):
            _table(content, _offset(content, target + 4 + 4 * index), what[0])


def _offset(content: bytes, at: int) -> int:
    """Where the offset that is stored at ``at`` leads; offsets count from their own place, upwards."""
    return at + int(struct.unpack_from("<I", content, _checked(at))[0])


def _signed(content: bytes, at: int) -> int:
    return int(struct.unpack_from("<i", content, _checked(at))[0])


def _checked(at: int) -> int:
    if at < 0:
        raise IndexError(at)  # struct would count it from the end
    return at


def _within(content: bytes, at: int, size: int) -> None:
    if _checked(at) + size > len(content):
        raise IndexError(at + size)
