"""mcpguard: a security proxy for MCP stdio servers. It lets through only what was reviewed.

The rooms, top to bottom; each imports only from rooms below it, and rooms on one line never import
each other (held by import-linter):

                  cli                  commands, exit codes, rendering
                   |
                 daemon                processes, pipes, loops: the I/O on a message's way
                   |
                control                control socket of a running session, kill switch
                   |
                 config                settings of a session: flags, defaults, data directory
                   |
             proxy | pipeline          sans-IO session state machine | stages, `decide`
                   |
          lock | audit | hosts         lockfile, drift | hash-chained log | hosts' files
        trust | policy | scan         scores, limits | rules | what arguments hold
                   |
                 store                 leases, values, counters that many proxies share
                   |
                  wire                 bytes <-> JSON-RPC <-> MCP method table; canonical JSON
                   |
                 model                 Subject, Verdict, Decision, Finding, Reason, Mode
                   |
                 errors                every deliberate error, with its exit code

One call, from the host to the server:

    host stdin -> daemon.drivers (64 KiB reads) -> daemon.engine -> wire.framing -> proxy.session
      -> pipeline.decide -> audit (one write) -> daemon.flow.Sink -> server stdin

and its answer the same way back. `proxy.session` is told bytes and the time and says what to do; it
never reads a clock, a file or a pipe, so every rule is tested byte by byte.
"""

__all__ = ["__version__"]

__version__ = "0.1.0"
