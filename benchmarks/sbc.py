"""Simulation-based calibration: whether posteriors are what they say, for ladders that come from their own priors.

``python -m benchmarks.sbc --json FILE [--simulations 200] [--quick]``. Parameters are drawn from the priors, a ladder
of a fixed design is simulated from them, its posterior sampled, and the truth's rank among the draws taken: uniform if
the posterior is right (Talts et al. 2018). Two statistics: χ² of ten bins of each quantity's ranks, p-values times the
number of quantities (Bonferroni), which must stay above 1 %; and the dispersion, the mean of (rank − ½)² over
quantities less its expectation, as a t-value over simulations, which must stay below 3: positive is overconfident. A
planted overconfident posterior, its draws halved about their mean, must fail.

One program for all simulations: data are arguments, and outputs of all simulations are one batch.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from numpy.typing import NDArray
from scipy.stats import chi2

from benchmarks.report import environment, finish, parser, show
from flpjax import FLP, FLPM, M3, Chinchilla, DomainLinear, Runs, Selection, simulate_ladder, simulate_mixtures
from flpjax.fitting.point import bind
from flpjax.fitting.posterior.density import Evidence, unpacked
from flpjax.fitting.posterior.laplace import Whitening, find_modes, propose
from flpjax.fitting.posterior.likelihood import Layer, simulate
from flpjax.fitting.posterior.nuts import Sampler, one_chain
from flpjax.fitting.posterior.pareto import resample, smoothed
from flpjax.fitting.posterior.posed import Posed, pose
from flpjax.fitting.posterior.priors import Normal, public_name
from flpjax.predictors.predictor import Model, Predictor, StageParams
from flpjax.runs.compute import Compute

DRAWS, THIN, WARMUP = 99, 8, 300  # ranks from 0 to 99; NUTS keeps every 8th draw
BINS, LEVEL, WORST = 10, 0.01, 3.0
PROPOSALS = 4000  # of the fast path, for each simulation
TOGETHER = 25  # simulations side by side under NUTS
BEYOND = (3.0, 30.0)  # targets: times the largest run's compute
NARROW = {  # where priors would make ladders that no laboratory has, narrower ones
    "loss/log_level": (1.0, 0.1),
    "loss/exponent": (-0.05, 0.02),
    "loss/share": (0.0, 0.5),
    "loss/size_share": (0.0, 0.5),
    "loss/alpha": (-1.1, 0.3),
    "loss/beta": (-1.1, 0.3),
    "loss/worth": (0.0, 0.5),
    "noise/loss/sd": (np.log(0.004), 0.5),
    "score/level": (0.5, 0.1),
    "score/slope": (-0.5, 0.2),
    "score/slopes": (-0.2, 0.1),
    "noise/score/sd": (np.log(0.01), 0.5),
    "noise/score/run": (np.log(0.007), 0.5),
    "noise/score/run_slope": (np.log(0.007), 0.5),
}


@dataclass(frozen=True, eq=False)
class Ranks:
    """Ranks of the truth among the draws, 0 to :data:`DRAWS`, each quantity ``(simulation,)``."""

    of: dict[str, NDArray[np.int64]]

    @property
    def p_values(self) -> dict[str, float]:
        """Of χ², each times the number of quantities."""
        found = {}
        for name, rank in self.of.items():
            seen = np.bincount(rank * BINS // (DRAWS + 1), minlength=BINS)
            expected = len(rank) / BINS
            found[name] = float(min(1.0, chi2.sf(((seen - expected) ** 2 / expected).sum(), BINS - 1) * len(self.of)))
        return found

    @property
    def dispersion(self) -> float:
        """How many standard errors the spread of ranks is off: positive is overconfident."""
        share = np.stack([rank / DRAWS - 0.5 for rank in self.of.values()])
        uniform = ((np.arange(DRAWS + 1) / DRAWS - 0.5) ** 2).mean()
        off = (share**2).mean(axis=0) - uniform
        return float(off.mean() / (off.std(ddof=1) / np.sqrt(len(off))))

    @property
    def passed(self) -> bool:
        """By both statistics."""
        return min(self.p_values.values()) > LEVEL and abs(self.dispersion) < WORST


def small(runs: Runs, tasks: tuple[str, ...], domains: tuple[str, ...]) -> Runs:
    """The same ladder with few tasks and domains."""
    t, d = [runs.task_names.index(n) for n in tasks], [runs.domains.index(n) for n in domains]
    facts = tuple(runs.tasks[i] for i in t)
    cut = replace(runs, tasks=facts, score=runs.score[:, t], stderr=runs.stderr[:, t])
    return replace(cut, domains=domains, loss=runs.loss[:, d])


def designs() -> dict[str, tuple[Predictor, Runs]]:
    """Name → predictor and the ladder whose compute and losses are the design."""
    sizes = ("64M", "89M", "0.15B", "0.25B", "0.5B", "0.72B", "1B")
    ladder = small(simulate_ladder(1, checkpoints=6, sizes=sizes).runs, ("hellaswag", "race"), ("general", "code"))
    mixed = simulate_mixtures(1, checkpoints=4, sizes=("0.12B", "0.2B", "0.32B", "0.5B"), ratios=(0.1, 0.3, 0.5)).runs
    mixed = small(mixed, ("hellaswag",), mixed.domains[:2])
    keep = Selection(improving=False, above_chance=None)
    return {
        "flp": (FLP(selection=keep), ladder),
        "chinchilla+linear": (FLP(Chinchilla(), selection=keep), ladder),
        "flp-m (m3+domain-linear)": (FLPM(M3(), DomainLinear(), selection=keep), mixed),
        "flp, emerging": (FLP(selection=keep), ladder),
    }


def posed(name: str) -> Posed:
    """The question that a design asks, with its priors."""
    predictor, runs = designs()[name]
    plan = bind(predictor, runs)
    emergence = "emerging" in name
    names = pose(plan, None, emergence).priors.names
    chosen: Mapping[str, Normal] = {n: Normal(*v) for n, v in NARROW.items() if n in names}
    return pose(plan, chosen, emergence)


def ranks(question: Posed, simulations: int, seed: int, method: str) -> dict[str, Ranks]:
    """Simulate, fit, rank: of the method's draws, and of the same draws halved about their mean."""
    rng = np.random.default_rng(seed)
    truth, evidence, whitening, kept = [], [], [], []
    for i, (layer, known) in enumerate(zip(question.layers, question.evidence, strict=True)):
        loc, scale = np.asarray(known.loc), np.asarray(known.scale)
        true = loc + scale * rng.standard_normal((simulations, *loc.shape))
        y = _simulated(layer, true, known, jax.random.split(jax.random.key(seed + i), (simulations, len(loc))))
        tiled = jax.tree.map(lambda v: np.broadcast_to(v, (simulations, *v.shape)), known)
        tiled = tiled._replace(data=tiled.data._replace(y=np.asarray(y)))
        flat = jax.tree.map(lambda v: np.asarray(v).reshape(-1, *v.shape[2:]), tiled)
        modes = find_modes(layer, np.asarray(flat.loc)[None], flat)
        truth.append(true)
        evidence.append(tiled)
        whitening.append(modes.whitening)
        if method == "laplace":
            kept.append(_resampled(layer, modes.whitening, flat, rng).reshape(DRAWS, *true.shape).swapaxes(0, 1))
    if method == "nuts":
        around = tuple(
            jax.tree.map(lambda v, t=t: v.reshape(t.shape[:2] + v.shape[2:]), w)
            for w, t in zip(whitening, truth, strict=True)
        )
        keys = jax.random.split(jax.random.key(seed), simulations)
        kept = [np.asarray(v) for v in _chains(question.layers, tuple(evidence), around, keys)]
    halved = [v.mean(axis=1, keepdims=True) + 0.5 * (v - v.mean(axis=1, keepdims=True)) for v in kept]
    return {"as it is": _ranked(question, truth, kept), "halved": _ranked(question, truth, halved)}


