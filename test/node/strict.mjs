// An MCP server of the TypeScript SDK 2 that speaks protocol 2026-07-28 and nothing else. Its
// tools ask their client for input, report progress, log, can be cancelled, and change what is
// listed. It prints "ready URL".
import { createServer } from 'node:http';
import { toNodeHandler } from '@modelcontextprotocol/node';
import { McpServer, acceptedContent, createMcpHandler, fromJsonSchema, inputRequired } from '@modelcontextprotocol/server';

const words = (text) => ({ content: [{ type: 'text', text }] });
const watched = 'test://watched';
let cancelled = 0;

const tools = {
  async ask(_, { mcpReq }) {
    const answer = acceptedContent(mcpReq.inputResponses, 'name');
    if (answer) return words(`Hello, ${answer.name}! (${mcpReq.requestState()})`);
    return inputRequired({
      requestState: 'state "as it was" \u00e9',
      inputRequests: {
        name: inputRequired.elicit({
          message: 'Who are you?',
          requestedSchema: { type: 'object', properties: { name: { type: 'string' } }, required: ['name'] },
        }),
      },
    });
  },
  async everything(_, { mcpReq }) {
    const { model, folders } = mcpReq.inputResponses ?? {};
    if (model && folders) return words(`${model.content.text} in ${folders.roots[0].uri}`);
    return inputRequired({
      inputRequests: {
        model: inputRequired.createMessage({
          messages: [{ role: 'user', content: { type: 'text', text: 'Say words.' } }],
          maxTokens: 10,
        }),
        folders: inputRequired.listRoots(),
      },
    });
  },
  async page(_, { mcpReq }) {
    const { page } = mcpReq.inputResponses ?? {};
    if (page) return words(`page: ${page.action}`);
    return inputRequired({ inputRequests: { page: inputRequired.elicitUrl({ message: 'Pay', url: 'https://pay.example/' }) } });
  },
  async count(_, { mcpReq }) {
    for (let progress = 1; progress <= 3; progress++) {
      await mcpReq.notify({
        method: 'notifications/progress',
        params: { progressToken: mcpReq._meta.progressToken, progress, total: 3 },
      });
    }
    return words('counted');
  },
  async log(_, { mcpReq }) {
    await mcpReq.log('info', 'a log line');
    return words('logged');
  },
  async slow(_, { mcpReq }) {
    await mcpReq.notify({
      method: 'notifications/progress',
      params: { progressToken: mcpReq._meta.progressToken, progress: 1 },
    });
    await new Promise((resolve) => mcpReq.signal.addEventListener('abort', resolve));
    cancelled++;
    return words('too late');
  },
  async cancelled() {
    return words(String(cancelled));
  },
  async change() {
    handler.notify.toolsChanged();
    return words('changed');
  },
  async touch() {
    handler.notify.resourceUpdated(watched);
    return words('touched');
  },
};

function strict() {
  const server = new McpServer(
    { name: 'strict', version: '1.0.0' },
    { capabilities: { logging: {}, tools: { listChanged: true }, resources: { subscribe: true } }, instructions: 'Be strict.' },
  );
  for (const [name, run] of Object.entries(tools)) {
    const readOnlyHint = name === 'cancelled';
    server.registerTool(name, { annotations: { readOnlyHint }, inputSchema: fromJsonSchema({ type: 'object' }) }, run);
  }
  server.registerResource('watched', watched, {}, async () => ({ contents: [{ uri: watched, text: 'seen' }] }));
  return server;
}

const handler = createMcpHandler(strict, { legacy: 'reject' });
const server = createServer(toNodeHandler(handler));
server.listen(0, '127.0.0.1', () => {
  console.log(`ready http://127.0.0.1:${server.address().port}`);
});
