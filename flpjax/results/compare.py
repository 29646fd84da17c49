"""The paper's two ablations on a ladder of the user's: which law of mixtures, and which map from losses to scores."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from jax import Array

from flpjax.errors import FitError, InputError, did_you_mean
from flpjax.fitting.discovery.discovery import Discovery, discover
from flpjax.fitting.discovery.method import DISCOVERED
from flpjax.fitting.fit import fit, mixing_method
from flpjax.fitting.point import point
from flpjax.ladder.table import Runs
from flpjax.laws.law import Law
from flpjax.laws.mixture_loss import M4
from flpjax.methods.direct import FP
from flpjax.methods.flpm import FLPM
from flpjax.methods.method import Method
from flpjax.methods.registry import ALL_EMERGED, AUTO, FLOOR, MIXTURE_LOSS, RECENT, Laws, check_law_names, mixed_stages
from flpjax.readers.read import Table, read_runs
from flpjax.results.backtest import record_of
from flpjax.results.record import Cell, Record
from flpjax.shown import ShownAsTable

MAPS = {
    "average": "domain-average",
    "domain-linear": "domain-linear",
    "domain-neural": "network",
    "domain-sigmoid": "domain-sigmoid",
}
"""Maps from losses to scores by the names of Chen et al. 2024, §6.2 (the last is not theirs) → names of maps here."""
STAGES = {**MAPS, "discovery": DISCOVERED}
MIXTURE_LAWS = (*MIXTURE_LOSS, *(f"{law}{RECENT}" for law in ("m3-e", "mix-chinchilla")))
BLEND_DRAWS = 100  # of each method that is compared for the recommendation

Errors = Mapping[str, float]
"""Task or loss domain → mean absolute relative error over targets."""


@dataclass(frozen=True)
class Row:
    """One law or map.

    Attributes:
        name: What it is called.
        errors: Domain or task → mean absolute relative error over the held-out targets (Chen et al. 2024, eq. 4).
        failed: Why there are none.
    """

    name: str
    errors: Errors = field(default_factory=dict)
    failed: str = ""

    @property
    def mean(self) -> float | None:
        """Mean over domains or tasks."""
        return float(np.mean(list(self.errors.values()))) if self.errors else None

    def to_dict(self) -> dict[str, Any]:
        """As JSON has it."""
        return {"name": self.name, "errors": dict(self.errors), "mean": self.mean, "failed": self.failed or None}


@dataclass(frozen=True)
class Recommended:
    """The method to use, by what it forecast of the held-out targets from end to end.

    Attributes:
        method: Its name, as ``--method`` takes it.
        errors: Method → mean absolute relative error, of scores where there are any, else of losses: the best law with
            the best map, and ``auto``.
        of: ``"scores"`` or ``"losses"``.
        failed: Method → why it has none.
    """

    method: str
    errors: Errors
    of: str
    failed: Mapping[str, str] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """As JSON has it."""
        return {"method": self.method, "of": self.of, "errors": dict(self.errors), "failed": dict(self.failed)}

    def __str__(self) -> str:
        others = ", ".join(f"{n} {100 * e:.1f} %" for n, e in self.errors.items() if n != self.method)
        others = f" ({others})" if others else ""
        return (
            f"Use --method {self.method}: its held-out error of {self.of} is {100 * self.errors[self.method]:.1f} %"
            f"{others}. `flpjax mix` and `flpjax forecast` take it."
        )


@dataclass(frozen=True, eq=False)
class Comparison(ShownAsTable):
    """Errors on held-out targets.

    Attributes:
        held_out: The targets.
        laws: Mixture laws, features per source → domain loss (Chen et al. 2024, Table 3), best first.
        maps: Loss → score, from the targets' true losses (Table 4, §6.2), in the paper's order.
        discovery: What automated discovery tried, with reasons; None if it failed.
        recommended: What to use; None if nothing could be scored.
    """

    held_out: tuple[str, ...]
    laws: tuple[Row, ...]
    maps: tuple[Row, ...]
    discovery: Discovery | None = None
    recommended: Recommended | None = None

    @property
    def forms(self) -> tuple[Row, ...]:
        """The same as ``laws``, by its name up to version 0.2."""
        warnings.warn("Comparison.forms is now Comparison.laws", DeprecationWarning, stacklevel=2)
        return self.laws

    def to_dicts(self) -> list[dict[str, Any]]:
        """Tidy rows: one per law or map and domain or task."""
        both = (("law", self.laws), ("map", self.maps))
        return [
            {"kind": kind, "name": row.name, "output": output, "error": error}
            for kind, rows in both
            for row in rows
            for output, error in row.errors.items()
        ]

    def to_dict(self) -> dict[str, Any]:
        """As JSON has it."""
        return {
            "held_out": list(self.held_out),
            "laws": [row.to_dict() for row in self.laws],
            "maps": [row.to_dict() for row in self.maps],
            "discovery": None if self.discovery is None else json.loads(self.discovery.to_json()),
            "recommended": None if self.recommended is None else self.recommended.to_dict(),
        }

    def to_json(self) -> str:
        """The comparison as JSON text."""
        return json.dumps(self.to_dict(), indent=2, allow_nan=False)

    def __str__(self) -> str:
        def line(row: Row, what: str) -> str:
            text = row.failed if row.mean is None else f"{100 * row.mean:.2f} % mean error of {what}"
            return f"{row.name}: {text or 'no target to be scored on'}"

        lines = [line(row, "domain losses") for row in self.laws] + [line(row, "scores") for row in self.maps]
        return "\n".join([*lines, *([] if self.recommended is None else [str(self.recommended)])])


def compare(
    runs: Table,
    key: Array,
    *,
    mixture_laws: Sequence[str] = MIXTURE_LAWS,
    laws: Laws | None = None,
    recommend: bool = True,
    progress: Callable[[str], None] | None = None,
    forms: Sequence[str] | None = None,
) -> Comparison:
    """Fit every law and map on the runs that are not held out; score them on those that are.

    Args:
        runs: A ladder with mixtures, and targets held out.
        key: JAX random key.
        mixture_laws: Names of mixture laws, keys of :data:`flpjax.methods.registry.MIXTURE_LOSS`, with or without
            ``-recent``.
        laws: Laws of your own by name, beside those; and, of those that read no features, maps from losses to scores.
        recommend: Forecast the targets from end to end, too, by the best pair and by ``auto``.
        progress: Called with the name of each law or map before it is fitted.
        forms: The same as ``mixture_laws``, by its name up to version 0.2.

    Raises:
        InputError: Nothing is held out, nothing is left to fit on, or there is no loss.
        PrecisionError: JAX is in 32 bits.
    """
    runs = read_runs(runs)
    if forms is not None:
        warnings.warn("compare(forms=…) is now compare(mixture_laws=…)", DeprecationWarning, stacklevel=2)
        mixture_laws = forms
    if not runs.held_out.any() or runs.held_out.all():
        raise InputError(
            "no run is held out" if not runs.held_out.any() else "all runs are held out",
            where=runs.source,
            remedy="Errors are counted on held-out targets: name some, or hold out the largest K",
        )
    if mixture_laws is MIXTURE_LAWS and not runs.sources:
        mixture_laws = ()  # nobody asked for them
    if not runs.domains:
        raise InputError(
            "there is no column 'loss/<domain>'",
            where=runs.source,
            remedy="What is compared are laws of losses, and maps from losses to scores; `flpjax backtest` compares "
            "forecasts of scores",
        )
    if not (runs.sources or runs.tasks):
        raise InputError(
            "there is neither a column 'mix/<source>' nor 'score/<task>'",
            where=runs.source,
            remedy="What is compared are laws of mixtures, and maps from losses to scores; `flpjax backtest --method A "
            "--method B` compares forecasts of losses, by laws of your own, too",
        )
    unknown = [name for name in mixture_laws if name.removesuffix(RECENT) not in MIXTURE_LOSS]
    if unknown:
        raise InputError(f"there is no mixture law '{unknown[0]}'", remedy=did_you_mean(unknown[0], MIXTURE_LOSS))
    laws = laws or {}
    check_law_names(laws)
    own_maps = {name: name for name, law in laws.items() if not law.inputs()}
    say = progress or (lambda _: None)
    losses_only = replace(runs, tasks=(), score=np.empty((len(runs), 0)), stderr=np.empty((len(runs), 0)))
    first = []
    for name in (*mixture_laws, *(n for n in laws if n not in own_maps)):
        say(name)
        method = replace(mixed_stages(name, "domain-linear", laws), domains=runs.general_domains)
        first.append(_row(name, method, losses_only, key, lambda record: record.losses))
    maps, discovery = [], None
    if runs.tasks:
        say("flops")
        zeros = bool((runs.training().finals().mix == 0).any()) if runs.sources else False
        flops_law: Law = M4(floor=FLOOR if zeros else None) if runs.sources else MIXTURE_LOSS["m1"]
        maps.append(_row("flops", FP(flops_law), runs, key, lambda record: record.scores))
        for name, score in {**(MAPS if runs.sources else {}), **own_maps}.items():
            say(name)
            stages = mixed_stages("m1", score, laws)
            method = FLPM(MIXTURE_LOSS["m1"], stages.loss_score, selection=stages.selection, prior=stages.prior)
            maps.append(_row(name, method, runs, key, _with_true_loss))
        say("discovery")
        discovered, discovery = _discovered(runs, key)
        maps.append(discovered)
    ranked = sorted(first, key=lambda row: (row.mean is None, row.mean or 0.0))
    recommended = _recommended(ranked, maps, runs, key, laws, say) if recommend else None
    return Comparison(runs.targets().names, tuple(ranked), tuple(maps), discovery, recommended)


def _recommended(
    ranked: Sequence[Row], maps: Sequence[Row], runs: Runs, key: Array, own_laws: Laws, say: Callable[[str], None]
) -> Recommended | None:
    """The best law with the best map, and ``auto``, from end to end on the targets."""
    laws = [row for row in ranked if row.mean is not None]
    if not laws:
        return None
    stages = {**STAGES, **{name: name for name in own_laws}}
    scored = sorted((r for r in maps if r.mean is not None and r.name in stages), key=lambda r: r.mean or 0.0)
    pair = f"{laws[0].name}+{stages[scored[0].name] if scored else 'domain-linear'}"
    of, errors, failed = ("scores" if scored else "losses"), {}, {}
    for name in (pair, AUTO):
        say(name)
        try:
            _, chosen = mixing_method(name, BLEND_DRAWS, own_laws if name == pair else None)
            record = record_of(fit(chosen, runs, key, draws=BLEND_DRAWS), runs)
        except (InputError, FitError) as error:
            failed[name] = str(error)
            continue
        rel_errors = [abs(c.rel_error) for c in (record.scores if scored else record.losses) if c.actual]
        if rel_errors:
            errors[name] = float(np.mean(rel_errors))
    return Recommended(min(errors, key=lambda n: errors[n]), errors, of, failed) if errors else None


def _row(name: str, method: Method, runs: Runs, key: Array, cells: Callable[[Record], Sequence[Cell]]) -> Row:
    """Fit a method, and compute its errors on the held-out targets; if the fit fails, the row says why."""
    try:
        record = record_of(point(method, runs, key, strict=False), runs)
    except (InputError, FitError) as error:
        return Row(name, failed=str(error))
    errors: dict[str, list[float]] = {}
    for cell in cells(record):
        if cell.actual:
            errors.setdefault(cell.name, []).append(abs(cell.rel_error))
    return Row(name, {output: float(np.mean(found)) for output, found in errors.items()})


def _with_true_loss(record: Record) -> list[Cell]:
    """Scores as forecast from the targets' true losses."""
    return [replace(c, predicted=c.true_loss) for c in record.scores if c.true_loss is not None]


def _discovered(runs: Runs, key: Array) -> tuple[Row, Discovery | None]:
    """The row of automated discovery."""
    try:
        found = discover(runs, key, selection=ALL_EMERGED)
    except (InputError, FitError) as error:
        return Row("discovery", failed=str(error)), None
    targets = runs.targets().finals()
    predicted = np.clip(found.predict(np.stack([targets.loss_of(d) for d in found.domains], axis=1)), 0.0, 1.0)
    errors = {}
    for j, task in enumerate(found.formulas):
        actual = targets.score_of(task)
        finite = np.isfinite(actual) & np.isfinite(predicted[:, j]) & (actual > 0)
        if finite.any():
            errors[task] = float(np.abs(predicted[finite, j] / actual[finite] - 1.0).mean())
    return Row("discovery", errors), found
