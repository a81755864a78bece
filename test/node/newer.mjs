// An MCP client of the TypeScript SDK 2 that only speaks protocol 2026-07-28. It launches a bridge,
// paused, to server-everything, which nobody has seen and which only knows the older protocols. It
// lets Keyporter go on and does what a host does with a server of its own time.
//
//   node newer.mjs PROGRAM ARGUMENTS...
//
// It prints a line for each thing that worked, "ok NAME", and ends with an error at the first that
// did not.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { Client } from '@modelcontextprotocol/client';
import { StdioClientTransport } from '@modelcontextprotocol/client/stdio';

const [command, ...args] = process.argv.slice(2);
let listed;
const changed = new Promise((resolve) => (listed = resolve));
const client = new Client(
  { name: 'newer', version: '1.0.0' },
  {
    capabilities: { elicitation: { form: {}, url: {} }, sampling: {}, roots: {} },
    versionNegotiation: { mode: { pin: '2026-07-28' } },
    listChanged: { tools: { autoRefresh: false, debounceMs: 0, onChanged: () => listed() } },
  },
);
const asked = [];
client.setRequestHandler('elicitation/create', async ({ params }) => {
  asked.push(params);
  return params.mode === 'url' ? { action: 'accept' } : { action: 'accept', content: { name: 'Ada' } };
});
client.setRequestHandler('sampling/createMessage', async () => ({
  model: 'm', role: 'assistant', content: { type: 'text', text: 'sampled words' },
}));
client.setRequestHandler('roots/list', async () => ({ roots: [{ uri: 'file:///srv/data' }] }));

const call = async (name, input = {}, options) => {
  const { isError, content } = await client.callTool({ name, arguments: input }, options);
  const text = content.map((c) => c.text ?? '').join('\n');
  assert.notEqual(isError, true, text);
  return text;
};
const names = async () => (await client.listTools()).tools.map(({ name }) => name);
const ok = (name) => console.log(`ok ${name}`);

await client.connect(new StdioClientTransport({ command, args, env: process.env, stderr: 'inherit' }));
assert.deepEqual(await names(), ['sign_in']);
ok('stand-in');
execFileSync(command, ['resume']);
await changed;
assert.ok((await names()).includes('echo'));
ok('list-changed');
assert.match(await call('echo', { message: 'grüße' }), /grüße/);
ok('echo');
assert.match(await call('trigger-elicitation-request'), /Name: Ada/);
ok('elicitation');
const page = { url: 'https://pay.example/', message: 'Pay' };
await call('trigger-url-elicitation', page);
assert.equal(asked.at(-1).url, page.url);
ok('url-elicitation');
assert.match(await call('trigger-sampling-request', { prompt: 'Say words.', maxTokens: 10 }), /sampled words/);
ok('sampling');
assert.match(await call('get-roots-list'), /srv\/data/);
ok('roots');
const pace = [];
await call('trigger-long-running-operation', { duration: 0.3, steps: 3 }, { onprogress: ({ progress }) => pace.push(progress) });
assert.ok(pace.includes(1));
ok('progress');
const stop = new AbortController();
const slow = call('trigger-long-running-operation', { duration: 20, steps: 100 }, { signal: stop.signal, onprogress: () => stop.abort('enough') });
await assert.rejects(slow, /enough/);
ok('cancellation');
// What the stand-in offered is all that the SDK's own methods look for, so these are plain requests.
const { capabilities } = await client.discover();
assert.ok(capabilities.resources && capabilities.prompts);
ok('discover');
const { resources } = await client.request({ method: 'resources/list' });
assert.ok((await client.readResource({ uri: resources[0].uri })).contents.length > 0);
ok('resource');
const { prompts } = await client.request({ method: 'prompts/list' });
assert.ok((await client.getPrompt({ name: prompts.find((p) => !p.arguments?.length).name })).messages.length > 0);
ok('prompt');
await assert.rejects(client.getPrompt({ name: 'no-such-prompt' }));
ok('error');
await client.close();
