"""The paper's ladder, simulated from known constants: what fits are tested against, and what the demo shows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from flpjax.errors import InputError
from flpjax.ladder.build import build_runs
from flpjax.ladder.compute import transformer_flops, transformer_params
from flpjax.ladder.simulate_noise import DESCENT as DESCENT
from flpjax.ladder.simulate_noise import RUN_NOISE as RUN_NOISE
from flpjax.ladder.simulate_noise import check_noise, measure, sized_tasks
from flpjax.ladder.table import Floats, Runs, index_of
from flpjax.ladder.tasks import Task

# Chen et al. 2024, Table 1: size → layers, width, FFN width, training tokens.
LADDER = {
    "43M": (3, 384, 1032, 8_021_606_400),
    "64M": (4, 512, 1376, 11_714_691_072),
    "89M": (5, 640, 1720, 16_184_770_560),
    "0.12B": (6, 768, 2064, 21_799_895_040),
    "0.15B": (7, 896, 2408, 28_846_325_760),
    "0.2B": (8, 1024, 2752, 37_213_962_240),
    "0.25B": (9, 1152, 3096, 47_563_407_360),
    "0.32B": (10, 1280, 3440, 59_674_460_160),
    "0.5B": (12, 1536, 4128, 90_502_594_560),
    "0.72B": (14, 1792, 4816, 132_026_204_160),
    "1B": (16, 2048, 5504, 185_535_037_440),
    "3B": (24, 3072, 8256, 556_793_856_000),
    "7B": (32, 4096, 11008, 1_258_291_200_000),
    "13B": (40, 5120, 13824, 1_258_291_200_000),
}
TARGETS = ("7B", "13B")
CONTEXT = 2048

# The paper prints no constants. These give losses of the usual size: general 3.5 at 4e17 FLOPs, 2.1 at 1e23.
DOMAINS = {  # domain: C_N, α_N of eq. 1
    "general": (7.0e30, -0.0410),
    "code": (1.8e21, -0.0558),
    "math": (1.35e25, -0.0455),
    "paper": (9.6e26, -0.0405),
    "wikipedia": (1.0e28, -0.0486),
}
TASKS = {  # task of Table 2: threshold of the general loss, w1 of eq. 2, questions of its test set
    "arc_challenge": (2.78, -0.37, 1_172),
    "bbh": (2.75, -0.61, 6_511),
    "hellaswag": (2.95, -0.62, 10_042),
    "humaneval": (2.74, -0.55, 164),
    "race": (2.88, -0.22, 1_045),
    "triviaqa": (2.70, -1.00, 17_944),
}


@dataclass(frozen=True, eq=False)
class Truth:
    """The constants behind a simulated ladder, in the paper's symbols, and what they say at any compute.

    Attributes:
        domains: ``(domain,)`` names; the first is the one that scores depend on.
        c_n: ``(domain,)`` scale C_N of eq. 1, FLOPs.
        alpha_n: ``(domain,)`` exponent α_N of eq. 1, negative.
        tasks: ``(task,)`` the tasks with their chance levels.
        w0: ``(task,)`` intercept of eq. 2, as a fraction.
        w1: ``(task,)`` slope of eq. 2, fraction per nat, negative.
        threshold: ``(task,)`` general loss below which the task emerges; ``w0 + w1·threshold`` is chance.
    """

    domains: tuple[str, ...]
    c_n: Floats
    alpha_n: Floats
    tasks: tuple[Task, ...]
    w0: Floats
    w1: Floats
    threshold: Floats

    def __post_init__(self) -> None:
        for value in vars(self).values():
            if isinstance(value, np.ndarray):
                value.setflags(write=False)

    @property
    def chance(self) -> Floats:
        """``(task,)`` chance levels."""
        return np.array([t.chance for t in self.tasks])

    def loss(self, flops: ArrayLike) -> Floats:
        """Losses ``(..., domain)`` of converged models, without noise, of FLOPs ``(...)``: ``(C/C_N)^α_N``, eq. 1."""
        return np.asarray((np.asarray(flops, np.float64)[..., None] / self.c_n) ** self.alpha_n)

    def score(self, flops: ArrayLike) -> Floats:
        """Scores ``(..., task)`` of converged models, without noise; past 9e24 FLOPs HellaSwag's line crosses 1."""
        return self.score_at(self.loss(flops)[..., 0])

    def score_at(self, loss: ArrayLike) -> Floats:
        """Scores from the general loss: ``chance + w1·min(L − threshold, 0)``, which is eq. 2 below the threshold.

        Args:
            loss: General loss, nats per token, any shape ``(...)``.

        Returns:
            ``(..., task)`` fractions.
        """
        below = np.minimum(np.asarray(loss, np.float64)[..., None] - self.threshold, 0.0)
        return np.asarray(self.chance + self.w1 * below)


