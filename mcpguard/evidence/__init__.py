"""What stands beside decisions: what was said, evidence of calls, and receipts of commands.

capture.py     a call's arguments and results in its record: redacted, cut; the parameter hash
invocation.py  a log's records -> evidence of calls, and back: does it fit the log
receipt.py     what a command did and how it ended, signed and chained; what is wrong with some
receiptlog.py  the file they stand in
leaving.py     the receipt of one run of a command, from its begin to its end
schema.json    a receipt, as JSON Schema 2020-12
"""
