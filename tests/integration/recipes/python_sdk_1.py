import anyio
from mcp import ClientSession, StdioServerParameters
from mcp.client.stdio import stdio_client

server = StdioServerParameters(command="mcpguard", args=["proxy", "--lock", "mcp-lock.json"])


async def main() -> None:
    async with stdio_client(server) as (read, write), ClientSession(read, write) as session:
        await session.initialize()
        print([tool.name for tool in (await session.list_tools()).tools])
        print((await session.call_tool("list_directory", {"path": "."})).content[0].text)


anyio.run(main)
