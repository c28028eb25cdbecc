"""The command line: one file a command, one table, one place where errors become exit codes.

0 clean; 1 the answer is no (drift, a finding, tampering); 2 it could not be found out (usage, an
unreachable server, an unreadable file, an answer that cannot be written); 128 + n after signal n,
so 141 when whoever read the answer went away before its end. `proxy` gives the server's own.
"""

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from errno import ENAMETOOLONG
from importlib import import_module
from typing import Final

import click

import mcpguard
from mcpguard.cli import render
from mcpguard.errors import McpguardError, UsageError

if sys.version_info >= (3, 12):
    from typing import override
else:
    from typing_extensions import override

__all__ = ["COMMANDS", "DEBUG", "main", "mcpguard_group"]

DEBUG = "MCPGUARD_DEBUG"
"""Environment variable. Set to anything: an unexpected error shows its traceback."""

INTERRUPTED = 130
"""Exit code after Ctrl-C: 128 + SIGINT."""

UNREAD = 141
"""Exit code when whoever read the answer went away: 128 + SIGPIPE, never that of an answer."""

_REVIEW, _RUN, _HOST, _BACK = "Review a server", "Run a server", "In a host", "Look back"
_NOW = "While it runs"


@dataclass(frozen=True, slots=True)
class Row:
    """One command: the module that holds a click command of the same name, and its line of help."""

    module: str
    section: str
    help: str


COMMANDS: Final[dict[str, Row]] = {
    "scan": Row("mcpguard.cli.scan", _REVIEW, "Judge what a server, or every one, tells a model."),
    "lock": Row("mcpguard.cli.lock", _REVIEW, "Write all it lists to a lockfile, to review."),
    "check": Row("mcpguard.cli.check", _REVIEW, "Compare a server with its lockfile; for CI."),
    "diff": Row("mcpguard.cli.diff", _REVIEW, "Show every difference from the lockfile in full."),
    "proxy": Row("mcpguard.cli.proxy", _RUN, "Run a server, letting through only what is locked."),
    "demo": Row(
        "mcpguard.cli.demo", _RUN, "Watch a rogue tool being blocked, in seconds, offline."
    ),
    "status": Row("mcpguard.cli.status", _NOW, "Show the sessions that run now."),
    "approve": Row("mcpguard.cli.approve", _NOW, "Answer calls that wait for a person."),
    "quarantine": Row(
        "mcpguard.cli.vault.quarantine",
        _NOW,
        "Read what was kept from a model; release it.",
    ),
    "kill": Row("mcpguard.cli.kill", _NOW, "End sessions now, and let no new one start."),
    "reload": Row("mcpguard.cli.reload", _NOW, "Have sessions read their configuration again."),
    "approver": Row("mcpguard.cli.keys.approver", _RUN, "Keep the keys of those who may approve."),
    "identity": Row("mcpguard.cli.keys.identity", _RUN, "Make the key that says who a host is."),
    "canary": Row(
        "mcpguard.cli.vault.canary", _RUN, "Plant fake credentials that give away who reads them."
    ),
    "policy": Row("mcpguard.cli.policy", _REVIEW, "Check rules, and try them on recorded calls."),
    "config": Row("mcpguard.cli.config", _RUN, "Show settings and who set them; check a file."),
    "hosts": Row("mcpguard.cli.hosts", _HOST, "List hosts' servers, and which are wrapped."),
    "wrap": Row("mcpguard.cli.wrap", _HOST, "Lock a host's server; have it start behind mcpguard."),
    "unwrap": Row("mcpguard.cli.unwrap", _HOST, "Put a host's entry back, byte for byte."),
    "audit": Row("mcpguard.cli.audit", _BACK, "Show, verify and prove what was recorded."),
    "metrics": Row("mcpguard.cli.audit.metrics", _BACK, "Count what was decided, for Prometheus."),
    "receipt": Row("mcpguard.cli.receipt.commands", _BACK, "Show and verify what commands did."),
    "trust": Row("mcpguard.cli.trust", _BACK, "Show scores, and why; block and unblock."),
}
"""Name -> where it is. In the order of `mcpguard --help`. Modules load when run."""


_OWN_READER: Final = frozenset({"proxy"})
"""Commands whose words are not read by click; `config.flags` refuses an option given twice."""


