"""A real client: lm-evaluation-harness runs its own command line on tasks of ours, and we read what it wrote.

Run by ``pytest -m client``; the harness is installed into an environment of its own, or ``FLPJAX_LM_EVAL`` names its
program.
"""

import json
import os
import re
import subprocess
import venv
from pathlib import Path

import pytest

from flpjax.readers.importing import import_runs

pytestmark = pytest.mark.client

QUESTIONS = 37
TASK = """
task: {name}
dataset_path: json
dataset_kwargs: {{data_files: {{test: {data}}}}}
test_split: test
output_type: {kind}
doc_to_text: "{{{{question}}}}"
doc_to_target: {target}
{choices}
metric_list:
  - {{metric: {metric}, aggregation: mean, higher_is_better: true}}
metadata: {{version: 1.0}}
"""
GROUP = """
group: ours_all
task: [ours_listed, ours_columns]
aggregate_metric_list: [{metric: acc, weight_by_size: true, aggregation: mean}]
metadata: {version: 1.0}
"""


@pytest.fixture(scope="module")
def harness(tmp_path_factory: pytest.TempPathFactory) -> str:
    given = os.environ.get("FLPJAX_LM_EVAL")
    if given:
        return given
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, with_pip=True)
    subprocess.run([folder / "bin" / "python", "-m", "pip", "install", "-q", "lm-eval"], check=True, timeout=900)
    return str(folder / "bin" / "lm_eval")


@pytest.fixture(scope="module")
def written(harness: str, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The folder of results, and what the harness printed."""
    folder = tmp_path_factory.mktemp("harness")
    data = folder / "questions.jsonl"
    items = [
        {"question": f"{i} + 1 =", "choices": [str(i + k) for k in (1, 2, 3)], "answer": i % 3}
        for i in range(QUESTIONS)
    ]
    data.write_text("\n".join(map(json.dumps, items)))
    listed = 'doc_to_choice: ["a", "b", "c"]'
    for name, kind, target, choices, metric in (
        ("ours_listed", "multiple_choice", "answer", listed, "acc"),
        ("ours_columns", "multiple_choice", "answer", 'doc_to_choice: "{{choices}}"', "acc"),
        ("ours_free", "generate_until", '"{{choices[answer]}}"', "", "exact_match"),
    ):
        text = TASK.format(name=name, kind=kind, target=target, choices=choices, metric=metric, data=data)
        (folder / f"{name}.yaml").write_text(text)
    (folder / "group.yaml").write_text(GROUP)
    offline = {"HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1", "HF_HOME": str(folder / "cache")}
    command = [
        harness, "run", "--model", "dummy", "--tasks", "ours_all,ours_free", "--include_path", str(folder),
        "--output_path", str(folder / "out"), "--limit", "20",
    ]  # fmt: skip
    done = subprocess.run(
        command, env={**os.environ, **offline}, cwd=folder, capture_output=True, text=True, timeout=300, check=True
    )
    return folder / "out", done.stdout + done.stderr


def test_what_the_harness_writes_is_read_as_it_prints_it(written: tuple[Path, str]) -> None:
    folder, printed = written
    printed_scores = {
        name: (float(score), float(stderr))
        for name, score, stderr in re.findall(
            r"^\|(?: - )?(ours_\w+) *\|.*?\|↑ *\| *([\d.]+)\|± *\| *([\d.]+)\|", printed, re.MULTILINE
        )
    }
    assert set(printed_scores) == {"ours_all", "ours_listed", "ours_columns", "ours_free"}
    for subtasks, kept in ((False, ["ours_free", "ours_all"]), (True, ["ours_free", "ours_listed", "ours_columns"])):
        made = import_runs(folder, constants={"params": 1e8, "tokens": 2e9}, subtasks=subtasks)
        assert made.runs is not None
        assert sorted(made.runs.task_names) == sorted(kept)
        for i, task in enumerate(made.runs.tasks):
            score, stderr = printed_scores[task.name]
            assert made.runs.score[0, i] == pytest.approx(score, abs=5e-5)
            assert made.runs.stderr[0, i] == pytest.approx(stderr, abs=5e-5)
            assert task.questions == (40 if task.name == "ours_all" else 20)
            assert task.chance_known == (task.name in ("ours_listed", "ours_free"))
        assert any("--limit 20" in doubt for doubt in made.doubts)
