import asyncio

from autogen_ext.tools.mcp import McpWorkbench, StdioServerParams

server = StdioServerParams(
    command="mcpguard", args=["proxy", "--lock", "mcp-lock.json"], read_timeout_seconds=60
)


async def main() -> None:
    async with McpWorkbench(server) as workbench:
        print([tool["name"] for tool in await workbench.list_tools()])
        result = await workbench.call_tool("list_directory", {"path": "."})
        print(result.to_text())


asyncio.run(main())
