import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StdioClientTransport } from "@modelcontextprotocol/sdk/client/stdio.js";

const client = new Client({ name: "recipe", version: "1" });
const server = { command: "mcpguard", args: ["proxy", "--lock", "mcp-lock.json"] };
await client.connect(new StdioClientTransport(server));
const { tools } = await client.listTools();
console.log(tools.map((tool) => tool.name));
const { content } = await client.callTool({ name: "list_directory", arguments: { path: "." } });
console.log(content[0].text);
await client.close();
