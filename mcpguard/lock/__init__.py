"""The lockfile, what a server lists, and the difference between the two. Pure: no I/O, no clock."""
