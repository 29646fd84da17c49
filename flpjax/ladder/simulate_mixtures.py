"""The paper's ladder of data mixtures, simulated from known constants and with a known best mixture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from flpjax.errors import InputError, count, did_you_mean
from flpjax.ladder.build import build_runs
from flpjax.ladder.mixture_truth import AFFINITY, SOURCES, TASKS, MixtureTruth, Optimum, mixture_truth
from flpjax.ladder.simulate import LADDER, size_columns
from flpjax.ladder.simulate_noise import check_noise, measure
from flpjax.ladder.table import Runs, index_of

# Chen et al. 2024, section 5.1: six sizes and 3B, at six ratios; targets are 3B at all ratios but one, and 7B at it.
SIZES = ("0.12B", "0.2B", "0.32B", "0.5B", "0.72B", "1B", "3B", "7B")
TARGETS = ("3B", "7B", "13B")  # 3B but for one ratio
ANCHORED = ("7B", "13B")  # made at that ratio only, unless ratios are asked for
RATIOS = {  # number of sources: the shares of those after the first
    2: tuple((code,) for code in (0.0, 0.1, 0.2, 0.3, 0.4, 0.5)),
    3: tuple((c, m) for c in (0.0, 0.15, 0.3, 0.45) for m in (0.0, 0.15, 0.3, 0.45) if c + m < 0.46),
}
ANCHOR = {2: (0.3,), 3: (0.15, 0.15)}  # the ratio at which 3B trains and 7B is a target

WHERE = "simulate_mixtures"


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
    truth = mixture_truth(questions or {}, noise, optimum, sources)
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
