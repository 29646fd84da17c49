"""The features that laws read, and what is said where a ladder lacks one."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from flpjax.errors import InputError, did_you_mean
from flpjax.ladder.features import STANDARD
from flpjax.ladder.table import Runs
from flpjax.laws.discrepancy import Discrepancy
from flpjax.laws.law import Law

Inputs = Mapping[str, str]
"""Feature → the name of the law that reads it."""


def inputs_of(*laws: Law) -> dict[str, str]:
    """The features that laws read, each with the first law that reads it."""
    read: dict[str, str] = {}
    for law in laws:
        for feature in law.inputs():
            read.setdefault(feature, called(law))
    return read


def called(law: Law) -> str:
    """What messages call a law: its formula, or its class."""
    inner = law.law if isinstance(law, Discrepancy) else law
    return getattr(inner, "text", None) or type(inner).__name__


def column_of(feature: str) -> str:
    """The column of a table that holds a feature."""
    if feature == "mix":
        return "mix/<source>"
    return feature if feature in STANDARD else f"x/{feature}"


def law_for(law: Law, runs: Runs, values: NDArray[np.float64] | None = None) -> Law:
    """A law as a table makes it: one that was written as text learns which of its names are features.

    Args:
        law: The law.
        runs: The table.
        values: What it will be fitted to, any shape; its priors then have their scale.
    """
    suited = getattr(law, "suited", None)
    return law if suited is None else suited(runs.extra_features, runs.sources, values)


def check_inputs(law: Law, runs: Runs) -> None:
    """Refuse a ladder without a feature that a law reads.

    Raises:
        InputError: One is missing; the message names it, the law, and the column to add.
    """
    there = runs.law_inputs.names
    for feature, reader in inputs_of(law).items():
        if feature in there:
            continue
        alike = did_you_mean(feature, [name for name in there if name not in STANDARD])
        guess = f"{alike} " if alike.startswith("Did") else ""
        raise InputError(
            f"there is no column '{column_of(feature)}', the feature '{feature}' that {reader} reads",
            where=runs.source,
            remedy=f"{guess}Add it, name it in a mapping file, or use a law that does without",
        )