@dataclass(frozen=True, eq=False)
class Simulated:
    """A simulated table and the truth behind it."""

    runs: Runs
    truth: Truth


def simulate_ladder(
    seed: int = 0,
    *,
    noise: float = 1.0,
    questions: Mapping[str, int] | None = None,
    checkpoints: int = 30,
    sizes: Sequence[str] | None = None,
) -> Simulated:
    """Simulate the ladder of Chen et al. 2024: 12 sampling models up to 3B, and the targets 7B and 13B held out.

    A run's losses are ``(C/C_N)^α_N`` at its end, times a log-normal factor of the run, times ``t^-DESCENT`` at the
    fraction t of training, times a factor of the evaluation. Its scores follow its general loss (evaluation noise
    apart) and are then drawn question by question. A run comes out the same whatever other runs are asked for.

    Args:
        seed: Seed of the noise, not negative.
        noise: Scale of every standard deviation; 0 gives losses and scores exactly. Scores get there through their
            test sets, of ``questions / noise²`` questions; at 0 these are endless and standard errors 0.
        questions: Task → size of its test set, where it should not be the real one's.
        checkpoints: Checkpoints a run, equally spaced; the last is the end of training. The paper has 30.
        sizes: The sizes to include, all of Table 1 if None.

    Raises:
        InputError: An argument can't be, or names a size or a task that is not there.
    """
    check_noise("simulate_ladder", seed, noise, checkpoints, questions or {}, tuple(TASKS))
    truth = _truth(questions or {}, noise)
    chosen = {index_of(size, tuple(LADDER), "size", "simulate_ladder") for size in (LADDER if sizes is None else sizes)}
    if not chosen:
        raise InputError("there are no sizes", where="simulate_ladder", remedy="Name at least one")
    parts = [_run(i, truth, np.random.default_rng([seed, i]), noise, checkpoints) for i in sorted(chosen)]
    columns = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    tasks = {t.name: t for t in truth.tasks}
    return Simulated(build_runs(columns, tasks=tasks, source=f"simulated ladder (seed {seed})"), truth)


def _truth(questions: Mapping[str, int], noise: float) -> Truth:
    threshold, w1, _ = np.array(list(TASKS.values())).T
    c_n, alpha_n = np.array(list(DOMAINS.values())).T
    tasks = sized_tasks({name: usual for name, (_, _, usual) in TASKS.items()}, questions, noise)
    w0 = np.array([t.chance for t in tasks]) - w1 * threshold
    return Truth(tuple(DOMAINS), c_n, alpha_n, tasks, w0, w1, threshold)


def _run(index: int, truth: Truth, rng: np.random.Generator, noise: float, checkpoints: int) -> dict[str, np.ndarray]:
    """One run's canonical columns, ``(checkpoint,)`` each."""
    size = list(LADDER)[index]
    trained = np.arange(1, checkpoints + 1) / checkpoints
    compute = size_columns(size, trained)
    general = np.arange(len(truth.domains)) == 0
    end = truth.loss(compute["flops"][-1])
    measured = measure(
        end,
        trained,
        general.astype(np.float64),
        truth.domains,
        truth.tasks,
        lambda loss: truth.score_at(loss[:, 0]),
        rng,
        noise,
    )
    return {
        "run": np.full(checkpoints, size, object),
        **compute,
        "final": trained == 1.0,
        "held_out": np.full(checkpoints, size in TARGETS),
        **measured,
    }


def size_columns(size: str, trained: Floats) -> dict[str, np.ndarray]:
    """``params``, ``tokens`` and ``flops`` of a size of Table 1 at the fractions ``trained`` ``(checkpoint,)``."""
    layers, width, ffn, all_tokens = LADDER[size]
    tokens = all_tokens * trained
    params = transformer_params(layers, width, ffn)
    flops = transformer_flops(tokens, params, layers, width, CONTEXT)
    return {"params": np.full(len(trained), params), "tokens": tokens, "flops": flops}
