"""Which run next, on ScaleBench: R² on the costly region after 1, 5 and 10 % of the cost, beside random and published.

Selection sees features and costs of all training rows, the features of the test rows as its target region, and losses
of the rows that it paid for. A first plan of 16 runs, for a quarter of the first share, is made on simple laws from
their priors, each later one of 32 on what laws believe that were fitted to the rows paid for. Each law has a
discrepancy that grows along features, and a local one that rows near each other share: many cheap rows of a corner,
which no law follows, then don't outweigh the few that lie near the target. Laws that ship and laws that a search finds
are weighed by the rows paid for alone. All of it was chosen on splits inside the training rows
(:mod:`benchmarks.plan.inside`), which read no test loss.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.laws.tasks import TASKS
from benchmarks.plan.options import Options
from benchmarks.plan.study import RULES, SHARES, SHARES_OF, Study, one
from benchmarks.plan.weighed import Rule
from benchmarks.workers import side_by_side
from flpjax.cli.layout import RULE, table

WIDE = 160  # letters of a line of the table
RULE_OF_WEIGHTS: Rule = "both"
"""Inside the training rows rules part where rows are few: of the other two, each loses on a task."""
PUBLISHED = {
    "data_constrained": {"best": (0.73, 0.85, 0.86), "D-opt": (0.71, 0.80, 0.77), "V-opt": (0.58, 0.83, 0.85)},
    "domain_mixture": {"best": (0.64, 0.89, 0.95), "D-opt": (0.14, 0.81, 0.88), "V-opt": (0.57, 0.91, 0.95)},
    "moe": {"best": (0.59, 0.65, 0.83), "D-opt": (0.34, 0.55, 0.74), "V-opt": (0.67, 0.80, 0.80)},
    "lr_bsz": {"best": (-0.66, 0.00, 0.22), "D-opt": (-0.92, -0.66, -0.53), "V-opt": (-0.70, -0.06, 0.18)},
    "vocab": {"best": (0.96, 0.98, 0.98), "D-opt": (0.95, 0.97, 0.97), "V-opt": (0.96, 0.97, 0.98)},
    "farseer": {"best": (0.60, 0.88, 0.93), "D-opt": (-0.11, 0.49, 0.87), "V-opt": (0.67, 0.87, 0.92)},
}
"""Li et al. 2026 (arXiv 2604.22753), table 2: their own selection, and two classical designs; means over their laws."""


def measure(options: Options) -> dict[str, Any]:
    """R² by task and share of the cost, of the selection and of random rows."""
    seeds = range(options.seed, options.seed + (options.replicates or 1))
    todo = [Study(task, random, seed) for task in TASKS for random in (False, True) for seed in seeds]
    done = dict(side_by_side(one, todo, options.workers))
    figures: dict[str, Any] = {}
    for task in TASKS:
        chosen, random = ([done[Study(task, how, seed)] for seed in seeds] for how in (False, True))
        own = np.mean([c["r2"][RULE_OF_WEIGHTS] for c in chosen], axis=0)
        figures[task] = {
            **{str(share): float(v) for share, v in zip(SHARES, own, strict=True)},
            "shares": list(SHARES_OF.get(task, SHARES)),
            "random": np.mean([c["r2"][RULE_OF_WEIGHTS] for c in random], axis=0).tolist(),
            "each": [c["r2"][RULE_OF_WEIGHTS] for c in chosen],
            "by_rule": {rule: np.mean([c["r2"][rule] for c in chosen], axis=0).tolist() for rule in RULES},
            "published": {who: list(v) for who, v in PUBLISHED[task].items()},
            "rows": chosen[0]["rows"],
            "select_seconds": float(np.mean([sum(c["select_seconds"]) for c in chosen])),
            "seconds": float(np.mean([sum(c["select_seconds"]) + sum(c["fit_seconds"]) for c in chosen])),
        }
    return figures


def show(figures: dict[str, Any]) -> str:
    """A table: task by task, then means."""
    names = list(figures)
    rows = [
        [
            name,
            _shares(f[str(s)] for s in SHARES),
            _shares(f["random"]),
            *(_shares(f["published"][who]) for who in ("best", "D-opt", "V-opt")),
            " / ".join(map(str, f["rows"])),
            f"{f['seconds']:.0f}",
        ]
        for name, f in figures.items()
    ]
    means = [
        [[f[str(s)] for s in SHARES] for f in figures.values()],
        [f["random"] for f in figures.values()],
        *([f["published"][who] for f in figures.values()] for who in ("best", "D-opt", "V-opt")),
    ]
    rows.append([f"mean of {len(names)}", *(_shares(np.mean(m, axis=0)) for m in means), "", ""])
    columns = ["task", "chosen", "random", "published best", "D-opt", "V-opt", "rows", "CPU s"]
    title = "R² on the test rows at 1 / 5 / 10 % of the cost (domain_mixture: 20 / 35 / 50 %)"
    sheet = table(title, columns, rows)
    return "\n".join([title, *(line.replace(RULE, "─") for line in sheet.lines(WIDE))])


def _shares(values: Any) -> str:
    return " / ".join(f"{v:.2f}" for v in values)
