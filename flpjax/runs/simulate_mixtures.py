"""The paper's ladder of data mixtures, simulated from known constants and with a known best mixture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from flpjax.errors import InputError, count, did_you_mean
from flpjax.runs.build import build_runs
from flpjax.runs.simulate import LADDER, size_columns
from flpjax.runs.simulate_noise import check_noise, measure, sized_tasks
from flpjax.runs.table import Floats, Runs, index_of
from flpjax.runs.tasks import Task

# Chen et al. 2024, section 5.1: six sizes and 3B, at six ratios; targets are 3B at all ratios but one, and 7B at it.
SIZES = ("0.12B", "0.2B", "0.32B", "0.5B", "0.72B", "1B", "3B", "7B")
TARGETS = ("3B", "7B", "13B")  # 3B but for one ratio
ANCHORED = ("7B", "13B")  # made at that ratio only, unless ratios are asked for
RATIOS = {  # number of sources: the shares of those after the first
    2: tuple((code,) for code in (0.0, 0.1, 0.2, 0.3, 0.4, 0.5)),
    3: tuple((c, m) for c in (0.0, 0.15, 0.3, 0.45) for m in (0.0, 0.15, 0.3, 0.45) if c + m < 0.46),
}
ANCHOR = {2: (0.3,), 3: (0.15, 0.15)}  # the ratio at which 3B trains and 7B is a target
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
WHERE = "simulate_mixtures"


@dataclass(frozen=True, eq=False)
class MixtureTruth:
    """The constants behind a simulated ladder of mixtures, and what they say of any compute and mixture.

    Losses are form M3 of the paper's Table 3 over an irreducible loss, ``L^D = E_D + ((Σ_s a_Ds·C_s)/C_D)^α_D`` with
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


@dataclass(frozen=True, eq=False)
class SimulatedMixtures:
    """A simulated table of mixtures and the truth behind it."""

    runs: Runs
    truth: MixtureTruth


def simulate_mixtures(
    seed: int = 0,
    *,
    noise: float = 1.0,
    questions: Mapping[str, int] | None = None,
    checkpoints: int = 30,
    sizes: Sequence[str] | None = None,
    ratios: Sequence[float] | Sequence[Sequence[float]] | None = None,
    optimum: Optimum = "inside",
    sources: int = 2,
) -> SimulatedMixtures:
    """Simulate the mixtures of Chen et al. 2024, section 5.1: 37 runs to fit, and 6 targets held out.

    Runs are named as ``0.2B-code0.3``. They descend and are measured as in :func:`flpjax.simulate_ladder`, and a run
    comes out the same whatever other runs are asked for. Runs up to 1B train, and 3B at 30 % code; all others are held
    out.

    Args:
        seed: Seed of the noise, not negative.
        noise: Scale of every standard deviation; 0 gives losses and scores exactly. Scores get there through their
            test sets, of ``questions / noise²`` questions; at 0 these are endless and standard errors 0.
        questions: Task → size of its test set, where it should not be the real one's.
        checkpoints: Checkpoints a run, equally spaced; the last is the end of training. The paper has 30.
        sizes: The sizes to include, any of Table 1; the paper's eight if None.
        ratios: The shares of code, each run at every size; with three sources, pairs of the shares of code and math.
            Six decimals count. If None the paper's six, but 7B and 13B at 30 % code only.
        optimum: Where the best mean score of the six tasks is: "inside", at some code, or on the "face" without code.
        sources: 2 (general, code), or 3 (general, code, math) with a triangle of ten mixtures, and 15 % code with 15 %
            math for 30 % code.

    Raises:
        InputError: An argument can't be, or names a size or a task that is not there.
    """
    check_noise(WHERE, seed, noise, checkpoints, questions or {}, tuple(TASKS))
    if optimum not in AFFINITY:
        raise InputError(f"there is no optimum '{optimum}'", where=WHERE, remedy=did_you_mean(optimum, AFFINITY))
    if sources not in RATIOS:
        raise InputError(f"{sources} sources", where=WHERE, remedy="Give 2 (general, code) or 3 (general, code, math)")
    if isinstance(ratios, float | int):
        raise InputError(f"the ratios are one number, {ratios}", where=WHERE, remedy=f"Give a list, as [{ratios}]")
    truth = _truth(questions or {}, noise, optimum, sources)
    all_sizes = tuple(LADDER)
    chosen = {index_of(size, all_sizes, "size", WHERE) for size in (SIZES if sizes is None else sizes)}
    mixtures = sorted({_shares(r, sources) for r in (RATIOS[sources] if ratios is None else ratios)})
    for what, names in (("sizes", chosen), ("ratios", mixtures)):
        if not names:
            raise InputError(f"there are no {what}", where=WHERE, remedy="Name at least one")
    parts = [
        _run(seed, all_sizes[i], shares, truth, noise, checkpoints)
        for i in sorted(chosen)
        for shares in mixtures
        if ratios is not None or all_sizes[i] not in ANCHORED or shares == ANCHOR[sources]
    ]
    columns = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    tasks = {t.name: t for t in truth.tasks}
    return SimulatedMixtures(build_runs(columns, tasks=tasks, source=f"simulated mixtures (seed {seed})"), truth)


