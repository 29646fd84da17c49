"""Results of lm-evaluation-harness: of 0.3 and 0.4, one file and trees of them, and what a join table adds."""

import json
import math
from pathlib import Path

import numpy as np
import pytest

from flpjax.errors import InputError
from flpjax.readers.formats.models import run_and_step
from flpjax.readers.importing import import_runs
from flpjax.readers.read import read_runs

SIZES = {"params": 1e8, "tokens": 3e9}


def results(tasks: dict, *, date: float = 1.0, model: object = "pretrained=org/m-160m", **more: object) -> dict:
    """A file of 0.4: task → its metrics."""
    return {
        "results": {name: {"alias": f" - {name}", **metrics} for name, metrics in tasks.items()},
        "versions": dict.fromkeys(tasks, 1.0),
        "config": {"model": "hf", "model_args": model, "limit": None},
        "date": date,
        **more,
    }


def write(folder: Path, name: str, content: object) -> Path:
    file = folder / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(content))
    return file


def test_one_file(tmp_path: Path) -> None:
    """Blank "N/A", a loss in bits, points, questions and chance as the file has them, the harness's own metric."""
    tasks = {
        "piqa": {"acc,none": 0.6, "acc_stderr,none": 0.01, "acc_norm,none": 0.7, "acc_norm_stderr,none": 0.02},
        "f1_task": {"f1,none": 45.5, "f1_stderr,none": "N/A"},
        "gsm8k": {"exact_match,strict-match": 0.1, "exact_match,flexible-extract": 0.2, "junk,none": "N/A"},
        "wikitext": {"word_perplexity,none": 30.0, "bits_per_byte,none": 0.8, "bits_per_byte_stderr,none": "N/A"},
        "abc": {"acc,none": 0.4, "acc_stderr,none": "N/A"},
    }
    kinds = {"abc": {"output_type": "multiple_choice", "doc_to_choice": '{{["yes", "no", "maybe"]}}'}}
    content = results(tasks, configs=kinds, **{"n-samples": {"piqa": {"original": 1838, "effective": 1838}}})
    made = import_runs(write(tmp_path, "r.json", content), constants=SIZES)
    runs = made.runs
    assert runs is not None
    assert dict(zip(runs.task_names, runs.score[0], strict=True)) == {
        "piqa": 0.6, "f1_task": 0.455, "gsm8k": 0.1, "abc": 0.4
    }  # fmt: skip
    assert runs.stderr[0, 0] == 0.01
    assert math.isnan(runs.stderr[0, 3])
    assert runs.loss_of("wikitext")[0] == pytest.approx(0.8 * math.log(2), rel=1e-15)
    assert runs.shown["wikitext"].name == "bits"
    piqa, _, gsm8k, abc = runs.tasks
    assert (piqa.questions, piqa.chance, gsm8k.chance, abc.chance) == (1838, 0.5, 0.0, pytest.approx(1 / 3))
    assert runs.names == ("m-160m",)
    assert any("'acc' is taken, not acc_norm" in note for note in made.notes)
    chosen = import_runs(tmp_path, constants=SIZES, metrics={"piqa": "acc_norm"}).runs
    assert chosen is not None
    assert chosen.score_of("piqa")[0] == 0.7
    words = import_runs(tmp_path, constants=SIZES, metrics={"wikitext": "word_perplexity"}).runs
    assert words is not None
    assert words.loss_of("wikitext")[0] == pytest.approx(math.log(30.0), rel=1e-15)
    all_norm = import_runs(tmp_path, constants=SIZES, metrics="acc_norm").runs
    assert all_norm is not None
    assert (all_norm.score_of("piqa")[0], all_norm.score_of("abc")[0]) == (0.7, 0.4)


