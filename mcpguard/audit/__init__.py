"""The audit log: one chained line a decision, on disk before the message it is about goes on.

A line is `BODY,"hash":"<64 hex>"}` and a newline, where BODY is the record's JSON text without its
closing brace, and hash = SHA-256(domain, previous line's hash, BODY). So no byte of the file is
outside the chain: not white space, not the first line, not the last.

    record.py      fields -> BODY bytes
    chain.py       AuditLog: write, close
    fastpath/      what is done for every record, in Python and in C
    logfile.py     open, lock, recover a torn tail; set a part aside, go on in a new file
    sync.py        fdatasync beside the caller
    key.py         the keys of this install: for argument digests, for signatures
    merkle.py      the tree over the lines' hashes, and proofs about it
    checkpoint.py  a tree's size and root, signed; held against the lines when a log is read
    keeper.py      makes checkpoints and sets parts aside, beside the messages
    verify.py      read a log back, find what was done to it
    diagnose.py    runs of linked lines -> named problems
    proof.py       what somebody without the log can check

What the chain alone cannot show: a tail that was cut off (a session without its closing record is
reported as open, nothing more), and a log that somebody computed anew from end to end. A checkpoint
that was kept elsewhere shows the first, the key that signs them the second.
"""

from mcpguard.audit.chain import AuditLog
from mcpguard.audit.key import load_or_create_key

__all__ = ["AuditLog", "load_or_create_key"]
