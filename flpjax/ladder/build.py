"""Columns in, checked Runs out: the one door into a table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flpjax.errors import InputError, nearest
from flpjax.ladder.check import Place as Place
from flpjax.ladder.check import check_checkpoints, check_features, check_values, finals, held_out, refuse_amount
from flpjax.ladder.compute import six_nd, transformer_flops, transformer_params
from flpjax.ladder.features import Feature
from flpjax.ladder.finals import FINAL_WITHIN
from flpjax.ladder.grouped import split_by_group
from flpjax.ladder.known_tasks import known_task
from flpjax.ladder.mixing import MixtureIs, check_constant_mixture, mixture, mixture_so_far
from flpjax.ladder.position import numbers_of
from flpjax.ladder.table import Floats, Runs
from flpjax.ladder.tasks import Task

SINGLE = ("run", "group", "params", "tokens", "flops", "step", "final", "held_out", "train_loss")
SHAPE = ("layers", "width", "ffn", "context")
GROUPS = ("loss/", "score/", "stderr/", "mix/", "x/")
SANE_RATIO = (0.1, 1000.0)
"""FLOPs per parameter and token: about 6, more for small wide models, less for mixtures of experts; never 6e-9."""


def build_runs(
    columns: Mapping[str, NDArray[Any]],
    *,
    tasks: Mapping[str, Task] | None = None,
    features: Mapping[str, Feature] | None = None,
    source: str = "table",
    place: Place | None = None,
    final_average: int = 1,
    final_within: float = FINAL_WITHIN,
    mixture_is: MixtureIs = "constant",
    allow_negative: Sequence[str] = (),
    notes: Sequence[str] = (),
) -> Runs:
    """Check canonical columns and make them a table of runs.

    Args:
        columns: Canonical name → ``(row,)`` values: ``run`` (text), ``final`` and ``held_out`` (booleans), all others
            numbers with NaN for *not measured*. Scores and their standard errors are fractions.
        tasks: Facts about tasks; the built-in table serves the others.
        features: Unit and transform of features ``x/<name>``; the others are positive, and laws see their logarithms.
        source: What to call the table in messages.
        place: How to name a row in messages.
        final_average: How many of a run's last measured values make its final losses and scores.
        final_within: How far from a run's end a final value may stand, as a share of the run's tokens.
        mixture_is: What mixture weights are that change within a run: ``"constant"`` refuses them, ``"current"`` are
            those of the tokens since the row before, ``"so far"`` those of all tokens up to the row.
        allow_negative: Losses, ``loss/<domain>``, that may be negative.
        notes: What was done to the table before.

    Raises:
        InputError: A column is missing or a value can't be; the message names row and column.
    """
    place = place or Place(source)
    check_names(list(columns), source)
    if not len(columns["run"]):
        raise InputError("the table has no rows", where=source, remedy="Give at least one checkpoint a run")
    columns = dict(columns)
    rows = len(columns["run"])
    for name, values in columns.items():
        if np.shape(values) != (rows,):
            got = "×".join(map(str, np.shape(values)))
            raise InputError(
                f"there are {got} values for {rows} rows", where=f"{source}, column '{name}'", remedy="Give one a row"
            )
    if final_average < 1:
        raise InputError(f"final_average is {final_average}", where=source, remedy="Give at least 1")
    if not 0.0 <= final_within <= 1.0:
        raise InputError(f"final_within is {final_within:g}", where=source, remedy="Give a share from 0 to 1, say 0.1")
    notes = list(notes)
    _fill_compute(columns, place, notes)
    _leave_out_empty(columns, notes)

    _, task_names, scored, sources, extra = (tuple(c[len(g) :] for c in columns if c.startswith(g)) for g in GROUPS)
    for name in scored:
        if name not in task_names:
            raise InputError(
                f"there is a standard error but no column 'score/{name}'",
                where=f"{source}, column 'stderr/{name}'",
                remedy="Add the scores, or leave it out",
            )
    check_values(columns, place, allow_negative)
    columns, original_domain = split_by_group(columns, place, notes)
    domains = tuple(original_domain)
    known_features = tuple((features or {}).get(name) or Feature(name) for name in extra)
    check_features(known_features, columns, place)

    names, run = numbers_of(columns["run"])
    order = np.lexsort((columns["tokens" if "tokens" in columns else "flops"], run))

    def sorted_column(name: str) -> Floats:
        return np.asarray(columns[name], np.float64)[order] if name in columns else np.full(rows, np.nan)

    def group(prefix: str, of: Sequence[str]) -> Floats:
        return np.stack([sorted_column(prefix + n) for n in of], 1) if of else np.empty((rows, 0))

    run, tokens = run[order], sorted_column("tokens")
    check_checkpoints(run, tokens, sorted_column("params"), sorted_column("flops"), names, order, place)
    weights = mixture(group("mix/", sources), sources, order, place)
    if mixture_is == "current":
        weights = mixture_so_far(weights, run, tokens if "tokens" in columns else sorted_column("flops"))
        notes.append("mixtures are those of the current stage: accumulated over each run's tokens")
    elif mixture_is == "constant":
        check_constant_mixture(weights, run, names, sources, order, place)
    return Runs(
        names=names,
        run=run,
        params=sorted_column("params"),
        tokens=tokens,
        flops=sorted_column("flops"),
        final=finals(columns, run, order, names, place),
        held_out=held_out(columns, run, order, names, place),
        domains=domains,
        loss=group("loss/", domains),
        tasks=tuple((tasks or {}).get(t) or known_task(t) for t in task_names),
        score=group("score/", task_names),
        stderr=group("stderr/", task_names),
        sources=sources,
        mix=weights,
        extra_features=known_features,
        extra=group("x/", extra),
        train_loss=sorted_column("train_loss"),
        step=sorted_column("step"),
        final_average=final_average,
        source=source,
        notes=tuple(notes),
        final_within=final_within,
        grouped=any(original != domain for domain, original in original_domain.items()),
        signed=tuple(d for d in domains if f"loss/{original_domain[d]}" in allow_negative),
    )


def is_canonical(name: str) -> bool:
    """Whether a column has a canonical name."""
    return name in SINGLE + SHAPE or any(name.startswith(g) and len(name) > len(g) for g in GROUPS)


def misspelt(name: str) -> str | None:
    """The canonical name that a column of another name was probably meant to have."""
    if name.startswith("_") or name.partition("_")[0] in ("n", "num"):  # _step, _runtime of W&B; n_layers
        return None
    head, slash, rest = name.partition("/")
    if slash:
        meant = nearest(head, [g[:-1] for g in GROUPS], cutoff=0.7)
        return f"{meant}/{rest}" if meant else None
    return nearest(name, SINGLE + SHAPE, cutoff=0.8)


def check_names(names: Sequence[str], source: str) -> None:
    """Refuse a table without the columns that everything needs.

    Raises:
        InputError: A required column is missing; the message gives the nearest name there is.
    """
    sized = "flops" in names or {"layers", "width", "ffn"} <= set(names)
    for needed in ("run", *(() if "flops" in names else ("tokens",)), *(() if sized else ("params",))):
        if needed not in names:
            guess = nearest(needed, [n for n in names if not is_canonical(n)])
            remedy = f"Did you mean '{guess}'? " if guess else ""
            raise InputError(
                f"column '{needed}' is missing", where=source, remedy=f"{remedy}Rename it, or name it in a mapping file"
            )
    if not any(n.startswith(("loss/", "score/")) for n in names):
        raise InputError(
            "there is no column 'loss/<domain>' and none 'score/<task>'",
            where=source,
            remedy="Name the losses and scores so, or name them in a mapping file",
        )


def _leave_out_empty(columns: dict[str, NDArray[Any]], notes: list[str]) -> None:
    """Drop losses and scores in which nothing was measured, saying so."""
    for name in [c for c in columns if c.startswith(("loss/", "score/")) and not np.isfinite(columns[c]).any()]:
        if np.isinf(columns[name]).any():
            continue  # refused later, with the row
        del columns[name]
        columns.pop(name.replace("score/", "stderr/"), None)
        notes.append(f"column '{name}' has no value in any row and is left out")


def _fill_compute(columns: dict[str, NDArray[Any]], place: Place, notes: list[str]) -> None:
    """Compute ``params`` and ``flops`` where the table leaves them out."""
    for name in (c for c in ("params", "tokens", *SHAPE) if c in columns):
        refuse_amount(place, columns[name], name)
    with np.errstate(over="ignore"):  # an overflow is refused below, with its row
        if "params" not in columns and {"layers", "width", "ffn"} <= set(columns):
            columns["params"] = transformer_params(columns["layers"], columns["width"], columns["ffn"])
            notes.append("params computed as layers·(4·width² + 3·width·ffn)")
            refuse_amount(place, columns["params"], "params")
        if "flops" not in columns:
            if {"layers", "width", "context"} <= set(columns):
                attention = [columns[c] for c in ("layers", "width", "context")]
                columns["flops"] = transformer_flops(columns["tokens"], columns["params"], *attention)
                notes.append("FLOPs computed as D·(6·N + 6·layers·width·context)")
            else:
                columns["flops"] = six_nd(columns["params"], columns["tokens"])
                notes.append("FLOPs computed as 6·N·D")
        refuse_amount(place, columns["flops"], "flops")
        lacking = [name for name in ("params", "tokens") if name not in columns]
        if lacking:
            one = "; flpjax import takes it from C = 6·N·D" if lacking == ["tokens"] else ""
            notes.append(
                f"there is no column {' and no '.join(map(repr, lacking))}: laws that read them take no part{one}"
            )
            return
        ratio = columns["flops"] / (columns["params"] * columns["tokens"])
    for i in np.flatnonzero(~((ratio > SANE_RATIO[0]) & (ratio < SANE_RATIO[1])))[:1]:
        raise InputError(
            f"{columns['flops'][i]:.4g} FLOPs are {ratio[i]:.2g} per parameter and token, where about 6 are expected",
            where=place.at(i, "flops"),
            remedy='Declare the unit in a mapping file, say flops = { column = "flops", unit = "GFLOPs" }, or correct '
            "params and tokens",
        )
