"""One threat a file. The table is in `mcpguard.scan.threats`."""
