"""Tables to frozen dataclasses: what fits is taken as it is, all else is one sentence."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import pytest

from edge.errors import DataInvalid, RecipeInvalid, UsageError
from edge.strict import fill, read_toml, within


@dataclass(frozen=True)
class Inner:
    pair: tuple[float, float]
    kind: Literal["a", "b"] = "a"

    def __post_init__(self) -> None:
        if self.pair[0] > self.pair[1]:
            raise UsageError("'pair' falls")


@dataclass(frozen=True)
class Outer:
    count: int = field(metadata=within(1, 9))
    share: float = field(default=0.5, metadata=within(0, 1))
    name: str = field(default="x", metadata=within(1, 5))
    on: bool = False
    file: Path | None = None
    rows: tuple[tuple[int, ...], ...] = ()
    inner: Inner | None = None
    many: Mapping[str, Inner] = field(default_factory=dict)
    scalar: str | int | bool = ""
    any: Any = None


def outer(**table: Any) -> Outer:
    return fill(Outer, {"count": 1, **table}, "'f'", DataInvalid)


def test_everything_that_fits_is_taken() -> None:
    made = outer(
        share=1,
        on=True,
        file="a/b",
        rows=[[1, 2], []],
        inner={"pair": [1, 2.5]},
        scalar=3,
        many={"one": {"pair": [0, 0], "kind": "b"}},
        any={"k": [1]},
    )
    assert made == Outer(
        1,
        1.0,
        "x",
        True,
        Path("a/b"),
        ((1, 2), ()),
        Inner((1.0, 2.5)),
        {"one": Inner((0.0, 0.0), "b")},
        3,
        {"k": [1]},
    )
    assert type(made.share) is float
    assert outer(inner=None, file=None) == Outer(1)


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ({"cuont": 1}, "'f': unknown key 'cuont'; valid keys: count, share"),
        ({"count": True}, "'f': 'count' is True, and must be a whole number"),
        ({"count": 10}, "'f': 'count' is 10, and must be 1 to 9"),
        ({"share": float("nan")}, "'f': 'share' is nan, and must be a number"),
        ({"share": float("inf")}, "'f': 'share' is inf, and must be 0 to 1"),
        ({"name": ""}, "'f': 'name' is '', and must be 1 to 5 characters"),
        ({"on": 1}, "'f': 'on' is 1, and must be true or false"),
        ({"file": ""}, "'f': 'file' is '', and must be the path of a file"),
        ({"rows": [[1, "2"]]}, "'f': 'rows' is '2', and must be a whole number"),
        ({"rows": 1}, "'f': 'rows' is 1, and must be a list"),
        ({"inner": {"pair": [1]}}, "'f': inner: 'pair' is [1], and must be a list of 2"),
        ({"inner": {}}, "'f': inner: key 'pair' is missing"),
        ({"inner": {"pair": [1, 2], "kind": "c"}}, "'f': inner: 'kind' is 'c', and must be a, b"),
        ({"inner": {"pair": [1, 2], "kind": []}}, "'f': inner: 'kind' is [], and must be a, b"),
        ({"inner": {"pair": [2, 1]}}, "'f': inner: 'pair' falls"),
        ({"inner": 3}, "'f': inner: 3 stands where a table of settings belongs"),
        ({"many": {"one": {}}}, "'f': many: one: key 'pair' is missing"),
        ({"many": []}, "'f': 'many' is [], and must be a table"),
        ({"scalar": 1.5}, "'f': 'scalar' is 1.5, and must be text or a whole number or true or false"),
    ],
)
def test_everything_else_is_one_sentence(table: dict[str, Any], said: str) -> None:
    with pytest.raises(DataInvalid) as caught:
        outer(**table)
    assert str(caught.value).startswith(said)


def test_what_is_ours_the_file_may_not_say() -> None:
    assert fill(Outer, {}, "", UsageError, count=7).count == 7
    with pytest.raises(UsageError, match="^unknown key 'count'"):
        fill(Outer, {"count": 1}, "", UsageError, count=7)


def test_toml_has_a_schema_and_may_have_a_byte_order_mark() -> None:
    assert read_toml("\ufeffschema = 1\na = 2\n", "'f'", ("a",), RecipeInvalid) == {"a": 2}
    for text, said in [
        ("a = ", "'f' is not TOML"),
        ("a = 1", "schema None is not 1"),
        ("schema = 1\nb = 1", "unknown key 'b'; valid keys: a"),
        ("schema = 1\na = " + "[" * 5000, "'f' is not TOML"),
    ]:
        with pytest.raises(RecipeInvalid, match=said):
            read_toml(text, "'f'", ("a",), RecipeInvalid)
