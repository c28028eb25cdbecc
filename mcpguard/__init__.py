"""mcpguard: a security proxy for MCP stdio servers. It lets through only what was reviewed.

The rooms, top to bottom; each imports only from rooms below it, and rooms on one line never import
each other (held by import-linter):

                  cli                  commands, exit codes, rendering
                   |
                survey                 what is wrong with servers that are not being run
                   |
                 embed                 the same answers inside another program, without a process
                   |
                 daemon                processes, pipes, loops: the I/O on a message's way
                   |
                  live                 what stages ask: scores, counters, approvals, a store
                   |
                control                control socket of a running session, kill switch, blocks
                   |
                 config                settings of a session: files, presets, flags, data directory
                   |
           proxy | pipeline            sans-IO session state machine | stages, `decide`
             vault | siem              sealed texts, planted credentials | delivery of the log
                   |
                 hosts                 hosts' files: what they start, and what is wrong with it
                   |
               evidence                what was said, in the log; evidence of calls; receipts
                   |
              lock | audit             lockfile, drift | hash-chained log
         trust | policy | scan         scores, limits | rules | what arguments hold
               approval                calls that wait for a person, and what a yes is bound to
                   |
           identity | store            approvers' keys | leases, values that many proxies share
                   |
                private                files of this user alone
                   |
                  wire                 bytes <-> JSON-RPC <-> MCP method table; canonical JSON
                   |
                 model                 Subject, Verdict, Decision, Finding, Reason, Mode
                   |
                 errors                every deliberate error, with its exit code

One call, from the host to the server:

    host stdin -> daemon.drivers (64 KiB reads) -> daemon.engine -> wire.framing -> proxy.session
      -> pipeline.decide: surface > trust > policy > gateway
      -> audit (one write) -> daemon.flow.Sink -> server stdin

and its answer the same way back, by surface, policy, scan and gateway. What cannot be decided yet
(a person, a store) waits in the session and is judged again whole. `proxy.session` is told bytes
and the time and says what to do; it never reads a clock, a file or a pipe, so every rule is tested
byte by byte.
"""

__all__ = ["__version__"]

__version__ = "0.1.0"
