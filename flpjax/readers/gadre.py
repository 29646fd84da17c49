"""The 104 models of Gadre et al. 2024 (arXiv:2403.08540) in their authors' layout.

Three ladders, one for each training corpus; each goes to a 7B model and a 1.4B one trained far beyond its optimum.
"""

from __future__ import annotations

import json
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flpjax.errors import InputError, did_you_mean
from flpjax.ladder.build import build_runs
from flpjax.ladder.table import Runs
from flpjax.ladder.tasks import Task
from flpjax.readers.cells import names, numbers
from flpjax.readers.csv_file import read_csv
from flpjax.readers.raw import FilesPlace

MODELS, EVALS, TASK_METADATA = "exp_data/models", "exp_data/evals", "exp_data/eval_metadata.csv"
# Corpus → its models that the authors forecast: the 7B one, and the 1.4B one with the most tokens.
CORPORA = {
    "c4_original": ("c4_original-open_lm_7b-1.0", "c4_original-open_lm_1b-4.0"),
    "rpj": ("rpj-open_lm_7b-1.0", "rpj-open_lm_1b-32.0"),
    "rw_original": ("rw_original-open_lm_7b-1.0", "rw_original-open_lm_1b-16.0"),
}
DOMAINS = (
    "c4_val", "openlm", "paloma_c4_en", "paloma_dolma_100_programing_languages", "paloma_falcon-refinedweb",
    "paloma_ptb", "paloma_redpajama", "de-en",
)  # fmt: skip
# Tasks above chance for a small model: the ones the authors average and forecast.
AVERAGE = "avg17"
AVERAGED = (
    "bigbench_operators", "pubmed_qa_labeled", "hellaswag_zeroshot", "boolq", "arc_easy", "coqa",
    "bigbench_dyck_languages", "lambada_openai", "bigbench_novel_concepts", "winograd", "bigbench_cs_algorithms",
    "commonsense_qa", "bigbench_qa_wikidata", "hellaswag", "copa", "squad", "piqa",
)  # fmt: skip


def gadre2024(folder: Path, corpus: str | None = None) -> Runs:
    """Read the models of one training corpus, or of all three: final losses on 8 sets, 46 tasks and ``avg17``.

    Args:
        folder: A copy of the authors' repository, or of the part under ``exp_data``.
        corpus: ``c4_original``, ``rpj`` or ``rw_original``. Corpora are different ladders: one fit through all three
            mixes them.

    Raises:
        InputError: There is no such corpus; or a file or a key in it is missing.
    """
    if corpus is not None and corpus not in CORPORA:
        raise InputError(f"there is no corpus '{corpus}'", where="gadre2024", remedy=did_you_mean(corpus, CORPORA))
    source = "gadre2024" if corpus is None else f"gadre2024 ({corpus})"
    paths = sorted((folder / MODELS).glob(f"{corpus or ''}*.json"))
    if not paths:
        raise InputError("there are no models", where=str(folder / MODELS), remedy="Check that the copy is complete")
    tasks = _tasks(folder / TASK_METADATA)
    rows = [_model(path, folder / EVALS / f"evaluation_{path.stem}_heavy.json") for path in paths]
    place = FilesPlace(source, files=[str(path) for path in paths])
    columns: dict[str, NDArray[Any]] = {
        key: names(cells, key, place) if key == "run" else numbers(cells, key, place)
        for key in rows[0]
        if (cells := [row.get(key) for row in rows])
    }
    held_out = {name for forecast in CORPORA.values() for name in forecast}
    columns["held_out"] = np.array([row["run"] in held_out for row in rows])
    notes = ["params are the authors' N: all parameters, embeddings included", "avg17 is the mean of 17 tasks"]
    if corpus is None:
        notes.append("three corpora, three ladders: fit one at a time (gadre2024-c4, gadre2024-rpj, gadre2024-rw)")
    return build_runs(
        columns,
        tasks=tasks,
        source=source,
        place=place,
        notes=notes,
    )


def _tasks(path: Path) -> dict[str, Task]:
    """Chance levels and numbers of questions of all tasks that the authors' evaluation knows, as they give them."""
    if not path.is_file():
        raise InputError("there is no such file", where=str(path), remedy="Check that the copy is complete")
    raw = read_csv(path)
    for column in ("Eval Task", "Random baseline", "#datapoints"):
        if column not in raw.cells:
            raise InputError(f"column '{column}' is missing", where=str(path), remedy="Check that this is the file")
    chance = numbers(raw.cells["Random baseline"], "Random baseline", raw.place) / 100.0
    questions = numbers(raw.cells["#datapoints"], "#datapoints", raw.place)
    by_name = zip(raw.cells["Eval Task"], chance, questions, strict=True)
    tasks = {name.strip(): Task(name.strip(), float(level), int(count)) for name, level, count in by_name}
    missing = [name for name in AVERAGED if name not in tasks]
    if missing:
        raise InputError(f"the task '{missing[0]}' is missing", where=str(path), remedy="Check that this is the file")
    return tasks | {AVERAGE: Task(AVERAGE, float(np.mean([tasks[name].chance for name in AVERAGED])))}


def _model(model_file: Path, eval_file: Path) -> dict[str, Any]:
    """One model as a row of canonical columns; FLOPs are left to 6·N·D."""
    model, evals = _json(model_file), _json(eval_file)
    losses = {}
    for result in _get(model, model_file, "results"):
        shard = PurePosixPath(_get(result, model_file, "val_data")[0])
        losses[shard.parent.name] = _get(result, model_file, "loss")
    scores = _get(evals, eval_file, "eval_metrics", "icl")
    average = float(np.mean([_get(scores, eval_file, task) for task in AVERAGED]))
    return {
        "run": _get(model, model_file, "name"),
        "params": _get(model, model_file, "hyperparameters", "params"),
        "tokens": _get(model, model_file, "hyperparameters", "tokens"),
        **{f"loss/{domain}": _get(losses, model_file, domain) for domain in DOMAINS},
        f"score/{AVERAGE}": average,
        **{f"score/{task}": score for task, score in scores.items()},
    }


def _json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(
            f"this can't be read as JSON: {error}", where=str(path), remedy="Check that the copy is complete"
        ) from error


def _get(content: Any, path: Path, *keys: str) -> Any:
    for key in keys:
        if not isinstance(content, dict) or key not in content:
            raise InputError(f"the key '{key}' is missing", where=str(path), remedy="Check that the copy is complete")
        content = content[key]
    return content
