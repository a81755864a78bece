// An MCP client of the TypeScript SDK 2 that finds out which protocol its server speaks. It
// launches a bridge to server-everything, which only knows the older ones.
//
//   node dual.mjs PROGRAM ARGUMENTS...
//
// It prints the protocol version that was agreed on and what the echo tool said.
import { Client } from '@modelcontextprotocol/client';
import { StdioClientTransport } from '@modelcontextprotocol/client/stdio';

const [command, ...args] = process.argv.slice(2);
const client = new Client({ name: 'dual', version: '1.0.0' }, { versionNegotiation: { mode: 'auto' } });
await client.connect(new StdioClientTransport({ command, args, env: process.env, stderr: 'inherit' }));
const { content } = await client.callTool({ name: 'echo', arguments: { message: 'grüße' } });
console.log(`${client.getNegotiatedProtocolVersion()} ${content[0].text}`);
await client.close();
