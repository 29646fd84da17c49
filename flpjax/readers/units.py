"""Units that a mapping file may declare, and what makes canonical ones of them."""

from __future__ import annotations

import math

from flpjax.errors import InputError, did_you_mean
from flpjax.ladder.units import Unit

PREFIXES = {"": 1.0, "K": 1e3, "M": 1e6, "G": 1e9, "B": 1e9, "T": 1e12, "P": 1e15, "E": 1e18, "Z": 1e21, "Y": 1e24}


def _units(names: dict[str, float]) -> dict[str, Unit]:
    return {name: Unit(name, factor) for name, factor in names.items()}


COUNT = ("", "K", "M", "B", "T")
FLOPS = _units({f"{p}FLOPs": factor for p, factor in PREFIXES.items() if p != "B"} | {"PFLOP/s-days": 1e15 * 86400})
TOKENS = _units({f"{p}tokens": PREFIXES[p] for p in COUNT} | {p: PREFIXES[p] for p in COUNT[1:]})
PARAMS = _units({f"{p}params": PREFIXES[p] for p in COUNT} | {p: PREFIXES[p] for p in COUNT[1:]})
# Per token, or per byte if the column is: the factor is the same.
LOSS = _units({"nats": 1.0, "bits": math.log(2.0)}) | {"perplexity": Unit("perplexity", 1.0, logarithm=True)}
SHARE = _units({"fraction": 1.0, "percent": 0.01})

KINDS = {"flops": FLOPS, "tokens": TOKENS, "params": PARAMS, "train_loss": LOSS, "loss": LOSS, "mix": SHARE}
"""The first unit of each kind is the canonical one."""


def unit_of(canonical: str, unit: str | None, where: str) -> Unit | None:
    """The unit of a column; None where it is the canonical one, undeclared.

    Args:
        canonical: Canonical name of the column.
        unit: Declared unit, or None for the canonical one.
        where: The place in the mapping file, for messages.

    Raises:
        InputError: The column has no unit, or there is no such unit.
    """
    if unit is None:
        return None
    head = canonical.partition("/")[0]
    if head in ("score", "stderr"):
        task = canonical.partition("/")[2]
        raise InputError(
            "scores have a scale, not a unit", where=where, remedy=f'Write scale = "points" under [tasks.{task}]'
        )
    if head == "x":
        raise InputError(
            "features are taken as they are",
            where=where,
            remedy=f"Write the unit under [features.{canonical.partition('/')[2]}]",
        )
    units = KINDS.get(head)
    if units is None:
        raise InputError(f"'{canonical}' has no unit", where=where, remedy="Leave the unit out")
    by_lower = {name.lower(): known for name, known in units.items()}
    if unit.lower() not in by_lower:
        raise InputError(f"there is no unit '{unit}' for '{canonical}'", where=where, remedy=did_you_mean(unit, units))
    return by_lower[unit.lower()]
