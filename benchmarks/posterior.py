"""What a posterior costs: FLP on the OLMo ladder, from a cold start, and 256 ladders at once.

``python -m benchmarks.posterior --json FILE [--only one|many] [--ladders 256] [--tasks 8] [--method laplace]``. One
ladder needs OLMo's: a download, or FLPJAX_DATA; many are simulated. Cold: a new process without a cache of compiled
programs, from the start of the interpreter to draws in hand.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from benchmarks.many import ladders
from benchmarks.report import environment, finish, parser, show
from flpjax import FLP, Draws, Runs, Target, convergence, forecast, posterior, posteriors, read_runs, targets_of
from flpjax.fitting.diagnostics import RHAT
from flpjax.fitting.posterior.nuts import Sampler

METHODS = ("laplace", "nuts")
COLD = """
import time, sys, jax
jax.config.update("jax_enable_x64", True)
jax.config.update("jax_enable_compilation_cache", False)
from flpjax import FLP, posterior, read_runs
posterior(FLP(), read_runs("olmo-ladder"), jax.random.key(0), method=sys.argv[1])
"""


def cold(method: str) -> float:
    """Seconds of a whole process, by the wall."""
    variables = os.environ | {"XLA_PYTHON_CLIENT_PREALLOCATE": "false"}
    start = time.perf_counter()
    subprocess.run([sys.executable, "-c", COLD, method], env=variables, check=True)
    return time.perf_counter() - start


def one(method: str) -> dict[str, Any]:
    """One posterior, compiled before: seconds, and what they bought."""
    runs = read_runs("olmo-ladder")
    posterior(FLP(), runs, jax.random.key(0), method=method)  # type: ignore[arg-type]
    start = time.perf_counter()
    drawn = posterior(FLP(), runs, jax.random.key(1), method=method)  # type: ignore[arg-type]
    seconds = time.perf_counter() - start
    assert drawn.sampling is not None
    told = forecast(drawn, targets_of(runs.targets()), measured=False)
    losses, scores = (convergence(v, drawn.sampling) for v in (told.loss_draws, told.score_draws))
    rhat = float(max(losses.rhat.max(), scores.rhat.max())) if method == "nuts" else None
    ess = float(min(losses.ess.min(), scores.ess.min()))
    return {
        "seconds": seconds,
        "draws": len(drawn),
        "max_rhat_of_forecasts": rhat,
        "min_ess_of_forecasts": ess,
        "ess_per_second": ess / seconds,
        "seconds_to_rhat": time_to_rhat(seconds, told.score_draws, drawn.sampling.steps) if method == "nuts" else None,
        "sampling": drawn.sampling.to_dict(),
    }


def time_to_rhat(seconds: float, scores: np.ndarray, steps: np.ndarray) -> float | None:
    """Seconds, warm-up included, until every forecast's R-hat is below the limit and stays there."""
    chains, draws = steps.shape
    by_chain = scores.reshape(chains, draws, -1)
    warmup = Sampler().warmup
    reached = None
    for length in range(draws, 19, -20):
        if not (convergence(by_chain[:, :length].reshape(chains * length, -1), chains).rhat < RHAT).all():
            break
        reached = seconds * (warmup + length) / (warmup + draws)
    return reached


def many(count: int, tasks: int, method: str, against: int) -> dict[str, Any]:
    """Many simulated ladders at once, with and without a degenerate one, and some of them by NUTS one by one."""
    key = jax.random.key(0)
    alone, more = ladders(count, tasks, False), ladders(count, tasks, True)
    found: dict[str, Any] = {"ladders": count, "tasks": tasks, "method": method}
    drawn = None
    calls = ("first_call_s", alone), ("seconds", alone), ("first_with_degenerate_s", more), ("with_degenerate_s", more)
    for name, given in calls:
        start = time.perf_counter()
        drawn = posteriors(FLP(), given, key, method=method, progress=_stamped(start))  # type: ignore[arg-type]
        found[name] = time.perf_counter() - start
        told = [d.sampling for d in drawn.values() if d.sampling is not None]
        rhat = [max(s.max_rhat, float(np.nanmax(s.forecasts.rhat))) for s in told if s.chained]
        ess = [min(s.min_ess, float(np.nanmin(s.forecasts.ess))) for s in told]
        of = "degenerate_" if given is more else ""
        found |= {
            f"{of}converged": len(drawn),
            f"{of}failed": dict(drawn.failed),
            f"{of}max_rhat": max(rhat, default=None),
            f"{of}min_ess": min(ess),
            f"{of}median_min_ess": float(np.median(ess)),
            f"{of}divergences": sum(s.divergences for s in told),
        }
        found["max_khat"] = max(s.max_khat for s in told) if method == "laplace" else None
    found["slowed_by"] = found["with_degenerate_s"] / found["seconds"] - 1.0
    found["ess_per_second"] = sum(ess[:count]) / found["seconds"]
    assert drawn is not None
    return found | {"against_nuts": [compared(drawn[name], alone[name], name) for name in list(drawn)[:against]]}


