"""The configuration file as frozen records, and the plan that its rules give for each size."""

from __future__ import annotations

import math
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flpjax.ladder.compute import transformer_flops, transformer_params

FILE = Path(__file__).with_name("experiment.toml")
FFN_MULTIPLE = 32  # hidden layers are 8/3 of the width, rounded up to this: matrix units like it


@dataclass(frozen=True)
class Size:
    """A decoder's shape.

    Attributes:
        layers: Number of layers.
        width: Hidden dimension.
        head_width: Dimension of a head.
        context: Sequence length, bytes.
        target: Whether runs of this size are held out.
        anchored: Whether this size is trained at the anchor mixture only.
    """

    layers: int
    width: int
    head_width: int
    context: int
    target: bool = False
    anchored: bool = False

    @property
    def ffn(self) -> int:
        """Width of the hidden layer of a SwiGLU block."""
        return math.ceil(8 * self.width / 3 / FFN_MULTIPLE) * FFN_MULTIPLE

    @property
    def params(self) -> int:
        """Non-embedding parameters N."""
        return int(transformer_params(self.layers, self.width, self.ffn))

    @property
    def name(self) -> str:
        """Millions of parameters, two digits: ``0.16M``, ``19M``."""
        return f"{float(f'{self.params / 1e6:.2g}'):g}M"


@dataclass(frozen=True)
class Plan:
    """What the rules of the experiment give for one size.

    Attributes:
        size: The shape.
        batch: Sequences a step.
        steps: Optimiser steps, a multiple of ``checkpoints``.
        checkpoints: Evaluations a run, equally spaced.
        rate: Peak learning rate.
    """

    size: Size
    batch: int
    steps: int
    checkpoints: int
    rate: float

    @property
    def steps_each(self) -> int:
        """Steps between two checkpoints."""
        return self.steps // self.checkpoints

    def tokens(self, step: int) -> int:
        """Training bytes after ``step`` steps; a byte is a token."""
        return step * self.batch * self.size.context

    def flops(self, step: int) -> float:
        """Training FLOPs after ``step`` steps, attention counted (Chen et al. 2024, Table 1)."""
        size = self.size
        return float(transformer_flops(self.tokens(step), size.params, size.layers, size.width, size.context))


@dataclass(frozen=True)
class Rule:
    """``level · (N / params)^power``."""

    level: float
    params: float
    power: float

    def __call__(self, params: float) -> float:
        """The rule's value for N ``params``."""
        return self.level * (params / self.params) ** self.power


@dataclass(frozen=True)
class Training:
    """How a model is trained; the fields are those of ``[training]``."""

    bytes_per_parameter: float
    checkpoints: int
    warmup: float
    final_rate: float
    weight_decay: float
    clip: float
    batch: Rule
    rate: Rule


@dataclass(frozen=True)
class Experiment:
    """A scale of the experiment.

    Attributes:
        scale: Its name.
        sizes: Shapes, smallest first.
        compute: dtype of activations; weights and moments are float32.
        training: How models are trained.
        windows: Validation windows a domain.
        questions: Questions a task.
        code: Shares of code that are tried.
        repeated: The share that is trained with a second seed.
        anchor: The share at which anchored sizes are trained.
    """

    scale: str
    sizes: tuple[Size, ...]
    compute: str
    training: Training
    windows: int
    questions: int
    code: tuple[float, ...]
    repeated: float
    anchor: float

    def plan(self, size: Size) -> Plan:
        """Batch, steps and learning rate of a size."""
        rules = self.training
        batch = max(1, round(rules.batch(size.params)))
        steps = rules.bytes_per_parameter * size.params / (batch * size.context)
        steps_each = max(1, round(steps / rules.checkpoints))
        return Plan(size, batch, steps_each * rules.checkpoints, rules.checkpoints, rules.rate(size.params))


def read_experiment(scale: str, file: Path = FILE, **changes: Any) -> Experiment:
    """Read one scale of the configuration.

    Args:
        scale: A table under ``[scales]``; what it says of another table's entries goes before what stands there.
        file: The configuration.
        changes: Attributes of the experiment or of its training to set otherwise, as tests do.

    Raises:
        SystemExit: There is no such scale.
    """
    text = tomllib.loads(file.read_text(encoding="utf-8"))
    if scale not in text["scales"]:
        raise SystemExit(f"{file.name} has no scale '{scale}': choose from {', '.join(text['scales'])}")
    chosen = text["scales"][scale]
    flat = {**text["training"], **text["evaluation"], **text["mixtures"], **chosen, **changes}
    return Experiment(
        scale=scale,
        sizes=tuple(Size(**{**text["model"], **size}) for size in flat["sizes"]),
        compute=flat["compute"],
        training=Training(
            **{name: flat[name] for name in ("bytes_per_parameter", "checkpoints", "warmup", "final_rate")},
            **{name: flat[name] for name in ("weight_decay", "clip")},
            batch=_rule(flat["batch"], "sequences"),
            rate=_rule(flat["rate"], "peak"),
        ),
        windows=flat["windows"],
        questions=flat["questions"],
        code=tuple(flat["code"]),
        repeated=flat["repeated"],
        anchor=flat["anchor"],
    )


def _rule(entry: Mapping[str, float], level: str) -> Rule:
    return Rule(entry[level], entry["params"], entry["power"])
