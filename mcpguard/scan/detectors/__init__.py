"""One threat a file. The table of all is `mcpguard.scan.DETECTORS`."""
