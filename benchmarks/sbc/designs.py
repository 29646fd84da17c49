"""What is simulated: methods, each with a ladder of a fixed design and priors that make such ladders."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from flpjax import FLP, FLPM, M3, Chinchilla, DomainLinear, Network, Runs, Selection, simulate_ladder, simulate_mixtures
from flpjax.fitting.point import bind
from flpjax.fitting.posterior.posterior import with_wrong_losses
from flpjax.fitting.posterior.priors import Normal, PosteriorProblem, posterior_problem
from flpjax.methods.method import Method

NETWORK = "network"
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


def small(runs: Runs, tasks: tuple[str, ...], domains: tuple[str, ...]) -> Runs:
    """The same ladder with few tasks and domains."""
    t, d = [runs.task_names.index(n) for n in tasks], [runs.domains.index(n) for n in domains]
    facts = tuple(runs.tasks[i] for i in t)
    cut = replace(runs, tasks=facts, score=runs.score[:, t], stderr=runs.stderr[:, t])
    return replace(cut, domains=domains, loss=runs.loss[:, d])


def designs() -> dict[str, tuple[Method, Runs]]:
    """Name → method and the ladder whose compute and losses are the design."""
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
        NETWORK: (FLPM(M3(), Network(), selection=keep), mixed),
    }


def posed(name: str) -> PosteriorProblem:
    """The question that a design asks, with its priors."""
    method, runs = designs()[name]
    plan = bind(method, runs)
    if name == NETWORK:
        plan = with_wrong_losses(plan)
    emergence = "emerging" in name
    names = posterior_problem(plan, None, emergence).priors.names
    chosen: Mapping[str, Normal] = {n: Normal(*v) for n, v in NARROW.items() if n in names}
    return posterior_problem(plan, chosen, emergence)
