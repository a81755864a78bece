// The client that the conformance suite launches: an MCP host which reaches the
// suite's server through keyporter bridge. It uses nothing of Keyporter but the
// command line.
//
//   node driver.mjs SERVER-URL
//
// The suite sets MCP_CONFORMANCE_SCENARIO, MCP_CONFORMANCE_PROTOCOL_VERSION and,
// where a scenario hands something to the client, MCP_CONFORMANCE_CONTEXT. The test
// sets CONFORMANCE_HOST (which SDK plays the host: 1 or 2), CONFORMANCE_HOME (an empty
// folder with a vault), CONFORMANCE_PROGRAM and CONFORMANCE_BROWSER.
//
// It prints "host content" and exits with 0 if the host got what the scenario owes it:
// the server's answer, or a refusal in Keyporter's words where the server deserves one.
import { Keyporter } from './keyporter.mjs';
import { open } from './hosts.mjs';
import { scenarios } from './scenarios.mjs';

const url = process.argv.at(-1);
const name = process.env.MCP_CONFORMANCE_SCENARIO;
const context = JSON.parse(process.env.MCP_CONFORMANCE_CONTEXT ?? '{}');

// A host that hangs must not outlive the suite, which ends only the shell around it.
const limit = Number(process.env.CONFORMANCE_LIMIT ?? 25_000);
setTimeout(() => {
  console.error(`the host was not content after ${limit} ms`);
  process.exit(1);
}, limit).unref();

const scenario = scenarios[name];
if (!scenario) {
  throw new Error(`the driver does not know the scenario ${name}`);
}
const keyporter = new Keyporter();
await keyporter.run('add', 'judged', url, '--sign-in', 'browser', ...(await flags()));
const host = await open(process.env.CONFORMANCE_HOST, keyporter.bridge('judged'), scenario.capabilities ?? {}, scenario.elicit);
try {
  await scenario.play(host.client, context);
  console.log('host content');
} finally {
  await host.close();
}

// flags sets up what the scenario hands over, and returns the flags of add that go with it.
async function flags() {
  return scenario.setUp ? scenario.setUp(keyporter, context) : [];
}
