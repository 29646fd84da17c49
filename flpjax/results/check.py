"""What is in a table of runs, one by one or by size, and what stands in the way of a forecast."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from flpjax.errors import count
from flpjax.ladder.audit.audit import audit, audit_alone
from flpjax.ladder.grouped import GROUP_SEPARATOR
from flpjax.ladder.joined import losses_at_scores
from flpjax.ladder.select import Selection
from flpjax.ladder.table import Runs, index_of
from flpjax.ladder.tasks import chance_warnings
from flpjax.ladder.units import Unit
from flpjax.readers.read import Table, read_runs
from flpjax.results.finished import finals_notes, fitted_finals, unfinished_warnings
from flpjax.shown import ShownAsTable

FEW_RUNS = 5  # below this, an interval says little
FEW_TASKS = 4  # that are worth a warning each
SAME_RATIO = 1.05  # tokens per parameter that differ by less don't tell N from D


@dataclass(frozen=True)
class Check(ShownAsTable):
    """The contents of a table and the remarks on it.

    Attributes:
        summary: The table in one line.
        runs: One row a run: size, tokens, FLOPs, checkpoints, final loss.
        tasks: One row a task: chance, best score, how many checkpoints and runs have emerged, and why rows drop out.
        reasons: What the reasons for dropping a checkpoint mean.
        notes: What reading the table did to it.
        warnings: What stands in the way of a good forecast, each with a remedy.
        features: One row a feature beside N, D, C and the mixture: unit, transform, whether it is constant within runs,
            lowest and highest value.
        loss_unit: What people tell the final loss in, where that is not nats; ``runs`` hold nats.
    """

    summary: str
    runs: tuple[dict[str, Any], ...]
    tasks: tuple[dict[str, Any], ...]
    reasons: dict[str, str]
    notes: tuple[str, ...]
    warnings: tuple[str, ...]
    features: tuple[dict[str, Any], ...] = ()
    loss_unit: Unit | None = None

    def to_dicts(self) -> list[dict[str, Any]]:
        """Tidy rows: one per run."""
        return list(self.runs)

    def sizes(self) -> list[dict[str, Any]]:
        """Rows of runs of one size: how many, and how far what they have ranges."""
        return by_size(self.runs)

    def to_dict(self) -> dict[str, Any]:
        """As JSON has it."""
        return {
            "summary": self.summary,
            "sizes": self.sizes(),
            "features": list(self.features),
            "runs": list(self.runs),
            "tasks": list(self.tasks),
            "reasons": self.reasons,
            "notes": list(self.notes),
            "warnings": list(self.warnings),
        }

    def to_json(self) -> str:
        """The check as JSON text."""
        return json.dumps(self.to_dict(), indent=2, allow_nan=False)

    def __str__(self) -> str:
        return "\n".join([self.summary, *(f"warning: {w}" for w in self.warnings)])


def check(runs: Table, via: str | None = None, selection: Selection | None = None) -> Check:
    """Look a table over before anything is fitted.

    Args:
        runs: The table.
        via: The loss domain that scores are held against; None takes the first.
        selection: The selection of checkpoints whose drop-outs are counted; None takes the paper's.

    Raises:
        InputError: There is no such loss domain.
    """
    runs = read_runs(runs)
    training = runs.training()
    if via in (None, "own") and runs.domains:
        via = runs.general_domains[0]
    run_rows = _run_rows(runs, via)
    selection = selection or Selection()
    tasks = _task_rows(training, via, selection)
    warnings = [*runs.doubts, *map(str, audit(training)), *_held_out_warnings(runs)]
    warnings += [*unfinished_warnings(training, via), *_ladder_warnings(training, via), *_unemerged(tasks)]
    warnings += chance_warnings(runs.tasks)
    met = {why for t in tasks for why in t["dropped"]}
    reasons = {why: meaning for why, meaning in selection.explain().items() if why in met}
    notes = (*runs.notes, *finals_notes(training))
    shown_unit = runs.shown.get(via) if via is not None else None
    return Check(str(runs), run_rows, tasks, reasons, notes, tuple(warnings), _feature_rows(runs), shown_unit)


def _plain(domain: str) -> str:
    """A loss without its group."""
    return domain.rpartition(GROUP_SEPARATOR)[0]


def _run_rows(runs: Runs, via: str | None) -> tuple[dict[str, Any], ...]:
    ends = runs.ends()
    loss, score = (ends.loss_of(via) if via is not None else np.full(len(ends), np.nan)), ends.score
    if runs.grouped:  # each run has the loss of its own group
        loss = np.nansum(ends.loss[:, [_plain(d) == _plain(str(via)) for d in ends.domains]], axis=1)
    place = {ends.names[r]: i for i, r in enumerate(ends.run)}
    rows = []
    for i, name in enumerate(runs.names):
        own = np.flatnonzero(runs.run == i)
        last, end = own[-1], place.get(name)
        final = float(loss[end]) if end is not None else float("nan")
        measured = np.isfinite(final) if via is not None else end is not None and bool(np.isfinite(score[end]).any())
        rows.append(
            {
                "run": name,
                "params": _known(runs.params[last]),
                "tokens": _known(runs.tokens[last]),
                "flops": float(runs.flops[last]),
                "checkpoints": len(own),
                "final_loss": final if np.isfinite(final) else None,
                "finished": bool(measured),
                "held_out": bool(runs.held_out[i]),
            }
        )
    return tuple(rows)


def _known(value: float) -> float | None:
    """A value, or None where the table has none."""
    return None if np.isnan(value) else float(value)


def _feature_rows(runs: Runs) -> tuple[dict[str, Any], ...]:
    metadata, values = runs.feature_facts, runs.features
    return tuple(
        {
            "feature": name,
            "unit": metadata[name].unit,
            "transform": metadata[name].transform,
            "constant": metadata[name].constant,
            "lowest": float(values[name].min()),
            "highest": float(values[name].max()),
        }
        for name in (f.name for f in runs.extra_features)
    )


def _task_rows(runs: Runs, via: str | None, selection: Selection) -> tuple[dict[str, Any], ...]:
    if not runs.tasks:
        return ()
    loss = np.full(len(runs), np.nan)
    if via is not None:
        loss = losses_at_scores(runs)[:, index_of(via, runs.domains, "loss domain", runs.source)]
    selected = selection.apply(runs, np.repeat(loss[:, None], len(runs.tasks), axis=1))
    rows = []
    for i, task in enumerate(runs.tasks):
        score, keep = runs.score[:, i], selected.keep[:, i]
        emerged = np.where(np.isfinite(score), score, -np.inf) >= task.chance + (selection.above_chance or 0.0)
        rows.append(
            {
                "task": task.name,
                "chance": task.chance,
                "questions": task.questions,
                "best": float(np.nanmax(score)) if np.isfinite(score).any() else None,
                "measured": int(np.isfinite(score).sum()),
                "emerged": int(emerged.sum()),
                "used": int(keep.sum()),
                "used_runs": len(np.unique(runs.run[keep])),
                "dropped": {why: int(n[i]) for why, n in selected.dropped.items() if n[i]},
            }
        )
    return tuple(rows)


def _unemerged(tasks: Sequence[dict[str, Any]]) -> list[str]:
    """A warning for each task without an emerged checkpoint; of many, one for all of them."""
    low = [t for t in tasks if not t["emerged"] and t["best"] is not None]
    if len(low) <= FEW_TASKS:
        return [
            f"task '{t['task']}' has no emerged checkpoint (best {t['best']:.3g}, chance {t['chance']:.3g}): "
            "FLP will not forecast it; train a larger rung or choose an easier metric"
            for t in low
        ]
    names = ", ".join(f"{t['task']} ({100 * t['best']:.3g}; {100 * t['chance']:.3g})" for t in low)
    return [
        f"{len(low)} of {len(tasks)} tasks have no emerged checkpoint, and FLP will not forecast them; train a larger "
        f"rung or choose easier metrics (best and chance score, in %): {names}"
    ]


def _held_out_warnings(runs: Runs) -> list[str]:
    """What is likely wrong in held-out runs, each by itself: errors against them say nothing then."""
    return [f"held out: {fault}" for fault in audit_alone(runs.targets())]


def _ladder_warnings(runs: Runs, via: str | None) -> list[str]:
    warnings = []
    finals = fitted_finals(runs, via)
    if not len(finals):
        why = "no run that is not held out has a final value" if len(runs) else "all runs are held out"
        return [f"{why}: there is nothing to fit on"]
    if len(finals) < FEW_RUNS:
        few = count(len(finals), "finished run")
        warnings.append(f"{few} only: intervals of so few hold less than they say; train {FEW_RUNS} at least")
    ratio = finals.tokens / finals.params
    if len(finals) > 1 and ratio.max() < SAME_RATIO * ratio.min():
        warnings.append(
            f"every run has about {np.median(ratio):.3g} tokens per parameter: laws in N and D can't tell the two "
            "apart; forecast targets of the same ratio, or use a law in FLOPs"
        )
    return warnings


MOST_SIZES = 12  # lines that are read at a glance
RATIOS = (1.02, 1.1, 1.5, 2.0, 4.0, 10.0, 100.0, float("inf"))
"""Of the largest to the smallest N within one size: the first that leaves few enough sizes."""


def by_size(runs: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Rows of runs, as :class:`flpjax.results.check.Check` has them, counted by the number of their parameters.

    Args:
        runs: One row a run, with ``params``, ``tokens``, ``flops``, ``checkpoints``, ``final_loss``, ``finished`` and
            ``held_out``.

    Returns:
        One row a size, the smallest first: how many runs there are, and the lowest and the highest of what they have;
        None where nothing is known.
    """
    size = "flops" if any(r["params"] is None for r in runs) else "params"
    ordered = sorted(runs, key=lambda r: r[size])
    for ratio in RATIOS:
        starts = _starts([r[size] for r in ordered], ratio)
        if len(starts) <= MOST_SIZES:
            break
    return [_size(ordered[a:b]) for a, b in pairwise([*starts, len(ordered)])]


def _starts(params: Sequence[float], ratio: float) -> list[int]:
    """Where the sizes begin among sorted ``params``."""
    starts: list[int] = []
    for i, n in enumerate(params):
        if not starts or n > ratio * params[starts[-1]]:
            starts.append(i)
    return starts


def _size(runs: Sequence[dict[str, Any]]) -> dict[str, Any]:
    def span(name: str) -> list[float] | None:
        values = [r[name] for r in runs if r[name] is not None and np.isfinite(r[name])]
        return [min(values), max(values)] if values else None

    return {
        "runs": len(runs),
        **{name: span(name) for name in ("params", "tokens", "flops", "final_loss")},
        "checkpoints": sum(r["checkpoints"] for r in runs),
        "held_out": sum(r["held_out"] for r in runs),
        "unfinished": sum(not r["finished"] for r in runs),
    }
