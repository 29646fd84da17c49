"""Public ladders of data mixtures: known figures of the data, weights, and what damaged copies are told."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from flpjax.errors import InputError
from flpjax.ladder.table import Runs
from flpjax.readers import public
from flpjax.readers.csv_file import read_csv
from flpjax.readers.datablations import CODE, REPEATED, TASKS, datablations, datablations_code, unique_tokens
from flpjax.readers.mixinglaws import SIZES, SOURCES, mixinglaws
from flpjax.readers.read import read_runs
from flpjax.readers.regmix import regmix

MIXED = ("regmix", "regmix-1m", "mixinglaws-2", "mixinglaws-3", "mixinglaws-5", "mixinglaws-rpj", "datablations-code")


@pytest.fixture
def ladder(public_data: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Runs]:
    monkeypatch.setenv("FLPJAX_DATA", str(public_data))
    return read_runs


@pytest.fixture
def edited(public_data: Path, tmp_path: Path) -> Callable[[str, str, str, str], Path]:
    """A copy of a data set in which one file has one text replaced."""

    def edit(name: str, file: str, old: str, new: str) -> Path:
        folder = tmp_path / name
        for path in (p for p in (public_data / name).rglob("*") if p.is_file()):
            copy = folder / path.relative_to(public_data / name)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, copy)
        text = (folder / file).read_text()
        assert old in text
        (folder / file).write_text(text.replace(old, new, 1))
        return folder

    return edit


@pytest.mark.public
@pytest.mark.parametrize("name", MIXED)
def test_weights_sum_to_one(ladder: Callable[[str], Runs], name: str) -> None:
    mix = ladder(name).mix
    np.testing.assert_allclose(mix.sum(1), 1.0, rtol=1e-12)
    assert (mix >= 0).all()


@pytest.mark.public
def test_regmix_is_the_authors(ladder: Callable[[str], Runs]) -> None:
    runs = ladder("regmix")
    assert (len(runs.training().names), len(runs.targets().names)) == (512, 256 + 256 + 64)
    assert (len(runs.sources), len(runs.domains)) == (17, 13)
    assert set(runs.domains) < set(runs.sources)
    assert runs.only(["1m-*"]).held_out.sum() == 256
    largest = runs.only(["1b-*"])
    best = int(np.argmin(largest.loss_of("pile_cc")))
    assert largest.names[best] == "1b-34"
    assert round(float(largest.loss_of("pile_cc")[best]), 4) == 2.8171
    mean = largest.loss.mean(1)
    assert largest.names[int(np.argmin(mean))] == "1b-45"
    assert round(float(mean.min()), 4) == 2.1113
    # Layers × (4·width² + 3·width·feed-forward) of the authors' configs.
    assert sorted(set(runs.params.tolist())) == [1_310_720.0, 58_982_400.0, 1_130_364_928.0]
    assert {(p, t) for p, t in zip(runs.params, runs.tokens, strict=True)} == {
        (1_310_720.0, 1e9), (58_982_400.0, 1e9), (1_130_364_928.0, 25e9),
    }  # fmt: skip


@pytest.mark.public
def test_regmix_keeps_exact_zeros_and_ratios(ladder: Callable[[str], Runs], public_data: Path) -> None:
    runs = ladder("regmix").only(["1b-*"])
    raw = read_csv(public_data / "regmix" / "data" / "test_mixture_1B.csv").cells
    weights = np.array([[float(w) for w in raw[f"train_the_pile_{s}"]] for s in runs.sources]).T
    assert runs.names == tuple(f"1b-{i}" for i in raw["index"])
    assert ((weights == 0.0) == (runs.mix == 0.0)).all()
    assert (runs.mix == 0.0).any()
    total = weights.sum(1)
    assert np.abs(total - 1.0).max() > 1e-4  # so scaling has something to do
    np.testing.assert_allclose(runs.mix * total[:, None], weights, rtol=1e-12)


@pytest.mark.public
def test_regmix_tests_the_same_mixtures_at_1m_and_60m(ladder: Callable[[str], Runs]) -> None:
    runs = ladder("regmix")
    small, middle = runs.only(["1m-test-*"]), runs.only(["60m-*"])
    assert [n.rpartition("-")[2] for n in small.names] == [n.rpartition("-")[2] for n in middle.names]
    assert (small.mix == middle.mix).all()
    first, second = (np.argsort(np.argsort(r.loss_of("pile_cc"))) for r in (small, middle))
    assert round(float(np.corrcoef(first, second).item(1)), 3) == 0.994


@pytest.mark.public
def test_regmix_1m_is_a_part(ladder: Callable[[str], Runs]) -> None:
    part, whole = ladder("regmix-1m"), ladder("regmix").only(["1m-*"])
    assert part.names == whole.names
    assert (part.loss == whole.loss).all()
    assert (len(part.training().names), len(part.targets().names)) == (512, 256)


@pytest.mark.public
def test_regmix_joins_by_index(edited: Callable[..., Path], public_data: Path) -> None:
    file = "data/test_pile_loss_1B.csv"
    folder = edited("regmix", file, "index,", "index,")
    header, *rows = (folder / file).read_text().splitlines()
    (folder / file).write_text("\n".join([header, *reversed(rows)]) + "\n")
    assert (regmix(folder, ("1b",)).loss == regmix(public_data / "regmix", ("1b",)).loss).all()


@pytest.mark.public
@pytest.mark.parametrize(
    ("file", "old", "new", "message"),
    [
        ("test_mixture_1B.csv", "index,", "row,", r"test_mixture_1B\.csv: column 'index' is missing"),
        ("test_mixture_1B.csv", "\n1,0.066", "\n99,0.066", r"row 2 .*run 99 has a mixture but no losses in test_pile"),
        ("test_pile_loss_1B.csv", "\n1,1.8", "\n2,1.8", r"run 1 has a mixture but no losses"),
        ("test_mixture_1B.csv", "\n0,0.123", "\n0,0.323", r"run '1b-0', column 'mix/arxiv': the mixture weights sum"),
        ("test_mixture_1B.csv", "\n0,0.123", "\n0,some", r"row 1 \(line 2\), column 'train_the_pile_arxiv': 'some' is"),
        ("test_mixture_1B.csv", "train_the_pile_arxiv", "arxiv", r"'mix/arxiv' is not in all files of the ladder"),
        ("test_pile_loss_1B.csv", ",1.772475243,", ",-1,", r"run '1b-0', column 'loss/arxiv': got -1, but it must be"),
    ],
)
def test_damaged_regmix(edited: Callable[..., Path], file: str, old: str, new: str, message: str) -> None:
    folder = edited("regmix", f"data/{file}", old, new)
    with pytest.raises(InputError, match=message):
        regmix(folder)


def test_regmix_without_its_files(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"train_mixture_1m\.csv: there is no such file\. Check that the copy"):
        regmix(tmp_path)
    with pytest.raises(InputError, match=r"regmix: there is no scale '1B'\. Did you mean '1b'\?"):
        regmix(tmp_path, ("1B",))  # type: ignore[arg-type]
    with pytest.raises(InputError, match=r"no scale is asked for\. Name some of 1m, 60m, 1b"):
        regmix(tmp_path, ())


@pytest.mark.public
@pytest.mark.parametrize(
    ("name", "mixes", "runs", "targets", "rows", "domains"),
    [
        ("mixinglaws-2", "2Mix", 10, 0, 110, 2),
        ("mixinglaws-3", "3Mix", 41, 0, 1088, 3),
        ("mixinglaws-5", "5Mix", 4 * 26 + 6, 4 * 6 + 6, 1425, 22),
        ("mixinglaws-rpj", "RedPajama", 41 + 3 * 20 + 3, 1 + 3, 1161 - 12 - 12 - 13, 22),
    ],
)
def test_mixinglaws(
    ladder: Callable[[str], Runs], name: str, mixes: str, runs: int, targets: int, rows: int, domains: int
) -> None:
    read = ladder(name)
    assert (len(read.names), len(read.targets().names), len(read), len(read.domains)) == (runs, targets, rows, domains)
    assert read.sources == SOURCES[mixes]
    assert (read.tokens == read.step * 1_048_576).all()
    sizes = [read.names[i].partition("_")[0] for i in read.run]
    assert (read.params == [SIZES[size] for size in sizes]).all()
    assert not any(name.endswith("RP_999") for name in read.names)


@pytest.mark.public
def test_mixinglaws_five_holds_out_the_last_six_mixtures(ladder: Callable[[str], Runs], public_data: Path) -> None:
    listed = (public_data / "mixinglaws" / "5Mix_proportions.txt").read_text().split()
    runs = ladder("mixinglaws-5")
    last = runs.only(["70M_*", "160M_*", "305M_*", "410M_*"]).finals()
    held = {"-".join(f"{w:g}" for w in mix) for mix in last.targets().mix}
    assert held == set(listed[-6:])
    assert len({tuple(mix) for mix in last.training().mix}) == 20
    assert set(runs.only(["1B_*"]).held_out.tolist()) == {True}
    # Column by column as listed: the first mixture has symbolic and internet text only.
    assert runs.only(["70M_0"]).finals().mix.tolist() == [[0.0, 0.0, 0.0, 0.25, 0.75]]


@pytest.mark.public
def test_mixinglaws_published_loss(ladder: Callable[[str], Runs], public_data: Path) -> None:
    """The authors' 1B loss at 100B tokens: over the Pile's sets, weighted by their shares."""
    shares = json.loads((public_data / "mixinglaws" / "valid_weight.json").read_text())
    last = ladder("mixinglaws-rpj").only(["1B_RP_997"]).finals()
    assert last.step.tolist() == [100_000.0]
    loss = sum(shares[d] * float(last.loss_of(d)[0]) for d in last.domains) / sum(shares.values())
    figures = json.loads((public_data / "mixinglaws" / "RPJ.predictions.json").read_text())["full"]
    _, observed = figures["0.125-0.25-0.140625-0.25-0.09375-0.125-0.01562"]["100000"]
    assert loss == pytest.approx(observed, abs=5e-6)  # the table has five decimals


# Lines of the authors' file for 160M: shuffled, full precision, one of them repeated.
LINES = (
    ("base2//160M_base2_5-0.75-0.25/14000", "Github", "1.1429043047823886"),
    ("base2//160M_base2_5-0.75-0.25/27000", "Github", "1.04642625569332"),
    ("base2//160M_base2_5-0.75-0.25/27000", "Pile-CC", "3.3731236563267815"),
    ("base2//160M_base2_5-0.75-0.25/14000", "Pile-CC", "3.508066838144963"),
    ("base2//160M_base2_5-0.75-0.25/14000", "Github", "1.1429043047823886"),
    ("base2//160M_base2_3-0.5-0.5/16000", "Github", "1.186007480389676"),
)


def write_lines(folder: Path, lines: tuple[tuple[str, str, str], ...] = LINES) -> Path:
    (folder / "data" / "2Mix").mkdir(parents=True)
    text = [f"/public/ckpts/{at}\t/public/data/pythia-pile.valid.{d}.bin\t{loss}\n" for at, d, loss in lines]
    (folder / "data" / "2Mix" / "160M.txt").write_text("".join(text))
    return folder


def test_mixinglaws_in_the_authors_layout(tmp_path: Path) -> None:
    runs = mixinglaws(write_lines(tmp_path), "2Mix")
    assert runs.names == ("160M_base2_5", "160M_base2_3")
    assert runs.step.tolist() == [14000, 27000, 16000]
    assert runs.mix.tolist() == [[0.75, 0.25], [0.75, 0.25], [0.5, 0.5]]
    expected = [[1.1429043047823886, 3.508066838144963], [1.04642625569332, 3.3731236563267815]]
    assert runs.loss[:2].tolist() == expected
    assert runs.loss[2, 0] == 1.186007480389676
    assert np.isnan(runs.loss[2, 1])
    assert "1 checkpoint without some losses" in runs.notes


@pytest.mark.public
def test_mixinglaws_layouts_agree(ladder: Callable[[str], Runs], tmp_path: Path) -> None:
    lines = mixinglaws(write_lines(tmp_path), "2Mix").only(["160M_base2_5"])
    table = ladder("mixinglaws-2").only(["160M_base2_5"])
    at = np.isin(table.step, lines.step)
    np.testing.assert_allclose(table.loss[at], lines.loss, atol=5.1e-6)
    assert (table.mix[at] == lines.mix).all()


def test_damaged_mixinglaws(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"there are no mixtures '5mix'\. Did you mean '5Mix'\?"):
        mixinglaws(tmp_path, "5mix")  # type: ignore[arg-type]
    with pytest.raises(InputError, match=r"5Mix_wide\.csv: there is no such file, and no folder .*data/5Mix either"):
        mixinglaws(tmp_path, "5Mix")
    table = tmp_path / "2Mix_wide.csv"
    table.write_text("size,run,step,Github\n70M,70M_1,10,3.0\n")
    with pytest.raises(InputError, match=r"2Mix_wide\.csv: column 'ratio' is missing"):
        mixinglaws(tmp_path, "2Mix")
    table.write_text("size,run,ratio,step,Github\n70M,70M_1,0.5-0.25-0.25,10,3.0\n")
    with pytest.raises(InputError, match=r"row 1 \(line 2\), column 'ratio': '0\.5-0\.25-0\.25' lists 3 weights"):
        mixinglaws(tmp_path, "2Mix")
    table.write_text("size,run,ratio,step,Github\n71M,70M_1,0.5-0.5,10,3.0\n")
    with pytest.raises(InputError, match=r"column 'size': there is no size '71M'\. Did you mean '70M'\?"):
        mixinglaws(tmp_path, "2Mix")
    (tmp_path / "data" / "2Mix").mkdir(parents=True)
    with pytest.raises(InputError, match=r"data/2Mix: there are no files of losses\. It needs 70M\.txt"):
        mixinglaws(tmp_path, "2Mix")
    (tmp_path / "data" / "2Mix" / "70M.txt").write_text("/a/70M_1-0.5-0.5/10 /b/c.Github.bin 3.0\n")
    with pytest.raises(InputError, match=r"70M\.txt, line 1: a line is no checkpoint, validation set and loss"):
        mixinglaws(tmp_path, "2Mix")


@pytest.mark.public
def test_datablations(ladder: Callable[[str], Runs], public_data: Path) -> None:
    runs, unique = ladder("datablations"), unique_tokens(public_data / "datablations")
    assert len(runs.names) == len(runs) == 182
    assert runs.domains == ("c4",)
    assert tuple(unique) == runs.names
    assert (np.array([unique[name] for name in runs.names]) <= runs.tokens).all()
    assert unique["8b7178b25b"] == 25e9
    biggest = runs.only(["8b7178b25b"])
    assert (biggest.params[0], biggest.tokens[0], biggest.loss_of("c4")[0]) == (8.67e9, 178e9, 2.376484)


@pytest.mark.public
def test_datablations_code(ladder: Callable[[str], Runs], public_data: Path) -> None:
    runs = ladder("datablations-code")
    assert (len(runs.names), len(runs.tasks), runs.domains) == (22, 19, ())
    assert runs.sources == ("c4", "oscar", "python")
    half = runs.only(["2.8B-oscar-python50"])
    assert half.mix.tolist() == [[0.0, 0.5, 0.5]]
    # By hand: 38.6 points above 1/2, and 2.4 below 1/3, which is a fraction and keeps its place under chance.
    assert half.score_of("piqa")[0] == pytest.approx(0.5 + 0.5 * 0.386)
    below = runs.only(["2.8B-c4-python50"])
    assert below.score_of("anli_r1")[0] == pytest.approx(1 / 3 - 2 / 3 * 0.024)
    chance = {task.name: task.chance for task in runs.tasks}
    assert (chance["storycloze"], chance["babi"]) == (0.5, 0.0)
    assert all(task.chance_known for task in runs.tasks)
    # Only where five seeds were trained is there a standard error: sd/√4, in fractions of the raw score.
    seeded = [bool(np.isfinite(row).all()) for row in runs.stderr]
    assert [bool(np.isfinite(row).any()) for row in runs.stderr] == seeded
    assert [n for n, s in zip(runs.names, seeded, strict=True) if s] == [
        n for n in runs.names if n.startswith("4.2B") or n.endswith("python0")
    ]
    anli = runs.only(["2.8B-c4-python0"]).stderr[0, runs.task_names.index("anli_r1")]
    assert anli == pytest.approx(2 / 3 * 0.016 / 2)


@pytest.mark.public
def test_datablations_code_gives_the_published_averages_and_optima(
    ladder: Callable[[str], Runs], public_data: Path
) -> None:
    runs = ladder("datablations-code")
    counted_from = np.array([level for _, level, _ in TASKS.values()])
    points = 100 * (runs.score - counted_from) / (1 - counted_from)
    raw = read_csv(public_data / "datablations" / CODE).cells
    for label, keep in (("Average", slice(None)), ("Average (without bAbI)", slice(0, 18))):
        published = [float(s) for s, task in zip(raw["score"], raw["task"], strict=True) if task == label]
        by_run = {
            f"{m}-{t.lower()}-python{p}": float(s)
            for m, t, p, task, s in zip(
                *(raw[k] for k in ("model", "text_source", "python_pct", "task", "score")), strict=True
            )
            if task == label
        }
        assert len(published) == len(by_run) == 22
        average = points[:, keep].mean(1)
        np.testing.assert_allclose(average, [by_run[name] for name in runs.names], atol=0.11)
        four = np.array([name.startswith("4.2B") for name in runs.names])
        best = np.array(runs.names)[four][np.argmax(average[four])]
        assert best == ("4.2B-c4-python50" if label == "Average" else "4.2B-c4-python10")


@pytest.mark.public
@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("C4,0,ANLI R1", "C5,0,ANLI R1", r"column 'text_source': there is no corpus 'C5'\. There is: C4, OSCAR"),
        ("C4,0,ANLI R1", "C4,0,ANLI R4", r"column 'task': there is no task 'ANLI R4'\. Did you mean 'ANLI R"),
        ("C4,0,ANLI R1", "C4,0,Average", r"run '2\.8B-c4-python0' has no task 'ANLI R1'"),
        ("C4,10,ANLI R1", "C4,0,ANLI R1", r"row 2 .*run '2\.8B-c4-python0' has this task twice"),
        ("python_pct", "python", r"code_text_downstream\.csv: column 'python_pct' is missing"),
        ("C4,0,ANLI R1,0.4", "C4,0,ANLI R1,-64", r"run '2\.8B-c4-python0', column 'score/anli_r1': got -0\.09"),
    ],
)
def test_damaged_datablations_code(edited: Callable[..., Path], old: str, new: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        datablations_code(edited("datablations", CODE, old, new))


def test_damaged_datablations(tmp_path: Path) -> None:
    for read in (datablations, datablations_code, unique_tokens):
        with pytest.raises(InputError, match=r"\.csv: there is no such file\. Check that the copy is complete"):
            read(tmp_path)
    (tmp_path / REPEATED).write_text("name,N,D,U_unique_tokens\na,1e9,2e9,0\n")
    with pytest.raises(InputError, match=r"datablations_filtered\.csv: column 'val_loss' is missing"):
        datablations(tmp_path)
    with pytest.raises(
        InputError, match=r"row 1 \(line 2\), column 'U_unique_tokens': got 0, but it must be a positive"
    ):
        unique_tokens(tmp_path)


@pytest.mark.parametrize(
    ("name", "needs"), [("mixinglaws", "a clone of the repository"), ("datablations", r"datablations_filtered\.csv")]
)
def test_what_cannot_be_downloaded_says_how_to_get_it(
    name: str, needs: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit = public.SOURCES[name].commit
    how = rf"Set FLPJAX_DATA to a folder with '{name}' in it, made from github\.com/.* at commit {commit}: .*{needs}"
    monkeypatch.delenv("FLPJAX_DATA", raising=False)
    with pytest.raises(InputError, match=rf"{name}: this data set can't be downloaded\. {how}"):
        public.fetch(name)
    monkeypatch.setenv("FLPJAX_DATA", str(tmp_path))
    with pytest.raises(InputError, match=rf"FLPJAX_DATA, .*{name}: there is no such folder\. {how}"):
        public.fetch(name)
