"""One person's profile: by how much the calm face of this person looks like an expression that it is not.

Some faces look sad, or cross, at rest. A profile holds what the network says of one calm face, and a bias
per expression by which its logits are moved towards what calm faces give in general. It is learnt only
where that is asked for, and from nothing but moments in which the network itself, without any profile, is
sure of "neutral": a profile never feeds on what it changed, and hours of one expression teach it nothing.

    learner = Learner(pipeline.bundle, engine)
    for time, readings in ...:
        learner.take(readings, time)
    write(Path("me.json"), learner.profile())
    open_pipeline(profile="me.json")
"""

from __future__ import annotations

import dataclasses
import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from edge import strict
from edge.bundle import Bundle, shipped
from edge.bundle_files.sections import Scaling
from edge.errors import UsageError
from edge.files import read_json, write_json
from edge.priors import Prior
from edge.results import Reading

SCHEMA, KIND = 1, "ferlite profile"
NEUTRAL = "neutral"
# Chosen on people with even numbers of LFW, as benchmarks/profile.py tells; measured there on the odd ones.
SURE = 0.6  # weight of neutral from which a moment counts
EVERY_S = 1.0  # a face of the same second says nothing new
FEWEST, MOST_MOMENTS = 3, 30  # moments; what comes after could only be another mood
CAUTION = 3.0  # so many moments of an average person are taken to have been seen before
MOST_BIAS = 1.0  # of a logit


@dataclass(frozen=True)
class Profile:
    """A person's, for one bundle: see the module.

    ``bundle`` is ``identity`` of the bundle. ``neutral``: the mean logits of ``moments`` calm moments, less
    their own mean. ``biases`` are added to logits. Both are by expression.
    """

    bundle: str
    neutral: Mapping[str, float]
    biases: Mapping[str, float]
    moments: int = dataclasses.field(metadata=strict.within(1, 1_000_000_000))

    def __post_init__(self) -> None:
        for name, values in (("neutral", self.neutral), ("biases", self.biases)):
            if not all(abs(value) < 1e6 for value in values.values()):
                raise UsageError(f"'{name}' must be numbers by expression, under a million")
        if set(self.neutral) != set(self.biases):
            raise UsageError("'neutral' and 'biases' must have the same expressions")

    def applied(self, scaling: Scaling, labels: Sequence[str]) -> Scaling:
        """``scaling`` of logits to which the biases are added. Raises UsageError for other labels."""
        if set(labels) != set(self.biases):
            raise UsageError(
                f"a profile of {', '.join(self.biases)} does not go with the expressions {', '.join(labels)}"
            )
        moved = (
            bias + scale * self.biases[label]
            for bias, scale, label in zip(scaling.bias, scaling.scale, labels, strict=True)
        )
        return Scaling(scaling.scale, tuple(moved))


