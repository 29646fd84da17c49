"""Public data sets as their authors left them: imported, written, read back and checked, with nothing wrong in them."""

import re
import shutil

import numpy as np
import pytest

from flpjax.readers.importing import import_runs
from flpjax.readers.ladders import LADDERS, read_ladder
from flpjax.readers.read import read_runs
from flpjax.results.check import check

pytestmark = pytest.mark.public

OLMO = "olmo-ladder/src/scripts/paper/data/ladder-runs"
SIZES = {"params": 1e8, "tokens": 1e10}
SMALL = {"params": 1.3e6, "tokens": 1e9}
PYTHIA = {"160m": 85e6, "410m": 302e6, "1.4b": 1.21e9}
OLMO_N = {
    "190M": 190e6,
    "370M": 371e6,
    "760M": 758e6,
    "1B": 1.28e9,
    "3B": 3.17e9,
    "peteish7": 6.9e9,
    "peteish13": 13.2e9,
}
SPLIT = {"group": "group"}
LR = {"tokens": "data_size", "x/lr": "lr", "x/batch": "bsz"}
MOE = {"params": "dense_parameter_count", "x/experts": "num_experts"}
VOCABULARY = {"tokens": "num_characters", "params": "non_vocab_parameters", "x/vocabulary": "vocab_size"}
CASES = {
    # path: (options, runs, checkpoints, losses, tasks, what check may say)
    OLMO: ({}, 41, 4196, 31, 40, "jumps from checkpoint to checkpoint|FLOPs of runs 'peteish13"),
    "pythia-lm-eval": ({}, 3, 12, 0, 65, "tasks have no emerged checkpoint|3 finished runs only"),
    "lm-eval-0.4": ({"constants": SIZES}, 1, 1, 0, 1, "1 finished run only|no emerged checkpoint|chance level of"),
    "chinchilla": ({}, 245, 245, 1, 0, ""),
    "isoflops": ({"columns": {"group": "experiment"}}, 505, 505, 5, 0, ""),
    "datablations": ({}, 231, 231, 1, 0, ""),
    "regmix": ({"constants": SMALL}, 1088, 1088, 13, 0, "tokens per parameter"),
    "regmix/data/train_pile_loss_1m.csv": ({"constants": SMALL}, 512, 512, 13, 0, "tokens per parameter"),
    "scalebench/data_constrained_scaling_law": ({}, 182, 182, 1, 0, ""),
    "scalebench/domain_mixture_scaling_law": ({"constants": SIZES, "columns": SPLIT}, 104, 104, 20, 0, "per parameter"),
    "scalebench/farseer_scaling_law": ({}, 411, 411, 1, 0, ""),
    "scalebench/lr_bsz_scaling_law": ({"columns": LR}, 2819, 2819, 1, 0, ""),
    "scalebench/moe_scaling_law": ({"columns": MOE, "constants": {"tokens": 1e10}}, 221, 221, 1, 0, ""),
    "scalebench/vocab_scaling_law": (
        {"columns": VOCABULARY, "allow_negative": ["loss/unigram_normalized"]}, 1200, 1200, 1, 0, "",
    ),
}  # fmt: skip
IN_THE_DATA = "tokens per parameter|have no emerged checkpoint|Ubuntu_IRC"
"""True of published runs: a grid at one ratio, tasks at chance, an evaluation that jumped."""


def filled_in(template, sizes):
    """A join table as its user leaves it: N of each run, and how Pythia was trained."""
    head, *rows = [line.split(",") for line in template.splitlines()]
    for row in rows:
        row[head.index("params")] = str(next(n for key, n in sizes.items() if key in row[head.index("run")]))
        if "batch" in head:
            row[head.index("batch")], row[head.index("context")] = "1024", "2048"
    return "\n".join(map(",".join, [head, *rows])) + "\n"


@pytest.mark.parametrize("path", CASES)
def test_a_source_as_published_becomes_a_clean_ladder(path, public_data, tmp_path):
    options, runs, checkpoints, losses, tasks, said = CASES[path]
    source = public_data / path
    if path in ("pythia-lm-eval", OLMO):
        join = tmp_path / "models.csv"
        join.write_text(filled_in(import_runs(source).template, PYTHIA if path != OLMO else OLMO_N))
        options = {"join": join}
    made = import_runs(source, **options)
    assert made.lacking == ()
    table, mapping = tmp_path / "ladder.csv", tmp_path / "ladder.toml"
    table.write_text(made.csv(), encoding="utf-8")
    mapping.write_text(made.mapping, encoding="utf-8")
    again = read_runs(table, mapping)
    assert (len(again.names), len(again), len(again.domains), len(again.tasks)) == (runs, checkpoints, losses, tasks)
    for before, after in ((made.runs.loss, again.loss), (made.runs.score, again.score), (made.runs.mix, again.mix)):
        np.testing.assert_array_equal(after, before)
    assert (again.names, again.domains, again.tasks) == (made.runs.names, made.runs.domains, made.runs.tasks)
    assert again.grouped == made.runs.grouped == ("group" in options.get("columns", {}))
    refuse_others(check(again, None).warnings, said)


@pytest.mark.parametrize("name", [name for name in LADDERS if name != "ladder"])
def test_a_ladder_by_name_is_clean(name, public_data):
    refuse_others(check(read_ladder(name), None).warnings, IN_THE_DATA)


def test_tables_of_one_name_in_two_folders_are_not_one(public_data, tmp_path):
    for name in ("farseer", "data_constrained"):
        folder = f"{name}_scaling_law"
        shutil.copytree(public_data / "scalebench" / folder, tmp_path / folder)
    assert len(import_runs(tmp_path).runs.names) == 411 + 182


def refuse_others(warnings, said):
    """Nothing but what is known to be true of the data."""
    assert [text for text in warnings if not (said and re.search(said, text))] == []