def test_a_tree_of_several_dates(tmp_path: Path) -> None:
    """The last date counts task by task; a model's revisions are checkpoints of one run."""
    model = {"pretrained": "org/m-160m", "revision": "step3000"}
    write(
        tmp_path,
        "a/results_2026-01-01.json",
        results({"piqa": {"acc,none": 0.5}, "boolq": {"acc,none": 0.6}}, model=model),
    )
    write(tmp_path, "a/results_2026-01-02.json", results({"piqa": {"acc,none": 0.55}}, date=2.0, model=model))
    later = model | {"revision": "step43k"}
    write(tmp_path, "b/results_2026-01-02.json", results({"piqa": {"acc,none": 0.6}}, model=later))
    write(tmp_path, "a/samples_piqa.json", [{"doc_id": 1}])
    made = import_runs(tmp_path, constants={"params": 1e8, "batch": 1024, "context": 2048})
    assert made.runs is not None
    assert made.runs.names == ("m-160m",)
    assert made.runs.step.tolist() == [3000, 43000]
    assert made.runs.tokens.tolist() == [3000 * 1024 * 2048, 43000 * 1024 * 2048]
    np.testing.assert_array_equal(made.runs.score_of("piqa"), [0.55, 0.6])
    np.testing.assert_array_equal(made.runs.score_of("boolq"), [0.6, np.nan])
    assert any("the last date counts: org/m-160m@step3000 (1 task)" in note for note in made.notes)


GROUPED = {
    "mmlu": {"acc,none": 0.3},
    "mmlu_stem": {"acc,none": 0.2},
    "mmlu_anatomy": {"acc,none": 0.2},
    "mmlu_virology": {"acc,none": 0.4},
    "suite": {" ": " "},
    "piqa": {"acc,none": 0.6},
}
SUBTASKS = {"mmlu": ["mmlu_stem", "mmlu_virology"], "mmlu_stem": ["mmlu_anatomy"], "suite": ["piqa"], "piqa": []}


@pytest.mark.parametrize(
    ("subtasks", "kept"), [(False, ("mmlu", "piqa")), (True, ("mmlu_anatomy", "mmlu_virology", "piqa"))]
)
def test_groups_do_not_count_twice(tmp_path: Path, subtasks: bool, kept: tuple[str, ...]) -> None:
    samples = {"mmlu_anatomy": {"effective": 135}, "mmlu_virology": {"effective": 166}}
    content = results(GROUPED, group_subtasks=SUBTASKS, **{"n-samples": samples})
    runs = import_runs(write(tmp_path, "r.json", content), constants=SIZES, subtasks=subtasks).runs
    assert runs is not None
    assert runs.task_names == kept
    assert [task.questions for task in runs.tasks] == ([135, 166, None] if subtasks else [301, None])
    assert all(task.chance_known for task in runs.tasks)


def test_groups_of_early_files_are_told_by_aliases(tmp_path: Path) -> None:
    """Before ``group_subtasks`` there was, tasks stood indented below their groups."""
    content = results(GROUPED)
    indents = {"mmlu": "", "mmlu_stem": " - ", "mmlu_anatomy": "  - ", "mmlu_virology": " - ", "suite": "", "piqa": ""}
    for name, indent in indents.items():
        content["results"][name]["alias"] = f"{indent}{name}"
    content["groups"] = {"mmlu": {"acc,none": 0.3}, "mmlu_stem": {"acc,none": 0.2}}
    made = import_runs(write(tmp_path, "r.json", content), constants=SIZES)
    assert made.runs is not None
    assert made.runs.task_names == ("mmlu", "piqa")


def test_one_name_in_several_folders_is_doubted(tmp_path: Path) -> None:
    for folder, score in (("a", 0.5), ("b", 0.6)):
        write(tmp_path, f"{folder}/results_1.json", results({"piqa": {"acc,none": score}}, model="pretrained=./model"))
    made = import_runs(tmp_path, constants=SIZES)
    assert any("evaluated in several folders" in doubt for doubt in made.doubts)


