// What the host does in each scenario, and what it has to get. A scenario has
//
//   setUp(keyporter, context)   makes accounts; returns more flags for add
//   capabilities, elicit        of the host
//   play(client, context)       uses the server; throws if the host did not get what it should
import assert from 'node:assert/strict';

// The address of a client ID metadata document that the suite expects. Nobody fetches it.
const document = 'https://conformance-test.local/client-metadata.json';

const signedIn = { play: usesTool };

export const scenarios = {
  initialize: { play: (client) => client.listTools() },
  tools_call: {
    async play(client) {
      await tool(client, 'add_numbers');
      assert.match(await call(client, 'add_numbers', { a: 5, b: 3 }), /8/);
    },
  },
  'elicitation-sep1034-client-defaults': {
    capabilities: { elicitation: { form: { applyDefaults: true } } },
    elicit: () => ({ action: 'accept', content: {} }),
    async play(client) {
      await tool(client, 'test_client_elicitation_defaults');
      assert.match(await call(client, 'test_client_elicitation_defaults'), /completed/);
    },
  },
  'sse-retry': {
    async play(client) {
      await tool(client, 'test_reconnection');
      assert.notEqual(await call(client, 'test_reconnection'), '');
    },
  },
  'request-metadata': { play: (client) => client.listTools() },
  'json-schema-ref-no-deref': {
    async play(client) {
      assert.notEqual((await client.listTools()).tools.length, 0);
    },
  },
  'json-schema-2020-12-preservation': {
    async play(client) {
      const { inputSchema } = await tool(client, 'json_schema_2020_12_tool');
      await call(client, 'json_schema_echo', { schema: inputSchema });
    },
  },
  'sep-2322-client-request-state': {
    capabilities: { elicitation: { form: {} } },
    elicit: () => ({ action: 'accept', content: { confirmed: true } }),
    async play(client) {
      await client.listTools();
      for (const name of ['test_mrtr_echo_state', 'test_mrtr_no_state', 'test_mrtr_unrelated']) {
        await call(client, name);
      }
      // An answer without resultType counts as complete, whatever else is in it.
      await client.callTool({ name: 'test_mrtr_no_result_type', arguments: {} }).catch(() => {});
    },
  },
  'http-standard-headers': {
    async play(client) {
      const { tools } = await client.listTools();
      await call(client, tools[0].name);
      const { resources } = await client.listResources();
      await client.readResource({ uri: resources[0].uri });
      const { prompts } = await client.listPrompts();
      await client.getPrompt({ name: prompts[0].name, arguments: {} });
    },
  },
  'http-custom-headers': {
    async play(client, { toolCalls }) {
      await client.listTools();
      assert.notEqual(toolCalls.length, 0);
      for (const { name, arguments: args } of toolCalls) {
        await client.callTool({ name, arguments: args ?? {} });
      }
    },
  },
  'http-invalid-tool-headers': {
    async play(client) {
      const { tools } = await client.listTools();
      assert.notEqual(tools.length, 0);
      for (const { name } of tools) {
        await call(client, name, { region: 'us-west1' });
      }
    },
  },

  'auth/metadata-default': signedIn,
  'auth/metadata-var1': signedIn,
  'auth/metadata-var2': signedIn,
  'auth/metadata-var3': signedIn,
  'auth/basic-cimd': { setUp: () => ['--client-metadata-url', document], play: usesTool },
  'auth/scope-from-www-authenticate': signedIn,
  'auth/scope-from-scopes-supported': signedIn,
  'auth/scope-omitted-when-undefined': signedIn,
  'auth/scope-step-up': signedIn,
  'auth/scope-retry-limit': refused(/permission mcp:admin is missing/),
  'auth/token-endpoint-auth-basic': signedIn,
  'auth/token-endpoint-auth-post': signedIn,
  'auth/token-endpoint-auth-none': signedIn,
  'auth/pre-registration': {
    setUp: (keyporter, { client_id, client_secret }) => ['--client-id', client_id, '--client-secret-file', keyporter.file('client.txt', client_secret)],
    play: usesTool,
  },
  'auth/2025-03-26-oauth-metadata-backcompat': signedIn,
  'auth/2025-03-26-oauth-endpoint-fallback': signedIn,
  'auth/offline-access-scope': signedIn,
  'auth/offline-access-not-supported': signedIn,
  'auth/authorization-server-migration': signedIn,
  'auth/iss-supported': signedIn,
  'auth/iss-not-advertised': signedIn,
  'auth/dpop': signedIn,
  'auth/dpop-nonce': signedIn,
  'auth/client-credentials-basic': withAccount((keyporter, { client_id, client_secret }) => [
    'client-credentials', 'program', '--client-id', client_id, '--client-secret-file', keyporter.file('client.txt', client_secret),
  ]),
  'auth/client-credentials-jwt': withAccount((keyporter, { client_id, private_key_pem, signing_algorithm }) => [
    'client-credentials', 'program', '--client-id', client_id, '--private-key-file', keyporter.file('key.pem', private_key_pem), '--alg', signing_algorithm,
  ]),
  'auth/enterprise-managed-authorization': withAccount((keyporter, c) => [
    'enterprise', 'program', '--client-id', c.client_id, '--client-secret-file', keyporter.file('client.txt', c.client_secret),
    '--idp-token-endpoint', c.idp_token_endpoint, '--idp-client-id', c.idp_client_id, '--id-token-file', keyporter.file('id-token', c.idp_id_token),
  ]),
  'auth/wif-jwt-bearer': withAccount((keyporter, { client_id, valid_jwt }) => [
    'workload', 'program', '--client-id', client_id, '--token-file', keyporter.file('jwt', valid_jwt),
  ]),
  'auth/resource-mismatch': refused(/about another resource/),
  'auth/iss-supported-missing': refused(/does not say that it comes from/),
  'auth/iss-wrong-issuer': refused(/came from somebody else/),
  'auth/iss-unexpected': refused(/came from somebody else/),
  'auth/iss-normalized': refused(/came from somebody else/),
  'auth/metadata-issuer-mismatch': refused(/does not describe itself/),
};

