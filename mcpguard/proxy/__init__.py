"""The session: a sans-IO state machine between one host and one server.

Lines and ticks in, a `Batch` of records, sends and events out. It mints every id that crosses,
verifies what the server lists against the lockfile, and asks the pipeline about everything else.
The mode (enforce, filter-only, audit-only) is one table in `session`.
"""
