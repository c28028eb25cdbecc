"""The audit log for a security team: in the formats of its tools, where these look for it.

    formats/     a record -> the bytes of one format; pure
    spool.py     the audit log as the queue: what waits, a cursor of what was delivered
    sinks.py     the table of sinks; one entry of `audit.sinks`
    files.py     a file, and stderr
    sockets.py   syslog over UDP, TCP, TLS and a unix socket
    web.py       HTTP: batches for Splunk's HEC, OTLP and generic receivers
    machine.py   the name of this machine
    metering.py  metrics of a log, for OTLP
    exposition.py    metrics of all logs of a machine, for Prometheus
    shipping.py  from the spool into the sinks, again and again until it is delivered
    process.py   starts the process in which all this runs

Nothing here runs in a session: an own process reads the log and delivers (decision 0019).
"""
