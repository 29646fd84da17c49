"""The best mixture of 17 sources for the Pile-CC loss: by gradients, and as the best of 100,000 random mixtures."""

from __future__ import annotations

import time
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from benchmarks.mixtures.laws import STARTS, Floats
from benchmarks.mixtures.peers import boosted, lightgbm
from benchmarks.mixtures.regmix import DOMAIN
from benchmarks.report import show
from flpjax import Runs, Target, bootstrap, read_runs
from flpjax.engine.ascent import ascend, spread_starts
from flpjax.fitting.draws import Draws
from flpjax.laws.power_mix import PowerMix
from flpjax.methods.flpm import FLPM
from flpjax.results.constraints import Constraints
from flpjax.results.goal import Goal, Scene, Value
from flpjax.results.mixture import STARTS as MIX_STARTS
from flpjax.results.mixture import optimise_mix
from flpjax.results.problem import BEST_TRIED, mixture_problem

LAW = FLPM(PowerMix(), domains=(DOMAIN,))
GOAL, ANYWHERE = Goal(domains={DOMAIN: 1.0}), Constraints(outside=True)
REPEATS = 3
CANDIDATES, CHUNK = 100_000, 1_000
STRENGTHS = 100  # of the Dirichlet distributions about the mean mixture
TOP = 128  # RegMix's answer is the mean of so many mixtures that are predicted best


