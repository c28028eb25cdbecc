"""The commands about what is kept beside the logs: the quarantine, and planted credentials."""
