"""Results in the units that the user's table has: losses in bits or as perplexity, scores with chance at 0."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from flpjax.errors import some_of

if TYPE_CHECKING:
    from flpjax.ladder.tasks import Task
    from flpjax.ladder.units import Unit


def unit_converters(shown: Mapping[str, Unit], tasks: Sequence[Task]) -> dict[str, Callable[[float], float]]:
    """Loss or score → from the canonical unit to the one that the user's table has it in."""
    losses: dict[str, Callable[[float], float]] = {f"loss/{domain}": unit.shown for domain, unit in shown.items()}
    return losses | {f"score/{task.name}": task.shown for task in tasks if task.centred}


def words_of_units(shown: Mapping[str, Unit], tasks: Sequence[Task], domains: Sequence[str] = ()) -> str:
    """``Loss validation in bits. Scores in %, of core with chance at 0``, and a full stop.

    Args:
        shown: Loss domain → the unit that the user's table has it in; those without are in nats.
        tasks: Tasks that are shown.
        domains: Losses that are shown.
    """
    by_unit: dict[str, list[str]] = {}
    for domain, unit in shown.items():
        by_unit.setdefault(unit.name, []).append(domain)
    losses = [f"{'Loss' if len(d) == 1 else 'Losses'} {some_of(d)} in {unit}." for unit, d in by_unit.items()]
    if any(domain not in shown for domain in domains):
        losses.append("Other losses in nats." if losses else "Losses in nats.")
    centred = [task.name for task in tasks if task.centred]
    if not tasks and losses:
        return " ".join(losses)
    return " ".join([*losses, f"Scores in %, of {some_of(centred)} with chance at 0." if centred else "Scores in %."])