def test_limits_versions_and_shots_are_told(tmp_path: Path) -> None:
    for i, (shots, version) in enumerate(((0, 1), (5, 2))):
        content = results({"piqa": {"acc,none": 0.5}, "boolq": {"acc,none": 0.5}}, model=f"pretrained=m{i}")
        content["config"]["limit"] = 10
        content |= {"n-shot": {"piqa": shots, "boolq": 0}, "versions": {"piqa": 1, "boolq": version}}
        write(tmp_path, f"{i}.json", content)
    made = import_runs(tmp_path, constants=SIZES)
    assert made.runs is not None
    assert made.runs.task_names == ("piqa_0shot", "boolq", "piqa_5shot")
    assert [task.chance for task in made.runs.tasks] == [0.5] * 3
    for i, shots in enumerate((0, 5)):
        content = results({"mmlu": {"acc,none": 0.3}, "mmlu_anatomy": {"acc,none": 0.3}}, model=f"pretrained=m{i}")
        content |= {"n-shot": {"mmlu": shots, "mmlu_anatomy": shots}, "group_subtasks": {"mmlu": ["mmlu_anatomy"]}}
        write(tmp_path / "grouped", f"{i}.json", content)
    grouped = import_runs(tmp_path / "grouped", constants=SIZES).runs
    assert grouped is not None
    assert grouped.task_names == ("mmlu_0shot", "mmlu_5shot")
    assert "2 files of 2 with --limit 10" in " ".join(made.doubts)
    assert "different versions of boolq" in " ".join(made.doubts)


def test_the_old_format_tells_questions_by_standard_errors(tmp_path: Path) -> None:
    n, p = 1838, 1100 / 1838
    old = {"results": {"piqa": {"acc": p, "acc_stderr": math.sqrt(p * (1 - p) / (n - 1))}}, "versions": {"piqa": 0}}
    runs = import_runs(write(tmp_path, "160m_step1000.json", old), constants=SIZES).runs
    assert runs is not None
    assert (runs.tasks[0].questions, runs.names, runs.step.tolist()) == (n, ("160m",), [1000])


def test_a_template_is_filled_in_and_joined(tmp_path: Path) -> None:
    for size in ("70m", "160m"):
        for step in (1000, 2000):
            model = f"pretrained=org/p-{size},revision=step{step}"
            write(tmp_path, f"{size}-{step}.json", results({"piqa": {"acc,none": 0.5 + step / 1e5}}, model=model))
    made = import_runs(tmp_path)
    assert made.runs is None
    with pytest.raises(InputError, match="Fill in the template"):
        made.csv()
    head, *rows = made.template.splitlines()
    assert head == "model,run,params,tokens,flops,step,batch,context"
    assert rows[0] == "org/p-160m@step1000,p-160m,,,,1000,,"
    join = tmp_path / "models.csv"
    filled = [row.replace(",,,,", ",85M,,,").removesuffix(",,") + ",1024,2048" for row in rows[:3]]
    join.write_text("\n".join([head, *filled, "org/other,x,1,1,,,,"]))
    made = import_runs(tmp_path, join=join)
    assert made.runs is not None
    assert made.runs.names == ("p-160m", "p-70m")
    assert made.runs.params.tolist() == [85e6] * 3
    assert made.runs.tokens[0] == 1000 * 1024 * 2048
    assert any("1 model not in" in note for note in made.notes)
    assert any("nothing was found: org/other" in note for note in made.notes)
    table = tmp_path / "ladder.csv"
    table.write_text(made.csv())
    mapping = tmp_path / "ladder.toml"
    mapping.write_text(made.mapping)
    again = read_runs(table, mapping)
    assert again.tasks == made.runs.tasks
    np.testing.assert_array_equal(again.score, made.runs.score)


def test_scores_are_joined_to_the_checkpoints_of_a_ladder(tmp_path: Path) -> None:
    """Losses of one source and scores of another, by run and step; checkpoints without scores stay."""
    for step, score in ((1000, 0.55), (2005, 0.6), (9000, 0.9)):
        model = f"pretrained=org/p,revision=step{step}"
        write(tmp_path, f"{step}.json", results({"piqa": {"acc,none": score}}, model=model))
    ladder = tmp_path / "losses.csv"
    rows = [f"p,{step},1e8,{step}e6,{4 - step / 1e3}" for step in (500, 1000, 2000, 3000)]
    ladder.write_text("\n".join(["run,step,params,tokens,loss/c4", *rows, "q,1,1,1,9"]))
    made = import_runs(tmp_path, join=ladder)
    assert made.runs is not None
    assert made.runs.step.tolist() == [500, 1000, 2000, 3000]
    np.testing.assert_array_equal(made.runs.score_of("piqa"), [np.nan, 0.55, 0.6, np.nan])
    np.testing.assert_allclose(made.runs.loss_of("c4"), [3.5, 3, 2, 1])
    told = " ".join(made.notes)
    assert "2 rows joined to checkpoints" in told
    assert "at most 0.25% of the step away (tolerance: 1%)" in told
    assert "1 row further than that from any checkpoint left out" in told
    ladder.write_text("run,step,params,tokens,loss/c4\nz,1,1,1,1\nz,2,1,2,1\n")
    with pytest.raises(InputError, match=r"no row of .* is of a run and step of it"):
        import_runs(tmp_path, join=ladder)


