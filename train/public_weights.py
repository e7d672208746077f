"""What is known of the weights that a run began with, for model cards."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from edge import strict
from edge.errors import RecipeInvalid
from train.lineage import Lineage, Taught

TABLE = Path(__file__).parent / "public_weights.toml"


@dataclass(frozen=True)
class PublicWeights:
    """A file of weights that somebody else trained and published."""

    sha256: str
    file: str
    text: str
    licence: str


def known() -> dict[str, PublicWeights]:
    """The table, by sha256. Raises RecipeInvalid."""
    table = strict.read_toml(TABLE.read_text(encoding="utf-8"), TABLE.name, ("weights",), RecipeInvalid)
    found = [strict.fill(PublicWeights, entry, TABLE.name, RecipeInvalid) for entry in table["weights"]]
    return {each.sha256: each for each in found}


def describe(lineage: Lineage) -> list[str]:
    """A sentence for each start of a run, its own first, for each teacher, and for weights in between."""
    blend = [f"Its weights lie between two files': {lineage.blend} (sha256)."] if lineage.blend else []
    return _starts(lineage.starts) + [_taught(teacher) for teacher in lineage.teachers] + blend


def _taught(teacher: Taught) -> str:
    public = known()
    first = "".join(f", which began with {public[each].text}" for each in teacher.starts if each in public)
    return f"It was taught by what `{teacher.name}` answers (weights of sha256 `{teacher.sha256}`){first}."


def _starts(starts: Sequence[str]) -> list[str]:
    if not starts:
        return ["Training began with weights drawn at random."]
    public, said = known(), []
    for digest in starts:
        if digest in public:
            each = public[digest]
            said.append(f"Training began with {each.text}, {each.licence}: {each.file}, sha256 `{digest}`.")
        else:
            said.append(
                f"Training went on from weights of sha256 `{digest}`, an earlier run's or somebody's."
            )
    return said
