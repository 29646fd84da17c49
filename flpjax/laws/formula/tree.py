"""A formula as an expression tree: its kinds of nodes, and functions for its value (in JAX), its sign and its text."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import jax
import jax.numpy as jnp
from jax import Array

from flpjax.laws.grammar import format_number


@dataclass(frozen=True)
class Number:
    """A numeric constant, written out in the formula."""

    value: float


@dataclass(frozen=True)
class Input:
    """A feature of a run (N, D, learning rate …), or the share of one data source in its mixture.

    Attributes:
        name: The feature's name; ``mix`` for the share of a source.
        symbol: What the formula calls it, such as ``N``.
        transform: Whether rows hold the feature's logarithm or the value itself.
        source: Position of the source in the vector of shares; None for a feature.
    """

    name: str
    symbol: str
    transform: Literal["log", "linear"] = "log"
    source: int | None = None


@dataclass(frozen=True)
class Symbol:
    """A parameter, to be fitted."""

    name: str


@dataclass(frozen=True)
class Sum:
    """``±a ± b …``."""

    terms: tuple[tuple[int, Node], ...]  # sign, term


@dataclass(frozen=True)
class Product:
    """``a·b/c …``."""

    factors: tuple[tuple[int, Node], ...]  # (1, factor) multiplies, (−1, factor) divides


@dataclass(frozen=True)
class Power:
    """``base^exponent``."""

    base: Node
    exponent: Node


@dataclass(frozen=True)
class Call:
    """A call of a function of :data:`FUNCTIONS`."""

    function: str
    arguments: tuple[Node, ...]


Node = Number | Input | Symbol | Sum | Product | Power | Call
Sign = Literal[1, 0, -1]
"""1: never negative, whatever the symbols' values; −1: never positive; 0: neither is certain."""

FUNCTIONS: dict[str, tuple[int, Callable[..., Array]]] = {
    "exp": (1, jnp.exp),
    "log": (1, jnp.log),
    "log10": (1, lambda x: jnp.log(x) / jnp.log(10.0)),
    "log2": (1, lambda x: jnp.log(x) / jnp.log(2.0)),
    "log1p": (1, jnp.log1p),
    "expm1": (1, jnp.expm1),
    "sqrt": (1, jnp.sqrt),
    "abs": (1, jnp.abs),
    "tanh": (1, jnp.tanh),
    "sigmoid": (1, jax.nn.sigmoid),
    "softplus": (1, jax.nn.softplus),
    "min": (2, jnp.minimum),
    "max": (2, jnp.maximum),
}
"""Functions that a formula may call: name → number of arguments, and the function in JAX."""
ALWAYS_POSITIVE = ("exp", "sigmoid", "softplus", "abs")
FIELD_SYMBOLS = {"N": "params", "D": "tokens", "C": "flops"}
"""Symbol of Hoffmann et al. (2022) → name of the feature."""
UNBRACED = {*FIELD_SYMBOLS, *FIELD_SYMBOLS.values()}
"""Names and symbols that a formula writes without braces; any other feature ``x`` is written ``{x}``."""
LN_OF_BASE = {"log": 1.0, "log10": 2.302585092994046, "log2": 0.6931471805599453}
"""Logarithm that a formula may call → natural logarithm of its base."""


@dataclass(frozen=True)
class Values:
    """Values of parameters and features at ONE row.

    Attributes:
        params: Parameter → value.
        inputs: Feature → its logarithm or value, by its transform; ``mix`` → shares of the sources ``(source,)``.
        positive: Names of the parameters that are constrained to be positive.
        logs: Parameter → logarithm of its value, for those that are fitted as logarithms: exact where the value itself
            would overflow.
    """

    params: Mapping[str, Any]
    inputs: Any
    positive: frozenset[str]
    logs: Mapping[str, Any]


def value(node: Node, at: Values) -> Any:
    """The value of a node; a product of positive factors is the exponential of a sum of logarithms: no overflow."""
    match node:
        case Number(number):
            return number
        case Symbol(name):
            return at.params[name]
        case Input():
            return jnp.exp(_input(node, at)) if node.transform == "log" else _input(node, at)
        case Sum(terms):
            first, *others = (sign * value(term, at) if sign < 0 else value(term, at) for sign, term in terms)
            total = first
            for other in others:
                total = total + other
            return total
        case Power(base, Number(number)) if _is_integer(node.exponent) and not _is_positive(base, at):
            return value(base, at) ** int(number)
        case Call(function, arguments) if function in LN_OF_BASE:
            return log_value(arguments[0], at) / LN_OF_BASE[function]
        case Call(function, arguments):
            return FUNCTIONS[function][1](*(value(a, at) for a in arguments))
        case Product() | Power() if _is_positive(node, at):
            return jnp.exp(log_value(node, at))
        case Product(factors):
            total = None
            for side, factor in factors:
                operand = value(factor, at)
                if total is None:
                    total = 1.0 / operand if side < 0 else operand
                else:
                    total = total / operand if side < 0 else total * operand
            return total
        case Power(base, exponent):
            return jnp.power(value(base, at), value(exponent, at))
    raise AssertionError(node)


