"""Receipts on the command line: `leaving` writes them for other commands, `commands` shows them."""
