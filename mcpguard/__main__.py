"""The `mcpguard` command. `proxy` takes a lean way that imports no command-line library."""

import gc
import sys
from collections.abc import Sequence

__all__ = ["main"]

HELP = frozenset({"--help", "-h"})


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line `argv` (default: the process's own); the exit code to give."""
    args = list(sys.argv[1:] if argv is None else argv)
    if args[:1] == ["proxy"] and not _wants_help(args[1:]):
        gc.disable()  # importing collects a hundred times for nothing; the session enables it
        from mcpguard.daemon import run

        return run.main(args[1:])
    from mcpguard.cli import main as command_line

    return command_line(args)


def _wants_help(args: Sequence[str]) -> bool:
    own = args[: args.index("--")] if "--" in args else args
    return not HELP.isdisjoint(own)


if __name__ == "__main__":
    sys.exit(main())
