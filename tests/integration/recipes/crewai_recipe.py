from crewai_tools import MCPServerAdapter
from mcp import StdioServerParameters

server = StdioServerParameters(command="mcpguard", args=["proxy", "--lock", "mcp-lock.json"])

with MCPServerAdapter(server, connect_timeout=60) as tools:
    print([tool.name for tool in tools])
    print(tools["list_directory"].run(path="."))
