"""The I/O shell: processes, pipes, loops. Rules live in `proxy` and `pipeline`; none live here.

`run` is the lean entry of `mcpguard proxy`, `launch` checks the command against the lockfile,
`environment` says what a server inherits, `child` starts and ends its process group, `engine` joins
framing, session and audit log, `flow` bounds what waits, `drivers` move the bytes, `log` speaks to
people on stderr.
"""
