"""Formats by name. A new one is a module, and a row here."""

from __future__ import annotations

from pathlib import Path

from flpjax.errors import InputError, did_you_mean
from flpjax.readers.formats.json_lines import JSON_LINES
from flpjax.readers.formats.lm_eval import LM_EVAL
from flpjax.readers.formats.melted import MELTED
from flpjax.readers.formats.nanochat import NANOCHAT
from flpjax.readers.formats.olmix import OLMIX
from flpjax.readers.formats.olmo_core import OLMO_CORE
from flpjax.readers.formats.records import Format
from flpjax.readers.formats.trainer_state import TRAINER_STATE
from flpjax.readers.formats.unrecognised import unrecognised
from flpjax.readers.formats.wandb import TABLE, WANDB
from flpjax.readers.formats.wandb_offline import OFFLINE

FORMATS: tuple[Format, ...] = (
    LM_EVAL,
    TRAINER_STATE,
    OFFLINE,
    OLMIX,
    NANOCHAT,
    OLMO_CORE,
    JSON_LINES,
    MELTED,
    WANDB,
    TABLE,
)
"""The first that recognises a source reads it: those that are told apart by more come first."""


def format_named(name: str) -> Format:
    """The format of this name.

    Raises:
        InputError: There is none.
    """
    for each in FORMATS:
        if each.name == name:
            return each
    raise InputError(
        f"there is no format '{name}'", where="--format", remedy=did_you_mean(name, [each.name for each in FORMATS])
    )


def format_of(path: Path) -> Format:
    """The format that recognises a source.

    Raises:
        InputError: None does.
    """
    for each in FORMATS:
        if each.recognises(path):
            return each
    raise unrecognised(path, "; ".join(f"{each.name}: {each.about}" for each in FORMATS))
