"""How good landmarks are: their error in distances between the eyes, and whether visibility is told."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from train.landmarks.change import plain
from train.landmarks.marked import CROP, MarkedFaces

if TYPE_CHECKING:
    from train.landmarks.learn import Learnt

# Float32 grey crops [N, 1, S, S], 0-255, to points [N, 68, 2] as shares of the side and visibility logits
# [N, 68].
Ask = Callable[[npt.NDArray[np.float32]], tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]]
YAWS = ((0, 15), (15, 30), (30, 45), (45, 61))


def errors(faces: MarkedFaces, points: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    """The mean distance of each face's 68 points, in eye distances as seen from the front, float64 [N]."""
    wanted = plain(faces).points
    off = np.linalg.norm((points - wanted).astype(np.float64) * CROP, axis=-1).mean(-1)
    return np.asarray(off / faces.span)


def auc(scores: npt.NDArray[np.floating], positive: npt.NDArray[np.bool_]) -> float | None:
    """The chance that a positive outscores a negative (ties half), by ranks; None where one kind lacks."""
    ones, zeros = int(positive.sum()), int((~positive).sum())
    if not ones or not zeros:
        return None
    _, inverse, counts = np.unique(scores, return_inverse=True, return_counts=True)
    rank = (np.cumsum(counts) - (counts - 1) / 2)[inverse.reshape(scores.shape)]
    return float((rank[positive].sum() - ones * (ones + 1) / 2) / (ones * zeros))


def judge(faces: MarkedFaces, ask: Ask) -> dict[str, Any]:
    """Errors of the clean faces by source and yaw, and the AUC of visibility by what is worn; JSON-ready."""
    parts = [ask(plain(faces, slice(start, start + 256)).pictures) for start in range(0, len(faces), 256)]
    points, logits = (np.concatenate(each) for each in zip(*parts, strict=True))
    off, seen = errors(faces, points), plain(faces).visible > 0.5
    clean = faces.worn == 0
    found: dict[str, Any] = {"faces": int(clean.sum()), "error": _mean(off[clean])}
    found["median_error"] = round(float(np.median(off[clean])), 5)
    found["over_10_percent"] = round(float((off[clean] > 0.1).mean()), 5)
    turned = np.abs(faces.yaw)
    found["by_yaw"] = {
        f"{low}-{min(high, 60)}": _mean(off[clean & (turned >= low) & (turned < high)]) for low, high in YAWS
    }
    found["auc"] = {}
    for number, kind in enumerate(faces.kinds):
        chosen = faces.worn == number
        if chosen.any():
            found["auc"][kind] = _rounded(auc(logits[chosen], seen[chosen]))
            found.setdefault("error_under", {})[kind] = _mean(off[chosen])
    worn = ~clean
    if worn.any():
        found["auc_worn"] = _rounded(auc(logits[worn], seen[worn]))
        found["right_at_0"] = round(float(((logits[worn] > 0) == seen[worn]).mean()), 5)
    return found


def record(faces: MarkedFaces, learnt: Learnt) -> dict[str, Any]:
    """What ``learnt`` does on ``faces``, and what it is; JSON-ready."""
    parameters = sum(weight.numel() for weight in learnt.network.parameters())
    about = {"recipe": learnt.recipe.name, "recipe_sha256": learnt.recipe.sha256, "parameters": parameters}
    return {"schema": 1, "kind": "ferlite landmarks", "model": about, **judge(faces, learnt.ask)}


def as_text(record: dict[str, Any]) -> str:
    """The record as lines for a terminal."""
    by_yaw = ", ".join(f"{turned} degrees {_percent(off)}" for turned, off in record["by_yaw"].items())
    by_kind = ", ".join(f"{kind} {_percent(value)}" for kind, value in record["auc"].items())
    return (
        f"{record['faces']} faces: mean error {_percent(record['error'])} of the eyes' distance ({by_yaw})\n"
        f"AUC of what is seen: {by_kind}; under things never seen {_percent(record.get('auc_worn'))}"
    )


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{value:.1%}"


def _mean(values: npt.NDArray[np.float64]) -> float | None:
    return round(float(values.mean()), 5) if len(values) else None


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 5)
