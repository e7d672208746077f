"""Which prior a run expects unless told otherwise: candidates on the domains that may choose.

    python -m benchmarks.priors RUN... --data fer2013.npz --lfw lfw_expressions.npz

Writes records/priors.json. Each RUN is a network that learnt with priors apart (a run's folder, or .pt.xz).
Candidates are `natural` (shares of press pictures) to a power, and calm faces so many times as likely as the
other expressions, smiles among them or between. Only splits that may choose are read: FER2013's public faces,
FER+'s votes on them, the same worsened and small, and LFW's choosing people.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.record import RECORDS, origin, save
from edge.classify import at_size
from faces import domains, metrics, readers
from faces.crop_rule import crop_rule_of
from faces.domains import Domain
from faces.face_set import CROWD, OWN, FaceSet
from faces.scaling import fit_temperature, label_priors, measured_priors
from faces.scores import score
from train.checkpoint import load_run
from train.predict import predict

POWERS = (0.0, 0.25, 0.3, 0.4)
TIMES = (2.0, 2.5, 3.0, 4.0, 5.0)
LFW, NEUTRAL, HAPPINESS = "LFW", "neutral", "happiness"
RECORD = RECORDS / "priors.json"


def candidates(classes: tuple[str, ...]) -> dict[str, np.ndarray]:
    """Logarithms [C] of the candidates' shares, by name."""
    natural = np.log(measured_priors(classes)[1]["natural"])
    calm, smile = (np.array([float(name == which) for name in classes]) for which in (NEUTRAL, HAPPINESS))
    return {f"natural ^ {power:g}": power * natural for power in POWERS} | {
        f"neutral x {times:g}{also}": np.log(times) * (calm + half * smile)
        for times in TIMES
        for also, half in (("", 0.0), (f", happiness x {times**0.5:.3g}", 0.5))
    }


def choosing(data: Path, lfw: Path) -> tuple[FaceSet, FaceSet, list[Domain]]:
    """FER2013's training and public faces, and the domains that may choose."""
    fer = readers.read(data, 48, search=False)
    public, rule = fer.split("public"), crop_rule_of("fer2013")
    found = [Domain("FER2013", public), Domain("FER+", public.followed()[CROWD][1])]
    found += [domains.corrupted(public, rule), domains.small(public)]
    return (
        fer.split("train"),
        public,
        [*found, Domain(LFW, readers.read(lfw, 96, search=False).split("public"))],
    )


def measure(run: Path, train: FaceSet, public: FaceSet, found: list[Domain]) -> list[dict[str, Any]]:
    """A row for each candidate: balanced accuracy by domain, their mean, calm faces called neutral."""
    trained = load_run(run)
    size, prior = trained.recipe.model.input_size, label_priors(train)[OWN]

    def logits(faces: np.ndarray) -> np.ndarray:
        cut = [at_size(face, size) if face.shape[0] > size else face for face in faces]
        return predict(trained.model, np.stack(cut), trained.recipe).astype(np.float64)

    answers = {domain.name: logits(domain.faces.faces) for domain in found}
    temperature = fit_temperature(logits(public.faces), public.labels, prior)
    rows = []
    for name, log_prior in candidates(public.classes).items():
        scored = {
            domain.name: score(
                metrics.softmax(answers[domain.name] / temperature + log_prior),
                domain.faces.labels,
                public.classes,
            )
            for domain in found
        }
        balanced = {domain: each.balanced for domain, each in scored.items()}
        mean = float(np.mean([share for share in balanced.values() if share is not None]))
        calm = scored[LFW].recall[NEUTRAL]
        rows.append(
            {"prior": name, "balanced": balanced, "mean": round(mean, 4), "calm_called_neutral": calm}
        )
        print(f"{trained.recipe.name:22}{name:32}{mean:8.1%}{calm:8.1%}")
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("runs", nargs="+", type=Path)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--lfw", type=Path, required=True)
    args = parser.parse_args()
    train, public, found = choosing(args.data, args.lfw)
    networks = {run.name.partition(".")[0]: measure(run, train, public, found) for run in args.runs}
    record = {
        **origin("benchmarks.priors"),
        "networks": networks,
    }
    save(record, RECORD)


if __name__ == "__main__":
    main()