class Learner:
    """Learns one person's profile from readings as a pipeline gives them.

    ``engine``, ``prior`` and ``worn`` (the profile in use, None for none) are the pipeline's: what it made
    of the logits is taken back. Raises UsageError for a bundle that does not say how calm faces look to it.
    """

    def __init__(
        self,
        bundle: Bundle,
        engine: str,
        prior: Prior = "",
        worn: Profile | None = None,
    ) -> None:
        self._bundle, self._labels = bundle, bundle.labels
        self._calm = calm_of(bundle)
        own = bundle.scaling_of(engine, prior)
        self._scaling = worn.applied(own, bundle.labels) if worn else own
        self._plain = bundle.scaling_of(engine)
        self._sum = [0.0] * len(bundle.labels)
        self._last = -math.inf
        self.moments = self.crowded = 0

    def take(self, readings: Sequence[Reading], time: float | None = None) -> bool:
        """Whether a frame's readings, at ``time`` in seconds (None: a still), were a moment to learn from.

        There must be one face, undoubted, surely neutral, and a second since the last such moment.
        """
        self.crowded += len(readings) > 1
        if len(readings) != 1 or readings[0].doubts or self.moments == MOST_MOMENTS:
            return False
        if time is not None and self._too_soon(time):
            return False
        logits = self._logits(readings[0])
        if _share(logits, self._plain, self._labels.index(NEUTRAL)) < SURE:
            return False
        self._sum = [old + new for old, new in zip(self._sum, logits, strict=True)]
        self.moments += 1
        if time is not None:
            self._last = time
        return True

    def profile(self) -> Profile:
        """What was learnt. Raises UsageError where that is too little."""
        if self.moments < FEWEST:
            crowd = " (frames with several faces do not count)" if self.crowded else ""
            raise UsageError(f"{self.moments} of at least {FEWEST} moments were surely calm{crowd}")
        neutral = {label: total / self.moments for label, total in zip(self._labels, self._sum, strict=True)}
        trust = self.moments / (self.moments + CAUTION)
        biases = {
            label: max(-MOST_BIAS, min(MOST_BIAS, trust * (self._calm[label] - value)))
            for label, value in neutral.items()
        }
        return Profile(identity(self._bundle), _rounded(neutral), _rounded(biases), self.moments)

    def _too_soon(self, time: float) -> bool:
        # A source that begins anew begins at 0.
        return 0 <= time - self._last < EVERY_S

    def _logits(self, reading: Reading) -> list[float]:
        """What the network said, less its mean: a softmax does not know that."""
        scaled = [math.log(max(reading.weights[label], 1e-300)) for label in self._labels]
        logits = [
            (value - bias) / scale
            for value, bias, scale in zip(scaled, self._scaling.bias, self._scaling.scale, strict=True)
        ]
        mean = sum(logits) / len(logits)
        return [value - mean for value in logits]


def identity(bundle: Bundle) -> str:
    """What tells a bundle's network from others, whichever engine runs it: hex."""
    train = bundle.made_by.get("train")
    learnt = train.get("weights_sha256") if isinstance(train, Mapping) else None
    if isinstance(learnt, str) and learnt:
        return learnt
    parts = sorted(digest for entry in bundle.files.values() for digest in entry.parts.values())
    return hashlib.sha256(" ".join([*bundle.labels, *parts]).encode()).hexdigest()


def calm_of(bundle: Bundle) -> Mapping[str, float]:
    """The logits of calm faces in general, less their mean, by expression. Raises UsageError."""
    if NEUTRAL not in bundle.labels:
        raise UsageError(f"bundle '{bundle.path}' knows no '{NEUTRAL}', and a profile is of a calm face")
    if not bundle.calm:
        raise UsageError(
            f"bundle '{bundle.path}' says not how calm faces look to it, which a profile is held against: "
            f"'ferlite quantize build' measures it; of those that ship use {', '.join(shipped())}"
        )
    return bundle.calm


def read(path: str | Path, bundle: Bundle) -> Profile:
    """The profile in a file, for ``bundle``. Raises UsageError where it is none, or another bundle's."""
    table = read_json(Path(path), UsageError)
    if not isinstance(table, dict) or table.pop("kind", None) != KIND:
        raise UsageError(f"'{path}' is no profile: --learn-profile writes one")
    if table.pop("schema", None) != SCHEMA:
        raise UsageError(f"profile '{path}': schema must be {SCHEMA}")
    profile = strict.fill(Profile, table, f"profile '{path}'", UsageError)
    if profile.bundle != identity(bundle):
        raise UsageError(
            f"profile '{path}' was learnt with another bundle than '{bundle.name}': "
            "learn it anew with --learn-profile"
        )
    return profile


def write(path: Path, profile: Profile) -> None:
    """Write the file, whole or not at all. Raises StorageFailed."""
    table = {"schema": SCHEMA, "kind": KIND, **dataclasses.asdict(profile)}
    write_json(path, table)


def _share(logits: Sequence[float], scaling: Scaling, which: int) -> float:
    """The weight of one label."""
    scaled = [
        value * scale + bias for value, scale, bias in zip(logits, scaling.scale, scaling.bias, strict=True)
    ]
    top = max(scaled)
    powers = [math.exp(value - top) for value in scaled]
    return powers[which] / sum(powers)


def _rounded(values: Mapping[str, float]) -> dict[str, float]:
    return {name: round(value, 4) for name, value in values.items()}
