"""The panel of real ladders, and the protocol on ladders made here: what is seen, what is scored, what is written."""

import json
import sys
from dataclasses import replace

import numpy as np
import pytest

from benchmarks.calibration.scoring import Scored
from benchmarks.unseen import __main__ as program
from benchmarks.unseen import cells, naive, published
from benchmarks.unseen.ablation import VARIANTS, changed
from benchmarks.unseen.cells import Cell, Counted, Forecasted, count, unknown
from benchmarks.unseen.display import WIDE, show_all
from benchmarks.unseen.forecasters import FORECASTERS, FORMS, LAWS, UnsuitedError
from benchmarks.unseen.origins import FEWEST, GAP, Part, origins_of, parts, quick, state
from benchmarks.unseen.panel import LARGEST, PANEL, QUICK_WITHOUT, Ladder
from benchmarks.unseen.summary import ENOUGH, figures, of_cells, ratios
from benchmarks.unseen.tables import table
from flpjax import InputError, method
from flpjax.fitting.averaging import hyperpriors
from flpjax.laws import discrepancy

NAME = "made"
SIZES, RATIOS = np.geomspace(1e7, 1e9, 7), np.array([7.0, 20.0, 61.0])
SCALEBENCH = ("farseer", "lr_bsz", "data_constrained")
FIGURES = {"cells", "coverage", "error", "signed", "crps", "width90"}


def law(params, tokens):
    return 1.7 + 400.0 / params**0.34 + 1300.0 / tokens**0.37


def made(held=2, values=law):
    """Seven sizes by three tokens per parameter, the largest sizes held out."""
    params, ratio = (v.ravel() for v in np.meshgrid(SIZES, RATIOS, indexing="ij"))
    largest = params > SIZES[-1 - held] * 1.01
    return table(NAME, params, params * ratio, values(params, params * ratio), largest)


def rough(values):
    """The same with 10⁻⁴ of noise, on which a fit stops early."""
    return lambda n, d: values(n, d) * np.exp(1e-4 * np.random.default_rng(3).standard_normal(len(n)))


PANEL_MADE = {NAME: Ladder(made, "alone", "larger sizes")}


def around(offset, spread):
    """A forecaster that knows the law, off by ``offset`` nats, with normal draws."""

    def fit(ladder, training, asked, key, draws):
        centre = np.log(law(asked.params, asked.tokens)) + offset
        return centre[None, :, None] + spread * np.random.default_rng(7).standard_normal((draws, len(asked), 1))

    return fit


def failing(ladder, training, asked, key, draws):
    raise InputError("it has no legs", remedy="Carry it")


def unsuited(ladder, training, asked, key, draws):
    raise UnsuitedError("no legs are wanted")


METHODS = {
    "auto": around(0.01, 0.01),
    "single": around(0.02, 0.001),
    "fails": failing,
    "unsuited": unsuited,
    "last": FORECASTERS["last"],
}


@pytest.fixture(scope="module")
def counted(key):
    return [
        count(p, state(p, PANEL_MADE), METHODS, key, 211, ("loss",)) for p in parts([NAME], lambda runs: 3, PANEL_MADE)
    ]


@pytest.fixture(scope="module")
def found(counted):
    return figures(counted, tuple(METHODS), PANEL_MADE)


def test_origins_see_whole_scales_and_leave_some_to_forecast():
    runs = made()
    training = runs.training()
    for seen in origins_of(runs, 3):
        part = state(Part(NAME, seen), PANEL_MADE)
        assert len(part.training().names) == seen >= FEWEST
        assert set(part.names) == set(training.names)
        low, high = part.training().flops.max(), part.targets().flops.min()
        assert np.log(high / low) > GAP
    assert origins_of(runs, 3) == sorted(set(origins_of(runs, 3)))
    assert [len(origins_of(runs, count)) for count in (0, 1, 2)] == [0, 1, 2]
    assert (quick(runs), quick(PANEL["ours-code0"]()), quick(PANEL["ours"]())) == (2, 1, 0)
    assert origins_of(made(held=6), 3) == []  # three runs are too few to look back from


