"""``python -m benchmarks.faults``: how many planted faults are named, and how many clean ladders raise an alarm.

Thresholds in ``flpjax.ladder.audit`` have a reason beside them; they were looked at on the clean ladders and on faults
of ``--seed 0``. The figures of the README are of another seed, whose faults (kind, ladder, run, checkpoint, size)
were not looked at before.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.faults.ladders import real_ladders, simulated_ladders
from benchmarks.faults.plant import LOSS_FAULTS, MOMENTS, POSITIONS, SCORE_FAULTS, SIZE_FAULTS, Planted
from flpjax.errors import InputError
from flpjax.ladder.audit.audit import audit
from flpjax.ladder.build import build_runs
from flpjax.ladder.table import Runs
from flpjax.results.check import check


def draw_faults(ladders: Sequence[tuple[str, Runs]], number: int, seed: int) -> list[tuple[str, Planted]]:
    """Faults at random: a kind by turns, then a ladder that can have it, a run and a checkpoint."""
    rng = np.random.default_rng(seed)
    kinds = [*LOSS_FAULTS, *SIZE_FAULTS, *SCORE_FAULTS]
    kinds = [kinds[i] for i in np.concatenate([rng.permutation(len(kinds)) for _ in range(number // len(kinds) + 1)])]
    drawn = []
    for plant in kinds[:number]:
        able = [(name, runs) for name, runs in ladders if _able(plant, runs)]
        name, runs = able[rng.integers(len(able))]
        drawn.append((name, plant(runs, str(rng.choice(POSITIONS)), str(rng.choice(MOMENTS)), rng)))
    return drawn


def _able(plant: Any, runs: Runs) -> bool:
    """Whether a ladder has the columns that a fault spoils."""
    if len(runs.names) < 5:
        return False
    if plant in LOSS_FAULTS:
        return bool(runs.domains)
    return plant not in SCORE_FAULTS or any(
        np.nanmax(runs.score[:, j]) > t.chance + 0.2
        for j, t in enumerate(runs.tasks)
        if np.isfinite(runs.score[:, j]).any()
    )


def messages(planted: Planted, facts: Runs) -> list[str]:
    """What reading the table and ``check`` say of likely faults."""
    try:
        runs = build_runs(planted.columns, tasks={t.name: t for t in facts.tasks}, final_average=facts.final_average)
        known = set(map(str, audit(runs)))
        return [w for w in check(runs).warnings if w in known]
    except InputError as error:
        return [str(error)]


def named(planted: Planted, said: Sequence[str]) -> bool:
    """Whether a message has the run or the column in it."""
    return any(name in text for text in said for name in planted.named)


def measure(number: int, seed: int) -> dict[str, Any]:
    """Plant, look, and look at the clean ladders."""
    clean = [*real_ladders(), *simulated_ladders()]
    begun = time.perf_counter()
    alarms = {name: [str(f) for f in audit(runs.training())] for name, runs in clean}
    seconds = time.perf_counter() - begun
    faults = []
    by_name = {name: runs.training() for name, runs in clean}
    for name, planted in draw_faults(list(by_name.items()), number, seed):
        said = messages(planted, by_name[name])
        faults.append(
            {"ladder": name, "kind": planted.kind, "where": planted.where, "named": named(planted, said), "said": said}
        )
    return {
        "seed": seed,
        "clean": len(clean),
        "alarms": {name: said for name, said in alarms.items() if said},
        "seconds_clean": round(seconds, 2),
        "faults": faults,
        "named": sum(f["named"] for f in faults),
    }


def main() -> None:
    """Print the figures; write them as JSON if asked."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.faults", description=__doc__)
    parser.add_argument("--faults", type=int, default=40)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    found = measure(args.faults, args.seed)
    print(f"named: {found['named']} of {len(found['faults'])} planted faults (seed {args.seed})")
    for fault in found["faults"]:
        if not fault["named"]:
            print(f"  missed: {fault['kind']}, {fault['where']}, in {fault['ladder']}: {fault['said'][:2]}")
    print(f"false alarms: {len(found['alarms'])} of {found['clean']} clean ladders ({found['seconds_clean']} s)")
    for name, said in found["alarms"].items():
        print(f"  {name}: {said[0]}")
    if args.json is not None:
        args.json.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
