"""Draws in files: bit by bit the same when they are loaded, and nothing else is loaded."""

import dataclasses
import io
import json
import zipfile
from pathlib import Path

import jax
import numpy as np
import pytest

import flpjax
from flpjax.errors import InputError, PrecisionError
from flpjax.fitting.draws import Draws
from flpjax.fitting.saved import archive
from flpjax.fitting.saved.files import bytes_of, load
from flpjax.fitting.saved.structure import encoded
from flpjax.laws.loss_score import Linear

REFUSED = r"cut off or altered|no file that flpjax saved"
TARGET = flpjax.Target("7B", 7e9, 1e11)


@pytest.fixture(scope="module", params=["staged", "booted", "blended"])
def draws(request: pytest.FixtureRequest) -> Draws:
    return request.getfixturevalue(request.param)


def same(a: object, b: object) -> bool:
    """Whether two structures are equal bit by bit, types of arrays and all."""
    (one, arrays), (other, others) = encoded(a), encoded(b)
    bits = [
        x.dtype == y.dtype and x.shape == y.shape and x.tobytes() == y.tobytes()
        for x, y in zip(arrays, others, strict=True)
    ]
    return one == other and all(bits)


def test_draws_return_bit_by_bit(draws: Draws, tmp_path: Path) -> None:
    file = tmp_path / "draws.flp"
    draws.save(file)
    again = flpjax.load(file)
    assert isinstance(again, Draws)
    assert same(draws, again)
    assert file.read_bytes() == bytes_of("draws", again)  # the same draws are the same file
    assert again.model == draws.model
    assert hash(again.model) == hash(draws.model)
    mine, theirs = flpjax.forecast(draws, [TARGET]), flpjax.forecast(again, [TARGET])
    assert mine.loss_draws.tobytes() == theirs.loss_draws.tobytes()
    assert mine.to_json() == theirs.to_json()


def by_size(params, inputs):
    return params["E"] + params["A"] * (inputs["N"] / 1e8) ** -params["a"]


def changed(params, inputs):
    return 1.01 * by_size(params, inputs)


changed.__qualname__ = by_size.__qualname__
SIZES = {"E": flpjax.positive(1.5), "A": flpjax.positive(2.0), "a": flpjax.positive(0.3)}


def test_a_law_that_is_a_function_is_saved_by_name_and_given_again(exact, tmp_path):
    law = flpjax.law(by_size, features=("N",), parameters=SIZES)
    assert hash(law) == hash(flpjax.law(by_size, features=("N",), parameters=dict(SIZES)))
    drawn = flpjax.point(flpjax.FLP(law, prior=True, scores=False), exact.runs, jax.random.key(0), starts=4)
    path = tmp_path / "draws.flp"
    drawn.save(path)
    with pytest.raises(InputError, match=r"needs the law of '.*:by_size', which is a program of yours.*classes="):
        load(path)
    other = flpjax.law(changed, features=("N",), parameters=SIZES)
    with pytest.raises(InputError, match="is not the one that was saved"):
        load(path, classes=[other])
    again = load(path, classes=[law])
    assert again.model == drawn.model
    assert flpjax.forecast(again, [TARGET]).to_json() == flpjax.forecast(drawn, [TARGET]).to_json()


@pytest.fixture
def file(staged: Draws, tmp_path: Path) -> Path:
    path = tmp_path / "draws.flp"
    staged.save(path)
    return path


def test_any_change_is_refused(file: Path) -> None:
    """A bit anywhere, an end that is missing or added, another file."""
    data = file.read_bytes()
    rng = np.random.default_rng(0)
    for at in [0, 1, 5, len(data) - 1, *rng.integers(0, len(data), 150).tolist()]:
        changed = bytearray(data)
        changed[at] ^= 1 << int(rng.integers(8))
        file.write_bytes(changed)
        with pytest.raises(InputError, match=REFUSED):
            load(file)
    for changed in (data[:-1], data[: len(data) // 2], data + b"x", b"PK", b"", b"PK\x05\x06" + bytes(18)):
        file.write_bytes(changed)
        with pytest.raises(InputError, match=REFUSED):
            load(file)


def resealed(data: bytes, **changes: object) -> bytes:
    """A file with other members, and a seal that fits."""
    with zipfile.ZipFile(io.BytesIO(data)) as old:
        members = {name: old.read(name) for name in old.namelist()}
    for name, change in changes.items():
        member = f"{name}.json"
        content = json.loads(members[member])
        content.update(change) if isinstance(change, dict) else None
        members[member] = json.dumps(content if isinstance(change, dict) else change).encode()
    new = io.BytesIO()
    with zipfile.ZipFile(new, "w") as made:
        for name, content in members.items():
            made.writestr(name, content)
        made.comment = bytes(archive.SEAL)
    unsealed = new.getvalue()[: -archive.SEAL]
    return unsealed + archive._seal(unsealed)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"manifest": {"schema": archive.SCHEMA + 1}}, "newer than this"),
        ({"manifest": {"kind": "recipe"}}, "holds a recipe"),
        ({"manifest": {"kind": ["draws"]}}, "this flpjax doesn't know"),
        ({"manifest": {"schema": "1"}}, "cut off or altered"),
        ({"content": {"class": "os:system"}}, "no class that is flpjax's own|not flpjax's own"),
        ({"content": {"class": "flpjax.cli.app:main"}}, "this flpjax has no"),
        ({"content": {"class": "flpjax.errors:InputError"}}, "no class of data|other fields"),
        ({"content": {"class": "flpjax.fitting.draws:Drawn"}}, "this flpjax has no 'flpjax.fitting.draws:Drawn'"),
        ({"content": {"fields": {}}}, "other fields in this version"),
        ({"content": {"fields": {"model": {"array": 10**6, "kind": "jax"}}}}, "no structure that flpjax has saved"),
        ({"content": {"fields": {"model": {"array": -1, "kind": "jax"}}}}, "no structure that flpjax has saved"),
        ({"content": {"fields": {"model": [1]}}}, "no structure that flpjax has saved"),
        ({"content": 7}, "holds a draws"),
    ],
)
def test_a_file_with_a_good_seal_and_other_content(file: Path, changes: dict, message: str) -> None:
    file.write_bytes(resealed(file.read_bytes(), **changes))
    with pytest.raises(InputError, match=message):
        load(file)


@dataclasses.dataclass(frozen=True)
class Own(Linear):
    """A law of a user's program."""


def test_a_law_of_the_users_own_is_given(staged: Draws, tmp_path: Path) -> None:
    own = dataclasses.replace(staged, model=dataclasses.replace(staged.model, loss_score=Own()))  # type: ignore[type-var]
    file = tmp_path / "own.flp"
    own.save(file)
    with pytest.raises(InputError, match=r"not flpjax's own.*classes=\[YourLaw\]"):
        load(file)
    assert same(load(file, classes=[Own]), own)
    function = dataclasses.replace(staged, model=lambda x: x)  # type: ignore[arg-type]
    with pytest.raises(InputError, match=r"it\.model: function can't be saved"):
        function.save(file)


def test_float32_is_not_enough(file: Path) -> None:
    with jax.enable_x64(False), pytest.raises(PrecisionError, match="loading draws"):
        load(file)


def test_what_can_not_be_read_or_written(staged: Draws, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="can't be read"):
        load(tmp_path / "nowhere.flp")
    with pytest.raises(InputError, match="can't be written"):
        staged.save(tmp_path / "no" / "folder.flp")
    assert list(tmp_path.iterdir()) == []