def candidates(mean: Floats, seed: int = 0) -> Floats:
    """``(candidate, source)`` random mixtures: half of them uniform, half about the mean one, loosely to closely."""
    rng = np.random.default_rng(seed)
    each = CANDIDATES // 2 // STRENGTHS
    near = [rng.dirichlet(mean * strength, each) for strength in range(1, STRENGTHS + 1)]
    return np.concatenate([rng.dirichlet(np.ones(len(mean)), CANDIDATES // 2), *near])


@partial(jax.jit, static_argnums=0)
def values(value: Value, weights: Array, scene: Scene) -> Array:
    """``(candidate,)`` what the search maximises: minus the loss, mean over draws."""
    chunks = weights.reshape(-1, CHUNK, weights.shape[-1])
    return jax.lax.map(lambda part: jax.vmap(lambda w: value(w, scene))(part), chunks).ravel()


def _target(runs: Runs) -> Target:
    """The 60M model: its size is not in the law, its tokens are."""
    finals = runs.only(["60m-*"]).finals()
    return Target("60M", params=float(finals.params[0]), tokens=float(finals.tokens[0]))


def ours(draws: Draws, target: Target) -> dict[str, Any]:
    """The search over all draws and for each draw alone, timed once everything is compiled."""
    mix = optimise_mix(draws, target, jax.random.key(0), goal=GOAL, constraints=ANYWHERE)
    seconds, mean_only = [], []
    problem = mixture_problem(draws, target, GOAL, ANYWHERE, BEST_TRIED)
    data = jax.tree.map(lambda leaf: jnp.asarray(leaf)[None], problem.scene)
    for seed in range(1, 1 + REPEATS):
        begun = time.perf_counter()
        mix = optimise_mix(draws, target, jax.random.key(seed), goal=GOAL, constraints=ANYWHERE)
        seconds.append(time.perf_counter() - begun)
        places = spread_starts(problem.feasible.polytope, 1 + MIX_STARTS, np.random.default_rng(seed))
        begun = time.perf_counter()
        ascend(problem.value, data, places, problem.feasible.polytope)
        mean_only.append(time.perf_counter() - begun)
    return {
        "ours": -mix.value,
        "seconds": float(np.median(seconds)),
        "seconds_each": seconds,
        "seconds_mean_only": float(np.median(mean_only)),
        "draws_failed": len(draws) - mix.draws,
        "status": mix.status,
        "kkt": mix.kkt,
        "agree": mix.agree,
        "draws": mix.draws,
        "weights": mix.mixture,
        "draw_weights_sd": dict(zip(mix.sources, mix.draw_weights.std(axis=0).tolist(), strict=True)),
        "gain_over_best_tried": mix.gain.to_dict(),
    }


def random_search(draws: Draws, target: Target, mean: Floats) -> dict[str, Any]:
    """The best of 100,000 under the same draws, with the time that judging them takes."""
    problem = mixture_problem(draws, target, GOAL, ANYWHERE, BEST_TRIED)
    weights = jnp.asarray(candidates(mean))
    values(problem.value, weights, problem.scene).block_until_ready()
    begun = time.perf_counter()
    found = np.asarray(values(problem.value, weights, problem.scene))
    seconds = time.perf_counter() - begun
    half = CANDIDATES // 2
    by_kind = {"uniform": -float(found[:half].max()), "about_mean": -float(found[half:].max())}
    top = np.asarray(weights)[np.argsort(-found)[:TOP]].mean(axis=0)
    return {
        "best_of_100000": -float(found.max()),
        "best_of_100000_seconds": seconds,
        "best_of_100000_by_kind": by_kind,
        "top128_mean": -float(problem.value(jnp.asarray(top), problem.scene)),
    }


def trees(draws: Draws, target: Target, runs: Runs, mean: Floats) -> dict[str, Any] | None:
    """RegMix's procedure: LightGBM judges the 100,000, the mean of its best 128 is the answer; our law judges that."""
    package = lightgbm()
    if package is None:
        return None
    finals = runs.training().finals()
    fitted = boosted(package, finals.mix, finals.loss_of(DOMAIN))
    weights = candidates(mean)
    begun = time.perf_counter()
    predicted = fitted.predict(weights)
    seconds = time.perf_counter() - begun
    mixture = weights[np.argsort(predicted)[:TOP]].mean(axis=0)
    problem = mixture_problem(draws, target, GOAL, ANYWHERE, BEST_TRIED)
    by_law = -float(problem.value(jnp.asarray(mixture), problem.scene))
    named = dict(zip(draws.model.sources, mixture.tolist(), strict=True))
    return {
        "seconds_to_predict_100000": seconds,
        "loss_by_our_law": by_law,
        "loss_by_lightgbm": float(fitted.predict(mixture[None])[0]),
        "weights": named,
    }


def search(*, quick: bool = False) -> dict[str, Any]:
    """Fit, search three ways, print and return."""
    runs = read_runs("regmix")
    target, mean = _target(runs), runs.training().finals().mix.mean(axis=0)
    begun = time.perf_counter()
    draws = bootstrap(LAW, runs, jax.random.key(0), draws=50 if quick else 200, starts=STARTS)
    result: dict[str, Any] = {"fit_seconds": time.perf_counter() - begun, "warnings": list(draws.warnings)}
    result |= ours(draws, target) | random_search(draws, target, mean)
    result["lightgbm"] = None if quick else trees(draws, target, runs, mean)
    rows = [
        ("gradients, all draws and each draw's own", f"{result['ours']:.4f}", f"{result['seconds']:.2f}"),
        ("the first of these two alone", f"{result['ours']:.4f}", f"{result['seconds_mean_only']:.2f}"),
        (
            "best of 100,000 random mixtures",
            f"{result['best_of_100000']:.4f}",
            f"{result['best_of_100000_seconds']:.2f}",
        ),
        ("mean of the best 128 of them", f"{result['top128_mean']:.4f}", None),
    ]
    if result["lightgbm"]:
        peer = result["lightgbm"]
        rows.append(
            (
                "LightGBM's best 128 of them, mean",
                f"{peer['loss_by_our_law']:.4f}",
                f"{peer['seconds_to_predict_100000']:.2f}",
            )
        )
    show(
        f"The mixture of 17 sources with the lowest Pile-CC loss, mean of {result['draws']} draws",
        ("search", "loss by the fitted law", "seconds, compiled"),
        rows,
        f"The draws took {result['fit_seconds']:.0f} s to fit; {result['draws_failed']} failed. LightGBM judges "
        "a mixture once, the law once a draw.",
    )
    return result