// usesTool lists the tools, and calls the one that the suite's servers behind a sign-in have.
async function usesTool(client) {
  await tool(client, 'test-tool');
  assert.notEqual(await call(client, 'test-tool'), '');
}

// withAccount is a scenario whose server gets the tokens of an account; add returns
// the arguments with which that is added.
function withAccount(add) {
  return {
    async setUp(keyporter, context) {
      await keyporter.run('account', 'add', ...add(keyporter, context));
      return ['--account', 'program'];
    },
    play: usesTool,
  };
}

// refused is a scenario whose server must not be signed in to: the host is told why.
function refused(why) {
  return {
    async play(client) {
      await client.listTools().catch(() => {});
      const { isError, content } = await client.callTool({ name: 'test-tool', arguments: {} });
      assert.equal(isError, true);
      assert.match(content[0].text, why);
    },
  };
}

// tool returns one of the server's tools. A server that nobody has seen has one tool until somebody
// has signed in, sign_in; the host calls it, as a model does, and looks again.
async function tool(client, name) {
  let { tools } = await client.listTools();
  for (let n = 0; n < 3 && tools.length === 1 && tools[0].name === 'sign_in'; n++) {
    await call(client, 'sign_in');
    ({ tools } = await client.listTools());
  }
  const found = tools.find((t) => t.name === name);
  assert.ok(found, `the server has no tool ${name}; it has ${tools.map((t) => t.name)}`);
  return found;
}

// call calls a tool, which has to succeed, and returns the text of its result.
async function call(client, name, args = {}) {
  const { isError, content } = await client.callTool({ name, arguments: args });
  const text = content.map((c) => c.text ?? '').join('\n');
  assert.notEqual(isError, true, text);
  return text;
}
