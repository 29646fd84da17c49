"""Public ladders: known figures of the data, and the download against a server on this machine."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import quote

import numpy as np
import pytest

from flpjax.errors import InputError
from flpjax.ladder.compute import flops_rule
from flpjax.ladder.table import Runs
from flpjax.readers import public
from flpjax.readers.gadre import AVERAGED
from flpjax.readers.ladders import LADDERS
from flpjax.readers.olmo_ladder import FOLDER, olmo_ladder
from flpjax.readers.read import read_runs
from flpjax.readers.wandb import wandb_history


@pytest.fixture
def ladder(public_data: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[partial[Runs]]:
    monkeypatch.setenv("FLPJAX_DATA", str(public_data))
    return partial(read_runs)


@pytest.mark.public
def test_olmo_ladder_is_the_authors(ladder: partial[Runs]) -> None:
    runs = ladder("olmo-ladder")
    assert len(runs.training().names) == 16
    assert runs.targets().names == ("3B-10xC", "peteish7", "peteish13")
    assert runs.domains[0] == "c4_en"
    assert len(runs.domains) == 11 + 8
    assert set(runs.task_names) <= set(runs.domains)
    assert {t.name: round(t.chance, 3) for t in runs.tasks} == {
        "mmlu": 0.25, "hellaswag": 0.25, "arc_challenge": 0.25, "arc_easy": 0.25, "piqa": 0.5, "csqa": 0.2,
        "socialiqa": 0.333, "openbookqa": 0.25,
    }  # fmt: skip
    biggest = runs.only(["peteish13"]).finals()
    # The authors' "Actual" column: means over the last five evaluations.
    actual = [0.51614024, 0.831906, 0.63805461, 0.87171717, 0.8295974, 0.74103194, 0.61596724, 0.4864]
    np.testing.assert_allclose(biggest.score[0], actual, rtol=1e-6)
    np.testing.assert_allclose(biggest.loss_of("c4_en"), 2.437876033782959, rtol=1e-12)
    np.testing.assert_allclose(biggest.loss_of("mmlu"), 0.7488274373888968, rtol=1e-12)
    np.testing.assert_allclose(biggest.loss_of("hellaswag"), 0.6609338879585266, rtol=1e-12)
    assert biggest.tokens[0] == 596057 * 8388608
    assert runs.only(["peteish7"]).tokens.tolist() == [3945065873408.0]
    assert np.isnan(runs.only(["peteish7"]).step[0])
    assert flops_rule(runs.params, runs.tokens, runs.flops).scatter < 0.05


@pytest.mark.public
def test_olmo_ladder_all_adds_the_other_runs(ladder: partial[Runs]) -> None:
    every, paper = ladder("olmo-ladder-all"), ladder("olmo-ladder")
    assert len(every.names) == 32
    assert set(paper.names) < set(every.names)
    assert every.targets().names == paper.targets().names
    assert "760M-1xC-rerun" in every.training().names


@pytest.mark.public
def test_a_history_logs_the_flops_that_the_reader_computes(public_data: Path) -> None:
    """The export's own counter of gigaFLOPs against tokens × FLOPs per token."""
    path = public_data / "olmo-ladder" / FOLDER / "190M-1xC.csv"
    logged = wandb_history(path, {"gflops": {"throughput/total_training_Gflops": 1.0}}).columns["gflops"]
    read = olmo_ladder(public_data / "olmo-ladder").only(["190M-1xC"]).flops
    np.testing.assert_allclose(read, 1e9 * logged, rtol=1e-3)


@pytest.mark.public
@pytest.mark.parametrize(
    ("name", "count", "held_out", "loss_7b", "error_7b"),
    [
        ("gadre2024-c4", 34, {"open_lm_7b-1.0", "open_lm_1b-4.0"}, 2.3822204228774595, 0.47957834426094503),
        ("gadre2024-rpj", 35, {"open_lm_7b-1.0", "open_lm_1b-32.0"}, 2.424993099368689, 0.47163718062288623),
        ("gadre2024-rw", 35, {"open_lm_7b-1.0", "open_lm_1b-16.0"}, None, None),
    ],
)
def test_gadre_corpora(
    ladder: partial[Runs], name: str, count: int, held_out: set[str], loss_7b: float | None, error_7b: float | None
) -> None:
    runs = ladder(name)
    assert len(runs.names) == count
    assert {n.partition("-")[2] for n in runs.targets().names} == held_out
    assert runs.domains[0] == "c4_val"
    assert (len(runs.domains), len(runs.tasks)) == (8, 47)
    np.testing.assert_allclose(runs.flops, 6 * runs.params * runs.tokens, rtol=1e-15)
    biggest = runs.only(["*open_lm_7b-1.0"])
    assert biggest.params.tolist() == [6889410560.0]
    if loss_7b is not None and error_7b is not None:  # as the authors' recipe reports them
        np.testing.assert_allclose(biggest.loss_of("c4_val"), loss_7b, rtol=1e-12)
        np.testing.assert_allclose(1 - biggest.score_of("avg17"), error_7b, rtol=1e-7)
    chance = {t.name: t.chance for t in runs.tasks}
    assert chance["avg17"] == pytest.approx(np.mean([chance[t] for t in AVERAGED]))
    assert {t.name: t.questions for t in runs.tasks}["hellaswag"] == 10042


@pytest.mark.public
def test_gadre_whole_is_its_three_corpora(ladder: partial[Runs]) -> None:
    runs = ladder("gadre2024")
    assert len(runs.names) == 104
    assert int(runs.held_out.sum()) == 6
    assert any("fit one at a time" in note for note in runs.notes)


