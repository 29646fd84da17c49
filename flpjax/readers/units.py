"""Units that a mapping file may declare, as factors to the canonical ones."""

from __future__ import annotations

import math

from flpjax.errors import InputError, did_you_mean

PREFIXES = {"": 1.0, "K": 1e3, "M": 1e6, "G": 1e9, "B": 1e9, "T": 1e12, "P": 1e15, "E": 1e18, "Z": 1e21, "Y": 1e24}

FLOPS = {f"{p}FLOPs": factor for p, factor in PREFIXES.items() if p != "B"} | {"PFLOP/s-days": 1e15 * 86400}
TOKENS = {f"{p}tokens": PREFIXES[p] for p in ("", "K", "M", "B", "T")}
PARAMS = {f"{p}params": PREFIXES[p] for p in ("", "K", "M", "B", "T")}
LOSS = {"nats": 1.0, "bits": math.log(2.0)}  # per token, or per byte if the column is: the factor is the same
SHARE = {"fraction": 1.0, "percent": 0.01}

KINDS = {"flops": FLOPS, "tokens": TOKENS, "params": PARAMS, "train_loss": LOSS, "loss": LOSS, "mix": SHARE}


def unit_factor(canonical: str, unit: str | None, where: str) -> float:
    """What to multiply a column by; the first unit of each kind is the canonical one.

    Args:
        canonical: Canonical name of the column.
        unit: Declared unit, or None for the canonical one.
        where: The place in the mapping file, for messages.

    Raises:
        InputError: The column has no unit, or there is no such unit.
    """
    if unit is None:
        return 1.0
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
    by_lower = {name.lower(): factor for name, factor in units.items()}
    if unit.lower() not in by_lower:
        raise InputError(f"there is no unit '{unit}' for '{canonical}'", where=where, remedy=did_you_mean(unit, units))
    return by_lower[unit.lower()]
