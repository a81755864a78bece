// An MCP server of the TypeScript SDK 2: protocol 2026-07-28, and without sessions for older
// clients. The tool "route" wants its argument mirrored in the header Mcp-Param-Region.
// It prints "ready URL".
import { createServer } from 'node:http';
import { localhostHostValidation, localhostOriginValidation, toNodeHandler } from '@modelcontextprotocol/node';
import { McpServer, createMcpHandler, fromJsonSchema } from '@modelcontextprotocol/server';

function modern() {
  const server = new McpServer({ name: 'modern', version: '1.0.0' });
  server.registerTool(
    'echo',
    {
      description: 'Says the text back',
      inputSchema: fromJsonSchema({
        type: 'object',
        properties: { text: { type: 'string' } },
        required: ['text'],
      }),
    },
    async ({ text }) => ({ content: [{ type: 'text', text }] }),
  );
  server.registerTool(
    'route',
    {
      description: 'Says which region a request is routed to',
      inputSchema: fromJsonSchema({
        type: 'object',
        properties: { region: { type: 'string', 'x-mcp-header': 'Region' } },
        required: ['region'],
      }),
    },
    async ({ region }) => ({ content: [{ type: 'text', text: `region ${region}` }] }),
  );
  return server;
}

const validHost = localhostHostValidation();
const validOrigin = localhostOriginValidation();
const handle = toNodeHandler(createMcpHandler(modern));
const server = createServer((request, response) => {
  if (validHost(request, response) && validOrigin(request, response)) handle(request, response);
});
server.listen(0, '127.0.0.1', () => {
  console.log(`ready http://127.0.0.1:${server.address().port}`);
});
