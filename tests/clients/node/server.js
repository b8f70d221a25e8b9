// Starts the built server for a suite: its own data folder, its own port, clients and people made by the command line.

import { spawn } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

export const BINARY = process.env.TEST_BINARY ?? new URL("../../../target/debug/keywright", import.meta.url).pathname;
const TEMPLATE = new URL("../keywright.toml", import.meta.url);

// A port at which nobody listens, below those that the system gives away: one that it gave to us and took back it may give
// to somebody else before the program that is told of it listens there.
export async function freePort() {
  for (;;) {
    const port = 20000 + Math.floor(Math.random() * 12000);
    const probe = createServer();
    const free = await new Promise((resolve) => {
      probe.once("error", () => resolve(false));
      probe.listen(port, "127.0.0.1", () => resolve(true));
    });
    if (!free) continue;
    await new Promise((closed) => probe.close(closed));
    return port;
  }
}

// Runs the command line to its end; stdout is read as JSON. A failure throws with what it printed.
function command(args, { input = "", env }) {
  return new Promise((resolve, reject) => {
    const child = spawn(BINARY, args, { env, stdio: ["pipe", "pipe", "pipe"] });
    let out = "";
    let err = "";
    child.stdout.on("data", (piece) => (out += piece));
    child.stderr.on("data", (piece) => (err += piece));
    child.on("error", reject);
    child.on("close", (code) => {
      if (code !== 0) return reject(new Error(`keywright ${args.join(" ")}: exit code ${code}\n${out}${err}`));
      try {
        resolve(out.trim() ? JSON.parse(out) : undefined);
      } catch {
        reject(new Error(`keywright ${args.join(" ")}: not JSON:\n${out}`));
      }
    });
    child.stdin.end(input);
  });
}

export class Server {
  constructor(folder, port) {
    this.folder = folder;
    this.issuer = `http://127.0.0.1:${port}`;
    this.config = join(folder, "keywright.toml");
    this.env = { PATH: process.env.PATH, HOME: folder };
    this.log = "";
  }

  // `clients`: name → metadata with the member names of RFC 7591. `people`: name → password.
  static async start({ clients = {}, people = {} } = {}) {
    const folder = await mkdtemp(join(tmpdir(), "keywright-clients-"));
    const port = await freePort();
    const server = new Server(folder, port);
    const config = (await readFile(TEMPLATE, "utf8")).replaceAll("{port}", port).replaceAll("{folder}", folder);
    await writeFile(server.config, config, { mode: 0o600 });
    await server.cli("migrate");
    server.clients = {};
    for (const [name, metadata] of Object.entries(clients)) server.clients[name] = await server.addClient(name, metadata);
    for (const [name, password] of Object.entries(people)) await server.addPerson(name, password);
    await server.#serve();
    return server;
  }

  cli(...args) {
    return this.cliWith("", ...args);
  }

  cliWith(input, ...args) {
    return command([...args, "--config", this.config, "-o", "json"], { input, env: this.env });
  }

  // Returns { client_id, client_secret? }.
  async addClient(name, metadata) {
    return this.cliWith(JSON.stringify({ client_name: name, ...metadata }), "client", "add", "--metadata", "-");
  }

  async addPerson(name, password) {
    return this.cliWith(`${password}\n`, "user", "add", name, "--password-stdin");
  }

  async #serve() {
    this.child = spawn(BINARY, ["serve", "--config", this.config], { env: this.env, stdio: ["ignore", "pipe", "pipe"] });
    for (const pipe of [this.child.stdout, this.child.stderr]) pipe.on("data", (piece) => (this.log += piece));
    this.ended = new Promise((resolve) => this.child.on("close", resolve));
    for (let wait = 0; wait < 2400; wait++) {
      if (this.child.exitCode !== null) break;
      const ready = await fetch(`${this.issuer}/readyz`).then((reply) => reply.ok, () => false);
      if (ready) return;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    this.child.kill("SIGKILL");
    throw new Error(`the server did not become ready:\n${this.log}`);
  }

  async stop() {
    if (this.child?.exitCode === null) {
      this.child.kill("SIGTERM");
      const killer = setTimeout(() => this.child.kill("SIGKILL"), 30000);
      await this.ended;
      clearTimeout(killer);
    }
    if (process.env.KEEP_LOGS) console.log(this.log);
    await rm(this.folder, { recursive: true, force: true });
  }
}