def _shares(ratio: float | Sequence[float], sources: int) -> tuple[float, ...]:
    """The shares of the sources after the first, to six decimals."""
    shares = np.atleast_1d(np.asarray(ratio, np.float64))
    if shares.shape != (sources - 1,):
        names = " and ".join(SOURCES[1:sources])
        raise InputError(
            f"the ratio {ratio} is no share of {names}", where=WHERE, remedy=f"Give {count(sources - 1, 'number')}"
        )
    shares = np.round(shares, 6)
    if not (np.all(shares >= 0) and shares.sum() <= 1 + 1e-9):
        raise InputError(f"the ratio {ratio} is no share", where=WHERE, remedy="Give 0 to 1, as 0.3 for 30 %")
    return tuple(float(s) for s in shares + 0.0)


def _truth(questions: Mapping[str, int], noise: float, optimum: Optimum, sources: int) -> MixtureTruth:
    irreducible, scale, exponent = np.array(list(DOMAINS.values())).T
    affinity = np.array([AFFINITY[optimum][d][:sources] for d in DOMAINS])
    tasks = sized_tasks({name: row[-1] for name, row in TASKS.items()}, questions, noise)
    reads = np.array([row[0] for row in TASKS.values()])
    midpoint, steepness, top = np.array([row[1:4] for row in TASKS.values()]).T
    names = SOURCES[:sources], tuple(DOMAINS)
    return MixtureTruth(*names, irreducible, scale, exponent, affinity, tasks, reads, midpoint, steepness, top)


def _run(
    seed: int, size: str, shares: tuple[float, ...], truth: MixtureTruth, noise: float, checkpoints: int
) -> dict[str, np.ndarray]:
    """One run's canonical columns, ``(checkpoint,)`` each."""
    mix = np.array([max(0.0, 1.0 - sum(shares)), *shares])
    place = [list(LADDER).index(size), len(mix), *(round(s * 1e6) for s in shares)]
    trained = np.arange(1, checkpoints + 1) / checkpoints
    compute = size_columns(size, trained)
    end = truth.loss(compute["flops"][-1], mix)
    # The text of a source is like that of the domain of its name.
    trained_on = np.array([dict(zip(truth.sources, mix, strict=True)).get(d, 0.0) for d in truth.domains])
    rng = np.random.default_rng([seed, *place])
    measured = measure(end, trained, trained_on, truth.domains, truth.tasks, truth.score_at, rng, noise)
    name = "-".join([size, *(f"{s}{share:g}" for s, share in zip(truth.sources[1:], shares, strict=True))])
    train = size not in TARGETS or (size == "3B" and shares == ANCHOR[len(mix)])
    return {
        "run": np.full(checkpoints, name, object),
        **compute,
        "final": trained == 1.0,
        "held_out": np.full(checkpoints, not train),
        **measured,
        **{f"mix/{s}": np.full(checkpoints, w) for s, w in zip(truth.sources, mix, strict=True)},
    }