@pytest.mark.parametrize("seen", [0, 9])
def test_a_forecaster_never_meets_what_came(seen, key):
    met = []

    def spy(ladder, training, asked, key, draws):
        met.append((training, asked))
        return np.zeros((draws, len(asked), 1))

    runs = state(Part(NAME, seen), PANEL_MADE)
    count(Part(NAME, seen), runs, {"spy": spy}, key, 3, ("loss",))
    ((training, asked),) = met
    targets = set(runs.targets().names)
    assert set(asked.names) == targets
    assert not targets & set(training.names)
    assert not training.held_out.any()
    assert np.isnan(asked.loss).all()
    assert np.isfinite(asked.params).all()
    changed = replace(runs, loss=np.where(runs.held_out[runs.run][:, None], 99.0, runs.loss))
    assert np.array_equal(changed.training().loss, training.loss)
    assert np.isnan(unknown(changed).loss).all()


def test_every_target_is_a_cell_and_distances_are_beyond_what_is_seen(counted):
    final, *rolling = counted
    assert {c.target for c in final.cells} == set(made().targets().names)
    training = made().training().names
    assert [len(r.cells) for r in rolling] == [len(training) - r.part.seen for r in rolling]
    assert all(c.distance >= GAP for r in rolling for c in r.cells)
    assert {c.bin for c in final.cells} <= {"0-1", "1-2", "2-4", ">4"}


def test_a_failure_is_recorded_and_what_is_unsuited_is_none(counted, found):
    assert all("it has no legs" in c.failed["fails"] for c in counted)
    assert all(c.unsuited == {"unsuited": "no legs are wanted"} for c in counted)
    assert [f["method"] for f in found["failures"]] == ["fails"] * len(counted)
    of = found["ladders"][NAME]["methods"]
    assert (of["fails"]["cells"], of["fails"]["crps"], of["fails"]["missing"]) == (0, None, 6)
    assert of["unsuited"]["failed"] == {}


def test_the_json_has_its_keys_and_no_nan(found):
    assert {"ladders", "mean_coverage90", "worst_coverage90"} <= set(json.loads(json.dumps(found, allow_nan=False)))
    ladder = found["ladders"][NAME]
    for when in ("final", "rolling"):
        assert set(ladder[when]) >= FIGURES
        assert set(ladder[when]["coverage"]) == {"50", "80", "90", "95"}
        assert all(set(of) == FIGURES for of in ladder[when]["by_distance"].values())
        assert sum(of["cells"] for of in ladder[when]["by_distance"].values()) == ladder[when]["cells"]
    assert set(ladder["methods"]) == set(METHODS)
    assert all({"crps", "coverage90"} <= set(of) for of in ladder["methods"].values())
    assert found["mean_coverage90"] == ladder["final"]["coverage"]["90"]
    assert found["worst_coverage90"] is None  # six target runs are too few


def test_a_ladder_of_enough_targets_may_be_the_worst(key):
    panel = {NAME: Ladder(lambda: made(held=3), "alone", "")}
    worst = figures([count(Part(NAME, 0), made(held=3), METHODS, key, 53, ("loss",))], ("single", "fails"), panel)
    assert worst["ladders"][NAME]["final"]["target_runs"] == 9 >= ENOUGH
    assert (worst["of"], worst["worst_coverage90"], worst["worst_ladder"]) == ("single", 0.0, NAME)
    lost = figures([count(Part(NAME, 0), made(held=3), METHODS, key, 53, ("loss",))], ("fails",), panel)
    assert (lost["mean_coverage90"], lost["worst_coverage90"]) == (0.0, 0.0)  # a failure holds nothing


