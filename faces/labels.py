"""What a face can be called: the sets of labels that data, recipes and bundles name.

A bundle keeps its labels word by word, in the order of its logits; data keep theirs in ``FaceSet.classes``.
To add a set: a tuple, and a line in the table.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

from edge.errors import DataInvalid

LabelSet = Literal["expressions", "neonatal"]

# The order that our networks are trained in; the runtime reads it from the bundle, never from here.
EXPRESSIONS = ("anger", "disgust", "fear", "happiness", "sadness", "surprise", "neutral")
# The four classes of the FENP data set of newborns (Yan et al., IEEE TAFFC 2020).
NEONATAL = ("calm", "cry", "mild_pain", "severe_pain")

LABEL_SETS: Mapping[LabelSet, tuple[str, ...]] = {"expressions": EXPRESSIONS, "neonatal": NEONATAL}


def canonical(labels: Sequence[str]) -> tuple[str, ...]:
    """The set of the table that ``labels`` are an order of, in the table's order; else ``labels``."""
    return next((known for known in LABEL_SETS.values() if set(known) == set(labels)), tuple(labels))


def refuse_other(who: str, labels: Sequence[str], data: str, classes: Sequence[str]) -> None:
    """Raise DataInvalid where ``data`` is labelled with other words than those that ``who`` knows."""
    if set(labels) != set(classes):
        raise DataInvalid(f"{who} knows {', '.join(labels)}, and {data} is labelled {', '.join(classes)}")
