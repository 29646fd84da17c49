"""What a mapping says about a table, checked and in the form that readers use."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from flpjax.ladder.features import Feature
from flpjax.ladder.finals import FINAL_WITHIN
from flpjax.ladder.mixing import MixtureIs
from flpjax.ladder.tasks import Task
from flpjax.ladder.units import Unit
from flpjax.readers.rows import RowsAre

Scale = Literal["fraction", "points", "centred"]
"""What a score is given in: 0 to 1, 0 to 100, or with chance at 0 and the best score at 1."""


@dataclass(frozen=True)
class TableMap:
    """What a mapping says about a table; the empty one says nothing.

    Attributes:
        columns: Canonical name → the table's name.
        products: Canonical name → the table's columns, and numbers, whose product it is.
        units: Canonical name → the unit that its values stand in.
        shown: Canonical name of a loss → the unit that results are shown in; of the others it is that of ``units``.
        tasks: Facts about tasks by name.
        scales: Task → what its scores and their standard errors stand in, where these are no fractions.
        features: Unit and transform of features by name.
        finished: What the column of ``final`` says in the rows of runs that have ended, in lower case; the last row of
            each is then final. Empty where it holds yes and no.
        final_average: How many of a run's last evaluations make its final losses and scores.
        final_within: How far from a run's end a final value may stand, as a share of the run's tokens.
        allow_missing: Loss columns, canonical, that some run may lack; True for all.
        allow_negative: Loss columns, canonical, that may be negative.
        rows: Whether rows are ``"checkpoints"`` of the runs that they name, or each a run; None takes checkpoints, and
            says so where that is doubtful.
        mixture: What mixture weights are that change within a run: refused (``"constant"``), those of the ``"current"``
            stage, or those of all tokens ``"so far"``.
        separator: What separates the cells of a text file.
        decimal: The decimal point of a text file.
        ignore: Columns to leave alone; ``*`` and ``?`` match as in a shell.
        where: What to call the mapping in messages.
    """

    columns: Mapping[str, str] = field(default_factory=dict)
    products: Mapping[str, tuple[str | float, ...]] = field(default_factory=dict)
    units: Mapping[str, Unit] = field(default_factory=dict)
    shown: Mapping[str, Unit] = field(default_factory=dict)
    tasks: Mapping[str, Task] = field(default_factory=dict)
    scales: Mapping[str, Scale] = field(default_factory=dict)
    features: Mapping[str, Feature] = field(default_factory=dict)
    finished: tuple[str, ...] = ()
    final_average: int = 1
    final_within: float = FINAL_WITHIN
    allow_negative: tuple[str, ...] = ()
    rows: RowsAre | None = None
    mixture: MixtureIs = "constant"
    allow_missing: bool | tuple[str, ...] = False
    separator: str = ","
    decimal: str = "."
    ignore: tuple[str, ...] = ()
    where: str = "mapping"

    @property
    def parts(self) -> frozenset[str]:
        """The table's columns that products are made of."""
        return frozenset(p for parts in self.products.values() for p in parts if isinstance(p, str))
