"""`mcpguard proxy`: its help, rendered from the one table of its options. `daemon.run` runs it."""

import sys
from collections.abc import Sequence

import click

from mcpguard.cli import render
from mcpguard.config import flags
from mcpguard.config.flags import Option

if sys.version_info >= (3, 12):
    from typing import override
else:
    from typing_extensions import override

__all__ = ["proxy"]


def _shown(option: Option) -> click.Option:
    """`option` as click shows it. What it means is decided by `config.flags` alone."""
    if not option.metavar:
        return click.Option([option.flag], is_flag=True, help=option.help)
    return click.Option(
        [option.flag],
        metavar="|".join(option.choices) or option.metavar,
        default=option.default or None,
        show_default=bool(option.default),
        multiple=option.repeat,
        help=option.help,
    )


class _Proxy(click.Command):
    """Hands its words to the lean entry untouched, should they come this way."""

    @override
    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if any(word in ctx.help_option_names for word in _own(args)):
            return super().parse_args(ctx, ["--help"])
        ctx.args = args
        return args

    @override
    def invoke(self, ctx: click.Context) -> int:
        from mcpguard.daemon import run

        return run.main(ctx.args)


def _own(args: Sequence[str]) -> Sequence[str]:
    return args[: args.index("--")] if "--" in args else args


_HELP = """Run a server, letting through only what its lockfile holds.

A host starts this in the server's place. stdin and stdout belong to MCP; what mcpguard says goes to
stderr. Every decision is recorded in the audit log before it takes effect. Without CMD the locked
command is started; another one, or a file of it whose bytes changed, is refused.

Exit codes: the server's own; 1 the command is not the reviewed one, or the kill switch is on;
2 usage, or the lockfile or the settings cannot be used; 70 mcpguard itself failed; 77 killed while
it ran.
"""

proxy = _Proxy(
    "proxy",
    params=[
        *(_shown(option) for option in flags.OPTIONS),
        click.Argument(["command"], nargs=-1, metavar="[-- CMD ARGS...]"),
    ],
    help=_HELP,
    epilog=render.examples(
        "mcpguard proxy --lock mcp-lock.json",
        "mcpguard proxy --lock mcp-lock.json --policy strict --print-effective",
    ),
    context_settings={"allow_interspersed_args": False},
)
