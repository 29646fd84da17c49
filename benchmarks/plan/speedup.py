"""Recipe against recipe: whether intervals of the factor hold known ones, and what public corpora are worth.

On simulated pairs the factor is known at every scale: it is looked for where neither recipe is extrapolated, and at ten
times the largest compute. On Gadre et al.'s and marin's corpora, it is forecast for the largest compute from the runs
of at most a tenth of that, and held against what all runs say.
"""

from __future__ import annotations

from collections import defaultdict
from itertools import combinations
from typing import Any, NamedTuple

import jax
import numpy as np

from benchmarks.plan.options import Options
from benchmarks.plan.recipes import DESIGNS, LOSS, TASK, simulate
from benchmarks.unseen.tables import isoflops
from benchmarks.workers import side_by_side
from flpjax import Runs, read_runs, speedup
from flpjax.results.speedup.checks import finished
from flpjax.results.speedup.fitted import Tables
from flpjax.results.speedup.result import Factor

REPLICATES = 300  # of all designs together but the last three, which are of other questions
MAIN = ("ladders", "pairs", "apart", "isoFLOP", "exponents")
ITSELF = 20  # tables that are compared with themselves
EACH = 5  # simulations of a lot
DRAWS = 1000
PUBLIC = {
    "gadre2024": ("c4", "rpj", "rw"),
    "isoflops": ("marin_202603__comma", "marin_202603__dclm", "marin_202603__nemotron"),
}
BEFORE = 0.1  # of the largest compute: runs up to there forecast the factor there


class Lot(NamedTuple):
    """Some simulations of a design, or a pair of public corpora."""

    what: str
    first: int
    simulations: int
    pair: tuple[str, str] = ("", "")


