"""Labels that two heads give to faces that nobody labelled, where both are sure and agree."""

from __future__ import annotations

import torch
from torch.nn import functional as F


def agreed(one: torch.Tensor, other: torch.Tensor, sure: float) -> tuple[torch.Tensor, torch.Tensor]:
    """Labels int64 [N] and which of them hold, bool [N], from two heads' logits [N, C] each."""
    first, second = (logits.detach().softmax(1).max(1) for logits in (one, other))
    holds = (first.indices == second.indices) & (first.values > sure) & (second.values > sure)
    return first.indices, holds


def pseudo_loss(logits: torch.Tensor, labels: torch.Tensor, holds: torch.Tensor) -> torch.Tensor:
    """Cross-entropy of ``logits`` [N, C] with the labels that hold, over all N faces: 0 where none does.

    Over all, as in FixMatch (Sohn et al., NeurIPS 2020): few sure faces are to weigh little.
    """
    return (F.cross_entropy(logits, labels, reduction="none") * holds).mean()
