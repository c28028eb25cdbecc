"""The hosts that start servers: where their files are, and one entry of such a file rewritten.

`places` is the table of hosts, `splice` reads a JSON file as spans of its own bytes, `entry` knows
what an entry says and which bytes of it change, `undo` what was there before. None of them does
any I/O: files are read and written by `mcpguard.cli.hostfile`.
"""
