"""What the operator asked for: flags, and one strict `mcpguard.yaml`, made into settings.

`flags` reads the words of a command line, `settings` says what there is to set. The working
directory is never searched: it belongs to whatever the host has open.
"""
