"""What the operator asked for: flags, and one strict `mcpguard.yaml`, made into settings.

    flags      the words of a command line
    files      where settings are, and the text of a file that can be trusted
    reading    that text -> values with places, by the table in `rows`, read by `values`
    layers     preset, policy, user's file, server's section, system's file -> one -> Settings
    loading    all of it, in order; the way in
    doubts     what can be used and is probably not meant
    showing    the way back: what a person reads
    settings   what there is to set: the contract with everything that runs a session

The working directory is never searched: it belongs to whatever the host has open.
"""
