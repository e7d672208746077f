"""A file's table as a frozen dataclass: keys known, values of their type, each mistake one sentence."""

from __future__ import annotations

import dataclasses
import datetime
import math
import types
import typing
from typing import Any, Literal, TypeVar

from boards.errors import ProfileInvalid

T = TypeVar("T")


def fill(cls: type[T], values: object, where: str) -> T:
    """``values`` as a ``cls``; ``where`` begins every message. Raises ProfileInvalid."""
    if not isinstance(values, dict):
        raise ProfileInvalid(f"{where}: {values!r} is not a table")
    hints = typing.get_type_hints(cls)
    unknown = sorted(set(values) - set(hints))
    if unknown:
        raise ProfileInvalid(f"{where}: unknown key '{unknown[0]}'; valid keys: {', '.join(sorted(hints))}")
    fields = dataclasses.fields(cls)  # type: ignore[arg-type]
    for field in fields:
        required = field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
        if required and field.name not in values:
            raise ProfileInvalid(f"{where}: key '{field.name}' is missing")
    return cls(**{key: _value(hints[key], value, f"{where}: {key}") for key, value in values.items()})


def _value(kind: Any, value: Any, where: str) -> Any:
    origin = typing.get_origin(kind)
    if dataclasses.is_dataclass(kind):
        return fill(typing.cast("type[Any]", kind), value, where)
    if origin is Literal:
        if value not in typing.get_args(kind):
            raise ProfileInvalid(f"{where} '{value}' is unknown: choose {', '.join(typing.get_args(kind))}")
        return value
    if origin is tuple:
        if not isinstance(value, list):
            raise ProfileInvalid(f"{where}: {value!r} is not a list")
        return tuple(_value(typing.get_args(kind)[0], item, where) for item in value)
    if origin is dict:
        if not isinstance(value, dict):
            raise ProfileInvalid(f"{where}: {value!r} is not a table")
        return {key: _value(typing.get_args(kind)[1], item, f"{where}: {key}") for key, item in value.items()}
    if origin in (types.UnionType, typing.Union):
        choices = [choice for choice in typing.get_args(kind) if choice is not types.NoneType]
        if len(choices) == 1:
            return _value(choices[0], value, where)
        if type(value) not in choices:
            raise ProfileInvalid(f"{where}: {value!r} is not text, a number, true or false")
        return value
    # A TOML integer is fine where a float is asked for, but true is not an integer here.
    if type(value) is not kind and not (kind is float and type(value) is int):
        raise ProfileInvalid(f"{where}: {value!r} is not {_KINDS[kind]}")
    if kind is float and not math.isfinite(value):
        raise ProfileInvalid(f"{where}: {value!r} is not a finite number")
    return float(value) if kind is float else value


_KINDS: dict[Any, str] = {
    str: "text",
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    datetime.date: "a date",
}
