"""What is wrong with the servers of a machine, a lockfile or one command, and how that is told.

    configs    every host's files -> subjects, each with what its entry shows; nothing is started
    starting   subjects -> all they list, each looked at by a process of its own
    judging    definitions -> findings, in sight of what other servers list (names)
    report     findings -> counts, outcome, JSON; sarif and page are other ways to tell the same

A subject that nobody has looked into is "never scanned". That is not clean, and says so everywhere.
"""
