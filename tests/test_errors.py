"""Whatever an error repeats of the input is short and printable."""

from __future__ import annotations

import pickle

import pytest

from flpjax.errors import InputError, did_you_mean, short, shown, some_of


@pytest.mark.parametrize("junk", ["x" * 100_000, "x y " * 25_000, "'" * 100_000, "a\nb\x1b[31m\u202e\ud800" * 9999])
def test_an_error_is_one_short_printable_line(junk: str) -> None:
    error = InputError(f"there is no run '{junk}'", where=f"table '{junk}'", remedy=f"There is: {junk}, {junk}")
    assert len(str(error)) < 2100
    assert str(error).isprintable()
    assert str(pickle.loads(pickle.dumps(error))) == str(error)


def test_words_as_they_are_meant_stay() -> None:
    path = "/home/somebody/ladders of the team/" + "deep/" * 20 + "ladder.csv"
    error = InputError("there is no such file", where=path, remedy=f"Did you mean '{path}'? It can't be, isn't it")
    assert (error.where, error.remedy.count(path)) == (path, 1)
    assert short("a" * 50 + "b" * 50, 20) == "a" * 13 + "…" + "b" * 6
    assert str(InputError("non breaking\u00a0space, D = 20·N ≤ 1")) == "non breaking space, D = 20·N ≤ 1"


class Mute:
    def __str__(self) -> str:
        raise RuntimeError


def test_values_that_can_not_be_written() -> None:
    assert shown(10**5000) == "an integer of thousands of digits"
    assert shown(Mute()) == "an object of type Mute"
    assert shown("x" * 100) == f"'{'x' * 53}…{'x' * 26}'"


def test_lists_of_names_are_a_handful() -> None:
    names = [f"eval/task {i}" for i in range(40)]
    assert did_you_mean("score", names[:3]) == "There is: eval/task 0, eval/task 1, eval/task 2"
    assert did_you_mean("9", names).startswith("There is: eval/task 9, ")
    assert did_you_mean("9", names).endswith(" and 32 more")
    assert did_you_mean("x" * 100_000, ["x" * 99_999]).startswith("Did you mean 'xxx")
    assert len(did_you_mean("x" * 100_000, ["x" * 99_999])) < 120
    assert len(some_of(["y" * 9999] * 9)) < 400
