"""What this machine is called in whatever is exported."""

import socket
from functools import cache

__all__ = ["machine"]


@cache
def machine() -> str:
    """The host name that the system gives itself; empty where it gives none."""
    try:
        return socket.gethostname()
    except OSError:
        return ""
