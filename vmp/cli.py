"""The command line: one group whose commands every installed package registers.

The core knows no sibling, so ``sweep`` and ``report`` come from the entry points of the group ``vmp.commands``. A
command is imported when it is called, or for the one line that ``vmp --help`` says of it; its module must therefore
import nothing heavy.
"""

from __future__ import annotations

import gc
import sys
from importlib.metadata import entry_points, version

import click

from vmp.core.clash import refuse_clash
from vmp.core.extras import not_installed

GROUP = "vmp.commands"


class _Commands(click.Group):
    def list_commands(self, context: click.Context) -> list[str]:
        return sorted(entry.name for entry in entry_points(group=GROUP))

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        for entry in entry_points(group=GROUP, name=name):
            command: click.Command = entry.load()
            return command
        return None


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(version("video-motion-prompts"), prog_name="vmp")
def cli() -> None:
    """Ablate and tune Video Motion Prompts: plan a study, run every cell once, report it with intervals.

    \b
    vmp sweep plan lambda                         what would run, and what it would cost
    vmp sweep run lambda --out results/lambda     run it; the same command goes on after a kill
    vmp report results/lambda                     tables, figures and a verdict
    """


def main() -> None:
    """Entry point. Exit codes: 0 done, 2 bad input, 3 cells missing, failed, stopped or diverged, 130 interrupted."""
    try:
        refuse_clash()
        sys.exit(cli.main(standalone_mode=False))
    except click.exceptions.Abort:
        code = 130
    except click.ClickException as error:
        error.show()
        code = error.exit_code
    except KeyboardInterrupt:
        click.echo("Interrupted.", err=True)
        code = 130
    except BrokenPipeError:
        sys.stderr.close()  # the reader of a pipe went away (`vmp ... | head`): not an error of ours
        code = 0
    except Exception as error:
        # The packages' own input errors carry the exit code; anything else is a bug and shows its traceback.
        if isinstance(error, ModuleNotFoundError):
            error = not_installed(error.name) or error
        exit_code = getattr(error, "exit_code", None)
        if not isinstance(exit_code, int):
            raise
        click.echo(f"Error: {error}", err=True)
        code = exit_code
    finally:
        if "torch" not in sys.modules:  # compiled libraries of torch tidy up, or complain, in the collection
            gc.freeze()  # else Python's last collection looks through every module: 0.2 s after a report, for nothing
    sys.exit(code)
