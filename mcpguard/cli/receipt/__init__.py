"""What commands leave behind: `leaving` writes their receipts, `commands` shows them.

`output` writes the files that they answer into.
"""
