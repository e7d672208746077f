"""The training loop: stop it whenever you like, start it again, get the very same weights.

Every random draw of step ``k`` is seeded from ``(recipe.seed, k)`` alone, so a checkpoint needs no
generator state: weights, optimiser, averaged weights and the step number are all there is.
"""

from __future__ import annotations

import copy
import os
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from edge.commands.progress import Progress
from edge.errors import DataInvalid, RecipeInvalid, ToolchainError, UsageError
from faces.face_set import FaceSet
from faces.labels import refuse_other
from faces.metrics import accuracy, macro_f1
from train import lineage
from train.batches import Batches
from train.blend import take_prior_out
from train.checkpoint import BEST, CHECKPOINT, HISTORY, Trained, load_state, make_folder, read, write
from train.curves import add_to_tensorboard, write_history
from train.digests import digest_of
from train.lineage import Lineage
from train.lock import alone
from train.maps import Maps, split
from train.optimise import SHARE, follow, learning_rate, make_optimizer, momentum
from train.predict import predict
from train.pretrained import names, start_from
from train.recipe import Recipe
from train.stop import StopSignal
from train.streams import Drawn, streams_of
from train.systems.system import Parts, Step, Turn, known_of, parts_of, system_of
from train.teacher import Teacher
from train.teacher import check as check_teachers
from train.teaching import SoftLabels, check_second, judge, without_priors

# Besides the weights: everything that must not start anew when a run goes on.
STATE = ("step", "best", "loss_sum", "loss_count", "seconds", "history")


@dataclass(frozen=True)
class Outcome:
    """How far a run has come: steps done of all, and the public-test accuracy of what it chose.

    ``best_accuracy``: 0-1, None before an epoch ended. Where priors are apart, weights are chosen by more
    than that: see ``teaching.judge``.
    """

    steps: int
    total_steps: int
    best_accuracy: float | None

    @property
    def finished(self) -> bool:
        """Whether the last step was taken."""
        return self.steps >= self.total_steps


def fit(
    recipe: Recipe,
    train: FaceSet,
    public: FaceSet,
    out: Path,
    *,
    threads: int = 0,
    init: Path | None = None,
    teachers: Sequence[Trained] = (),
    device: str = "auto",
    second: FaceSet | None = None,
    soft_labels: SoftLabels | None = None,
    streams: Mapping[str, FaceSet] | None = None,
) -> Outcome:
    """Train ``recipe`` on ``train``, choosing weights by accuracy on ``public``.

    ``out`` receives checkpoint.pt (to go on from), best.pt (float32 weights of the best epoch) and
    history.csv. ``init`` is a file of public weights to start from, ``teachers`` are networks to distil.
    ``second`` is the data set that the recipe's ``second_share`` comes from, ``soft_labels`` what networks
    that are not here say of both (``train.soft_labels``), ``streams`` what else its system learns from.
    A checkpoint that is there is continued; SIGINT and SIGTERM write one and return. On the same machine,
    ``device`` ("cpu", "cuda", "auto": cuda where there is one) and number of ``threads`` (0: all) a
    continued run ends in the very same weights.
    Raises DataInvalid, RecipeInvalid, UsageError and ToolchainError (the loss diverged).
    """
    outside = soft_labels or SoftLabels()
    check_teachers(recipe, teachers, bool(outside.own), bool(outside.second))
    check_second(recipe, second)
    for each in (train, public, *([second] if second else [])):
        refuse_other(f"recipe '{recipe.name}'", recipe.labels, each.name, each.classes)
    use_threads(threads)
    run = Run(recipe, train, out, find_device(device), teachers, second, outside, streams or {})
    make_folder(out)
    with alone(out):
        if not run.resume(init):
            if init:
                run.start(init)
                run.forget_prior(public)
            run.ask_teacher()
        run.freeze()
        run.train_until_stopped(public)
    return Outcome(run.step, run.batches.total, run.best_accuracy if run.history else None)


def use_threads(count: int) -> None:
    """Let torch use ``count`` CPU threads, 0: as many as this process may run on. Raises UsageError."""
    if count < 0:
        raise UsageError(f"--threads {count}: give a number of threads, or 0 for all")
    torch.set_num_threads(count or len(os.sched_getaffinity(0)))


