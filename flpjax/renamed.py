"""Modules by the names that they had up to version 0.1: importing one works, and warns with its new name."""

from __future__ import annotations

import importlib
import sys
import warnings
from importlib.machinery import ModuleSpec
from types import ModuleType

# Folders, old → new.
FOLDERS = {
    "faces": "cli",
    "face": "interface",
    "answers": "results",
    "forms": "laws",
    "predictors": "methods",
    "runs": "ladder",
}
MODULES = {  # new → old (one or more); the old ones, too, are written with the new name of their folder
    "cli.app": "cli.cli", "cli.ending": "cli.interrupt", "cli.options": "cli.usage",
    "cli.plots_mix": "cli.mix_panels cli.ternary", "cli.show": "cli.show_backtest",
    "cli.text": "cli.numbers cli.wrapping", "engine.gauss_newton": "engine.lane", "engine.kinks": "engine.pairs",
    "engine.moments": "engine.objective", "engine.polytope": "engine.conflict", "engine.settings": "engine.status",
    "fitting.averaging": "fitting.blending", "fitting.averaging.auto": "fitting.blending.auto",
    "fitting.averaging.origins": "fitting.blending.origins",
    "fitting.discovery.critic": "fitting.discovery.trends",
    "fitting.diagnostics": "fitting.convergence", "fitting.draws": "fitting.room",
    "fitting.posterior.assemble": "fitting.posterior.verdict",
    "fitting.posterior.likelihood": "fitting.posterior.density",
    "fitting.posterior.importance": "fitting.posterior.pareto fitting.posterior.population",
    "fitting.posterior.priors": "fitting.posterior.posed", "fitting.even": "fitting.student_t fitting.around",
    "fitting.summary": "fitting.ladder", "fitting.validation": "fitting.past",
    "laws.law": "laws.form", "methods.emergence": "methods.emerging",
    "methods.method": "methods.predictor", "methods.mixtures": "methods.recent",
    "methods.registry": "methods.auto methods.methods",
    "results.check": "results.sizes", "results.ladder_checks": "results.audit_checks",
    "results.mix_grid": "results.mix_measured results.mix_objective", "results.path": "results.score_map",
    "results.prediction": "results.few_runs results.interval", "results.record": "results.cell",
    "results.review": "results.review_mix",
}  # fmt: skip
# Public names, new → old.
NAMES = {"Law": "Form", "Method": "Predictor", "BoundModel": "Plan", "RollingValidation": "Past"}
_MODULES = {old: new for new, olds in MODULES.items() for old in olds.split()}


def new_name(name: str) -> str | None:
    """The new name of a module ``flpjax.…``; None if ``name`` is not an old one."""
    top, _, rest = name.removeprefix("flpjax.").partition(".")
    moved = ".".join(filter(None, [FOLDERS.get(top, top), rest]))
    moved = f"flpjax.{_MODULES.get(moved, moved)}"
    return None if moved == name or not name.startswith("flpjax.") else moved


class Renamed:
    """Import hook: finds modules by their old names, and fills them with the contents of the new ones."""

    def find_spec(self, name: str, path: object = None, target: object = None) -> ModuleSpec | None:
        """A spec for an old name, else None; called by the import system when no other finder knows the name.

        It is a package, so that old submodules are looked for too.
        """
        return None if new_name(name) is None else ModuleSpec(name, self, is_package=True)  # type: ignore[arg-type]

    def create_module(self, spec: ModuleSpec) -> None:
        """None: the import system makes an ordinary module."""

    def exec_module(self, module: ModuleType) -> None:
        """Copy the contents of the new module, under new and old public names, and warn."""
        new = new_name(module.__name__)
        assert new is not None
        found = {k: v for k, v in vars(importlib.import_module(new)).items() if not k.startswith("__")}
        warnings.warn(f"{module.__name__} is now {new}", DeprecationWarning, stacklevel=2)
        module.__dict__.update(found | {old: found[name] for name, old in NAMES.items() if name in found})


def watch() -> None:
    """Install the import hook, once."""
    if not any(isinstance(finder, Renamed) for finder in sys.meta_path):
        sys.meta_path.append(Renamed())