def test_errors_are_of_medians_relative_and_signed(found):
    methods = found["ladders"][NAME]["methods"]
    assert methods["single"]["signed"] == pytest.approx(np.expm1(0.02), abs=3e-4)
    assert methods["single"]["error"] == pytest.approx(methods["single"]["signed"])
    assert methods["single"]["coverage90"] == 0.0
    assert methods["auto"]["coverage90"] == 1.0


def cell(**crps):
    return Cell(
        "run", "loss", "x", 0.5, {n: Forecasted(Scored((True,) * 4, 0.1, c, 0.1), -0.01) for n, c in crps.items()}
    )


def counted_of(ladder, *cells):
    return Counted(Part(ladder, 0), cells)


def test_ratios_are_geometric_means_over_ladders_on_shared_cells():
    parts_of = {
        "a": [counted_of("a", cell(auto=2.0, one=1.0, last=0.5), cell(auto=4.0, one=2.0))],
        "b": [counted_of("b", cell(auto=1.0, one=8.0, last=4.0))],
    }
    found = ratios(parts_of, ("auto", "one", "last"), "auto", "final")
    assert found["one"]["ladders"] == {"a": 2.0, "b": 0.125}
    assert found["one"]["mean"] == pytest.approx(0.5)
    assert found["last"]["ladders"] == {"a": 4.0, "b": 0.25}  # of a's cells the one that both forecast
    assert found["best"]["ladders"] == {"a": 2.0, "b": 0.125}
    assert found["best_of_all"]["ladders"] == {"a": 2.0, "b": 0.25}  # in a 'last' lacks a cell
    assert of_cells([], "auto")["crps"] is None


def test_naive_rivals_carry_on_a_value_or_a_line():
    straight = made(values=lambda n, d: 9.0 * (6 * n * d) ** -0.05)
    one = straight.rows(np.isclose(straight.tokens / straight.params, RATIOS[1]))
    training, asked, came = one.training(), unknown(one), one.targets().loss[:, 0]
    assert np.exp(naive.last(training, asked))[0, :, 0] == pytest.approx(training.loss[-1:, 0].repeat(2))
    assert np.exp(naive.line(training, asked))[0, :, 0] == pytest.approx(came, rel=1e-9)
    single = training.only([training.names[-1]])
    assert np.array_equal(naive.line(single, asked), naive.last(single, asked))


def test_a_rival_takes_the_run_of_the_nearest_mixture():
    runs = PANEL["ours"]()
    training, asked = runs.training(), unknown(runs)
    finals, wanted = training.finals(), asked.names.index("8.8M-code0.4")
    mine = finals.names.index("4.8M-code0.4")
    assert naive.last(training, asked)[0, wanted, 0] == np.log(finals.loss[list(finals.run).index(mine), 0])


def test_scales_are_taken_from_the_top():
    assert naive.scales_of(np.array([1.0, 3.0, 2.9, 2.7, 0.9])).tolist() == [2, 0, 0, 1, 2]


@pytest.mark.parametrize(
    ("peer", "truth"),
    [
        (published.chinchilla, law),
        (
            published.farseer,
            lambda n, d: np.exp(-0.9 - 0.04 * (n / 1e8) ** 0.2) + 40.0 / n**0.03 * d ** -(0.2 + 0.01 * np.log(n / 1e8)),
        ),
    ],
)
def test_published_laws_follow_ladders_that_they_fit(peer, truth):
    runs = made(values=rough(truth))
    got = peer(published.Points.of(runs.training()), published.Points.of(unknown(runs)))
    assert np.exp(got) == pytest.approx(runs.targets().loss[:, 0], rel=5e-3)


def test_repeated_tokens_are_worth_less_than_new_ones():
    runs = made(values=rough(law))
    few = published.Points.of(runs)._replace(unique=np.log(np.minimum(runs.tokens, 2e8)))
    seen = published.Points(*(v[:15] for v in few))
    told, new = published.repeated(seen, few), published.repeated(seen, few._replace(unique=few.tokens))
    assert np.abs(told - few.loss)[:15].max() < 0.02
    assert (told >= new - 1e-9).all()
    assert (told > new + 1e-3).any()