def log_value(node: Node, at: Values) -> Any:
    """The natural logarithm of a node's value; of products and powers computed from logarithms, not from the value."""
    match node:
        case Input(transform="log"):
            return _input(node, at)
        case Symbol(name) if name in at.logs:
            return at.logs[name]
        case Product(factors) if all(_is_positive(f, at) for _, f in factors):
            first, *others = (side * log_value(factor, at) for side, factor in factors)
            total = first
            for other in others:
                total = total + other
            return total
        case Power(base, exponent) if not _is_integer(exponent) or _is_positive(base, at):
            return value(exponent, at) * log_value(base, at)
        case Call("exp", (argument,)):
            return value(argument, at)
    return jnp.log(value(node, at))


def _input(node: Input, at: Values) -> Any:
    return at.inputs[node.name] if node.source is None else at.inputs["mix"][node.source]


def _is_integer(exponent: Node) -> bool:
    return isinstance(exponent, Number) and exponent.value == int(exponent.value)


def _is_positive(node: Node, at: Values) -> bool:
    return sign_of(node, at.positive) > 0


def sign_of(node: Node, positive: frozenset[str]) -> Sign:
    """The sign of a node's value, if it is the same for all values of the parameters and features.

    Args:
        node: The node.
        positive: Names of the parameters that are constrained to be positive.
    """
    match node:
        case Number(number):
            return 1 if number > 0 else -1 if number < 0 else 0
        case Symbol(name):
            return 1 if name in positive else 0
        case Input(transform=transform):
            return 1 if transform == "log" else 0
        case Sum(terms):
            signs = {sign * sign_of(term, positive) for sign, term in terms}
            return signs.pop() if len(signs) == 1 else 0  # type: ignore[return-value]
        case Product(factors):
            total: int = 1
            for _, factor in factors:
                total *= sign_of(factor, positive)
            return total  # type: ignore[return-value]
        case Power(base, Number(number)) if number == int(number):
            return 1 if number % 2 == 0 else sign_of(base, positive)
        case Power():
            return 1  # a power that is no integer is defined for positive bases only
        case Call(function, arguments):
            if function in ALWAYS_POSITIVE:
                return 1
            signs = {sign_of(a, positive) for a in arguments}
            sign_preserving = function in ("min", "max", "sqrt", "tanh", "log1p", "expm1")
            return 1 if sign_preserving and signs == {1} else 0
    raise AssertionError(node)


def may_vanish(node: Node, positive: frozenset[str]) -> bool:
    """Whether a node that is never negative may be 0: it has an even power of an expression of unknown sign."""
    match node:
        case Power(base, Number(number)) if number == int(number) and number % 2 == 0:
            return sign_of(base, positive) == 0
        case Product(factors):
            return any(may_vanish(factor, positive) for _, factor in factors)
    return False


def walk(node: Node) -> Iterator[Node]:
    """The node and all its descendants, parents first."""
    yield node
    for child in children(node):
        yield from walk(child)


def children(node: Node) -> tuple[Node, ...]:
    """The operands of a node."""
    match node:
        case Sum(parts) | Product(parts):
            return tuple(child for _, child in parts)
        case Power(base, exponent):
            return base, exponent
        case Call(_, arguments):
            return arguments
    return ()


def written(node: Node, numbers: Mapping[str, float] | None = None, outer_precedence: int = 0) -> str:
    """A node as text: ``E + A·N^(−alpha)``, with values in place of the parameters that ``numbers`` has.

    Args:
        node: The node.
        numbers: Parameter → value.
        outer_precedence: Of the operation that it is an operand of: 0 none, 1 term of a sum, 2 factor or subtracted
            term, 3 divisor, 4 base of a power. The text is bracketed if its own operation binds less tightly.
    """
    match node:
        case Number(number):
            text = f"{number:g}".replace("e+0", "e").replace("e+", "e").replace("e-0", "e-").replace("-", "−")
            precedence = 1 if number < 0 else 4
        case Symbol(name):
            given = None if numbers is None else numbers.get(name)
            text = name if given is None else format_number(given, ".4g")
            precedence = 4 if given is None or given >= 0 else 1
        case Input(symbol=symbol):
            text, precedence = symbol if symbol in UNBRACED else f"{{{symbol}}}", 4
        case Sum(terms):
            parts = [("− " if s < 0 else "+ ", written(t, numbers, 2 if s < 0 else 1)) for s, t in terms]
            head = ("−" if terms[0][0] < 0 else "") + parts[0][1]
            text, precedence = " ".join([head, *(sign + part for sign, part in parts[1:])]), 1
        case Product(factors):
            above = [written(f, numbers, 2) for side, f in factors if side > 0] or ["1"]
            below = [written(f, numbers, 3) for side, f in factors if side < 0]
            text, precedence = "·".join(above) + "".join(f"/{part}" for part in below), 2
        case Power(base, exponent):
            upper = written(exponent, numbers, 0)
            unbracketed = upper.isidentifier() or upper.replace(".", "").isdigit()
            text, precedence = f"{written(base, numbers, 4)}^{upper if unbracketed else f'({upper})'}", 3
        case Call(function, arguments):
            text, precedence = f"{function}({', '.join(written(a, numbers) for a in arguments)})", 4
    return f"({text})" if precedence < outer_precedence or (outer_precedence == 2 and precedence == 1) else text
