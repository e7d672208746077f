"""The scoreboard of domains: one bundle, the same question of other people, other cameras and worse pictures.

Choices are made on splits that choose (``public``); the private ones are read once, for what ships. A data
set of whole frames goes through the runtime's detector and crop (``faces.readers``).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from edge.bundle_files.sections import CropRule
from edge.classify import at_size, softmax
from edge.errors import DataInvalid
from faces import domains, readers, scores
from faces.crop_rule import crop_rule_of
from faces.domains import Domain
from faces.face_set import CROWD, OWN, Split, joined
from faces.labels import refuse_other
from faces.readers.lfw import IMFDB, LFW
from faces.scores import Score
from train import turned
from train.classifier import BundleSubject
from train.evaluate import environment
from train.synth.face_mesh import MeshReader

KIND, SCHEMA = "ferlite-domains", 1
RENDERED = "rendered"
LFW_UNSEEN = "LFW, people never seen"


def gather(
    data: Path,
    others: Sequence[Path],
    rendered: Path | None,
    split: Split,
    side: int,
    mesh: Path | None = None,
) -> list[tuple[Domain, str]]:
    """The domains and, for each, the prior that its labels call for ("": the bundle's own).

    ``data`` is FER2013; ``others`` are files and folders of any layout that is read, of which people who were
    never trained on are taken; ``rendered`` a pack of drawn faces, ``mesh`` the face mesh's network, by
    which photographs are turned: FER2013's and those of LFW, if it is among ``others``. Raises DataInvalid.
    """
    faces = readers.read(data, side, search=False).split(split)
    rule = crop_rule_of("fer2013")
    found = [(Domain("FER2013", faces), OWN)]
    if CROWD in faces.followed():
        found.append((Domain("FER+", faces.followed()[CROWD][1]), CROWD))
    found += [(domains.corrupted(faces, rule), ""), (domains.small(faces), "")]
    for path in others:
        found += [(each, "") for each in _of(path, side)]
    if rendered:
        drawn = readers.read(rendered, side, search=False)
        found.append((Domain(RENDERED, joined(list(drawn.splits.values()), RENDERED), real=False), ""))
    return found + [(each, "") for each in _turned(mesh, found, rule)] if mesh else found


def _turned(mesh: Path, found: Sequence[tuple[Domain, str]], rule: CropRule) -> list[Domain]:
    """FER2013's and LFW's faces from straight ahead to the side."""
    reader = MeshReader(mesh)
    try:
        return [
            each
            for domain, _ in found
            if domain.name in ("FER2013", LFW_UNSEEN)
            for each in turned.domains_of(domain.faces, reader, domain.name.partition(",")[0], rule)
        ]
    finally:
        reader.close()


def _of(path: Path, side: int) -> list[Domain]:
    """The faces of people whom no shipped network saw: a split kept for that, or all of a stranger's."""
    read = readers.read(path, side, search=False)
    if read.layout is LFW:
        actors = readers.read(path, side, IMFDB.name, search=False).split("private")
        return [Domain(LFW_UNSEEN, read.split("private")), Domain("IMFDB", actors)]
    return [Domain(read.layout.title, joined(list(read.splits.values()), read.layout.name))]


def measure(subject: BundleSubject, found: Sequence[tuple[Domain, str]]) -> dict[str, Any]:
    """The record of the bundle on every domain, JSON-ready. Raises DataInvalid."""
    if not found:
        raise DataInvalid("there is no domain to measure on")
    side = subject.bundle.crop.size
    rows = []
    who = f"bundle '{subject.bundle.path}'"
    for domain, prior in found:
        refuse_other(who, subject.labels, domain.name, domain.faces.classes)
        pictures = domain.faces.faces
        if side and pictures.shape[1] > side:
            # What is larger than a live crop is brought to its size first, as the runtime would.
            pictures = np.stack([at_size(face, side) for face in pictures])
        logits = subject.logits(pictures).astype(np.float32)
        weights = softmax(logits, subject.scaling(prior))
        scored = scores.score(weights, domain.faces.labels, domain.faces.classes, subject.bundle.doubt.weight)
        about = {"domain": domain.name, "real": domain.real, "prior": prior or subject.bundle.prior}
        rows.append({**about, **_row(scored)})
    real = [row["balanced"] for row in rows if row["real"] and row["balanced"] is not None]
    return {
        "schema": SCHEMA,
        "kind": KIND,
        "model": subject.describe(),
        "environment": environment(),
        "domains": rows,
        "balanced": round(float(np.mean(real)), 5) if real else None,
    }


def _row(scored: Score) -> dict[str, Any]:
    """What the record keeps of a domain's score."""
    low, high = scored.interval
    return {
        "faces": scored.count,
        "accuracy": round(scored.accuracy, 5),
        "interval": (round(low, 4), round(high, 4)),
        "balanced": None if scored.balanced is None else round(scored.balanced, 5),
        "recall": {label: round(share, 4) for label, share in scored.recall.items()},
        "counts": {label: each.count for label, each in scored.per_class.items()},
        "ece": round(scored.ece, 5),
        "uncertain": round(scored.uncertain or 0.0, 4),
    }


def as_text(record: dict[str, Any]) -> str:
    """The record as a table for a terminal."""
    lines = [
        f"{record['model']['name']}, {record['model']['engine']}: balanced accuracy over real domains "
        f"{_share(record['balanced'])}",
        f"{'':26}{'prior':>10}{'faces':>7}{'right':>8}{'balanced':>10}{'ECE':>7}{'unsure':>8}  recall",
    ]
    for row in record["domains"]:
        recall = ", ".join(f"{label} {share:.0%}" for label, share in row["recall"].items())
        name = row["domain"] if row["real"] else f"{row['domain']} (made)"
        lines.append(
            f"{name:26}{row['prior']:>10}{row['faces']:7d}{row['accuracy']:8.1%}{_share(row['balanced']):>10}"
            f"{row['ece']:7.1%}{row['uncertain']:8.1%}  {recall}"
        )
    return "\n".join(lines)


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value:.1%}"