@pytest.mark.public
@pytest.mark.parametrize("name", sorted(public.SOURCES))
def test_the_registry_lists_the_files_as_published(name: str, public_data: Path) -> None:
    listed = public.registry(name)
    assert any(path.startswith("LICENSE") for path in listed) == (public.SOURCES[name].licence != "no licence file")
    for path, sha in listed.items():
        assert hashlib.sha256((public_data / name / path).read_bytes()).hexdigest() == sha, path


@pytest.mark.public
@pytest.mark.parametrize("name", sorted(name for name in LADDERS if LADDERS[name].data in public.SOURCES))
def test_the_registry_is_all_that_the_reader_needs(name: str, public_data: Path, tmp_path: Path) -> None:
    data = LADDERS[name].data
    for path in public.registry(data):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).symlink_to(public_data / data / path)
    assert len(LADDERS[name].read(tmp_path).names) >= 10


def test_a_missing_local_copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLPJAX_DATA", str(tmp_path))
    with pytest.raises(
        InputError, match=r"FLPJAX_DATA, .*olmo-ladder: there is no such folder\. Put a copy of allenai"
    ):
        read_runs("olmo-ladder")
    (tmp_path / "olmo-ladder").mkdir()
    how = r"Copy it from github\.com/.* at commit [0-9a-f]{40}, or unset FLPJAX_DATA to download it"
    with pytest.raises(InputError, match=rf"190M-.*\.csv: there is no such file \(and 18 more files missing\)\. {how}"):
        read_runs("olmo-ladder")
    (tmp_path / "gadre2024").mkdir()
    with pytest.raises(InputError, match=r"eval_metadata\.csv: there is no such file \(and 208 more files missing\)"):
        read_runs("gadre2024")
    with pytest.raises(InputError, match=r"exp_data/models: there are no models"):
        LADDERS["gadre2024"].read(tmp_path / "gadre2024")
    with pytest.raises(InputError, match=r"no public data set is named 'gadre2025'\. Did you mean 'gadre2024'\?"):
        public.fetch("gadre2025")


FILES = {"a/d=96-1.0.csv": b"run\n1\n", "b.json": b"{}", "LICENSE": b"free"}


class Quiet(SimpleHTTPRequestHandler):
    asked: list[str]

    def log_message(self, *args: object) -> None:
        pass

    def do_GET(self) -> None:
        self.asked.append(self.path)
        super().do_GET()


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Path, list[str]]]:
    """A stand-in for GitHub that serves one small data set, ``toy``, and what it was asked for."""
    root = tmp_path / "www" / "someone" / "toy" / "c0ffee"
    for path, content in FILES.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(content)
    asked: list[str] = []
    handler = type("Handler", (Quiet,), {"asked": asked})
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(handler, directory=str(tmp_path / "www"))) as http:
        thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        monkeypatch.delenv("FLPJAX_DATA", raising=False)
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        monkeypatch.setattr(public, "BASE", f"http://127.0.0.1:{http.server_address[1]}")
        monkeypatch.setitem(public.SOURCES, "toy", public.Source("someone/toy", "c0ffee", "MIT"))
        sha = {path: hashlib.sha256(content).hexdigest() for path, content in FILES.items()}
        monkeypatch.setattr(public, "registry", lambda name: sha)
        yield root, asked
        http.shutdown()
        thread.join()


def found(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_a_download_is_laid_out_as_the_repository_and_kept(server: tuple[Path, list[str]], tmp_path: Path) -> None:
    _, asked = server
    folder = public.fetch("toy")
    assert folder == tmp_path / "cache" / "flpjax" / "toy" / "c0ffee"
    assert found(folder) == FILES
    assert f"/someone/toy/c0ffee/{quote('a/d=96-1.0.csv')}" in asked
    assert "%3D" in "".join(asked)
    asked.clear()
    assert public.fetch("toy") == folder
    assert asked == []


def test_a_damaged_download_raises_and_leaves_nothing(server: tuple[Path, list[str]]) -> None:
    root, _ = server
    (root / "b.json").write_bytes(b"{tampered}")
    with pytest.raises(InputError, match=r"toy: a downloaded file is not the one published: .*b\.json.*FLPJAX_DATA"):
        public.fetch("toy")
    left = found(root.parents[3] / "cache")
    assert all(content in FILES.values() for content in left.values())
    assert not any("b.json" in path for path in left)


def test_a_damaged_file_in_the_cache_is_downloaded_again(server: tuple[Path, list[str]]) -> None:
    _, asked = server
    folder = public.fetch("toy")
    (folder / "b.json").write_bytes(b"{damaged}")
    (folder / "a" / "d=96-1.0.csv").unlink()
    asked.clear()
    assert found(public.fetch("toy")) == FILES
    assert sorted(path.rpartition("/")[2] for path in asked) == ["b.json", "d%3D96-1.0.csv"]


def test_a_file_that_is_gone_and_a_server_that_is_down(
    server: tuple[Path, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    root, _ = server
    (root / "LICENSE").unlink()
    with pytest.raises(InputError, match=r"the download failed: 404.*set FLPJAX_DATA to a folder"):
        public.fetch("toy")
    monkeypatch.setattr(public, "BASE", "http://127.0.0.1:9")
    with pytest.raises(InputError, match=r"the download failed: .*Check the network"):
        public.fetch("toy")


def test_downloads_without_pooch_say_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FLPJAX_DATA", raising=False)
    monkeypatch.setitem(__import__("sys").modules, "pooch", None)
    with pytest.raises(InputError, match=r"pip install 'flpjax\[data\]'.*set FLPJAX_DATA"):
        public.fetch("olmo-ladder")
