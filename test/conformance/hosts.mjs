// MCP hosts: the TypeScript SDK 1, which speaks protocols up to 2025-11-25, and 2,
// which speaks 2026-07-28. Both launch the bridge as a child process; SDK 2 launches
// a second one, before, to find out the protocol.
import { createRequire } from 'node:module';

const peers = createRequire(new URL('../node/package.json', import.meta.url));
const about = { name: 'conformance-host', version: '1.0.0' };

// open starts a host and connects it to the bridge. elicit answers the server's
// questions.
export async function open(sdk, bridge, capabilities, elicit) {
  const { client, transport } = sdk === '2' ? modern(bridge, capabilities, elicit) : legacy(bridge, capabilities, elicit);
  await client.connect(transport);
  return { client, close: () => client.close() };
}

function legacy(bridge, capabilities, elicit) {
  const { Client } = peers('@modelcontextprotocol/sdk/client/index.js');
  const { StdioClientTransport } = peers('@modelcontextprotocol/sdk/client/stdio.js');
  const { ElicitRequestSchema } = peers('@modelcontextprotocol/sdk/types.js');
  const client = new Client(about, { capabilities });
  if (elicit) {
    client.setRequestHandler(ElicitRequestSchema, elicit);
  }
  return { client, transport: new StdioClientTransport(bridge) };
}

function modern(bridge, capabilities, elicit) {
  const { Client } = peers('@modelcontextprotocol/client');
  const { StdioClientTransport } = peers('@modelcontextprotocol/client/stdio');
  const client = new Client(about, { capabilities, versionNegotiation: { mode: { pin: '2026-07-28' } } });
  if (elicit) {
    client.setRequestHandler('elicitation/create', elicit);
  }
  return { client, transport: new StdioClientTransport(bridge) };
}
