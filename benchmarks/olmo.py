"""The OLMo ladder: every method on 3B-10xC, the 7B and the 13B, beside what the ladder's authors got."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from benchmarks.methods import JOINT, all_methods, key, record_json
from benchmarks.published import OLMO_CHAINED, OLMO_CHAINED_MEAN, OLMO_LOSS, OLMO_TARGETS, OLMO_TASKS, SCIPY
from benchmarks.report import percent, show
from flpjax import FlpjaxError, Runs, backtest, method, point, read_runs
from flpjax.methods.method import Method
from flpjax.results.backtest import record_of
from flpjax.results.record import Record

DOMAIN = "c4_en"  # the loss that scores go through, save Llama 3's
LEVEL = 0.9
DETAILED = ("flp", "chinchilla+sigmoid")
KEYS = 6


def olmo_records(draws: int, methods: Mapping[str, Method] | None = None, seed: int = 0) -> dict[str, Record]:
    """Method → its record on the held-out runs.

    Args:
        draws: Bootstrap draws; 0 for point fits.
        methods: Name → method, all methods if None.
        seed: Of the random key.
    """
    runs = read_runs("olmo-ladder")
    chosen = all_methods() if methods is None else methods
    return dict(backtest(chosen, runs, key(seed), draws=draws, level=LEVEL).methods)


def joint_records(names: Iterable[str] = JOINT) -> dict[str, Record]:
    """The same of point fits with both stages in one objective."""
    runs = read_runs("olmo-ladder")
    return {f"{name}, joint": _joint(name, runs) for name in names}


def _joint(name: str, runs: Runs) -> Record:
    try:
        return record_of(point(method(name), runs, key(), joint=True, strict=False), runs, method=name)
    except FlpjaxError as error:
        return Record(failed=str(error))


def olmo(draws: int) -> dict[str, Any]:
    """Run, print and return everything about this ladder."""
    staged, joint = olmo_records(draws), joint_records()
    drawn = dict.fromkeys(staged, draws) | dict.fromkeys(joint, 0)
    records = staged | joint
    show(
        "OLMo ladder, %: mean absolute relative errors, and 90 % intervals of the scores",
        (
            "method",
            "target",
            "c4 loss",
            "score",
            "score, true loss",
            "coverage",
            "width, points",
            "scipy",
            "scipy, true",
        ),
        _rows(records, drawn),
        "score: mean of 8 tasks. true loss: stage 2 alone, given the target's own loss. scipy: the same pair fitted "
        "plainly by others. joint: point fits.",
    )
    show(
        "OLMo ladder, %: signed relative error of each score",
        ("target", "method", *OLMO_TASKS, "mean abs"),
        _task_rows(records),
        "published: Bhagia et al. 2024, their own code re-run: (N, D) → task loss → score.",
    )
    over_keys = _over_keys(draws) if draws else {}
    show(
        f"OLMo ladder, %: the same with {KEYS} random keys, lowest to highest",
        ("method", *(f"{t} score" for t in OLMO_TARGETS), "coverage, 3 × 8 cells"),
        [
            (name, *(f"{100 * min(v):.2f} to {100 * max(v):.2f}" for v in found.values()))
            for name, found in over_keys.items()
        ],
        "The 24 cells are three models on 8 tasks: far fewer independent facts than cells.",
    )
    published = {
        "unit": "percent",
        "chained": {t: dict(zip(OLMO_TASKS, errors, strict=True)) for t, errors in OLMO_CHAINED.items()},
        "chained_mean_abs": OLMO_CHAINED_MEAN,
        "c4_loss": OLMO_LOSS,
        "scipy": {t: {n: {"chained": c, "true_loss": k} for n, (c, k) in p.items()} for t, p in SCIPY.items()},
    }
    methods = {n: record_json(r, drawn[n]) for n, r in records.items()}
    return {"methods": methods, "over_keys": over_keys, "published": published}


def _over_keys(draws: int) -> dict[str, dict[str, list[float]]]:
    """Method → each target's error, and the coverage, with every key."""
    found: dict[str, dict[str, list[float]]] = {name: {} for name in DETAILED}
    for seed in range(KEYS):
        for name, record in olmo_records(draws, {n: method(n) for n in DETAILED}, seed).items():
            each = {target: record.mean_abs_rel_error(target) for target in OLMO_TARGETS}
            for what, value in (each | {"coverage": record.coverage}).items():
                assert value is not None  # these two methods forecast every cell
                found[name].setdefault(what, []).append(value)
    return found


def _rows(records: Mapping[str, Record], drawn: Mapping[str, int]) -> Iterable[tuple[object, ...]]:
    for target in OLMO_TARGETS:
        loss = abs(OLMO_LOSS[target]) if target in OLMO_LOSS else None
        yield "published (Bhagia et al.)", target, loss, OLMO_CHAINED_MEAN[target], *[None] * 5
    for name, record in records.items():
        plain = {"flp": "power+linear"}.get(name, name)  # the paper's pair, and no prior in either
        for target in OLMO_TARGETS:
            if record.failed:
                yield name, target, record.failed, *[None] * 6
                continue
            cells = [c for c in record.scores if c.target == target]
            covered = float(np.mean([c.covered for c in cells])) if drawn[name] else None
            width = float(np.mean([c.upper - c.lower for c in cells])) if drawn[name] else None
            yield (
                name,
                target,
                percent(record.loss_error((DOMAIN,), target)),
                percent(record.mean_abs_rel_error(target)),
                percent(record.mean_abs_rel_error(target, true_loss=True)),
                percent(covered, 0),
                percent(width, 1),
                *SCIPY[target].get(plain, (None, None)),
            )


def _task_rows(records: Mapping[str, Record]) -> Iterable[tuple[object, ...]]:
    for target in OLMO_TARGETS:
        for name in DETAILED:
            found = {c.name: c.rel_error for c in records[name].scores if c.target == target}
            errors = [percent(found.get(task), 1, signed=True) for task in OLMO_TASKS]
            yield target, name, *errors, percent(records[name].mean_abs_rel_error(target))
        yield target, "published", *(f"{e:+.1f}" for e in OLMO_CHAINED[target]), OLMO_CHAINED_MEAN[target]
