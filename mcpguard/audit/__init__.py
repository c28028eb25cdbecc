"""The audit log: one chained line a decision, on disk before the message it is about goes on.

A line is `BODY,"hash":"<64 hex>"}` and a newline, where BODY is the record's JSON text without its
closing brace, and hash = SHA-256(domain, previous line's hash, BODY). So no byte of the file is
outside the chain: not white space, not the first line, not the last.

    record.py    fields -> BODY bytes
    chain.py     AuditLog: write, close
    logfile.py   open, lock, recover a torn tail
    sync.py      fdatasync beside the caller
    key.py       the key of this install, for argument digests
    verify.py    read a log back, find what was done to it
    diagnose.py  runs of linked lines -> named problems

What the chain alone cannot show: a tail that was cut off (a session without its closing record is
reported as open, nothing more), and a log that somebody computed anew from end to end. Both need a
signature by a key the writer of the file does not hold.
"""

from mcpguard.audit.chain import AuditLog
from mcpguard.audit.key import load_or_create_key

__all__ = ["AuditLog", "load_or_create_key"]
