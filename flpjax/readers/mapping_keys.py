"""The keys of a mapping file, and what each may be."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from flpjax.ladder.features import Transform
from flpjax.ladder.finals import FINAL_WITHIN
from flpjax.ladder.mixing import MixtureIs
from flpjax.readers.rows import RowsAre
from flpjax.readers.table_map import Scale

FAR = 2**31  # more evaluations of a run, or questions of a task, than there are

STRICT = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class TableKeys(BaseModel):
    """The section ``[table]``."""

    model_config = STRICT
    final_average: int = Field(1, ge=1, lt=FAR)
    final_within: float = Field(FINAL_WITHIN, ge=0, le=1)
    rows: RowsAre | None = None
    mixture: MixtureIs = "constant"
    allow_missing: bool | list[str] = False
    allow_negative: list[str] = []
    ignore: list[str] = []
    separator: str = Field(",", min_length=1, max_length=1)
    decimal: Literal[".", ","] = "."


class ColumnKeys(BaseModel):
    """One entry of ``[columns]``."""

    model_config = STRICT
    column: str | None = Field(None, min_length=1)
    product: list[str | float] | None = None
    unit: str | None = None
    true: list[str] | None = Field(None, min_length=1)

    @model_validator(mode="after")
    def _one_of_both(self) -> ColumnKeys:
        """An entry names a column, or the columns and numbers of a product."""
        if self.column is None and self.product is None:
            raise ValueError("the key 'column' is missing, or 'product' in its place")
        if self.column is not None and self.product is not None:
            raise ValueError("there are both 'column' and 'product'")
        if self.product is not None and not any(isinstance(part, str) for part in self.product):
            raise ValueError("the product names no column")
        return self


class TaskKeys(BaseModel):
    """A section ``[tasks.<name>]``."""

    model_config = STRICT
    chance: float | None = Field(None, ge=0)
    questions: int | None = Field(None, ge=1, lt=FAR)
    scale: Scale = "fraction"


class FeatureKeys(BaseModel):
    """A section ``[features.<name>]``."""

    model_config = STRICT
    unit: str = ""
    transform: Transform = "log"


class MappingKeys(BaseModel):
    """A whole mapping file."""

    model_config = STRICT
    table: TableKeys = Field(default_factory=lambda: TableKeys.model_validate({}))
    columns: dict[str, ColumnKeys] = {}
    tasks: dict[str, TaskKeys] = {}
    features: dict[str, FeatureKeys] = {}
    show: dict[str, str] = {}

    @field_validator("columns", mode="before")
    @classmethod
    def _name_alone(cls, columns: Any) -> Any:
        """``flops = "x"`` is short for ``flops = { column = "x" }``."""
        if not isinstance(columns, dict):
            return columns
        return {k: {"column": v} if isinstance(v, str) else v for k, v in columns.items()}
