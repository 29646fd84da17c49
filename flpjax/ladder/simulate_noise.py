"""What all simulated ladders share: how loss falls during a run, and the noise of measured losses and scores."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from flpjax.errors import InputError, check_count
from flpjax.ladder.known_tasks import known_task
from flpjax.ladder.table import Floats, index_of
from flpjax.ladder.tasks import Task

DESCENT = 0.085  # within a run, loss ∝ (fraction trained)^-DESCENT: 33 % above its end at 1/30, 6 % at one half
TRAIN_RATIO = 0.99  # training loss divided by the validation loss of the mixture that a run trains on
# Standard deviations at noise = 1, each relative to the quantity.
RUN_NOISE = 0.004  # of a run's losses; one draw serves all its domains and checkpoints
EVAL_NOISE = 0.001  # of one validation loss at one checkpoint
TRAIN_NOISE = 0.002  # of the training loss at one checkpoint
SKILL_NOISE = 0.02  # of a run's score above chance; one draw for each run and task


def check_noise(
    where: str, seed: int, noise: float, checkpoints: int, questions: Mapping[str, int], tasks: tuple[str, ...]
) -> None:
    """Refuse a seed, noise scale, number of checkpoints or numbers of questions that are out of range.

    ``where`` is named in the error.

    Raises:
        InputError: A number is out of its range, or ``questions`` names a task that is not among ``tasks``.
    """
    check_count(checkpoints, "checkpoints a run", 1, where=where)
    for bad, what, remedy in (
        (seed < 0, f"the seed is {seed}", "Give 0 or more"),
        (
            noise != 0 and not 1e-6 <= noise <= 5,
            f"the noise is {noise}",
            "Give 0 (exact) or a scale from 1e-6 to 5; 1 is realistic",
        ),
        (any(n < 2 for n in questions.values()), "a test set of fewer than 2 questions", "Give at least 2"),
    ):
        if bad:
            raise InputError(what, where=where, remedy=remedy)
    for name in questions:
        index_of(name, tasks, "task", where)


def sized_tasks(usual: Mapping[str, int], questions: Mapping[str, int], noise: float) -> tuple[Task, ...]:
    """The tasks of ``usual``, with test sets of ``n / noise²`` questions; exact scores (no number) if the noise is 0.

    ``n`` is the task's number in ``questions``, or that in ``usual`` where none is given.
    """
    wanted = {name: questions.get(name, n) for name, n in usual.items()}
    size = {name: max(2, round(n / noise**2)) if noise else None for name, n in wanted.items()}
    return tuple(Task(name, chance=known_task(name).chance, questions=size[name]) for name in usual)


def measure(
    end: Floats,
    trained: Floats,
    trained_on: Floats,
    domains: tuple[str, ...],
    tasks: tuple[Task, ...],
    score_at: Callable[[Floats], Floats],
    rng: np.random.Generator,
    noise: float,
) -> dict[str, np.ndarray]:
    """Measured losses and scores of one run, as canonical columns of ``(checkpoint,)`` values.

    Losses are those at the end, times a log-normal factor of the run, times ``t^-DESCENT``, times a log-normal factor
    of each evaluation. Expected scores follow from the losses without that last factor, and measured ones are binomial.

    Args:
        end: ``(domain,)`` losses at the end of training (t = 1), without noise.
        trained: ``(checkpoint,)`` fraction t of its training that the run has done.
        trained_on: ``(domain,)`` weights of the domains in the training loss.
        domains: ``(domain,)`` names.
        tasks: ``(task,)`` tasks with their chance levels and, unless the noise is 0, numbers of questions.
        score_at: Function of losses ``(checkpoint, domain)`` that gives scores ``(checkpoint, task)``.
        rng: Random numbers for the noise.
        noise: Factor on every standard deviation above; 0 is exact.
    """
    chance = np.array([t.chance for t in tasks])
    factor = np.exp(noise * RUN_NOISE * rng.standard_normal()) * trained**-DESCENT
    loss = end * factor[:, None]
    skill = 1.0 + noise * SKILL_NOISE * rng.standard_normal(len(tasks))
    expected = chance + (score_at(loss) - chance) * skill
    score, stderr = expected, np.zeros_like(expected)
    if noise:
        questions = np.array([t.questions for t in tasks], np.int64)
        score = rng.binomial(questions, np.clip(expected, 0.0, 1.0)) / questions
        stderr = np.sqrt(score * (1.0 - score) / (questions - 1))  # as lm-evaluation-harness gives it
    measured = loss * np.exp(noise * EVAL_NOISE * rng.standard_normal(loss.shape))
    train_loss = TRAIN_RATIO * (loss @ trained_on) * np.exp(noise * TRAIN_NOISE * rng.standard_normal(len(trained)))
    return {
        "train_loss": train_loss,
        **{f"loss/{d}": measured[:, i] for i, d in enumerate(domains)},
        **{f"score/{t.name}": score[:, i] for i, t in enumerate(tasks)},
        **{f"stderr/{t.name}": stderr[:, i] for i, t in enumerate(tasks)},
    }
