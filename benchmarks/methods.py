"""The methods that backtests compare."""

from __future__ import annotations

from typing import Any

import jax
from jax import Array

from flpjax import method
from flpjax.methods.method import Method
from flpjax.methods.registry import COMPUTE_LOSS, LOSS_SCORE, NAMED
from flpjax.results.record import Record

JOINT = ("flp", "chinchilla+sigmoid")  # also fitted with both stages in one objective


def all_methods() -> dict[str, Method]:
    """Every named method, and every form of stage 1 with every one of stage 2."""
    names = [*NAMED, *(f"{first}+{second}" for first in COMPUTE_LOSS for second in LOSS_SCORE)]
    return {name: method(name) for name in names}


def key(seed: int = 0) -> Array:
    """The random key of a backtest."""
    return jax.random.key(seed)


def record_json(record: Record, draws: int) -> dict[str, Any]:
    """A record as JSON has it."""
    return record.to_dict() | {"draws": draws}
