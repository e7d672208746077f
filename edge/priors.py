"""What is expected of a face before it is looked at: a weight per expression, by a name or from a file.

A network says how well a face goes with each expression (evidence); how common the expressions are where the
camera stands is another matter (the prior). The two are kept apart in a bundle and multiplied at run time:
weight = evidence x prior, over their sum (Saerens et al., Neural Computation 2002; as logits: Menon et al.,
ICLR 2021).

    open_pipeline(prior="balanced")
    open_pipeline(prior={"anger": 1, "disgust": 0, "fear": 0, "happiness": 4, "sadness": 1, "surprise": 1, "neutral": 8})
"""  # noqa: E501

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

from edge.errors import UsageError
from edge.files import read_json
from edge.strict import is_number, shown

# Shares by label, or the name of one that the bundle has, or a .json file of such shares ("": the bundle's).
Prior: TypeAlias = "str | Mapping[str, float]"
# An expression that the prior calls impossible keeps this share: its logarithm must be a number.
LEAST = 1e-9


def is_file(prior: str) -> bool:
    """Whether ``prior`` means a file of shares and not a name."""
    return prior.endswith(".json")


def read(path: str | Path) -> Mapping[str, Any]:
    """The object in a .json file; ``shares`` says whether it is a prior. Raises UsageError."""
    table = read_json(Path(path), UsageError)
    if not isinstance(table, dict):
        raise UsageError(f'prior \'{path}\' must be an object such as {{"neutral": 3, "happiness": 1}}')
    return table


def shares(prior: Mapping[str, Any], labels: Sequence[str], where: str = "prior") -> tuple[float, ...]:
    """The prior's weights in the order of ``labels``, made to sum to 1. Raises UsageError."""
    unknown = [name for name in prior if name not in labels]
    if unknown:
        raise UsageError(f"{where} has no use for '{unknown[0]}': the expressions are {', '.join(labels)}")
    missing = [label for label in labels if label not in prior]
    if missing:
        raise UsageError(
            f"{where} has no weight for '{missing[0]}': give one for each of {', '.join(labels)}"
        )
    for label, weight in prior.items():
        if not is_number(weight) or not 0 <= weight < float("inf"):
            raise UsageError(f"{where} gives '{label}' {shown(weight, 40)}: a weight is a number from 0 up")
    total = float(sum(prior.values()))
    if total == 0:
        raise UsageError(f"{where} gives every expression 0: at least one must be possible")
    return tuple(float(prior[label]) / total for label in labels)
