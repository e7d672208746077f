"""Tables from TOML or JSON to frozen dataclasses: what is unknown, missing, of a wrong type or out of range
is an error of one sentence that says what is valid.

    recipe = fill(Recipe, table, "'mine.toml'", RecipeInvalid)

A field's annotation says what its value may be: bool, int, float, str, date, Path, Literal, another
dataclass, tuple[X, ...], tuple[X, Y], Mapping[str, X], X | None or a union of plain types. ``within`` adds a
range. A dataclass may check more in ``__post_init__``; what that raises is told with its place.
"""

from __future__ import annotations

import datetime
import sys
import types
from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, dataclass, fields, is_dataclass
from pathlib import Path
from typing import Any, Literal, NoReturn, TypeVar, Union, cast, get_args, get_origin, get_type_hints

from edge.errors import FerliteError

T = TypeVar("T")
Error = Callable[[str], Exception]
SCHEMA = 1
_PLAIN: dict[Any, str] = {
    str: "text",
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    datetime.date: "a date",
}


def within(low: float, high: float) -> dict[str, tuple[float, float]]:
    """Metadata of a dataclass field: the least and the greatest value that ``fill`` lets through.

    Of a text it is the length.
    """
    return {"range": (low, high)}


def read_toml(text: str, where: str, valid: Sequence[str], error: Error) -> dict[str, Any]:
    """The table that ``text`` is, without its schema, which must be ours. Raises ``error``.

    ``valid`` are the keys that it may have beside; ``where`` names the file in messages.
    """
    # Not above: the runtime reads no TOML, and a board with Python 3.10 has no tomli.
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    try:
        table = tomllib.loads(text.removeprefix("\ufeff"))
    except tomllib.TOMLDecodeError as problem:
        raise error(f"{where} is not TOML: {problem}") from problem
    except RecursionError as problem:
        raise error(f"{where} is not TOML that can be read: it is nested too deeply") from problem
    schema = table.pop("schema", None)
    if schema != SCHEMA:
        raise error(f"{where}: schema {shown(schema)} is not {SCHEMA}")
    _refuse_unknown(table, valid, where, error)
    return table


def fill(cls: type[T], table: Any, where: str, error: Error, **ours: Any) -> T:
    """The dataclass ``cls`` from a table of its fields. Raises ``error``.

    ``where`` names the file, and the section within it; "" where the caller will say so. ``ours`` are fields
    that the table must not have, with their values.
    """
    if not isinstance(table, dict):
        raise error(f"{_before(where)}{shown(table)} stands where a table of settings belongs")
    known = {item.name: item for item in fields(cls) if item.name not in ours}  # type: ignore[arg-type]
    _refuse_unknown(table, list(known), where, error)
    for name, item in known.items():
        if name not in table and item.default is MISSING and item.default_factory is MISSING:
            raise error(f"{_before(where)}key '{name}' is missing")
    kinds = get_type_hints(cls)
    values = {
        name: _value(kinds[name], value, _Place(where, name, known[name].metadata.get("range"), error))
        for name, value in table.items()
    }
    try:
        return cls(**values, **ours)
    except FerliteError as problem:
        raise error(f"{_before(where)}{problem}") from problem


def is_number(value: Any) -> bool:
    """Whether ``value`` is a number, which true, false and nan are not."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and value == value  # noqa: PLR0124


def shown(value: Any, most: int = 80) -> str:
    """The value as a message quotes it, cut to so many characters."""
    try:
        return repr(value)[:most]
    except RecursionError:
        return "a value that is nested too deeply to be shown"


@dataclass(frozen=True)
class _Place:
    """Where a value stands, and the range that it must be in."""

    where: str
    name: str
    span: tuple[float, float] | None
    error: Error

    def refuse(self, value: Any, valid: str) -> NoReturn:
        raise self.error(f"{_before(self.where)}'{self.name}' is {shown(value)}, and must be {valid}")

    @property
    def inside(self) -> str:
        return f"{_before(self.where)}{self.name}"


def _value(kind: Any, value: Any, place: _Place) -> Any:
    """``value`` as the annotation ``kind`` says it is; a file's 1 will do where 1.0 is meant."""
    origin, inner = get_origin(kind), get_args(kind)
    if kind is Any:
        return value
    if origin is Literal:
        return value if value in inner else place.refuse(value, ", ".join(map(str, inner)))
    if origin in (types.UnionType, Union):
        return _either(inner, value, place)
    if origin is tuple:
        return _row(inner, value, place)
    if isinstance(origin, type) and issubclass(origin, Mapping):
        if not isinstance(value, dict):
            place.refuse(value, "a table")
        return {
            key: _value(inner[1], item, _Place(place.inside, key, None, place.error))
            for key, item in value.items()
        }
    if is_dataclass(kind):
        return fill(cast("type[Any]", kind), value, place.inside, place.error)
    return _plain(kind, value, place)


def _either(kinds: tuple[Any, ...], value: Any, place: _Place) -> Any:
    """The first of ``kinds`` that ``value`` is, where there are several plain ones."""
    if value is None and type(None) in kinds:
        return None
    others = [kind for kind in kinds if kind is not type(None)]
    if len(others) == 1:
        return _value(others[0], value, place)
    if type(value) not in others or value != value:  # noqa: PLR0124 - nan
        place.refuse(value, " or ".join(_PLAIN.get(kind, kind.__name__) for kind in others))
    return value


def _row(kinds: tuple[Any, ...], value: Any, place: _Place) -> tuple[Any, ...]:
    if not isinstance(value, (list, tuple)):
        place.refuse(value, "a list")
    if kinds[-1] is Ellipsis:
        return tuple(_value(kinds[0], item, place) for item in value)
    if len(value) != len(kinds):
        place.refuse(value, f"a list of {len(kinds)}")
    return tuple(_value(kind, item, place) for kind, item in zip(kinds, value, strict=True))


def _plain(kind: Any, value: Any, place: _Place) -> Any:
    if kind is Path and type(value) is str and value:
        return Path(value)
    if kind is float and type(value) is int:
        value = float(value)
    if type(value) is not kind:
        place.refuse(value, _PLAIN.get(kind, "the path of a file"))
    # Written so that nan, which is in no range, is refused.
    if kind is float and not value == value:  # noqa: PLR0124, SIM201
        place.refuse(value, "a number")
    if place.span:
        low, high = place.span
        if not low <= (len(value) if kind is str else value) <= high:
            place.refuse(value, f"{low:g} to {high:g}{' characters' if kind is str else ''}")
    return value


def _refuse_unknown(table: Mapping[str, Any], valid: Sequence[str], where: str, error: Error) -> None:
    for key in table:
        if key not in valid:
            raise error(f"{_before(where)}unknown key '{key}'; valid keys: {', '.join(valid)}")


def _before(where: str) -> str:
    return f"{where}: " if where else ""
