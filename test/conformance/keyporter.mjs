// The command line of Keyporter, in a home of its own.
import { execFile } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';

const execute = promisify(execFile);

export class Keyporter {
  #program = process.env.CONFORMANCE_PROGRAM;
  #home = process.env.CONFORMANCE_HOME;
  // Nothing of the suite's environment, in which secrets stand, and no more than hosts set.
  #env = {
    HOME: this.#home,
    PATH: process.env.PATH,
    KEYPORTER_HOME: join(this.#home, 'kp'),
    KEYPORTER_VAULT: 'passphrase',
    KEYPORTER_PASSPHRASE_FILE: join(this.#home, 'passphrase'),
    KEYPORTER_BROWSER: process.env.CONFORMANCE_BROWSER,
    KEYPORTER_LOG: 'debug',
    DBUS_SESSION_BUS_ADDRESS: `unix:path=${join(this.#home, 'no-bus')}`,
  };

  // run runs a command, which has to succeed, and returns its standard output.
  async run(...args) {
    try {
      const { stdout, stderr } = await execute(this.#program, args, { env: this.#env });
      process.stderr.write(stderr);
      return stdout;
    } catch (err) {
      throw new Error(`keyporter ${args[0]}: exit code ${err.code}\n${err.stderr}`);
    }
  }

  // file writes what goes into a command as a file and returns its path.
  file(name, content) {
    const path = join(this.#home, name);
    writeFileSync(path, content, { mode: 0o600 });
    return path;
  }

  // bridge is how a host launches the bridge of a server.
  bridge(name) {
    return { command: this.#program, args: ['bridge', name], env: this.#env, stderr: 'inherit' };
  }
}
