"""The hosts that start servers: where their files are, and one entry of such a file rewritten.

To rewrite: `places` is the table of hosts, `splice` reads a JSON file as spans of its own bytes,
`entry` knows what an entry says and which bytes of it change, `undo` what was there before.

To look: `known` is the table of many more hosts, `declared` reads what their files declare in every
form, `launchers` what a command line really starts, `checks` what is wrong with it.

None of them does any I/O: `mcpguard.cli.hostfile` and `mcpguard.survey.files` read the files.
"""
