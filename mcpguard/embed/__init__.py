"""mcpguard inside another program: may this principal call this tool with these arguments?

The same stages, settings, store, audit log and approvals as the proxy has, without a process and
without bytes:

    async with open_guard(Path("mcp-lock.json"), approve=ask_somebody) as guard:
        answer = await guard.authorise("read_file", {"path": "/srv/docs/a.txt"})
        if answer.allowed:
            result = await call_the_tool(answer.tool, answer.arguments)
            shown = await guard.answered(answer, result)

It runs in the event loop of the program (anyio: asyncio or trio), and in one task group of its own.
The program is what enforces: a tool that it calls unasked, nobody has judged.
"""

from mcpguard.embed.guard import Guard
from mcpguard.embed.opening import open_guard
from mcpguard.embed.words import Answer, Approve, Asked

__all__ = ["Answer", "Approve", "Asked", "Guard", "open_guard"]
