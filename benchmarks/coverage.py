"""Whether intervals hold what they should: 95 % bootstrap intervals of FLP on ladders simulated from known constants.

``python -m benchmarks.coverage --json FILE [--seeds 100] [--method auto --level .9] [--workers N]``. Counted are the
losses and scores of the 7B and the 13B, without noise and as they came; of FLP, the constants that data identify, too,
which are level and slope of each line at its centre (C_N of eq. 1 and w0 of eq. 2 lie far outside the data).
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import numpy as np
from numpy.typing import ArrayLike

from benchmarks.report import environment, finish, parser, percent, show
from benchmarks.workers import side_by_side
from flpjax import Draws, Runs, fit, forecast, method, simulate_ladder, targets_of
from flpjax.fitting.draws import RESAMPLES_LOST
from flpjax.ladder.simulate import DOMAINS, TARGETS, TASKS, Truth
from flpjax.results.forecast import Interval

METHOD, LEVEL = "flp", 0.95
CONSTANTS = ("level", "slope")
MEASURED = tuple(f"measured {target}" for target in TARGETS)


@dataclass(frozen=True)
class Hit:
    """One interval of one simulated ladder.

    Attributes:
        seed: The ladder's seed.
        kind: ``loss`` or ``score``.
        name: Domain or task.
        what: ``level`` or ``slope``, or the target whose noise-free, or else ``measured``, loss or score it is.
        covered: Whether the interval holds the truth.
        error: The median less the truth; of losses, as a share of it. NaN of constants.
    """

    seed: int
    kind: str
    name: str
    what: str
    covered: bool
    error: float = np.nan


def coverage(
    seeds: Iterable[int], draws: int | None = 200, name: str = METHOD, level: float = LEVEL, workers: int = 1
) -> list[Hit]:
    """Every interval of every seed: 66 a seed of FLP unless a task has not emerged, 44 of other methods."""
    hits: list[Hit] = []
    for found in side_by_side(partial(of_seed, draws=draws, name=name, level=level), list(seeds), workers):
        hits += found
        print(f"seed {found[0].seed}", file=sys.stderr, flush=True)
    return hits


def share(hits: Iterable[Hit]) -> tuple[float, float, int]:
    """The share covered, its standard error over seeds, and the number of cells.

    The cells of one seed share its noise, so seeds are what is independent.
    """
    by_seed: dict[int, list[bool]] = {}
    for hit in hits:
        by_seed.setdefault(hit.seed, []).append(hit.covered)
    counts = np.array([len(v) for v in by_seed.values()])
    held = np.array([sum(v) for v in by_seed.values()])
    mean = float(held.sum() / counts.sum())
    spread = np.sum((held - mean * counts) ** 2)  # a ratio of sums over clusters
    error = np.sqrt(spread * len(counts) / max(len(counts) - 1, 1)) / counts.sum()
    return mean, float(error), int(counts.sum())


def of_constants(hits: Iterable[Hit]) -> list[Hit]:
    """The cells of constants."""
    return [h for h in hits if h.what in CONSTANTS]


def of_forecasts(hits: Iterable[Hit], kind: str, what: Iterable[str] = TARGETS) -> list[Hit]:
    """The cells of the targets' losses, or of their scores: noise-free, or with ``MEASURED`` as they came."""
    return [h for h in hits if h.kind == kind and h.what in tuple(what)]


def of_seed(seed: int, draws: int | None, name: str, level: float) -> list[Hit]:
    """Every interval of one seed."""
    simulated = simulate_ladder(seed)
    runs, truth = simulated.runs, simulated.truth
    fitted = fit(method(name), runs, jax.random.key(seed), draws=draws)
    constants = _constants(seed, fitted, truth, level) if name == METHOD else ()
    return [*constants, *_forecasts(seed, fitted, runs.targets().finals(), truth, level)]


def _forecasts(seed: int, fitted: Draws, reached: Runs, truth: Truth, level: float) -> Iterator[Hit]:
    expected, measured = (forecast(fitted, targets_of(reached), level=level, measured=m) for m in (False, True))
    for i, target in enumerate(expected.targets):
        assert target.flops is not None
        for what, seen, losses, scores in (
            (target.name, expected, truth.loss(target.flops), truth.score(target.flops)),
            (f"measured {target.name}", measured, reached.loss[i], reached.score[i]),
        ):
            for kind, found, names, true in (
                ("loss", seen.loss[i], truth.domains, losses),
                ("score", seen.score[i], [t.name for t in truth.tasks], scores),
            ):
                known = dict(zip(names, true, strict=True))
                for name, v in found.items():
                    off = (v.median - known[name]) / (known[name] if kind == "loss" else 1.0)
                    yield Hit(seed, kind, name, what, bool(v.lower <= known[name] <= v.upper), off)


