"""What help shows of a command: its place among the others, an example, its options in groups and in plain types."""

from __future__ import annotations

from typing import Any

from typer.core import TyperCommand

START, FORECAST, DECIDE = "Start here", "Forecast, and hold it to what came", "Decide what to train"
COMMANDS = {
    "demo": (START, "flpjax demo --plot demo.png"),
    "import": (START, "flpjax import results/ --join models.csv -o ladder.csv"),
    "check": (START, "flpjax check ladder.csv --all"),
    "forecast": (FORECAST, "flpjax forecast ladder.csv --target N=7e9,D=4e12 --plot 7B.png --register 7B.flp"),
    "review": (FORECAST, "flpjax review ladder.csv --target N=7e9,D=4e12 --strict"),
    "backtest": (FORECAST, "flpjax backtest ladder.csv --largest 2 --method auto --method flp"),
    "report": (FORECAST, "flpjax report ladder.csv --target N=7e9,D=4e12 -o report.html"),
    "score": (FORECAST, "flpjax score 7B.flp actual.csv"),
    "plan": (DECIDE, "flpjax plan ladder.csv --budget 1e22 --budget 1e24"),
    "mix": (DECIDE, "flpjax mix ladder.csv --target N=1e9,D=2e10 --bound code=0.1:0.4 --available code=5e9"),
    "compare": (DECIDE, "flpjax compare ladder.csv --largest 2"),
    "speedup": (DECIDE, "flpjax speedup old.csv new.csv --value hellaswag=0.6"),
    "envelope": (DECIDE, "flpjax envelope sweep.csv -o best.csv"),
    "tune": (DECIDE, "flpjax tune runs.csv --law step-law --target N=1e9,D=1e11"),
    "discover": (DECIDE, "flpjax discover runs.csv --target loss --cost flops --predict planned.csv"),
}
"""Command, in the order in which they are listed → group, example."""

TABLE, FIT, OUTPUT, QUESTION = "Table of runs", "Fit", "Output", "Question"
GROUPS = {
    QUESTION: "",  # what a command alone is asked
    TABLE: "mapping only exclude largest hold_out by",
    FIT: "method law joint via draws level seed rounds",
    OUTPUT: "output markdown plot curve csv json fits all by_target log log_file register save strict quiet force help",
}
"""Group of options, in the order in which they are shown → those that it has."""
GROUP_OF = {option: group for group, options in GROUPS.items() for option in options.split()}

TYPES = {
    "FILE": "mapping output markdown plot curve csv json save predict candidates",
    "MODEL": "target",
    "RUN,…": "only exclude hold_out",
    "NAME": "method via domain task free params_by",
    "COLUMN": "feature group cost",
    "NUMBER": "draws seed rounds most largest repeats kl",
    "SHARE": "level risk",
    "FLOPS": "flops budget spend",
    "TOKENS": "inference_tokens unique_tokens",
    "PARAMS": "most_params",
    "table|6nd": "flops_by",
    "MIXTURE": "prior baseline mix",
    "SOURCE=WEIGHT": "fixed",
    "SOURCE=LOW:HIGH": "bound",
    "SOURCE=TOKENS": "available",
    "mean|worst": "over_tasks",
    "mean|quantile|cvar": "over_draws",
}
"""What an option takes, in a word → such options, where they don't say it themselves."""
TYPE_OF = {option: word for word, options in TYPES.items() for option in options.split()}
OWN_TYPES = {
    ("discover", "target"): "COLUMN",
    ("mix", "task"): "NAME[=WEIGHT]",
    ("mix", "domain"): "NAME[=WEIGHT]",
    ("mix", "group"): "NAME=A+B:LOW:HIGH",
}
"""The same, of commands that mean something else by the name."""


class Command(TyperCommand):
    """A command whose help ends in an example, and whose options say what they take, a group at a time."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.rich_help_panel, example = COMMANDS[self.name or ""]
        self.epilog = f"Example: {example}"

    def get_params(self, ctx: Any) -> list[Any]:
        """Its parameters, help included, in the order of their groups."""
        params: list[Any] = super().get_params(ctx)
        for param in params:
            explain(param, self.name or "")
        order = list(GROUPS)
        return sorted(params, key=lambda p: order.index(getattr(p, "rich_help_panel", None) or QUESTION))

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        """The line of usage: an argument that must be given stands there without braces."""
        return [piece.removeprefix("{").removesuffix("}") for piece in super().collect_usage_pieces(ctx)]


def explain(param: Any, command: str) -> None:
    """Give a parameter its group and plain type, in place of what typer would show: ``<str>``, or a range.

    Args:
        param: An argument or option of click's.
        command: Whose it is; empty for flpjax itself.
    """
    param._get_number_range_help_str = lambda: None  # a bound is said in words, and by the error
    if param.param_type_name != "option":
        param.display_type_rich = lambda ctx: ""  # its name says it
        return
    name = param.opts[0].removeprefix("--").replace("-", "_")
    if command:
        param.rich_help_panel = GROUP_OF.get(name, QUESTION)
    if param.is_flag:
        param.metavar = ""
    elif param.metavar is None:
        param.metavar = OWN_TYPES.get((command, name)) or TYPE_OF[name]
