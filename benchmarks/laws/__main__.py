"""R² of laws over other columns on ScaleBench's own splits: laws that ship, and discovery told nothing but the columns.

``python -m benchmarks.laws --json FILE [--only TASK …] [--seeds N] [--workers N] [--simulated]``. Needs ScaleBench's
files: FLPJAX_DATA; or searches tables that are simulated from known laws, of kinds that its tasks don't have.
"""

from __future__ import annotations

from typing import Any

import jax
import numpy as np

from benchmarks.laws.searches import Search, one
from benchmarks.laws.simulated import TABLES
from benchmarks.laws.tasks import TASKS
from benchmarks.report import environment, finish, parser, show
from benchmarks.workers import side_by_side

SEEDS = 5


def main() -> None:
    """Search, score, print, write."""
    arguments = parser(__doc__)
    arguments.add_argument("--only", nargs="+", choices=[*TASKS, *TABLES], metavar="TASK", help="these")
    arguments.add_argument("--simulated", action="store_true", help="simulated tables in place of ScaleBench's tasks")
    arguments.add_argument("--seeds", type=int, default=SEEDS, help=f"searches a task (default: {SEEDS})")
    arguments.add_argument("--workers", type=int, default=1, help="processes, on CPU if more than one (default: 1)")
    given = arguments.parse_args()
    jax.config.update("jax_enable_x64", True)
    if given.workers > 1:
        jax.config.update("jax_platforms", "cpu")
    names = given.only or list(TABLES if given.simulated else TASKS)
    todo = [Search(name, seed) for name in names for seed in range(given.seeds)]
    todo += [Search(name, None) for name in names if name in TASKS]
    done = dict(side_by_side(one, todo, given.workers))
    tasks: dict[str, Any] = {}
    for name in names:
        each = [done[Search(name, seed)] for seed in range(given.seeds)]
        mean = {key: float(np.mean([e[key] for e in each])) for key in ("held", "seconds", "tried")}
        tasks[name] = {
            "laws": done.get(Search(name, None), {}),
            "discover": {
                "r2": [e["r2"] for e in each],
                "coverage90": mean["held"],
                "seconds": mean["seconds"],
                "candidates": mean["tried"],
                "law": each[0]["law"],
            },
        }
    rows = []
    for name, found in tasks.items():
        searched = found["discover"]
        published = TASKS[name].published if name in TASKS else {}
        ships = ", ".join(f"{law} {figures['r2']:.3f}" for law, figures in found["laws"].items())
        rows.append(
            [
                name,
                f"{np.mean(searched['r2']):.3f}",
                f"{min(searched['r2']):.3f}",
                f"{100 * searched['coverage90']:.0f}",
                f"{searched['seconds']:.0f}",
                f"{searched['candidates']:.0f}",
                ships,
                *(f"{published[who]:.3f}" if published else "" for who in ("human", "agent")),
            ]
        )
    columns = ["task", "discover R²", "worst", "held 90 %", "s", "laws tried", "laws that ship", "human", "SLDAgent"]
    show("R² on the test rows", columns, rows, "s: of one search, beside as many others as there are workers")
    overall = float(np.mean([np.mean(t["discover"]["r2"]) for t in tasks.values()]))
    finish({**environment(), "workers": given.workers, "tasks": tasks, "mean_discover_r2": overall}, given.json)


if __name__ == "__main__":
    main()
