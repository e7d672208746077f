"""What is to be quantized: a trained classifier, what it wants to see, and where it came from."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from edge.bundle_files.sections import Extra, InputSpec
from edge.errors import BuildFailed, UsageError
from faces.face_set import FaceSet
from faces.labels import refuse_other
from quantize.network.normal_form import NormalForm, difference, example
from quantize.network.onnx_run import batch_size
from quantize.prepare.calibrate import Splits, in_turn
from train.onnx_export import OUTPUT

if TYPE_CHECKING:
    from torch import nn

TOLERANCE = 1e-3  # float32 rounding through some fifty layers stays two decimal digits below
RECIPE_FILE = "train.toml"  # what a run's recipe is called in the bundle


@dataclass(frozen=True)
class Source:
    """A trained classifier: ``model`` in torch, in evaluation mode, or ``graph`` where it came as ONNX.

    Either takes float32 [N, C, S, S] as ``input`` describes it, and returns logits float32
    [N, ``labels``]. ``weights_sha256`` is that of the file it was read from; ``recipe_text`` what
    describes it, kept in the bundle as ``recipe_file``. ``evidence``: it learnt with the priors of its labels
    taken out (balanced softmax), so its logits expect nothing. ``origin``: what is known of its making, for
    the card: ``init`` and ``teachers`` (as ``train.lineage`` writes them), or ``trained_on`` and ``terms``.
    ``extras`` are the inputs beside the face, ``told`` values of each by name, float32 [K, *shape], that are
    like those of real faces: export and calibration show them in turn. ``outputs``: their names, in order.
    """

    name: str
    backbone: str
    model: nn.Module | None
    labels: tuple[str, ...]
    input: InputSpec
    recipe_text: str
    recipe_sha256: str
    weights_sha256: str
    recipe_file: str = RECIPE_FILE
    evidence: bool = False
    origin: Mapping[str, str] = field(default_factory=dict)
    graph: NormalForm | None = None
    extras: tuple[Extra, ...] = ()
    told: Mapping[str, npt.NDArray[np.float32]] = field(default_factory=dict)
    outputs: tuple[str, ...] = (OUTPUT,)

    def refuse_told(self, what: str, instead: str) -> None:
        """Raise UsageError where the network is told more than the face, of which ``what`` does not know."""
        if self.extras:
            names = ", ".join(extra.name for extra in self.extras)
            raise UsageError(
                f"model '{self.name}' is told {names} beside the face, and {what} knows of faces alone: "
                f"{instead}"
            )

    def example(self, count: int) -> npt.NDArray[np.float32]:
        """``count`` inputs [N, C, S, S] that look like nothing but have the right range, always the same."""
        inputs: npt.NDArray[np.float32] = example(self.input, count)
        return inputs

    def examples(self, count: int) -> list[npt.NDArray[np.float32]]:
        """``example``, and as many values of each extra."""
        return [self.example(count), *(in_turn(self.told[each.name], 0, count) for each in self.extras)]

    @cached_property
    def network(self) -> nn.Module:
        """The network in torch; a graph is read into it operator by operator, and held against it.

        Raises BuildFailed where that cannot be done.
        """
        if self.model is not None:
            return self.model
        import torch

        from quantize.network.onnx_to_torch import to_torch

        assert self.graph is not None, "a source has a model or a graph"
        tied = batch_size(self.graph.model())
        if tied not in (None, 1):
            raise BuildFailed(f"model '{self.name}' takes {tied} faces at a time and no other number")
        read = to_torch(self.graph.graph, self.name)
        x = self.example(4)
        with torch.no_grad():
            given = np.concatenate([read(torch.from_numpy(face[None])).numpy() for face in x])
        off = difference(self.graph.model(), x, given)
        if not off < TOLERANCE:
            raise BuildFailed(
                f"model '{self.name}': read into torch it differs by {off:.1e} of its largest logit"
            )
        return read

    def in_torch(self) -> Source:
        """The same, without its graph: a network in torch takes any size of picture. Raises BuildFailed."""
        return dataclasses.replace(self, model=self.network, graph=None)

    def relabel(self, splits: Splits) -> Splits:
        """The splits, their labels counted in this model's order instead of the data set's.

        Raises DataInvalid where they are labelled with other words.
        """
        parts = (splits.train, splits.public, splits.private)
        for part in parts:
            refuse_other(f"model '{self.name}'", self.labels, part.name, part.classes)
        return Splits(*(_relabelled(part, self.labels) for part in parts))


def _relabelled(faces: FaceSet, labels: tuple[str, ...]) -> FaceSet:
    if faces.classes == labels:
        return faces
    order = np.array([labels.index(label) for label in faces.classes])
    majority = np.where(faces.majority >= 0, order[faces.majority], faces.majority)
    return dataclasses.replace(
        faces,
        labels=order[faces.labels],
        majority=majority,
        votes=faces.votes[:, np.argsort(order)],
        classes=labels,
    )