def _resampled(layer: Layer, whitening: Whitening, evidence: Evidence, rng: np.random.Generator) -> NDArray[np.float64]:
    """``(draw, simulation · output, p)``."""
    drawn = propose(layer, whitening, evidence, PROPOSALS, rng)
    columns = [
        drawn.vector[resample(smoothed(drawn.log_ratio[:, o])[0], DRAWS, rng), o] for o in range(drawn.vector.shape[1])
    ]
    return np.stack(columns, axis=1)


def _ranked(question: Posed, truth: list[NDArray], kept: list[NDArray]) -> Ranks:
    """Ranks of every parameter and of every forecast."""
    found: dict[str, NDArray[np.int64]] = {}
    for layer, stage, true, drawn in zip(question.layers, question.plan.stages, truth, kept, strict=True):
        rank = (drawn < true[:, None]).sum(axis=1)
        names = [
            f"{public_name(layer.stage, n)}{'' if not p.shape else f' {j + 1}'}"
            for n, p in layer.parameters().items()
            for j in range(int(np.prod(p.shape, dtype=int)))
        ]
        found |= {f"{n} of {o}": rank[:, i, j] for i, o in enumerate(stage.outputs) for j, n in enumerate(names)}
    finals = question.plan.runs.finals()
    top = jax.tree.map(lambda v: v[finals.flops.argmax()], finals.compute)
    steps = np.log(BEYOND)
    weights = () if isinstance(top.weights, tuple) else np.broadcast_to(top.weights, (len(steps), *top.weights.shape))
    targets = Compute(top.log_params + 0.5 * steps, top.log_tokens + 0.5 * steps, top.log_flops + steps, weights)
    true_values = _forecasts(question.model, question.layers, [t[:, None] for t in truth], targets)[:, 0]
    values = _forecasts(question.model, question.layers, kept, targets)
    rank = (values < true_values[:, None]).sum(axis=1)
    outputs = (*question.model.domains, *question.model.tasks)
    found |= {
        f"forecast of {o} at {b:g} times": rank[:, t, j] for t, b in enumerate(BEYOND) for j, o in enumerate(outputs)
    }
    return Ranks(found)


