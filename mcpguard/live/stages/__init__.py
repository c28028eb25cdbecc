"""The stages of one session, made from its settings, and what they read of it.

`making` makes them, `counting` counts for them; `tally` is what was decided so far, for conditions;
`unread` stands in for the trust stage until the store was read.
"""
