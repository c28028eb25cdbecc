"""The usual record at a usual moment: most records of a session are written here, in one function.

    python.py    what it does
    compiled.c   the same in C: with it a call through the proxy takes a tenth less

What was compiled is used where it was built (`scripts/hatch_build.py`). Tests hold the two against
each other.
"""

from mcpguard.audit.fastpath.python import BEGUN, KEYED, LONG_ARGS, NEVER

try:
    from mcpguard.audit.fastpath.compiled import FastPath
except ImportError:  # it was installed where there was no C compiler
    from mcpguard.audit.fastpath.python import FastPath

__all__ = ["BEGUN", "KEYED", "LONG_ARGS", "NEVER", "FastPath"]
