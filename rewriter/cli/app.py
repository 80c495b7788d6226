"""Put the commands together, and turn each failure into one error line."""

from __future__ import annotations

from rewriter.cli.python_path import leave_working_directory

leave_working_directory(run_as_module=False)  # before anything that Python does not bring

import typer

from rewriter.cli import console
from rewriter.cli.bounded import leave
from rewriter.cli.check import check, explain
from rewriter.cli.passes import passes
from rewriter.cli.port import port
from rewriter.cli.rehearse import rehearse
from rewriter.cli.rewrite import rewrite
from rewriter.cli.show import show
from rewriter.cli.verify import verify
from rewriter.errors import RewriterError

app = typer.Typer(
    name="rewriter",
    help="Rewrite trained Keras models, and check that the outputs are kept.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
for command in (rewrite, port, verify, passes, check, explain, show, rehearse):
    app.command()(command)


def main() -> None:
    """Run the command line; every failure is one line on standard error."""
    try:
        code = app(standalone_mode=False)
    except RewriterError as problem:
        console.error(str(problem))
        code = problem.exit_code
    except (KeyboardInterrupt, typer.Abort):
        code = 130
    except Exception as problem:
        # typer has click inside or beside it, by version: its usage errors are told by their form
        if hasattr(problem, "format_message"):
            console.error(f"{problem.format_message()} See 'rewriter --help'.")
        else:
            from rewriter.api.one_error import unforeseen

            console.error(str(unforeseen(problem)))
        code = 2
    leave(code if isinstance(code, int) else 0)