def measure(options: Options) -> dict[str, Any]:
    """Coverage by design, tables against themselves, and public corpora."""
    total = REPLICATES if options.replicates is None else options.replicates
    each = max(total // len(MAIN), 1)
    sizes = dict.fromkeys(DESIGNS, each) | {"itself": min(ITSELF, each)}
    todo = [
        Lot(name, options.seed * 100_000 + at, min(EACH, count - at))
        for name, count in sizes.items()
        for at in range(0, count, EACH)
    ]
    todo += [Lot(of, 0, 0, pair) for of, corpora in PUBLIC.items() for pair in combinations(corpora, 2)]
    found: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for lot, results in side_by_side(run, todo, options.workers):
        found[lot.what] += results
    designs = {name: _summary(found[name]) for name in (*DESIGNS, "itself")}
    main = [each for name in MAIN for each in found[name]]
    return {
        "coverage90": float(np.mean([each["held"] for each in main])),
        "extrapolated90": float(np.mean([each["held_beyond"] for each in main])),
        "simulations": len(main),
        "designs": designs,
        "public": {name: sorted(found[name], key=lambda row: (row["a"], row["b"])) for name in PUBLIC},
    }


def run(lot: Lot) -> tuple[Lot, list[dict[str, Any]]]:
    """What a lot finds; that depends on the lot alone."""
    if lot.what in PUBLIC:
        return lot, [_public(lot.what, *lot.pair)]
    return lot, [_simulated(lot.what, lot.first + i) for i in range(lot.simulations)]


def _simulated(name: str, seed: int) -> dict[str, Any]:
    """One pair: whether intervals hold the factor, how wide they are."""
    design = DESIGNS["ladders" if name == "itself" else name]
    first, second, truth = simulate(design, seed)
    second = first if name == "itself" else second
    asked = TASK if design.scores else LOSS
    tasks = [TASK] if design.scores else []
    output = speedup(first, second, jax.random.key(seed), domains=[LOSS], tasks=tasks, draws=DRAWS).output(asked)
    frame = Tables.of(finished(first, "A"), finished(second, "B")).frame
    slope = frame.growth if frame.sizes else 0.5
    anchor = frame.log_flops, frame.log_params, frame.log_tokens
    beyond = output.scales[-2]

    def known(at: Factor) -> float:
        return 1.0 if name == "itself" else truth.factor(at.flops, slope, anchor)

    return {
        "held": _holds(output.headline, known(output.headline)),
        "held_beyond": _holds(beyond, known(beyond)),
        "width": _width(output.headline),
        "width_beyond": _width(beyond),
        "error": float(np.log(output.headline.factor.median / known(output.headline))),
        "constant": output.evidence.constant,
    }


def _holds(at: Factor, known: float) -> bool:
    return at.factor.lower <= known <= at.factor.upper


def _width(at: Factor) -> float:
    return float(np.log(at.factor.upper / at.factor.lower))


def _summary(each: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "simulations": len(each),
        "coverage90": float(np.mean([e["held"] for e in each])),
        "extrapolated90": float(np.mean([e["held_beyond"] for e in each])),
        "width": float(np.median([e["width"] for e in each])),
        "width_beyond": float(np.median([e["width_beyond"] for e in each])),
        "error": float(np.median(np.abs([e["error"] for e in each]))),
        "bias": float(np.mean([e["error"] for e in each])),
        "constant": float(np.mean([e["constant"] for e in each])),
    }


def _public(of: str, a: str, b: str) -> dict[str, Any]:
    """What all runs say at the largest compute of both, and what those up to a tenth of it say of that."""
    first, second = (_released(read_runs(f"gadre2024-{c}") if of == "gadre2024" else isoflops(c)) for c in (a, b))
    domains, tasks = first.domains[:1], ["avg17"] if "avg17" in first.task_names else []
    whole = speedup(first, second, jax.random.key(0), domains=domains, tasks=tasks, draws=DRAWS)
    row: dict[str, Any] = {"a": a, "b": b}
    for output in whole.outputs:
        at = output.headline
        small = [
            runs.rows(np.isin(runs.run, np.flatnonzero(_largest(runs) <= BEFORE * at.flops)))
            for runs in (first, second)
        ]
        before = speedup(
            small[0], small[1], jax.random.key(1), domains=domains, tasks=tasks, flops=[at.flops], draws=DRAWS
        )
        forecast = min(before.output(output.name).scales, key=lambda s: abs(np.log(s.flops / at.flops)))
        row[output.name] = {
            "flops": at.flops,
            "all": at.factor.to_dict(),
            "p_better": at.p_better,
            "forecast": forecast.factor.to_dict(),
            "agree": bool(forecast.factor.lower <= at.factor.upper and at.factor.lower <= forecast.factor.upper),
            "constant": output.evidence.constant,
            "pairs": output.pairs,
        }
    return row


def _released(runs: Runs) -> Runs:
    """All runs, the held-out ones too."""
    return runs.hold_out([])


def _largest(runs: Runs) -> np.ndarray:
    most = np.zeros(len(runs.names))
    np.maximum.at(most, runs.run, runs.flops)
    return most


def show(found: dict[str, Any]) -> str:
    """Figures in words."""
    lines = [
        f"90 % intervals hold the factor in {100 * found['coverage90']:.1f} % of {found['simulations']} simulated "
        f"pairs, at ten times the largest compute in {100 * found['extrapolated90']:.1f} %."
    ]
    for name, design in found["designs"].items():
        about = DESIGNS[name].about if name in DESIGNS else "a table against itself"
        lines.append(
            f"  {name:12} {100 * design['coverage90']:5.1f} % of {design['simulations']}, a factor of "
            f"{np.exp(design['width']):.2f} wide, median error {100 * design['error']:.1f} %; at 10 × "
            f"{100 * design['extrapolated90']:5.1f} %, {np.exp(design['width_beyond']):.2f} wide ({about})"
        )
    for name, rows in found["public"].items():
        for row in rows:
            for output, each in row.items():
                if output in ("a", "b"):
                    continue
                told = [
                    f"{v['median']:.2f} ({v['lower']:.2f} to {v['upper']:.2f})" for v in (each["all"], each["forecast"])
                ]
                lines.append(
                    f"  {name}, {row['b']} over {row['a']} by {output} at {each['flops']:.1e} FLOPs: {told[0]}; "
                    f"forecast from runs of up to a tenth of that: {told[1]}"
                )
    return "\n".join(lines)
