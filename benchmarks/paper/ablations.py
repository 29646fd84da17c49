"""Which law of mixtures (Table 3, figure 7), and which map from losses to scores (Table 4, figure 8)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from benchmarks.methods import key
from benchmarks.paper.errors import mean, show_errors
from benchmarks.paper.ladders import AVERAGE, above_zero, grid, losses_only
from flpjax import Runs, compare

FORMS = {"M1": "m1", "M2": "m2", "M3": "m3", "M4": "m4"}
FLOORED = FORMS | {"M2": "m2-floor", "M4": "m4-floor"}  # finite where a run has no code
ALL, ABOVE_ZERO = "all ratios, floor of .01", "ratios above 0"
SPLITS: dict[str, tuple[Callable[[Runs], Runs], dict[str, str]]] = {
    ALL: (grid, FLOORED),
    ABOVE_ZERO: (above_zero, FORMS),
}
DISCOVERY = "discovery"


def laws(runs: Runs) -> dict[str, Any]:
    """Errors of M1 to M4 on the targets' domain losses and on their average loss."""
    figures: dict[str, Any] = {}
    for name, (part, forms) in SPLITS.items():
        found = compare(
            losses_only(part(grid(runs)).with_average()), key(), mixture_laws=tuple(forms.values()), recommend=False
        )
        errors = {row.name: dict(row.errors) for row in found.laws}
        figures[name] = {
            law: {
                "average": errors[code].pop(AVERAGE, None),
                "mean": mean(errors[code]),
                "domains": errors[code],
                "failed": next(row.failed for row in found.laws if row.name == code) or None,
            }
            for law, code in forms.items()
        }
    return figures


def maps(runs: Runs) -> dict[str, Any]:
    """Errors of scores from the targets' true losses, by the four maps of §6.2 and by automated discovery."""
    found = compare(grid(runs), key(), mixture_laws=(), recommend=False)
    chosen = {} if found.discovery is None else {t: str(law) for t, law in found.discovery.formulas.items()}
    return {
        "tasks": list(runs.task_names),
        "maps": {row.name: {"errors": dict(row.errors), "failed": row.failed or None} for row in found.maps},
        "discovered": chosen,
    }


def show_laws(figures: dict[str, Any]) -> None:
    """Table 3 with figure 7."""
    for name, forms in figures.items():
        domains = list(next(iter(forms.values()))["domains"])
        errors = {law: found["domains"] for law, found in forms.items()}
        average = ", ".join(f"{f} {100 * v['average']:.2f}" for f, v in forms.items() if v["average"] is not None)
        show_errors(f"Table 3 and figure 7, {name}: losses", domains, errors, f"of the average loss: {average}")


def show_maps(figures: dict[str, Any]) -> None:
    """Table 4 with figure 8."""
    errors = {name: found["errors"] for name, found in figures["maps"].items()}
    found = "; ".join(f"{task}: {law}" for task, law in figures["discovered"].items())
    show_errors("Table 4 and figure 8: from the targets' true losses", figures["tasks"], errors, found or None)
