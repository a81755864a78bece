// An MCP client of the TypeScript SDK 1, which begins with initialize and knows protocols up to
// 2025-11-25. It launches a bridge and does what a host does with a server of its own time.
//
//   node older.mjs strict|everything PROGRAM ARGUMENTS...
//
// strict is the server of strict.mjs, everything the Go SDK's conformance server. It prints a line
// for each thing that worked, "ok NAME", and ends with an error at the first that did not.
import assert from 'node:assert/strict';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StdioClientTransport } from '@modelcontextprotocol/sdk/client/stdio.js';
import * as t from '@modelcontextprotocol/sdk/types.js';

const [peer, command, ...args] = process.argv.slice(2);
const client = new Client(
  { name: 'older', version: '1.0.0' },
  { capabilities: { elicitation: { form: {}, url: {} }, sampling: {}, roots: { listChanged: true } } },
);
const asked = [];
client.setRequestHandler(t.ElicitRequestSchema, async ({ params }) => {
  asked.push(params);
  return params.mode === 'url' ? { action: 'accept' } : { action: 'accept', content: { name: 'Ada' } };
});
client.setRequestHandler(t.CreateMessageRequestSchema, async () => ({
  model: 'm', role: 'assistant', content: { type: 'text', text: 'sampled words' },
}));
client.setRequestHandler(t.ListRootsRequestSchema, async () => ({ roots: [{ uri: 'file:///srv/data' }] }));

// The SDK's own handler drops progress that is read together with the answer.
let progressed = () => {};
client.setNotificationHandler(t.ProgressNotificationSchema, ({ params }) => progressed(params.progress));
const onprogress = () => {};

// next returns a promise of the next notification of a kind.
const waiting = new Map();
for (const schema of [t.ToolListChangedNotificationSchema, t.ResourceUpdatedNotificationSchema, t.LoggingMessageNotificationSchema]) {
  client.setNotificationHandler(schema, (note) => waiting.get(note.method)?.(note.params));
}
const next = (method) => new Promise((resolve) => waiting.set(method, resolve));
const call = async (name, options, input = {}) =>
  (await client.callTool({ name, arguments: input }, undefined, options)).content[0].text;
const ok = (name) => console.log(`ok ${name}`);

async function strict() {
  assert.equal(client.getServerVersion().name, 'strict');
  assert.equal(client.getInstructions(), 'Be strict.');
  ok('initialize');
  assert.ok((await client.listTools()).tools.some(({ name }) => name === 'ask'));
  ok('list');
  assert.equal(await call('ask'), 'Hello, Ada! (state "as it was" é)');
  ok('elicitation');
  assert.equal(await call('page'), 'page: accept');
  assert.ok(asked.at(-1).elicitationId);
  ok('url-elicitation');
  assert.equal(await call('everything'), 'sampled words in file:///srv/data');
  ok('sampling');
  ok('roots');
  const pace = [];
  progressed = (n) => pace.push(n);
  assert.equal(await call('count', { onprogress }), 'counted');
  assert.deepEqual(pace, [1, 2, 3]);
  ok('progress');

  const stop = new AbortController();
  progressed = () => stop.abort('enough');
  const slow = call('slow', { signal: stop.signal, onprogress });
  await assert.rejects(slow, /enough/);
  while ((await call('cancelled')) !== '1');
  ok('cancellation');

  await client.setLoggingLevel('debug');
  const line = next('notifications/message');
  assert.equal(await call('log'), 'logged');
  assert.equal((await line).data, 'a log line');
  ok('logging');

  const changed = next('notifications/tools/list_changed');
  await call('change');
  await changed;
  ok('list-changed');

  const uri = 'test://watched';
  await client.subscribeResource({ uri });
  const updated = next('notifications/resources/updated');
  await call('touch');
  assert.equal((await updated).uri, uri);
  await client.unsubscribeResource({ uri });
  ok('subscription');
  assert.equal((await client.readResource({ uri })).contents[0].text, 'seen');
  ok('resource');
  await assert.rejects(call('no-such-tool').then((text) => { throw new Error(text); }));
  ok('error');
}

async function everything() {
  assert.ok((await client.listTools()).tools.length > 10);
  ok('list');
  assert.match(await call('test_input_required_result_elicitation'), /Hello, Ada/);
  ok('elicitation');
  assert.match(await call('test_input_required_result_sampling'), /sampled words/);
  ok('sampling');
  assert.match(await call('test_input_required_result_list_roots'), /srv\/data|1/);
  ok('roots');
  await call('test_input_required_result_multiple_inputs');
  await call('test_input_required_result_request_state');
  await call('test_input_required_result_multi_round');
  ok('rounds');
  const pace = [];
  progressed = (n) => pace.push(n);
  await call('test_tool_with_progress', { onprogress });
  assert.ok(pace.length >= 3);
  ok('progress');
  await client.setLoggingLevel('debug');
  const line = next('notifications/message');
  await call('test_logging_tool');
  assert.equal((await line).data, 'test_logging_tool executed');
  ok('logging');
  const changed = next('notifications/tools/list_changed');
  await call('test_trigger_tool_change');
  await changed;
  ok('list-changed');
  assert.match(await call('test_x_mcp_header', undefined, { region: 'grüße' }), /grüße/);
  ok('headers');
  assert.ok((await client.listPrompts()).prompts.length > 0);
  const { resources } = await client.listResources();
  await client.subscribeResource({ uri: resources[0].uri });
  await client.unsubscribeResource({ uri: resources[0].uri });
  ok('subscription');
}

const transport = new StdioClientTransport({ command, args, env: process.env, stderr: 'inherit' });
await client.connect(transport);
await client.ping();
ok('ping');
await { strict, everything }[peer]();
await client.close();
