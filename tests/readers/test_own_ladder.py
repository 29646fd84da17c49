"""The ladder that comes with the package."""

import numpy as np
import pytest

import flpjax
from benchmarks.ladder.config import read_experiment
from benchmarks.ladder.questions.build import TASKS
from flpjax.datasets import ladder, proposals
from flpjax.errors import InputError
from flpjax.ladder.compute import transformer_flops


@pytest.fixture(scope="module")
def runs():
    return ladder()


def test_it_is_what_its_card_says(runs):
    assert (len(runs), len(runs.names), len(runs.training().names)) == (1740, 58, 42)
    assert runs.domains == ("dictionary", "documentation", "prose", "python", "c")
    assert runs.sources == ("general", "code")
    assert [task.chance for task in runs.tasks] == [0.25, 0.25, 0.25, 0.0, 0.0, 0.0]
    assert all(task.chance_known and task.questions == 1200 for task in runs.tasks)
    assert np.isfinite(runs.loss).all()
    assert np.isfinite(runs.score).all()
    assert np.isfinite(runs.train_loss).all()
    assert (np.bincount(runs.run) == 30).all()
    assert len(runs.finals()) == 58
    assert str(runs).startswith("ladder: ")


def test_chance_levels_are_those_of_the_experiment(runs):
    assert {task.name: task.chance for task in runs.tasks} == {task.name: task.chance for task in TASKS}
    assert read_experiment("full").questions == runs.tasks[0].questions


def test_targets_are_larger_than_what_is_fitted(runs):
    assert set(runs.targets().params) == {8847360.0, 18972672.0}
    assert runs.training().params.max() == 4816896.0


def test_flops_count_attention(runs):
    shape = {159744: (3, 64), 442368: (4, 96), 802816: (4, 128), 1587200: (5, 160)}
    shape |= {2654208: (6, 192), 4816896: (6, 256), 8847360: (5, 384), 18972672: (6, 512)}
    layers, width = np.array([shape[int(n)] for n in runs.params]).T
    np.testing.assert_allclose(runs.flops, transformer_flops(runs.tokens, runs.params, layers, width, 512), rtol=1e-6)


def test_standard_errors_are_binomial(runs):
    np.testing.assert_allclose(runs.stderr, np.sqrt(runs.score * (1 - runs.score) / 1200), atol=2e-5)


def test_tasks_emerge_inside_the_ladder(runs):
    finals = runs.training().finals()
    chance = np.array([task.chance for task in runs.tasks])
    smallest, largest = (finals.params == extreme(finals.params) for extreme in (min, max))
    above = finals.score - chance
    assert (above[smallest].mean(0) < 0.05).all(), "all six are at chance for the smallest model"
    assert (above[largest].mean(0) > 0.10).all(), "and above it for the largest that is fitted"


def test_two_seeds_differ_as_the_card_says(runs):
    finals = runs.finals()
    place = {finals.names[run]: i for i, run in enumerate(finals.run)}
    loss, recall, score = {}, {}, {}
    for size in ("0.16M", "0.44M", "0.8M", "1.6M", "2.7M", "4.8M", "8.8M", "19M"):
        one, other = place[f"{size}-code0.3"], place[f"{size}-code0.3-seed1"]
        loss[size] = abs(finals.loss[one].mean() - finals.loss[other].mean())
        gaps = np.abs(finals.score[one] - finals.score[other])
        score[size], recall[size] = gaps.max(), gaps[runs.task_names.index("recall")]
    assert loss["0.44M"] == pytest.approx(0.12, abs=0.005)
    assert loss["0.8M"] == pytest.approx(0.07, abs=0.005)
    assert max(recall.values()) == recall["0.8M"] == pytest.approx(0.28, abs=0.005)
    later = ("1.6M", "2.7M", "4.8M", "8.8M", "19M")
    assert max(loss[size] for size in later) == pytest.approx(0.010, abs=0.0005)
    assert max(score[size] for size in later) == pytest.approx(0.038, abs=0.0005)


def test_every_proposal_was_trained(runs):
    proposed = proposals()
    assert set(proposed["fitted"]) == set(runs.training().names), "no target had a part in it"
    asked = runs.only(["*-for-*"])
    trained = {round(float(code), 3) for code in asked.mix[:, 1]}
    assert {entry["code"] for entry in proposed["optima"]} == trained
    assert {entry["for"] for entry in proposed["optima"]} == {*runs.task_names, "mean", "next_line-outside"}
    for entry in proposed["optima"]:
        for interval in entry["predicted"].values():
            assert interval["lower"] <= interval["median"] <= interval["upper"]


def test_its_name_takes_no_mapping_and_is_no_download(monkeypatch, tmp_path):
    monkeypatch.setenv("FLPJAX_DATA", str(tmp_path))
    assert len(flpjax.read_runs("ladder")) == 1740
    with pytest.raises(InputError, match="takes no mapping"):
        flpjax.read_runs("ladder", {})


def test_a_card_is_beside_it():
    from flpjax.readers.ladders import FOLDER

    card = (FOLDER / "ladder.md").read_text(encoding="utf-8")
    assert "Known limits" in card
    assert "licence" in card
