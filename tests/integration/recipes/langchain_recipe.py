import asyncio

from langchain_mcp_adapters.client import MultiServerMCPClient
from langchain_mcp_adapters.tools import load_mcp_tools

servers = {
    "files": {
        "transport": "stdio",
        "command": "mcpguard",
        "args": ["proxy", "--lock", "mcp-lock.json"],
    }
}


async def main() -> None:
    async with MultiServerMCPClient(servers).session("files") as session:
        tools = {tool.name: tool for tool in await load_mcp_tools(session)}
        print(list(tools))
        print(await tools["list_directory"].ainvoke({"path": "."}))


asyncio.run(main())