def _constants(seed: int, fitted: Draws, truth: Truth, to_level: float) -> Iterator[Hit]:
    """Level and slope of ``log L`` against ``log C`` and of the score against the loss, each at the fit's centre."""
    model: Any = fitted.model
    loss, score = fitted.params["loss"], fitted.params["score"]
    for j, name in enumerate(model.domains):
        k = truth.domains.index(name)
        level = truth.alpha_n[k] * (model.compute_loss.centre - np.log(truth.c_n[k]))
        yield _hit(seed, "loss", name, "level", loss["log_level"][:, j], level, to_level)
        yield _hit(seed, "loss", name, "slope", loss["exponent"][:, j], truth.alpha_n[k], to_level)
    known = [t.name for t in truth.tasks]
    for j, name in enumerate(model.tasks):
        k = known.index(name)
        level = truth.w0[k] + truth.w1[k] * model.loss_score.centre
        yield _hit(seed, "score", name, "level", score["level"][:, j], level, to_level)
        yield _hit(seed, "score", name, "slope", score["slope"][:, j], truth.w1[k], to_level)


def _hit(seed: int, kind: str, name: str, what: str, drawn: ArrayLike, true: float, level: float) -> Hit:
    v = Interval.of(np.asarray(drawn), level, RESAMPLES_LOST)
    return Hit(seed, kind, name, what, v is not None and bool(v.lower <= true <= v.upper))


def main() -> None:
    """Simulate, fit, count."""
    jax.config.update("jax_enable_x64", True)
    arguments = parser(__doc__)
    arguments.add_argument("--seeds", type=int, default=100, help="simulated ladders (default: 100)")
    arguments.add_argument("--draws", type=int, help="draws (default: 200 of flp, the usual number of others)")
    arguments.add_argument("--method", default=METHOD, help=f"as flpjax forecast takes it (default: {METHOD})")
    arguments.add_argument("--level", type=float, default=LEVEL, help=f"of the intervals (default: {LEVEL})")
    arguments.add_argument("--workers", type=int, default=1, help="processes, on CPU if more than one (default: 1)")
    given = arguments.parse_args()
    draws = 200 if given.draws is None and given.method == METHOD else given.draws
    start = time.perf_counter()
    hits = coverage(range(given.seeds), draws, given.method, given.level, given.workers)
    summary = {
        "constants": of_constants(hits),
        "losses of 7B and 13B": of_forecasts(hits, "loss"),
        "scores of 7B and 13B": of_forecasts(hits, "score"),
        "measured losses of 7B and 13B": of_forecasts(hits, "loss", MEASURED),
        "measured scores of 7B and 13B": of_forecasts(hits, "score", MEASURED),
    }
    summary = {name: group for name, group in summary.items() if group}
    cells = {(h.kind, h.name): [g for g in hits if (g.kind, g.name) == (h.kind, h.name)] for h in hits}
    columns = (*(CONSTANTS if given.method == METHOD else ()), *TARGETS, *MEASURED)
    shares = {key: [_share_of(group, what) for what in columns] for key, group in cells.items()}
    show(
        f"{100 * given.level:g} % intervals of {given.method} on {given.seeds} simulated ladders: coverage, %",
        ("quantity", *(f"noise-free {c}" if c in TARGETS else c for c in columns)),
        [(f"{kind} {name}", *(percent(v, 0) for v in found)) for (kind, name), found in shares.items()],
    )
    show(
        "Averages: coverage and error of medians, %",
        ("of", "coverage", "standard error over seeds", "error", "signed", "cells"),
        [
            (n, percent(m, 1), percent(e, 1), *(percent(off, 1) for off in _errors(h)), c)
            for n, h in summary.items()
            for m, e, c in [share(h)]
        ],
    )
    result = environment() | {
        "method": given.method,
        "level": given.level,
        "seeds": given.seeds,
        "draws": draws,
        "summary": {
            n: {"coverage": m, "standard_error": e, "error": off, "signed": signed, "cells": c}
            for n, h in summary.items()
            for m, e, c in [share(h)]
            for off, signed in [_errors(h)]
        },
        "quantities": {
            f"{kind} {name}": dict(zip(columns, found, strict=True)) for (kind, name), found in shares.items()
        },
        "cells": len(hits),
        "expected_cells": given.seeds * (len(DOMAINS) + len(TASKS)) * len(columns),
        "seconds": time.perf_counter() - start,
    }
    print(f"{len(hits)} of {result['expected_cells']} cells; {result['seconds']:.0f} s")
    finish(result, given.json)


def _errors(hits: Iterable[Hit]) -> tuple[float | None, float | None]:
    """Mean absolute and signed error of medians; None of constants, whose units differ."""
    errors = [h.error for h in hits if h.what not in CONSTANTS]
    return (float(np.mean(np.abs(errors))), float(np.mean(errors))) if errors else (None, None)


def _share_of(hits: Iterable[Hit], what: str) -> float | None:
    chosen = [h for h in hits if h.what == what]
    return share(chosen)[0] if chosen else None


if __name__ == "__main__":
    main()
