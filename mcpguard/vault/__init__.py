"""What is kept beside a session's logs: quarantined texts, sealed, and planted credentials.

Everything is a file of the data directory, 0600 in a directory 0700. It keeps out whoever copies
the files (a backup, an indexer, another user), and stays readable to whoever runs as the same user.
"""

from typing import Final

__all__ = ["CANARIES"]

CANARIES: Final = "canaries.json"
"""Name of the file of planted credentials in the data directory."""
