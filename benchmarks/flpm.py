"""FLP-M on the paper's ladder, simulated: how long all of it takes, and whether the best mixture is found.

    python -m benchmarks.flpm --json FILE [--seeds 100]

Truth: losses and scores of known law, whose best share of code at the 1B models' compute lies inside (.232) or on the
face of the simplex without code. The law that is fitted (M3) is not the true one, which has irreducible losses.
"""

from __future__ import annotations

import time
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.report import environment, finish, parser, show
from flpjax.fitting.bootstrap import bootstrap
from flpjax.ladder.simulate_mixtures import simulate_mixtures
from flpjax.methods.registry import method
from flpjax.results.constraints import Constraints
from flpjax.results.goal import Goal
from flpjax.results.mixture import optimise_mix
from flpjax.results.problem import BEST_TRIED, mixture_problem
from flpjax.results.target import Target

METHOD = "m3+network"
FLOPS = 9.75926e20  # of the paper's 1B models
GRID = np.arange(0.0, 0.505, 0.01)  # of §6.1
WORLDS = ("inside", "face")
DRAWS, STARTS, LEVEL = 200, 32, 0.9


def whole(seed: int) -> dict[str, float]:
    """Seconds of FLP-M's first and second fit in a process: 5 domains, 6 tasks, 32 starts, 200 bootstraps."""
    seconds = []
    for again in range(2):
        runs = simulate_mixtures(seed + again).runs
        start = time.perf_counter()
        draws = bootstrap(method(METHOD), runs, jax.random.key(again), draws=DRAWS, starts=STARTS, strict=False)
        jax.block_until_ready(draws.params)
        seconds.append(time.perf_counter() - start)
    start = time.perf_counter()
    optimise_mix(draws, Target("1B", flops=FLOPS), jax.random.key(0))
    search = [time.perf_counter() - start]
    start = time.perf_counter()
    optimise_mix(draws, Target("1B", flops=FLOPS), jax.random.key(1))
    search.append(time.perf_counter() - start)
    first, second = seconds
    return {"first_fit": first, "second_fit": second, "first_search": search[0], "second_search": search[1]}


def recovery(optimum: str, seeds: int) -> dict[str, Any]:
    """Over ladders of one world: how often intervals hold the true optimum, and what the grid finds beside us."""
    held, regret, beaten, shares, widths = 0, [], 0, [], []
    truth = simulate_mixtures(0, optimum=optimum).truth  # type: ignore[arg-type]
    best = truth.best_mix(FLOPS)
    top = float(truth.mean_score(FLOPS, best))
    target = Target("1B", flops=FLOPS)
    for seed in range(seeds):
        runs = simulate_mixtures(seed, optimum=optimum).runs  # type: ignore[arg-type]
        draws = bootstrap(method(METHOD), runs, jax.random.key(seed), draws=DRAWS, starts=STARTS, strict=False)
        mix = optimise_mix(draws, target, jax.random.key(seed), level=LEVEL)
        spread = mix.spread["code"]
        held += spread.lower - 1e-9 <= best[1] <= spread.upper + 1e-9
        widths.append(spread.upper - spread.lower)
        shares.append(float(mix.weights[1]))
        regret.append(top - float(truth.mean_score(FLOPS, mix.weights)))
        problem = mixture_problem(draws, target, Goal(), Constraints(), BEST_TRIED)
        grid = jnp.asarray(np.stack([1.0 - GRID, GRID], axis=1))
        on_grid = jax.vmap(problem.value, (0, None))(grid, problem.scene)
        beaten += float(on_grid.max()) > mix.value + 1e-9
        if seed % 10 == 9:
            print(f"{optimum}: {seed + 1} ladders, {held} held, grid better in {beaten}", flush=True)
    tried = np.linspace(0.0, 0.5, 6)
    at_tried = [float(truth.mean_score(FLOPS, np.array([1.0 - c, c]))) for c in tried]
    return {
        "true_share": float(best[1]),
        "held": int(held),
        "seeds": seeds,
        "level": LEVEL,
        "grid_better": int(beaten),
        "share_mean": float(np.mean(shares)),
        "share_sd": float(np.std(shares)),
        "interval_width": float(np.mean(widths)),
        "regret_mean": float(np.mean(regret)),
        "regret_worst": float(np.max(regret)),
        "regret_of_the_worst_tried": top - min(at_tried),
    }


def main() -> None:
    """Run, print, write."""
    arguments = parser(__doc__)
    arguments.add_argument("--seeds", type=int, default=100)
    arguments.add_argument("--world", choices=WORLDS, action="append", help="one of the two only")
    given = arguments.parse_args()
    worlds = given.world or WORLDS
    jax.config.update("jax_enable_x64", True)
    seconds = whole(1000)
    print(seconds, flush=True)
    result = environment() | {"seconds": seconds} | {world: recovery(world, given.seeds) for world in worlds}
    show("Seconds of all of FLP-M", list(seconds), [[f"{v:.2f}" for v in seconds.values()]])
    rows = [[name, *(f"{result[world][name]:.4g}" for world in worlds)] for name in result[worlds[0]]]
    show(f"The best share of code, {given.seeds} ladders of each world", ["", *worlds], rows)
    finish(result, given.json)


if __name__ == "__main__":
    main()