def compared(ours: Draws, runs: Runs, name: str) -> dict[str, Any]:
    """One of the ladders by NUTS: seconds, ESS, and by how many standard errors forecasts differ at most."""
    start = time.perf_counter()
    theirs = posterior(FLP(), runs, jax.random.key(1), draws=4000, strict=False)
    seconds = time.perf_counter() - start
    z = []
    top = runs.finals().flops.max()
    far = [Target("x10", flops=10 * top, params=10**0.5 * runs.params.max(), tokens=10**0.5 * runs.tokens.max())]
    for values in ("loss_draws", "score_draws"):
        a, b = (getattr(forecast(d, far, measured=False), values)[:, 0] for d in (ours, theirs))
        off = (a - a.mean(axis=0)) ** 2, (b - b.mean(axis=0)) ** 2
        for x, y in ((a, b), off):  # means, and variances
            assert ours.sampling is not None
            assert theirs.sampling is not None
            error = (
                x.var(axis=0) / convergence(x, ours.sampling).ess + y.var(axis=0) / convergence(y, theirs.sampling).ess
            )
            z += list((x.mean(axis=0) - y.mean(axis=0)) / np.sqrt(error))  # NaN of a score that ends at 1 in all draws
    assert theirs.sampling is not None
    ess = float(min(theirs.sampling.min_ess, np.nanmin(theirs.sampling.forecasts.ess)))
    return {"ladder": name, "nuts_s": seconds, "nuts_min_ess": ess, "largest_z": float(np.nanmax(np.abs(z)))}


def _stamped(start: float) -> Callable[[str], None]:
    """Progress with the seconds since the start."""
    return lambda said: print(f"  {time.perf_counter() - start:6.1f} s  {said}", flush=True)


def main() -> None:
    """Measure, print, write."""
    jax.config.update("jax_enable_x64", True)
    arguments = parser(__doc__)
    arguments.add_argument("--only", choices=("one", "many"), help="one ladder, or many at once")
    arguments.add_argument("--ladders", type=int, default=256, help="how many at once")
    arguments.add_argument("--tasks", type=int, default=8, help="of each of them")
    arguments.add_argument("--method", choices=("hmc", "laplace"), default="hmc", help="of many")
    arguments.add_argument("--against", type=int, default=3, help="how many of them by NUTS one by one")
    given = arguments.parse_args()
    load = os.getloadavg()[0]
    found = None if given.only == "many" else {method: {"cold_s": cold(method)} | one(method) for method in METHODS}
    if found is not None:
        _show_one(found, load)
    batch = None if given.only == "one" else many(given.ladders, given.tasks, given.method, given.against)
    if batch is not None:
        _show_many(batch)
    finish(environment() | {"load_before": load, "one": found, "many": batch}, given.json)


def _show_one(found: dict[str, dict[str, Any]], load: float) -> None:
    show(
        "FLP on the OLMo ladder, 11 losses and 8 tasks",
        ("method", "cold, s", "again, s", "R-hat", "min ESS", "ESS/s", "s to R-hat < 1.01", "divergences", "k-hat"),
        [
            (
                method,
                f"{f['cold_s']:.1f}",
                f"{f['seconds']:.2f}",
                None if f["max_rhat_of_forecasts"] is None else f"{f['max_rhat_of_forecasts']:.4f}",
                f"{f['min_ess_of_forecasts']:.0f}",
                f"{f['ess_per_second']:.0f}",
                None if f["seconds_to_rhat"] is None else f"{f['seconds_to_rhat']:.1f}",
                f["sampling"]["divergences"],
                None if f["sampling"]["max_khat"] is None else f"{f['sampling']['max_khat']:.2f}",
            )
            for method, f in found.items()
        ],
        f"R-hat and ESS: the worst of all losses and scores of three targets. Load average before: {load:.1f}.",
    )


def _show_many(batch: dict[str, Any]) -> None:
    show(
        f"{batch['ladders']} ladders at once, FLP of {batch['tasks']} tasks and 5 losses, {batch['method']}",
        ("", "first call, s", "again, s", "converged", "R-hat", "min ESS", "divergences"),
        [
            (
                "alone",
                f"{batch['first_call_s']:.1f}",
                f"{batch['seconds']:.1f}",
                batch["converged"],
                None if batch["max_rhat"] is None else f"{batch['max_rhat']:.4f}",
                f"{batch['min_ess']:.0f}",
                batch["divergences"],
            ),
            (
                "and a degenerate one",
                None,
                f"{batch['with_degenerate_s']:.1f}",
                batch["degenerate_converged"],
                None if batch["degenerate_max_rhat"] is None else f"{batch['degenerate_max_rhat']:.4f}",
                f"{batch['degenerate_min_ess']:.0f}",
                batch["degenerate_divergences"],
            ),
        ],
        "R-hat and ESS: the worst of all parameters and forecasts of those that converged.",
    )
    for name, why in (batch["failed"] | batch["degenerate_failed"]).items():
        print(f"named: {name}: {why}")
    if batch["against_nuts"]:
        show(
            "some of them by NUTS, one by one, 4,000 draws",
            ("ladder", "s", "min ESS", "largest z"),
            [
                (f["ladder"], f"{f['nuts_s']:.1f}", f"{f['nuts_min_ess']:.0f}", f"{f['largest_z']:.2f}")
                for f in batch["against_nuts"]
            ],
            "z: of means and variances of losses and scores at 10 times the largest run's compute.",
        )


if __name__ == "__main__":
    main()
