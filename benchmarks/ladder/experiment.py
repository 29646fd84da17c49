"""One size after the other: train to a checkpoint, measure, note the rows, go on."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.ladder.config import Experiment, Plan
from benchmarks.ladder.corpus.store import DOMAINS, Corpus
from benchmarks.ladder.evaluation import Exam, exam, examiner
from benchmarks.ladder.questions.build import build_questions
from benchmarks.ladder.rows import Row, checkpoint_rows
from benchmarks.ladder.runs import Run
from benchmarks.ladder.training import Text, first_models, segment

QUESTION_SEED = 0
# Dense bf16 without sparsity, FLOP/s: NVIDIA's data sheet of the SXM parts.
PEAK = {"NVIDIA H100": 989e12, "NVIDIA H200": 989e12}


@dataclass(frozen=True)
class Bench:
    """Text and questions, laid out on the device once for all sizes."""

    text: Text
    exam: Exam
    tasks: tuple[str, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Log:
    """What training one size took.

    Attributes:
        plan: Of the size.
        models: Models trained side by side.
        training: Seconds of training, without compilation and evaluation.
        evaluation: Seconds of evaluation.
        compilation: Seconds until the programs stood ready.
        device: The device's name.
    """

    plan: Plan
    models: int
    training: float
    evaluation: float
    compilation: float
    device: str

    @property
    def flops(self) -> float:
        """Of all models together."""
        return self.models * self.plan.flops(self.plan.steps)

    @property
    def share_of_peak(self) -> float | None:
        """Share of the device's bf16 peak; None where the peak is not known."""
        peak = next((p for name, p in PEAK.items() if self.device.startswith(name)), None)
        return self.flops / self.training / peak if peak else None

    def __str__(self) -> str:
        share = "" if self.share_of_peak is None else f", {self.share_of_peak:.1%} of bf16 peak"
        return (
            f"{self.plan.size.name}: {self.models} models of {self.plan.tokens(self.plan.steps):.3g} tokens "
            f"({self.plan.steps} steps of {self.plan.batch} × {self.plan.size.context}, rate {self.plan.rate:.2e}), "
            f"{self.flops:.3g} FLOPs in {self.training:.1f} s{share}; evaluation {self.evaluation:.1f} s, "
            f"start {self.compilation:.1f} s; {self.device}"
        )


def lay_out(experiment: Experiment, corpus: Corpus) -> Bench:
    """Put training text, validation windows and questions on the device."""
    general, code = (corpus.source("train", source) for source in ("general", "code"))
    documents = {domain: corpus.documents("validation", domain) for domain in DOMAINS}
    questions = build_questions(documents, seed=QUESTION_SEED, count=experiment.questions)
    context = max(size.context for size in experiment.sizes)
    return Bench(
        Text(jnp.asarray(np.concatenate([general, code])), jnp.asarray(len(general), jnp.int32)),
        exam(corpus.text["validation"], questions, experiment.windows, context),
        tuple(q.task for q in questions),
        tuple(q.note for q in questions if q.note),
    )


def train_size(
    experiment: Experiment, plan: Plan, runs: Sequence[Run], bench: Bench, say: Callable[[str], None]
) -> tuple[list[Row], Log]:
    """Train all models of a size and measure them at every checkpoint.

    Args:
        experiment: The scale.
        plan: Of the size.
        runs: One a model.
        bench: What :func:`lay_out` gave.
        say: Called with a line at every checkpoint.

    Raises:
        FloatingPointError: A loss is not finite.
    """
    started = time.perf_counter()
    models = first_models(plan, experiment.training, experiment.compute, runs)
    first = jnp.asarray(0, jnp.int32)
    train = segment(plan, experiment.training, experiment.compute).lower(models, bench.text, first).compile()
    measure = examiner(plan.size, experiment.compute).lower(models.weights, bench.exam).compile()
    compilation, training, evaluation = time.perf_counter() - started, 0.0, 0.0

    rows: list[Row] = []
    for checkpoint in range(plan.checkpoints):
        began = time.perf_counter()
        models, train_loss = train(models, bench.text, first + checkpoint * plan.steps_each)
        train_loss = np.asarray(jax.block_until_ready(train_loss))
        trained = time.perf_counter()
        losses, marks = jax.device_get(measure(models.weights, bench.exam))
        training, evaluation = training + trained - began, evaluation + time.perf_counter() - trained
        step = (checkpoint + 1) * plan.steps_each
        if not np.isfinite(losses).all():
            broken = ", ".join(run.name for run, loss in zip(runs, losses, strict=True) if not np.isfinite(loss).all())
            raise FloatingPointError(f"step {step}: the loss of {broken} is not finite. Lower the rate in [training]")
        rows += checkpoint_rows(plan, runs, step, train_loss, losses, list(zip(bench.tasks, marks, strict=True)))
        scores = "  ".join(f"{task} {right.mean():.3f}" for task, right in zip(bench.tasks, marks, strict=True))
        say(f"  {plan.size.name} step {step}/{plan.steps}  loss {losses.mean():.4f}  {scores}")
    rows.sort(key=lambda row: [run.name for run in runs].index(row["run"]))  # stable: checkpoints keep their order
    return rows, Log(plan, len(runs), training, evaluation, compilation, jax.devices()[0].device_kind)
