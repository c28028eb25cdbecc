"""Bytes to JSON-RPC to MCP and back: framing, strict parsing, the method table, canonical JSON.

No I/O. Everything that leaves mcpguard is encoded here, from parsed values, never spliced.
"""
