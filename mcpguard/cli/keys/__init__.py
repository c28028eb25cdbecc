"""The commands that make and keep keys: the approvers', and that of who a session is."""
