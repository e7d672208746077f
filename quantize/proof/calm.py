"""How calm faces look to a network: what a person's profile (``edge.profile``) is held against."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from edge.bundle import Bundle
from edge.classify import softmax
from edge.profile import FEWEST, NEUTRAL, SURE
from faces.domains import Domain
from quantize.accuracy import Answers


def calm(
    bundle: Bundle, temperature: float, logits: Answers, domains: Sequence[Domain]
) -> Mapping[str, float]:
    """The mean logits of calm faces, less their mean, by label of ``bundle``; {} where hardly one is calm.

    ``logits`` [N, labels] are a model's to all faces of ``domains``, one after the other, and ``temperature``
    is what they are divided by. A face counts that is labelled neutral and surely so to the network: what
    a profile is learnt from.
    """
    if NEUTRAL not in bundle.labels:
        return {}
    column = bundle.labels.index(NEUTRAL)
    truth = np.concatenate([domain.faces.labels for domain in domains])
    sure = softmax(logits, bundle.scaling_at(temperature))[:, column] >= SURE
    chosen = logits[sure & (truth == column)]
    if len(chosen) < FEWEST:
        return {}
    mean = chosen.mean(0)
    return {
        label: round(float(value), 4) for label, value in zip(bundle.labels, mean - mean.mean(), strict=True)
    }