def _forecasts(model: Model, layers: tuple[Layer, ...], vectors: list[NDArray], targets: Compute) -> NDArray:
    return np.asarray(_predicted(model, layers, tuple(jnp.asarray(v) for v in vectors), targets))


@partial(jax.jit, static_argnums=(0, 1))
def _predicted(model: Model, layers: tuple[Layer, ...], vectors: tuple[Array, ...], targets: Compute) -> Array:
    """``(simulation, draw, target, quantity)``."""

    def one(vector: tuple[Array, ...]) -> Array:
        params: StageParams = {
            layer.stage: jax.vmap(partial(unpacked, layer))(v) for layer, v in zip(layers, vector, strict=True)
        }
        return jax.vmap(lambda x: jnp.concatenate(model.apply(params, x)))(targets)

    return jax.vmap(jax.vmap(one))(vectors)


@partial(jax.jit, static_argnums=0)
def _simulated(layer: Layer, vectors: Array, evidence: Evidence, keys: Array) -> Array:
    """Values ``(simulation, output, run, checkpoint)`` from true vectors ``(simulation, output, p)``."""

    def one(v: Array, data: Any, key: Array) -> Array:
        return simulate(layer, unpacked(layer, v), data, key)

    return jax.vmap(lambda v, k: jax.vmap(one)(v, evidence.data, k))(vectors, keys)


@partial(jax.jit, static_argnums=0)
def _chains(
    layers: tuple[Layer, ...], evidence: tuple[Evidence, ...], whitening: tuple[Whitening, ...], keys: Array
) -> tuple[Array, ...]:
    """Layer → thinned draws ``(simulation, draw, output, p)``; one chain a simulation."""
    sampler = Sampler(warmup=WARMUP, draws=DRAWS * THIN)

    def one(args: tuple[tuple[Evidence, ...], tuple[Whitening, ...], Array]) -> tuple[Array, ...]:
        return tuple(v[THIN - 1 :: THIN] for v in one_chain(layers, sampler, *args).vectors)

    return lax.map(one, (evidence, whitening, keys), batch_size=TOGETHER)


def main() -> None:
    """Simulate, rank, print, write."""
    jax.config.update("jax_enable_x64", True)
    arguments = parser(__doc__)
    arguments.add_argument("--simulations", type=int, default=200, help="of each design (default: 200)")
    arguments.add_argument("--quick", action="store_true", help="the fast path only")
    given = arguments.parse_args()
    rows, summary = [], {}
    for name in designs():
        question = posed(name)
        for method in ("laplace",) if given.quick else ("laplace", "nuts"):
            start = time.perf_counter()
            for what, found in ranks(question, given.simulations, 7, method).items():
                worst = min(found.p_values, key=lambda n: found.p_values[n])
                p = found.p_values[worst]
                verdict = "pass" if found.passed else "fail"
                summary[f"{name}, {method}, {what}"] = {
                    "passed": found.passed,
                    "expected": what == "as it is",
                    "smallest_p": p,
                    "of": worst,
                    "dispersion": found.dispersion,
                    "quantities": len(found.of),
                    "p_values": found.p_values,
                    "seconds": time.perf_counter() - start,
                }
                rows.append((f"{name}, {method}", what, verdict, f"{p:.2g}", worst, f"{found.dispersion:+.1f}"))
                print(*rows[-1], f"{time.perf_counter() - start:.0f} s", flush=True)
    show(
        f"Simulation-based calibration, {given.simulations} simulations each",
        ("posterior", "draws", "verdict", "smallest p × quantities", "of", "dispersion"),
        rows,
        "halved: draws shrunk to half their spread, which must fail.",
    )
    right = all(entry["passed"] == entry["expected"] for entry in summary.values())
    print("all as they should be" if right else "NOT all as they should be")
    finish(environment() | {"simulations": given.simulations, "right": right, "posteriors": summary}, given.json)


if __name__ == "__main__":
    main()
