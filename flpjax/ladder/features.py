"""Features of training runs: what a loss is predicted from, by name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from flpjax.errors import InputError, did_you_mean

Transform = Literal["log", "linear"]


@dataclass(frozen=True)
class Feature:
    """What is known of one feature.

    Attributes:
        name: As laws ask for it: ``params``, ``tokens``, ``flops``, ``mix``, or that of a column ``x/<name>``.
        unit: Of the values in a table, in words; empty if nobody said.
        transform: What laws see of a value: its natural logarithm (values are positive then), or the value itself.
        constant: Whether it is the same in all rows of a run, in every run.
    """

    name: str
    unit: str = ""
    transform: Transform = "log"
    constant: bool = True

    def transformed(self, values: ArrayLike) -> NDArray[np.float64]:
        """Values as laws see them, the same shape; NaN stays NaN."""
        return np.asarray(np.log(values) if self.transform == "log" else values, np.float64)


PARAMS = Feature("params", "parameters")
TOKENS = Feature("tokens", "tokens", constant=False)
FLOPS = Feature("flops", "FLOPs", constant=False)
MIX = Feature("mix", "share of the tokens", "linear")
STANDARD = {feature.name: feature for feature in (PARAMS, TOKENS, FLOPS, MIX)}
"""The features that have columns of their own, in the order in which they stand."""


class Features:
    """The features of one run, or of many, as a law sees them: ``x["tokens"]`` is the logarithm of its tokens.

    Logarithms, because 1e26 FLOPs to the power 1.5 overflow float32. A JAX pytree (registered in
    :mod:`flpjax.laws.law`): leaves are numbers for one run, ``(run,)`` for many; those of ``mix`` have a last axis
    ``source``. Nothing changes it; :meth:`replace` gives another.

    Args:
        values: Name → transformed values; one that is ``()`` is left out.
    """

    __slots__ = ("_values",)

    def __init__(self, values: Mapping[str, Any]) -> None:
        there = [name for name, value in values.items() if not (isinstance(value, tuple) and value == ())]
        standard = [name for name in STANDARD if name in there]
        self._values = {name: values[name] for name in (*standard, *sorted(set(there) - set(standard)))}

    @classmethod
    def of_logs(cls, log_params: Any, log_tokens: Any, log_flops: Any, weights: Any = (), **others: Any) -> Features:
        """Features from natural logarithms of N, D and C, mixture weights ``(…, source)``, and others by name."""
        return cls({"params": log_params, "tokens": log_tokens, "flops": log_flops, "mix": weights, **others})

    @property
    def names(self) -> tuple[str, ...]:
        """The features there are: params, tokens, flops and mix as far as given, then the others by the alphabet."""
        return tuple(self._values)

    def __getitem__(self, name: str) -> Any:
        if name not in self._values:
            raise InputError(f"there is no feature '{name}'", remedy=did_you_mean(name, self.names))
        return self._values[name]

    def __contains__(self, name: object) -> bool:
        return name in self._values

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __repr__(self) -> str:
        return f"Features({self._values!r})"

    @property
    def log_params(self) -> Any:
        """Log non-embedding parameters."""
        return self["params"]

    @property
    def log_tokens(self) -> Any:
        """Log training tokens."""
        return self["tokens"]

    @property
    def log_flops(self) -> Any:
        """Log training FLOPs."""
        return self["flops"]

    @property
    def weights(self) -> Any:
        """``(…, source)`` mixture weights, a share of the tokens each; () without a mixture."""
        return self._values.get("mix", ())

    def replace(self, **values: Any) -> Features:
        """The same with other values of some features; ``()`` takes a feature away."""
        return Features({**self._values, **values})

    def items(self) -> tuple[tuple[str, Any], ...]:
        """Names and values."""
        return tuple(self._values.items())

    @classmethod
    def of_leaves(cls, names: tuple[str, ...], leaves: Any) -> Features:
        """From names in their order and as many leaves of any kind; for JAX, which puts what it likes into them."""
        made = object.__new__(cls)
        made._values = dict(zip(names, leaves, strict=True))
        return made
