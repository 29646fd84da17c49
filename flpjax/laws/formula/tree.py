"""A formula as a tree of few kinds of nodes: its value in JAX, its sign, and how it is written."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import jax
import jax.numpy as jnp
from jax import Array

from flpjax.laws.grammar import figure


@dataclass(frozen=True)
class Number:
    """A number that the formula gives."""

    value: float


@dataclass(frozen=True)
class Input:
    """A feature of a run, or the weight of a data source.

    Attributes:
        name: Of the feature; ``mix`` of a source.
        symbol: As the formula has it.
        transform: What laws are given of it: its logarithm, or the value itself.
        source: Which weight, if it is one.
    """

    name: str
    symbol: str
    transform: Literal["log", "linear"] = "log"
    source: int | None = None


@dataclass(frozen=True)
class Symbol:
    """A parameter."""

    name: str


@dataclass(frozen=True)
class Sum:
    """``±a ± b …``."""

    terms: tuple[tuple[int, Node], ...]  # sign, term


@dataclass(frozen=True)
class Product:
    """``a·b/c …``."""

    factors: tuple[tuple[int, Node], ...]  # 1 above the line, −1 below it


@dataclass(frozen=True)
class Power:
    """``base^exponent``."""

    base: Node
    exponent: Node


@dataclass(frozen=True)
class Call:
    """A function of :data:`FUNCTIONS`."""

    function: str
    arguments: tuple[Node, ...]


Node = Number | Input | Symbol | Sum | Product | Power | Call
Sign = Literal[1, 0, -1]
"""Of a value, known without numbers: positive, not known, negative."""

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
"""What a formula may call: name → number of arguments, and the function."""
ALWAYS_POSITIVE = ("exp", "sigmoid", "softplus", "abs")
FIELD_SYMBOLS = {"N": "params", "D": "tokens", "C": "flops"}
"""What the field writes for features that have columns of their own (Hoffmann et al. 2022)."""
PLAIN = {*FIELD_SYMBOLS, *FIELD_SYMBOLS.values()}
"""Features that need no braces."""
LOGS = {"log": 1.0, "log10": 2.302585092994046, "log2": 0.6931471805599453}


@dataclass(frozen=True)
class Values:
    """What symbols stand for at ONE row.

    Attributes:
        params: Parameter → value.
        inputs: Feature → transformed value; ``mix`` a vector of weights.
        positive: The parameters that can't be negative.
        logs: Parameter → logarithm of its value, of those whose logarithm is known better than the value.
    """

    params: Mapping[str, Any]
    inputs: Any
    positive: frozenset[str]
    logs: Mapping[str, Any]


def value(node: Node, at: Values) -> Any:
    """The value of a node; products of positive factors are added up as logarithms, so that 1e26^1.5 is no overflow."""
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
        case Power(base, Number(number)) if _whole(node.exponent) and not _is_positive(base, at):
            return value(base, at) ** int(number)
        case Call(function, arguments) if function in LOGS:
            return log_value(arguments[0], at) / LOGS[function]
        case Call(function, arguments):
            return FUNCTIONS[function][1](*(value(a, at) for a in arguments))
        case Product() | Power() if _is_positive(node, at):
            return jnp.exp(log_value(node, at))
        case Product(factors):
            total = None
            for side, factor in factors:
                own = value(factor, at)
                total = (1.0 / own if side < 0 else own) if total is None else total / own if side < 0 else total * own
            return total
        case Power(base, exponent):
            return jnp.power(value(base, at), value(exponent, at))
    raise AssertionError(node)


def log_value(node: Node, at: Values) -> Any:
    """The logarithm of a node, without a detour over its value where it is a product or a power."""
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
        case Power(base, exponent) if not _whole(exponent) or _is_positive(base, at):
            return value(exponent, at) * log_value(base, at)
        case Call("exp", (argument,)):
            return value(argument, at)
    return jnp.log(value(node, at))


def _input(node: Input, at: Values) -> Any:
    return at.inputs[node.name] if node.source is None else at.inputs["mix"][node.source]


def _whole(exponent: Node) -> bool:
    return isinstance(exponent, Number) and exponent.value == int(exponent.value)


def _is_positive(node: Node, at: Values) -> bool:
    return sign_of(node, at.positive) > 0


def sign_of(node: Node, positive: frozenset[str]) -> Sign:
    """The sign of a node for all values of its symbols.

    Args:
        node: The node.
        positive: The parameters that can't be negative.
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
            return 1  # it has no value elsewhere
        case Call(function, arguments):
            if function in ALWAYS_POSITIVE:
                return 1
            signs = {sign_of(a, positive) for a in arguments}
            keeps = function in ("min", "max", "sqrt", "tanh", "log1p", "expm1")
            return 1 if keeps and signs == {1} else 0
    raise AssertionError(node)


def may_vanish(node: Node, positive: frozenset[str]) -> bool:
    """Whether a node that is not negative may be 0: the square of what has no sign, as a bowl is."""
    match node:
        case Power(base, Number(number)) if number == int(number) and number % 2 == 0:
            return sign_of(base, positive) == 0
        case Product(factors):
            return any(may_vanish(factor, positive) for _, factor in factors)
    return False


def walk(node: Node) -> Iterator[Node]:
    """The node and all below it."""
    yield node
    for child in children(node):
        yield from walk(child)


def children(node: Node) -> tuple[Node, ...]:
    """The nodes right below."""
    match node:
        case Sum(parts) | Product(parts):
            return tuple(child for _, child in parts)
        case Power(base, exponent):
            return base, exponent
        case Call(_, arguments):
            return arguments
    return ()


def written(node: Node, numbers: Mapping[str, float] | None = None, around: int = 0) -> str:
    """A node as mathematics: ``E + A·N^(−alpha)``; with numbers in place of the parameters that are given.

    Args:
        node: The node.
        numbers: Parameter → value.
        around: How tightly what stands around it binds: 0 nothing, 1 a sum, 2 a product, 3 a power.
    """
    match node:
        case Number(number):
            text = f"{number:g}".replace("e+0", "e").replace("e+", "e").replace("e-0", "e-").replace("-", "−")
            binds = 1 if number < 0 else 4
        case Symbol(name):
            given = None if numbers is None else numbers.get(name)
            text = name if given is None else figure(given, ".4g")
            binds = 4 if given is None or given >= 0 else 1
        case Input(symbol=symbol):
            text, binds = symbol if symbol in PLAIN else f"{{{symbol}}}", 4
        case Sum(terms):
            parts = [("− " if s < 0 else "+ ", written(t, numbers, 2 if s < 0 else 1)) for s, t in terms]
            head = ("−" if terms[0][0] < 0 else "") + parts[0][1]
            text, binds = " ".join([head, *(sign + part for sign, part in parts[1:])]), 1
        case Product(factors):
            above = [written(f, numbers, 2) for side, f in factors if side > 0] or ["1"]
            below = [written(f, numbers, 3) for side, f in factors if side < 0]
            text, binds = "·".join(above) + "".join(f"/{part}" for part in below), 2
        case Power(base, exponent):
            upper = written(exponent, numbers, 0)
            plain = upper.isidentifier() or upper.replace(".", "").isdigit()
            text, binds = f"{written(base, numbers, 4)}^{upper if plain else f'({upper})'}", 3
        case Call(function, arguments):
            text, binds = f"{function}({', '.join(written(a, numbers) for a in arguments)})", 4
    return f"({text})" if binds < around or (around == 2 and binds == 1) else text