def test_every_method_has_a_form_for_plain_ladders_and_mixtures():
    for plain, mixed in FORMS.values():
        assert method(plain)
        assert method(mixed)
    assert set(LAWS) <= set(PANEL)
    assert set(QUICK_WITHOUT) < set(PANEL)


def test_the_panel_is_wide_and_knows_its_siblings():
    assert len(PANEL) - len(QUICK_WITHOUT) >= 16
    of = {name: ladder.experiment for name, ladder in PANEL.items()}
    assert of["olmo-losses"] == of["olmo-tasks"]
    assert len({of[f"gadre2024-{corpus}"] for corpus in ("c4", "rpj", "rw")}) == 1
    assert of["chinchilla"] == of["isoflops/ml_scalefit"] == of["isoflops/epochai_chinchilla"]
    assert of["data_constrained"] == of["datablations"]
    assert len({of[name] for name in LARGEST}) == 1


def test_our_ladder_at_one_share_is_a_plain_ladder():
    runs = PANEL["ours-code0"]()
    assert (runs.sources, len(runs.training().names), runs.targets().names) == ((), 6, ("8.8M-code0",))
    assert not any("-for-" in name for name in runs.names)


@pytest.mark.public
@pytest.mark.parametrize("name", [name for name in PANEL if not name.startswith("ours")])
def test_each_ladder_has_targets_beyond_what_trains(name, public_data):
    for folder in ("isoflops", "scalebench"):
        needed = name.startswith(folder) or (folder == "scalebench" and name in SCALEBENCH)
        if needed and not (public_data / folder).is_dir():
            pytest.skip(f"there is no folder '{folder}'")
    runs = PANEL[name]()
    training, targets = runs.training(), runs.targets()
    assert len(training.names) > 8
    assert len(targets.names) >= 2
    assert targets.flops.max() > 2.0 * training.flops.max()
    assert np.isfinite(unknown(runs).flops).all()


def test_the_command_writes_its_figures_and_tables_fit(tmp_path, monkeypatch, capsys):
    path = tmp_path / "unseen.json"
    arguments = ["unseen", "--only", "ours-code0", "--methods", "last", "line", "published", "--json", str(path)]
    monkeypatch.setattr(sys, "argv", arguments)
    monkeypatch.setattr(cells, "start_jax", lambda: None)  # tests have their precision, and keep no programs
    program.main()
    printed = capsys.readouterr().out
    written = json.loads(path.read_text(encoding="utf-8"))
    assert set(written["ladders"]) == {"ours-code0"}
    assert written["ladders"]["ours-code0"]["final"]["cells"] == 11
    assert written["ladders"]["ours-code0"]["rolling"]["cells"] == 33
    assert written["ladders"]["ours-code0"]["methods"]["published"]["unsuited"] == "no method is published"
    assert "ours-code0" in printed


def test_tables_fit_100_columns(found, capsys):
    show_all(found)
    printed = capsys.readouterr().out
    assert "it has no legs" in printed
    assert max(map(len, printed.splitlines())) <= WIDE


def test_an_ablation_changes_what_it_says_and_is_undone():
    before = dict(hyperpriors.OF), dict(discrepancy.SHARES)
    with changed(VARIANTS["no-discrepancy"]):
        assert all(len(prior.amplitude) == 1 for prior in hyperpriors.OF.values())
    with changed(VARIANTS["along-compute-alone"]):
        assert discrepancy.SHARES == {"flops": 1.0}
    with changed(VARIANTS["vague-hyperpriors"]):
        assert np.ptp(hyperpriors.grid_of("log").log_prior) < 0.1
    assert (dict(hyperpriors.OF), dict(discrepancy.SHARES)) == before
    runs = made()
    assert not any(n.startswith("chinchilla+") for n in VARIANTS["no-chinchilla"].methods(runs).methods)
    assert VARIANTS["one-law"].methods(runs).methods == ("chinchilla+sigmoid4",)
