"""A local copy of a public ladder is what its authors published, or the error says which file is not."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from flpjax.errors import InputError
from flpjax.readers import public
from flpjax.readers.read import read_runs

Edit = Callable[[str, str, bytes | None], Path]


@pytest.fixture
def copied(public_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Edit:
    """A copy of a data set under ``FLPJAX_DATA`` in which one file is deleted or has its last digit changed."""

    def edit(name: str, file: str, content: bytes | None) -> Path:
        shutil.rmtree(tmp_path / name, ignore_errors=True)
        shutil.copytree(public_data / name, tmp_path / name, copy_function=os.symlink)
        monkeypatch.setenv("FLPJAX_DATA", str(tmp_path))
        path = tmp_path / name / file
        path.unlink(missing_ok=True)
        if content is not None:
            path.write_bytes(content)
        return path

    return edit


FILES = {
    "olmo-ladder": ("olmo-ladder", "src/scripts/paper/data/ladder-runs/760M-5xC.csv"),
    "gadre2024-rpj": ("gadre2024", "exp_data/models/rpj-open_lm_7b-1.0.json"),
    "regmix": ("regmix", "data/test_pile_loss_1B.csv"),
}


@pytest.mark.public
@pytest.mark.parametrize("name", FILES)
def test_a_changed_or_missing_file_is_named_with_the_hash(name: str, copied: Edit, public_data: Path) -> None:
    data, file = FILES[name]
    content = (public_data / data / file).read_bytes()
    digit = max(content.rfind(d) for d in (b"1", b"3", b"5", b"7"))
    copied(data, file, content[:digit] + b"2" + content[digit + 1 :])  # one digit of one loss, the same size
    hash_ = public.registry(data)[file]
    with pytest.raises(
        InputError, match=rf"{file}: the file is not the one published: .*expected is {hash_}\. Copy it"
    ):
        read_runs(name)
    path = copied(data, file, content)
    assert len(read_runs(name).names) >= 10  # whole again, seen though the process keeps hashes
    path.unlink()
    with pytest.raises(InputError, match=rf"{file}: there is no such file\. Copy it from github\.com/.*unset FLPJAX"):
        read_runs(name)


@pytest.mark.public
def test_files_of_other_ladders_are_not_asked_for(copied: Edit) -> None:
    copied("gadre2024", "exp_data/models/rpj-open_lm_7b-1.0.json", None)
    copied("olmo-ladder", "src/scripts/paper/data/ladder-runs/3B-1xC.csv", None)
    assert len(read_runs("gadre2024-c4").names) == 34
    assert len(read_runs("olmo-ladder").names) == 19


@pytest.mark.public
def test_a_model_that_nobody_published(copied: Edit) -> None:
    copied("gadre2024", "exp_data/models/c4_original-mine.json", b"{}")
    with pytest.raises(InputError, match=r"c4_original-mine\.json: the file is none of those published\. Move it"):
        read_runs("gadre2024-c4")


@pytest.mark.public
def test_tables_made_by_hand_are_read_with_a_note(copied: Edit, public_data: Path) -> None:
    """Another hand writes the same numbers in other bytes: the table is read, and says that nobody has verified it."""
    file = "datablations_filtered.csv"
    text = (public_data / "datablations" / file).read_bytes()
    copied("datablations", file, text)
    assert not any("verified" in note for note in read_runs("datablations").notes)
    path = copied("datablations", file, text.replace(b"\n", b"\r\n"))
    (note,) = (note for note in read_runs("datablations").notes if "verified" in note)
    assert note.startswith(f"not verified: {path} is not the table that the reader was tested with")
    assert public.registry("datablations")[file] in note
    path.unlink()
    with pytest.raises(InputError, match=rf"{file}: there is no such file\. Set FLPJAX_DATA to a folder"):
        read_runs("datablations")