def _refuse_twice(
    parent: click.Context, name: str | None, command: click.Command, args: Sequence[str]
) -> None:
    """Raises UsageError for an option that counts once and is given twice.

    click would take the last, and what the other asks for would look done.
    """
    context = click.Context(command, parent, name, **command.context_settings)
    _, rest, order = command.make_parser(context).parse_args(list(args))
    once = [one for one in order if isinstance(one, click.Option) and not _repeatable(one)]
    for option in once:
        if once.count(option) > 1:
            raise UsageError(f"{option.opts[-1]} is given twice", hint="give it once")
    inner = (
        command.get_command(context, rest[0]) if isinstance(command, click.Group) and rest else None
    )
    if inner is not None:
        _refuse_twice(context, rest[0], inner, rest[1:])


def _repeatable(option: click.Option) -> bool:
    """Whether it adds up, or ends all else, as --help does."""
    return option.multiple or option.count or option.is_eager


class Commands(click.Group):
    """A group whose commands are `COMMANDS`, imported when they are used."""

    @override
    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    @override
    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        row = COMMANDS.get(cmd_name)
        if row is None:
            return None
        command: click.Command = getattr(import_module(row.module), cmd_name)
        return command

    @override
    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name, command, rest = super().resolve_command(ctx, args)
        whole = not ctx.resilient_parsing  # completion has a line that is not written to its end
        if whole and command is not None and name not in {None, *_OWN_READER}:
            _refuse_twice(ctx, name, command, rest)
        return name, command, rest

    @override
    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        for section in dict.fromkeys(row.section for row in COMMANDS.values()):
            with formatter.section(section):
                rows = [(n, row.help) for n, row in COMMANDS.items() if row.section == section]
                formatter.write_dl(rows, col_spacing=4)


@click.group(
    cls=Commands,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Start with: mcpguard lock -- npx -y @modelcontextprotocol/server-memory",
)
@click.version_option(mcpguard.__version__, prog_name="mcpguard")
@click.pass_context
def mcpguard_group(context: click.Context) -> None:
    """Put a reviewed lockfile between an MCP server and the model.

    Look at a server (scan), write down what it lists (lock), and from then on let through only that
    (proxy). Nothing is allowed because nobody thought of it.

    The server's command stands after --, or in quotes as one argument. Exit codes: 0 clean, 1 the
    answer is no, 2 it could not be found out.
    """
    if context.invoked_subcommand is None:
        click.echo(context.get_help())


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line `argv` (sys.argv if None); the exit code. Every error ends here."""
    if sys.stdout is None:  # it was closed: a descriptor that refuses what is written says so
        sys.stdout = os.fdopen(os.open(os.devnull, os.O_RDONLY), "w")
    code = _code(argv)
    unwritten = render.unwritten()
    return code if unwritten is None else _failed(unwritten, "")


def _code(argv: Sequence[str] | None) -> int:
    arguments = list(sys.argv[1:] if argv is None else argv)
    command = arguments[0] if arguments and arguments[0] in COMMANDS else ""
    try:
        code = mcpguard_group.main(arguments, prog_name="mcpguard", standalone_mode=False)
    except SystemExit as end:  # how click ends completion, and with 1 where stdout is closed
        return UNREAD if end.code else 0
    except click.exceptions.Abort:
        render.talk("mcpguard: interrupted; what was started has been ended")
        return INTERRUPTED
    except click.ClickException as error:
        return _failed(_usage(error, command, arguments), command)
    except McpguardError as error:
        return _failed(error, command)
    except Exception as error:
        if os.environ.get(DEBUG):
            raise
        # Of click's own help that could not be written a stream keeps nothing to fail on again.
        lost = render.unwritten("\n") if isinstance(error, OSError) else None
        return _failed(lost or _unexpected(error), command)
    return code if isinstance(code, int) else 0


def _failed(error: McpguardError, command: str) -> int:
    if isinstance(error, render.OutputError):
        render.abandon()
        if error.closed:  # whoever closed the pipe knows
            return UNREAD
    render.talk(*render.error_lines(error, command))
    return error.exit_code


def _usage(error: click.ClickException, command: str, arguments: Sequence[str]) -> UsageError:
    text = error.format_message().rstrip(".")
    near = [] if command else get_close_matches(" ".join(arguments[:1]), COMMANDS, 1)
    context = error.ctx if command and isinstance(error, click.UsageError) else None
    asked = context.command_path if context else " ".join(["mcpguard", *(near or [command])])
    hint = f"{asked.strip()} --help"
    return UsageError(text[:1].lower() + text[1:], hint=hint)


def _unexpected(error: Exception) -> McpguardError:
    if isinstance(error, OSError) and error.errno == ENAMETOOLONG:
        name = os.fsdecode(error.filename or "")
        return UsageError(f"{name}: {error.strerror}", hint="name a file that can be there")
    return McpguardError(
        f"unexpected {type(error).__name__}: {error}",
        hint=f"this is a defect of mcpguard; {DEBUG}=1 shows where. Nothing was allowed by it",
    )
