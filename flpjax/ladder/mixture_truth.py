"""The truth behind simulated data mixtures: losses and scores of any compute and mixture, and the best mixture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from flpjax.errors import InputError, count
from flpjax.ladder.simulate_noise import sized_tasks
from flpjax.ladder.table import Floats, index_of
from flpjax.ladder.tasks import Task

SOURCES = ("general", "code", "math")

# The paper prints no constants. These give losses of the usual size: general 3.5 at 4e17 FLOPs, 2.1 at 1e23.
DOMAINS = {  # domain: irreducible loss, nats; scale, FLOPs; exponent
    "general": (0.8, 6.3e24, -0.059),
    "code": (0.3, 5.6e18, -0.069),
    "math": (0.4, 2.6e21, -0.060),
    "paper": (0.6, 4.2e21, -0.060),
    "wikipedia": (0.7, 1.4e23, -0.070),
}
# What a FLOP on each source (general, code, math) is worth to a domain. None is 0, so that every mixture has a loss.
AFFINITY = {
    "inside": {
        "general": (1.0, 0.10, 0.5),
        "code": (0.02, 1.0, 0.2),
        "math": (0.2, 0.6, 3.0),
        "paper": (0.5, 0.7, 1.5),
        "wikipedia": (1.0, 0.05, 0.35),
    },
    "face": {  # general text that already holds code and formulas: more code costs more than it brings
        "general": (1.0, 0.10, 0.5),
        "code": (0.4, 1.0, 0.4),
        "math": (0.3, 0.4, 3.0),
        "paper": (0.6, 0.4, 1.5),
        "wikipedia": (1.0, 0.05, 0.35),
    },
}
TASKS = {  # task of Table 2: weights of the losses; midpoint, nats; steepness, 1/nat; top; questions of its test set
    "arc_challenge": ((0.40, 0.15, 0.25, 0.20, 0.0), 1.57, 5.3, 0.85, 1_172),
    "bbh": ((0.20, 0.40, 0.40, 0.0, 0.0), 1.28, 5.3, 0.75, 6_511),
    "hellaswag": ((0.80, 0.0, 0.0, 0.10, 0.10), 2.25, 5.0, 0.92, 10_042),
    "humaneval": ((0.15, 0.85, 0.0, 0.0, 0.0), 1.01, 6.6, 0.85, 164),
    "race": ((0.50, 0.0, 0.0, 0.30, 0.20), 1.86, 4.0, 0.65, 1_045),
    "triviaqa": ((0.30, 0.0, 0.0, 0.0, 0.70), 1.97, 5.5, 0.85, 17_944),
}

Optimum = Literal["inside", "face"]


@dataclass(frozen=True, eq=False)
class MixtureTruth:
    """The constants behind a simulated ladder of mixtures, and what they say of any compute and mixture.

    Losses are law M3 of the paper's Table 3 over an irreducible loss, ``L^D = E_D + ((Σ_s a_Ds·C_s)/C_D)^α_D`` with
    ``C_s`` the compute spent on source s; scores are ``chance + (top − chance)·σ(k·(m − Σ_D v_D·L^D))``. Both are
    smooth and finite on the whole simplex, its faces too.

    Attributes:
        sources: ``(source,)`` names.
        domains: ``(domain,)`` names.
        irreducible: ``(domain,)`` E_D, nats per token.
        scale: ``(domain,)`` C_D, FLOPs.
        exponent: ``(domain,)`` α_D, negative.
        affinity: ``(domain, source)`` a_Ds: what a FLOP on a source is worth to a domain, positive.
        tasks: ``(task,)`` the tasks with their chance levels.
        reads: ``(task, domain)`` v_D: how much of each domain's loss a task reads; rows sum to 1.
        midpoint: ``(task,)`` m, nats: the weighted loss half way from chance to top.
        steepness: ``(task,)`` k, per nat.
        top: ``(task,)`` what scores rise towards as losses fall, a fraction.
    """

    sources: tuple[str, ...]
    domains: tuple[str, ...]
    irreducible: Floats
    scale: Floats
    exponent: Floats
    affinity: Floats
    tasks: tuple[Task, ...]
    reads: Floats
    midpoint: Floats
    steepness: Floats
    top: Floats

    def __post_init__(self) -> None:
        for value in vars(self).values():
            if isinstance(value, np.ndarray):
                value.setflags(write=False)

    @property
    def chance(self) -> Floats:
        """``(task,)`` chance levels."""
        return np.array([t.chance for t in self.tasks])

    def loss(self, flops: ArrayLike, weights: ArrayLike) -> Floats:
        """Losses of converged models, without noise.

        Args:
            flops: Training FLOPs C ``(...)``.
            weights: ``(..., source)`` mixture weights, which broadcast with ``flops``.

        Returns:
            ``(..., domain)`` nats per token.

        Raises:
            InputError: FLOPs are not positive, or weights are negative or don't sum to 1.
        """
        c, w = np.asarray(flops, np.float64), np.asarray(weights, np.float64)
        if not np.all((c > 0) & np.isfinite(c)):
            raise InputError("FLOPs are not positive and finite", where="MixtureTruth", remedy="Give them as 1e21")
        if (
            w.ndim == 0
            or w.shape[-1] != len(self.sources)
            or not np.all((w > -1e-9) & (abs(w.sum(-1) - 1) < 1e-6)[..., None])
        ):
            names = ", ".join(self.sources)
            raise InputError(
                "the weights are no mixture", where="MixtureTruth", remedy=f"Give shares of {names} that sum to 1"
            )
        return self.irreducible + ((w @ self.affinity.T) * (c[..., None] / self.scale)) ** self.exponent

    def score(self, flops: ArrayLike, weights: ArrayLike) -> Floats:
        """Scores ``(..., task)``, fractions, of converged models without noise; arguments as for :meth:`loss`."""
        return self.score_at(self.loss(flops, weights))

    def score_at(self, loss: ArrayLike) -> Floats:
        """Scores ``(..., task)``, fractions, from domain losses ``(..., domain)`` in nats per token."""
        z = self.steepness * (self.midpoint - np.asarray(loss, np.float64) @ self.reads.T)
        return self.chance + (self.top - self.chance) / (1.0 + np.exp(-z))

    def mean_score(
        self,
        flops: ArrayLike,
        weights: ArrayLike,
        tasks: Sequence[str] | None = None,
        task_weights: ArrayLike | None = None,
    ) -> Floats:
        """The mean ``(...)`` of the scores of some tasks, as a fraction; what :meth:`best_mix` makes largest.

        Args:
            flops: Training FLOPs ``(...)``.
            weights: ``(..., source)`` mixture weights.
            tasks: The tasks to count, all if None.
            task_weights: Their weights, a number each, not negative; equal if None.

        Raises:
            InputError: An argument can't be, or names a task that is not there.
        """
        names = tuple(t.name for t in self.tasks)
        index = [index_of(t, names, "task", "MixtureTruth") for t in (names if tasks is None else tasks)]
        share = np.ones(len(index)) if task_weights is None else np.asarray(task_weights, np.float64)
        if share.shape != (len(index),) or not (np.all(share >= 0) and 0 < share.sum() < np.inf):
            raise InputError(
                f"the task weights can't weigh {count(len(index), 'task')}",
                where="MixtureTruth",
                remedy="Give a number a task, none negative and not all 0",
            )
        return self.score(flops, weights)[..., index] @ (share / share.sum())

    def best_mix(
        self, flops: float, tasks: Sequence[str] | None = None, task_weights: ArrayLike | None = None
    ) -> Floats:
        """The weights ``(source,)`` with the best mean score on the whole simplex, to 1e-6, by grids and no gradient.

        A grid over the simplex, then ever finer ones around the best point so far; a face comes out as exactly 0.

        Args:
            flops: Training FLOPs of the model.
            tasks: The tasks to count, all if None.
            task_weights: Their weights, a number each, not negative; equal if None.

        Raises:
            InputError: As of :meth:`mean_score`.
        """
        if np.ndim(flops):
            raise InputError("best_mix takes one compute", where="MixtureTruth", remedy="Call it once for each")
        free = len(self.sources) - 1
        around, step = np.full(free, 0.5), 1 / 256
        offsets = np.stack(np.meshgrid(*[np.arange(-128, 129)] * free, indexing="ij"), -1).reshape(-1, free)
        near = offsets[(abs(offsets) <= 8).all(1)]
        while step > 1e-8:
            rest = np.clip(around + step * offsets, 0.0, None)
            rest /= np.maximum(rest.sum(1, keepdims=True), 1.0)
            points = np.concatenate([np.clip(1.0 - rest.sum(1, keepdims=True), 0.0, None), rest], 1)
            best = points[self.mean_score(flops, points, tasks, task_weights).argmax()]
            around, offsets, step = best[1:], near, step / 4
        return best


def mixture_truth(questions: Mapping[str, int], noise: float, optimum: Optimum, sources: int) -> MixtureTruth:
    """The truth of one world, with test sets of these sizes."""
    irreducible, scale, exponent = np.array(list(DOMAINS.values())).T
    affinity = np.array([AFFINITY[optimum][d][:sources] for d in DOMAINS])
    tasks = sized_tasks({name: row[-1] for name, row in TASKS.items()}, questions, noise)
    reads = np.array([row[0] for row in TASKS.values()])
    midpoint, steepness, top = np.array([row[1:4] for row in TASKS.values()]).T
    names = SOURCES[:sources], tuple(DOMAINS)
    return MixtureTruth(*names, irreducible, scale, exponent, affinity, tasks, reads, midpoint, steepness, top)