@pytest.mark.parametrize(
    ("join", "message"),
    [
        ("name,params\nx,1\n", "no column 'model' and none 'run'"),
        ("model,prams\nx,1\n", "Did you mean 'params'"),
        ("model,params\nm,1\nm,2\n", "'m' stands twice"),
        ("model,params\nother,1\n", "no model of it is in"),
        ("model,params\nm-160m,heavy\n", "'heavy' is not a number"),
        ("model,params,flops\nm-160m,1,-0\n", r"row 1 \(line 2\), column 'flops': got -0, but it must be positive"),
    ],
)
def test_what_a_join_table_gets_wrong(tmp_path: Path, join: str, message: str) -> None:
    source = write(tmp_path, "r/r.json", results({"piqa": {"acc,none": 0.5}}))
    (tmp_path / "join.csv").write_text(join)
    with pytest.raises(InputError, match=message):
        import_runs(source, join=tmp_path / "join.csv")


@pytest.mark.parametrize(
    ("metrics", "message"), [({"pika": "acc"}, "Did you mean 'piqa'"), ("acc_nrm", "no task has the metric 'acc_nrm'")]
)
def test_what_a_choice_of_metrics_gets_wrong(tmp_path: Path, metrics: object, message: str) -> None:
    source = write(tmp_path, "r.json", results({"piqa": {"acc,none": 0.5}}))
    with pytest.raises(InputError, match=message):
        import_runs(source, metrics=metrics, constants=SIZES)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("model", "run", "step"),
    [
        ("EleutherAI/pythia-160m@step3000", "pythia-160m", 3000),
        ("/ckpts/run-a/step1000-unsharded", "run-a", 1000),
        ("/ckpts/run-a/checkpoint-500/hf/", "run-a", 500),
        ("/ckpts/run-a/iter_0001000", "run-a", 1000),
        ("m@step43k", "m", 43000),
        ("google/gemma-2b", "gemma-2b", None),
        ("steps", "steps", None),
        ("./model", "model", None),
        ("/ckpts/run-a/final/", "final", None),
        ("org/footstep5", "footstep5", None),
    ],
)
def test_runs_and_steps_of_models(model: str, run: str, step: float | None) -> None:
    assert run_and_step(model) == (run, step)


def test_public_results(public_data: Path, tmp_path: Path) -> None:
    """Pythia, in the old format: a published score, questions by standard errors, and a round trip without a doubt."""
    template = import_runs(public_data / "pythia-lm-eval").template.splitlines()
    params = {"160m": 85_056_000, "410m": 302_311_424, "1.4b": 1_208_602_624}  # non-embedding, Biderman et al. 2023
    rows = [template[0]]
    for row in template[1:]:
        model, run, _, _, _, step, _, _ = row.split(",")
        rows.append(f"{model},{run},{params[run.rpartition('-')[2]]},,,{step},1024,2048")
    join = tmp_path / "models.csv"
    join.write_text("\n".join(rows))
    made = import_runs(public_data / "pythia-lm-eval", join=join)
    runs = made.runs
    assert runs is not None
    assert (len(runs.names), len(runs), len(runs.tasks), made.doubts) == (3, 12, 65, ())
    assert runs.tokens.max() == 143000 * 2**21
    sciq = next(task for task in runs.tasks if task.name == "sciq")
    assert (sciq.questions, sciq.chance) == (1000, 0.25)
    assert runs.score_of("sciq")[runs.names.index("pythia-v1.1-160m") == runs.run][0] == 0.626
    unknown = [task.name for task in runs.tasks if not task.chance_known]
    assert unknown == []
    made = import_runs(public_data / "lm-eval-0.4", constants=SIZES)
    assert made.runs is not None
    assert (made.runs.score[0, 0], made.runs.tasks[0].questions) == (0.266, 500)
