"""What a posterior costs: FLP on the OLMo ladder, from a cold start, and 256 ladders at once.

``python -m benchmarks.posterior --json FILE [--quick]``. Needs the OLMo ladder: a download, or FLPJAX_DATA. Cold: a new
process without a cache of compiled programs, from the start of the interpreter to draws in hand.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from functools import partial
from typing import Any

import jax
import numpy as np
from jax import Array, lax

from benchmarks.report import environment, finish, parser, show
from flpjax import FLP, convergence, forecast, posterior, read_runs, targets_of
from flpjax.fitting.diagnostics import RHAT
from flpjax.fitting.point import bind
from flpjax.fitting.posterior.laplace import Whitening, find_modes
from flpjax.fitting.posterior.likelihood import Layer, PosteriorData
from flpjax.fitting.posterior.nuts import Chains, Sampler, one_chain
from flpjax.fitting.posterior.priors import PosteriorProblem, posterior_problem

METHODS = ("laplace", "nuts")
LADDERS, CHAINS = 256, 4
TOGETHER_CPU = 16
NOISE = 0.01  # that makes each of the ladders its own: of losses relative, of scores absolute

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


def many(sampler: Sampler) -> dict[str, Any]:
    """256 ladders, each with noise of its own, of the same shapes: one program."""
    question = posterior_problem(bind(FLP(), read_runs("olmo-ladder")))
    evidence, whitening = ladders(question, LADDERS)
    keys = jax.random.split(jax.random.key(0), (LADDERS, CHAINS))
    wide = jax.default_backend() != "cpu"
    start = time.perf_counter()
    jax.block_until_ready(_many(question.layers, sampler, wide, evidence, whitening, keys))
    first = time.perf_counter() - start
    start = time.perf_counter()
    ran = jax.block_until_ready(_many(question.layers, sampler, wide, evidence, whitening, keys))
    seconds = time.perf_counter() - start
    ess, rhat = [], []
    for vectors in ran.vectors:  # (ladder, chain, draw, output, p)
        chains = np.asarray(vectors).transpose(1, 2, 0, 3, 4)
        found = convergence(chains.reshape(-1, *chains.shape[2:]), CHAINS)
        ess.append(found.ess.reshape(LADDERS, -1).min(axis=1))
        rhat.append(found.rhat.max())
    smallest = np.min(ess, axis=0)
    return {
        "ladders": LADDERS,
        "draws": CHAINS * sampler.draws,
        "first_call_s": first,
        "seconds": seconds,
        "per_ladder_s": seconds / LADDERS,
        "divergences": int(np.asarray(ran.diverging).sum()),
        "max_rhat_of_parameters": float(max(rhat)),
        "median_min_ess_of_parameters": float(np.median(smallest)),
        "ess_per_second": float(smallest.sum() / seconds),
    }


def ladders(question: PosteriorProblem, count: int) -> tuple[tuple[PosteriorData, ...], tuple[Whitening, ...]]:
    """Evidence and whitening of ladders with noise of their own, leaves ``(ladder, …)``; modes as one batch."""
    rng = np.random.default_rng(0)
    evidence, whitening = [], []
    for layer, known in zip(question.layers, question.evidence, strict=True):
        y = np.asarray(known.data.y)
        noise = NOISE * rng.standard_normal((count, *y.shape[:-1], 1))
        tiled = jax.tree.map(lambda v: np.broadcast_to(v, (count, *v.shape)), known)
        tiled = tiled._replace(data=tiled.data._replace(y=y * np.exp(noise) if layer.kind == "loss" else y + noise))
        flat = jax.tree.map(lambda v: np.asarray(v).reshape(-1, *v.shape[2:]), tiled)
        found = find_modes(layer, np.asarray(flat.loc)[None], flat).whitening
        evidence.append(tiled)
        whitening.append(jax.tree.map(lambda v: v.reshape(count, -1, *v.shape[2:]), found))
    return tuple(evidence), tuple(whitening)


@partial(jax.jit, static_argnums=(0, 1, 2))
def _many(
    layers: tuple[Layer, ...],
    sampler: Sampler,
    wide: bool,
    evidence: tuple[PosteriorData, ...],
    whitening: tuple[Whitening, ...],
    keys: Array,
) -> Chains:
    """All side by side on a GPU; in tiles on a CPU, where a batch waits for its slowest member and leaves the cache."""

    def ladder(args: tuple[tuple[PosteriorData, ...], tuple[Whitening, ...], Array]) -> Chains:
        known, white, key = args
        return jax.vmap(lambda k: one_chain(layers, sampler, known, white, k))(key)

    if wide:
        return jax.vmap(ladder)((evidence, whitening, keys))
    return lax.map(ladder, (evidence, whitening, keys), batch_size=TOGETHER_CPU)


def main() -> None:
    """Measure, print, write."""
    jax.config.update("jax_enable_x64", True)
    arguments = parser(__doc__)
    arguments.add_argument("--quick", action="store_true", help="one ladder only")
    given = arguments.parse_args()
    load = os.getloadavg()[0]
    found = {method: {"cold_s": cold(method)} | one(method) for method in METHODS}
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
    batch = None if given.quick else many(Sampler())
    if batch is not None:
        show(
            f"{LADDERS} ladders at once, {CHAINS} chains each, NUTS",
            (
                "draws each",
                "first call, s",
                "again, s",
                "s a ladder",
                "R-hat",
                "median min ESS",
                "ESS/s",
                "divergences",
            ),
            [
                (
                    batch["draws"],
                    f"{batch['first_call_s']:.0f}",
                    f"{batch['seconds']:.0f}",
                    f"{batch['per_ladder_s']:.2f}",
                    f"{batch['max_rhat_of_parameters']:.3f}",
                    f"{batch['median_min_ess_of_parameters']:.0f}",
                    f"{batch['ess_per_second']:.0f}",
                    batch["divergences"],
                )
            ],
            "R-hat and ESS of parameters, the worst of each ladder.",
        )
    finish(environment() | {"load_before": load, "one": found, "many": batch}, given.json)


if __name__ == "__main__":
    main()
