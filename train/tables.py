"""TOML read strictly: an unknown key, a wrong type and a value out of range are one sentence each."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, fields
from typing import Any, Literal, TypeVar, get_args, get_origin, get_type_hints

from edge.errors import RecipeInvalid

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

T = TypeVar("T")
SCHEMA = 1


def within(low: float, high: float) -> dict[str, tuple[float, float]]:
    """Metadata of a dataclass field: the least and the greatest value that ``section`` lets through."""
    return {"range": (low, high)}


def read(text: str, where: str, valid: Sequence[str]) -> dict[str, Any]:
    """The table that ``text`` is, its keys among ``valid`` and its schema ours. Raises RecipeInvalid.

    ``where`` names the file in messages.
    """
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise RecipeInvalid(f"'{where}' is not TOML: {error}") from error
    refuse_unknown(table, valid, where)
    if table.get("schema") != SCHEMA:
        raise RecipeInvalid(f"'{where}': schema {table.get('schema')!r} is not {SCHEMA}")
    return table


def word(table: Mapping[str, Any], key: str, where: str) -> str:
    """The text under ``key``, which must be there. Raises RecipeInvalid."""
    value = table.get(key)
    if not isinstance(value, str) or not value:
        raise RecipeInvalid(f"'{where}': '{key}' must be a word, not {value!r}")
    return value


def refuse_unknown(table: Mapping[str, Any], valid: Sequence[str], where: str) -> None:
    """Raise RecipeInvalid for a key that is not among ``valid``."""
    unknown = sorted(set(table) - set(valid))
    if unknown:
        raise RecipeInvalid(f"'{where}': unknown key '{unknown[0]}'; valid keys: {', '.join(valid)}")


def section(cls: type[T], table: Any, where: str) -> T:
    """The dataclass ``cls`` from a table of its fields, each held to its annotation and ``within``.

    Annotations may be int, float, str, bool, Literal and tuple[X, ...]. Raises RecipeInvalid.
    """
    if not isinstance(table, dict):
        raise RecipeInvalid(f"'{where}' must be a table of settings, not {table!r}")
    known = {item.name: item for item in fields(cls)}  # type: ignore[arg-type]
    refuse_unknown(table, list(known), where)
    for name, item in known.items():
        if name not in table and item.default is MISSING and item.default_factory is MISSING:
            raise RecipeInvalid(f"'{where}': '{name}' is missing")
    kinds = get_type_hints(cls)
    return cls(
        **{
            key: _checked(value, kinds[key], known[key].metadata.get("range"), f"{where}.{key}")
            for key, value in table.items()
        }
    )


def _checked(value: Any, kind: Any, span: tuple[float, float] | None, where: str) -> Any:
    """``value`` as a field's annotation ``kind`` says it is; TOML's 1 will do where 1.0 is meant."""
    if get_origin(kind) is Literal:
        if value not in get_args(kind):
            raise RecipeInvalid(f"'{where}': {value!r} is not one of {', '.join(get_args(kind))}")
        return value
    if get_origin(kind) is tuple:
        if not isinstance(value, list):
            raise RecipeInvalid(f"'{where}': {value!r} is not a list")
        return tuple(_checked(item, get_args(kind)[0], span, where) for item in value)
    if kind is float and type(value) is int:
        value = float(value)
    if type(value) is not kind:
        raise RecipeInvalid(f"'{where}': {value!r} is not of type {kind.__name__}")
    if span and not span[0] <= value <= span[1]:
        raise RecipeInvalid(f"'{where}': {value!r} is not in {span[0]:g} to {span[1]:g}")
    return value
