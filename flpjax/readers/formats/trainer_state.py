"""Hugging Face's trainer_state.json: the log of a run, beside it the configuration of its model."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from flpjax.errors import InputError
from flpjax.readers.formats.files import LOOKED_AT, files, load_json, load_json_or_none, value
from flpjax.readers.formats.models import STEP
from flpjax.readers.formats.records import Choices, Format, Records
from flpjax.readers.formats.rows import RunRows, records_of_rows

LOG, STEPS = "log_history", "global_step"
SEEN, SPENT = "num_input_tokens_seen", "total_flos"
GATED = ("llama", "mistral", "mixtral", "qwen2", "qwen3", "olmo", "olmo2", "gemma", "gemma2", "gemma3", "smollm3")
"""Kinds of models whose feed-forward layers have three matrices."""
PLAIN = ("gpt_neox", "gpt2", "opt", "gptj", "phi", "gpt_neo")
"""Those with two."""


def recognises(path: Path) -> bool:
    """Whether a file is a trainer's state, or one of a folder."""
    return any(_is_state(load_json_or_none(each)) for each in _named(path)[:LOOKED_AT])


def read(path: Path, choices: Choices) -> Records:
    """Read all states at a path: of the checkpoints of one run the longest log.

    Raises:
        InputError: A file can't be read, or none is a trainer's state.
    """
    longest: dict[str, tuple[Path, dict[str, Any]]] = {}
    for each in _named(path):
        content = load_json(each)
        if not _is_state(content):
            continue
        run = _run_of(each)
        if run not in longest or value(content.get(STEPS)) > value(longest[run][1].get(STEPS)):
            longest[run] = (each, content)
    if not longest:
        raise InputError("no file is a trainer's state", where=str(path), remedy="Name the folder of a run or of many")
    runs = [_rows(run, each, content) for run, (each, content) in longest.items()]
    notes = (
        ["N is that of config.json, without embeddings"]
        if any("non_embedding_params" in run.constants for run in runs)
        else []
    )
    return records_of_rows(runs, str(path), choices, notes)


def _named(path: Path) -> list[Path]:
    """States, by their usual name; a file of any name."""
    return [each for each in files(path, (".json",)) if path.is_file() or each.name == "trainer_state.json"]


def _is_state(content: Any) -> bool:
    return isinstance(content, dict) and isinstance(content.get(LOG), list) and STEPS in content


def _run_of(path: Path) -> str:
    """``runs/a/checkpoint-500/trainer_state.json`` is of run ``a``."""
    folder = path.parent
    if STEP.search(folder.name) and folder.parent.name:
        folder = folder.parent
    return folder.name or path.stem


def _rows(run: str, path: Path, content: Mapping[str, Any]) -> RunRows:
    rows = [{**row} for row in content[LOG] if isinstance(row, dict) and not math.isnan(value(row.get("step")))]
    last = value(content.get(STEPS))
    for row in rows:
        row.pop("total_flos", None)  # of the whole run, as the state itself says it
        if not last > 0:
            continue
        for name in (SEEN, SPENT):
            whole = value(content.get(name))
            if whole > 0 and math.isnan(value(row.get(name))):
                row[name] = whole * value(row["step"]) / last
    constants: dict[str, Any] = {}
    params = _params(load_json_or_none(path.parent / "config.json"))
    if params is not None:
        constants["non_embedding_params"] = params
    whole = value(content.get("max_steps"))
    ended = last >= whole if whole > 0 and last > 0 else None
    return RunRows(run, rows, [f"{path}, {LOG} {i}" for i in range(len(rows))], ended, constants)


def _params(config: Any) -> float | None:
    """Attention and feed-forward matrices of a model by its configuration; None of kinds that are not known here."""
    if not isinstance(config, dict):
        return None
    kind = config.get("model_type")
    width = value(config.get("hidden_size", config.get("n_embd")))
    layers = value(config.get("num_hidden_layers", config.get("n_layer")))
    heads = value(config.get("num_attention_heads", config.get("n_head")))
    ffn = value(config.get("intermediate_size", config.get("n_inner")))
    ffn = 4 * width if math.isnan(ffn) else ffn
    shared = value(config.get("num_key_value_heads"))
    size = value(config.get("head_dim"))
    size = width / heads if math.isnan(size) and heads else size
    keys = (heads if math.isnan(shared) else shared) * size
    matrices = 3 if kind in GATED else 2 if kind in PLAIN else math.nan
    experts = value(config.get("num_local_experts"))
    total = layers * (2 * width * heads * size + 2 * width * keys + matrices * width * ffn)
    return total if math.isnan(experts) and total > 0 else None


TRAINER_STATE = Format("hf-trainer", "trainer_state.json of Hugging Face; a file or a folder", recognises, read)
