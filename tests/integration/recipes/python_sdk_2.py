import anyio
from mcp import Client, StdioServerParameters

server = StdioServerParameters(command="mcpguard", args=["proxy", "--lock", "mcp-lock.json"])


async def main() -> None:
    async with Client(server) as client:
        print([tool.name for tool in (await client.list_tools()).tools])
        print((await client.call_tool("list_directory", {"path": "."})).content[0].text)


anyio.run(main)