def find_device(name: str) -> torch.device:
    """The torch device called ``name``; "auto": cuda where there is one. Raises UsageError."""
    there = torch.cuda.is_available()
    if name == "cuda" and not there:
        raise UsageError("--device cuda: torch sees no CUDA device here")
    if name not in ("auto", "cpu", "cuda"):
        raise UsageError(f"--device {name}: choose auto, cpu or cuda")
    return torch.device("cuda" if there and name != "cpu" else "cpu")


class Run:
    """One run's moving parts: everything that changes from step to step."""

    def __init__(
        self,
        recipe: Recipe,
        train: FaceSet,
        out: Path,
        device: torch.device,
        teachers: Sequence[Trained],
        second: FaceSet | None = None,
        soft_labels: SoftLabels | None = None,
        streams: Mapping[str, FaceSet] | None = None,
    ) -> None:
        self.recipe, self.train, self.out, self.device = recipe, train, out, device
        self.second, self.soft_labels = second, soft_labels or SoftLabels()
        self.batches = Batches(recipe, train, second)
        self.maps: Maps | None = None
        self.teacher = Teacher(teachers, device, recipe.train.autocast) if teachers else None
        # cuDNN's fastest kernels add in an order that changes from run to run.
        torch.backends.cudnn.deterministic = True
        self.system = system_of(recipe)
        self.streams = streams_of(recipe, self.system.streams, streams or {}, self.system.stream)
        parts = parts_of(recipe)
        self.model = parts.network.to(device=device, memory_format=torch.channels_last)
        self.helpers = parts.helpers.to(device=device, memory_format=torch.channels_last)
        self.average = copy.deepcopy(self.model)
        self.turns = self.system.turns()
        self.optimizers = [
            make_optimizer(
                Parts(self.model, self.helpers).of(turn), recipe.train, self.system.trunk(self.model)
            )
            for turn in self.turns
        ]
        self.step = 0
        self.best, self.best_accuracy = 0.0, 0.0  # what chooses, and the accuracy of what was chosen
        self.starts: tuple[str, ...] = ()
        self.loss_sum, self.loss_count, self.seconds = 0.0, 0, 0.0
        self.history: list[dict[str, str]] = []
        self.taught: npt.NDArray[np.float32] | None = None
        used = (train, *([second] if second else []), *(stream.faces for stream in self.streams.values()))
        self.data_sha256 = " ".join(each.sha256 for each in used)

    def start(self, path: Path) -> None:
        """Begin with the weights of ``path``. Raises DataInvalid."""
        start = start_from(self.system.trunk(self.model), path)
        self.average.load_state_dict(self.model.state_dict())
        self.starts = (start.sha256, *start.before)
        print(f"{path.name}: took {start.taken} tensors, fresh: {names(start.fresh)}", file=sys.stderr)

    def forget_prior(self, public: FaceSet) -> None:
        """Take out of the start's last biases what it expects before it looks, where priors are apart.

        A start that learnt so itself expects nothing, and loses next to nothing.
        """
        if not self.recipe.data.balanced:
            return
        take_prior_out(self.model, predict(self.model, public.faces, self.recipe))
        self.average.load_state_dict(self.model.state_dict())

    def ask_teacher(self) -> None:
        """Keep the teacher's answers where the recipe wants them for the plain faces, and so only once."""
        how = self.recipe.train
        if self.recipe.data.balanced:
            heat = how.distill_temperature
            self.taught = without_priors(self.teacher, self.train, self.second, self.soft_labels, heat)
            self.batches.teach(self.taught)
        elif self.teacher and how.distill_view == "plain":
            self.batches.taught = self.teacher.answers(self.train.faces, how.distill_temperature)

    def freeze(self) -> None:
        """Where the recipe keeps the first parts as they are: their maps, and an optimiser of the rest."""
        if not self.recipe.train.frozen:
            return
        if self.recipe.system.name != "plain":
            raise RecipeInvalid(
                f"recipe '{self.recipe.name}': train.frozen is for the system plain, "
                f"not {self.recipe.system.name}"
            )
        below, self.above = split(self.model, self.recipe)
        self.maps = Maps(below, self.batches, self.out, self.data_sha256)

    def resume(self, init: Path | None = None) -> bool:
        """Go on from the checkpoint in ``out``, begun with ``init`` if that is given: whether there is one.

        Raises DataInvalid, RecipeInvalid.
        """
        path = self.out / CHECKPOINT
        if not path.exists():
            return False
        saved = read(path, ("recipe", "model", "average", "optimizer", *STATE))
        if saved["recipe"] != self.recipe.text:
            raise RecipeInvalid(
                f"'{path}' was made by another recipe: give another --out, or the recipe it was started with"
            )
        # Checkpoints of before this key was written go on unchecked.
        if saved.get("data", self.data_sha256) != self.data_sha256:
            raise DataInvalid(
                f"'{path}' was trained on other faces than {self.train.name}: give another --out"
            )
        if saved.get("teachers", []) != (self.teacher.sha256 if self.teacher else []):
            raise DataInvalid(f"'{path}' was taught by another teacher: give another --out")
        if saved.get("soft_labels", self.soft_labels.sha256) != self.soft_labels.sha256:
            raise DataInvalid(f"'{path}' was taught by other soft labels: give another --out")
        load_state(self.model, saved["model"], path)
        load_state(self.average, saved["average"], path)
        load_state(self.helpers, saved.get("helpers", {}), path)
        for optimizer, state in zip(
            self.optimizers, (saved["optimizer"], *saved.get("optimizers", ())), strict=True
        ):
            optimizer.load_state_dict(state)
        for name in STATE:
            setattr(self, name, saved[name])
        # Of checkpoints of before it was kept apart, what chose is all that is known.
        self.best_accuracy = saved.get("best_accuracy", self.best)
        for name, chances in saved.get("chances", {}).items():
            self.streams[name].chances = chances.numpy()
        self.starts = lineage.read(saved).starts
        if init and init.exists() and digest_of(init) not in self.starts[:1]:
            raise DataInvalid(f"'{path}' did not begin with '{init}': give another --out")
        if self.recipe.data.balanced:
            self.taught = saved["taught"].numpy() if saved["taught"].numel() else None
            self.batches.teach(self.taught)
        elif "taught" in saved:
            self.batches.taught = saved["taught"]
        return True

    def save(self) -> None:
        """Write all that ``resume`` needs."""
        state = {name: getattr(self, name) for name in STATE} | {
            "recipe": self.recipe.text,
            "data": self.data_sha256,
            "init": Lineage(self.starts).texts["init"],
            "best_accuracy": self.best_accuracy,
            "teachers": self.teacher.sha256 if self.teacher else [],
            "soft_labels": self.soft_labels.sha256,
            "taught": self.batches.taught if self.taught is None else torch.from_numpy(self.taught),
            "model": self.model.state_dict(),
            "average": self.average.state_dict(),
            "optimizer": self.optimizers[0].state_dict(),
        }
        if len(self.helpers):
            state["helpers"] = self.helpers.state_dict()
        chances = {
            name: torch.from_numpy(stream.chances)
            for name, stream in self.streams.items()
            if stream.chances is not None
        }
        if chances:
            state["chances"] = chances
        if len(self.optimizers) > 1:
            state["optimizers"] = [each.state_dict() for each in self.optimizers[1:]]
        write(state, self.out / CHECKPOINT)

    def train_until_stopped(self, public: FaceSet) -> None:
        """Take steps until none is left or a signal asks for a stop, saving every epoch and 5 minutes."""
        stop = StopSignal()
        saved_at = time.monotonic()
        with stop, Progress("training", self.batches.total, "step", start=self.step) as progress:
            while self.step < self.batches.total:
                began = time.monotonic()
                loss = self.one_step()
                self.step += 1
                self.loss_sum, self.loss_count = self.loss_sum + loss, self.loss_count + 1
                self.seconds += time.monotonic() - began
                epoch_ended = self.step % self.batches.per_epoch == 0
                if epoch_ended:
                    self.end_epoch(public)
                best = f"best {self.best_accuracy:.2%}" if self.best_accuracy else ""
                progress.advance(note=f"loss {self.loss_sum / max(1, self.loss_count):.3f} {best}")
                if epoch_ended or stop.asked or time.monotonic() - saved_at > 300:
                    self.save()
                    saved_at = time.monotonic()
                if stop.asked:
                    return

    def one_step(self) -> float:
        """Learn from what belongs to this step; returns the loss of its turns. Raises ToolchainError."""
        if self.step % self.batches.per_epoch == 0:
            for name, stream in self.streams.items():
                stream.chances = self.system.chances(name, self.average, stream.faces)
        # Streams first: the labelled batch seeds what the networks then draw, with or without streams.
        size = self.batches.size(self.step // self.batches.per_epoch)
        drawn = {name: stream.at(self.step, size) for name, stream in self.streams.items()}
        step, total = None if self.maps else self._step(drawn), 0.0
        for turn, optimizer in zip(self.turns, self.optimizers, strict=True):
            self._set_rate(optimizer)
            loss = self._loss_of_maps() if step is None else self._loss(turn, step)
            if not torch.isfinite(loss):
                raise ToolchainError(
                    f"the loss is not a finite number at step {self.step}: lower train.lr in the recipe"
                )
            # Of all turns: what one turn only passes through must not move with another's gradients.
            for each in self.optimizers:
                each.zero_grad()
            loss.backward()
            optimizer.step()
            total += float(loss.detach())
        follow(self.average, self.model, self.recipe.train.ema, self.step)
        return total

    def _set_rate(self, optimizer: torch.optim.Optimizer) -> None:
        how = self.recipe.train
        for group in optimizer.param_groups:
            # Checkpoints of before shares were written have none.
            rate = learning_rate(how, self.step, self.batches.per_epoch, self.batches.total)
            group["lr"] = rate * group.get(SHARE, 1.0)
            if how.optimizer == "sgd":
                group["momentum"] = momentum(how, self.step, self.batches.total)

    def _loss(self, turn: Turn, step: Step) -> torch.Tensor:
        """The sum of the system's losses in ``turn``."""
        losses = self.system.losses(turn, self.model, self.helpers, step)
        # In the order in which they are named, so that a sum is the same to the last bit.
        total, *others = losses.values()
        for each in others:
            total = total + each
        return total

    def _step(self, drawn: Mapping[str, Drawn]) -> Step:
        return Step(
            batch=self.batches.at(self.step),
            streams=drawn,
            progress=self.step / self.batches.total,
            recipe=self.recipe,
            device=self.device,
            lessons=self.batches.lessons,
            teacher=self.teacher,
            faces={name: stream.faces for name, stream in self.streams.items()},
        )

    def _loss_of_maps(self) -> torch.Tensor:
        """The loss of what lies above the frozen parts, on their kept maps."""
        indices = self.batches.chosen(self.step)
        assert self.maps is not None
        maps = self.maps.at(indices, self.step // self.batches.per_epoch).to(self.device)
        torch.manual_seed(self.recipe.train.seed * 1_000_003 + self.step)
        self.above.train()
        bfloat16 = self.recipe.train.autocast == "bfloat16"
        with torch.autocast(self.device.type, torch.bfloat16, enabled=bfloat16):
            logits = self.above(maps.to(memory_format=torch.channels_last)).float()
        return self.batches.lessons.loss(logits, self.batches.target(indices).to(self.device))

    def end_epoch(self, public: FaceSet) -> None:
        """Judge the averaged weights on ``public``, keep them if they are the best so far, write history."""
        told = known_of(self.system, self.average, public)
        logits = predict(self.average, public.faces, self.recipe, told=told)
        predicted, score, more = judge(self.recipe, self.batches.lessons, logits, public)
        row = {
            "epoch": str(self.step // self.batches.per_epoch),
            "lr": f"{self.optimizers[0].param_groups[0]['lr']:.6f}",
            "train_loss": f"{self.loss_sum / self.loss_count:.4f}",
            "public_accuracy": f"{accuracy(predicted, public.labels):.4f}",
            "public_macro_f1": f"{macro_f1(predicted, public.labels, len(public.classes)):.4f}",
            **more,
            "seconds": f"{self.seconds:.1f}",
        }
        self.history.append(row)
        self.loss_sum, self.loss_count, self.seconds = 0.0, 0, 0.0
        if score > self.best or len(self.history) == 1:
            self.best, self.best_accuracy = score, accuracy(predicted, public.labels)
            origin = Lineage(self.starts, self.teacher.taught if self.teacher else ())
            kept = {"recipe": self.recipe.text, "data": self.data_sha256, **origin.texts}
            write(kept | {"model": self.average.state_dict()}, self.out / BEST)
        write_history(self.history, self.out / HISTORY)
        add_to_tensorboard(row, self.out)
