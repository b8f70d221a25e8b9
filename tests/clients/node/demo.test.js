// `keywright demo`: the first minute of a newcomer, in a browser and at a terminal.

import assert from "node:assert/strict";
import { execFile, spawn, spawnSync } from "node:child_process";
import { connect } from "node:net";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { promisify } from "node:util";
import { launch, passPages, visitWith } from "./chromium.js";
import { looksWell } from "./looks.js";
import { BINARY, freePort } from "./server.js";

let demo, chromium, folder;
const visit = (options) => visitWith(chromium, options);

// Where Debian has nginx, also for those who are not root.
const PATH = `${process.env.PATH}:/usr/sbin`;
const NGINX = spawnSync("nginx", ["-v"], { env: { PATH } }).status === 0;

const at = async () => `127.0.0.1:${await freePort()}`;

async function start({ path = PATH, data = "data", addresses } = {}) {
  const [listen, application, weather] = addresses ?? [await at(), await at(), await at()];
  const begun = performance.now();
  const env = { PATH: path, HOME: folder };
  const places = ["--listen", listen, "--application", application, "--weather", weather, "--data", join(folder, data)];
  const child = spawn(BINARY, ["demo", ...places], { env });
  let told = "";
  for (const pipe of [child.stdout, child.stderr]) pipe.on("data", (piece) => (told += piece));
  const ended = new Promise((resolve) => child.on("close", resolve));
  while (!/Stop with/.test(told)) {
    if (child.exitCode !== null || performance.now() - begun > 120000) throw new Error(`the demonstration did not start:\n${told}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  const [, username] = told.match(/Sign in as\s+(\S+)/);
  const [, password] = told.match(/with password\s+(\S+)/);
  return {
    addresses: [listen, application, weather],
    weather,
    application: `http://${application}/`,
    person: { username, password },
    told,
    milliseconds: performance.now() - begun,
    stop: (signal = "SIGTERM") => (child.kill(signal), ended),
  };
}

before(async () => {
  folder = await mkdtemp(join(tmpdir(), "keywright-demo-"));
  demo = await start();
  chromium = await launch();
});

after(async () => {
  await chromium?.close();
  await demo?.stop();
  await rm(folder, { recursive: true, force: true });
});

async function signIn(page) {
  await page.goto(demo.application);
  await page.click("button[name=ask][value=plain]");
  await passPages(page, demo.application, demo.person);
  assert.ok(await page.locator("button[name=act][value=userinfo]").count(), await page.locator("body").innerText());
}

looksWell("demo", (page) => page.goto(demo.application), visit);
looksWell("demo-signed-in", signIn, visit);

test("each button of the demonstration does what it says", async () => {
  const { context, page, problems } = await visit();
  await signIn(page);
  // What is meant to succeed ends without a failed check.
  for (const act of ["userinfo", "refresh", "introspect"]) {
    await page.click(`button[name=act][value=${act}]`);
    assert.equal(await page.locator("li.no").count(), 0, `${act}: ${await page.locator("main").innerText()}`);
  }
  // What is meant to be refused is refused, and explained.
  for (const act of ["api", "tampered", "spent", "replay"]) {
    const button = page.locator(`button[name=act][value=${act}]`);
    if (!(await button.count())) await signIn(page);
    await button.click();
    assert.match(await page.locator("main").innerText(), /refus|revoke|invalid|forgiven/i, act);
  }
  await signIn(page);
  await page.locator("form[action='/sign-out'] button").click();
  await page.waitForURL(`${demo.application}**`);
  await page.click("button[name=ask][value=plain]");
  assert.equal(await page.locator("input[name=password]").count(), 1);
  assert.deepEqual(problems.filter((p) => !/status of [45]\d\d/.test(p)), []);
  await context.close();
});

// Whether anybody listens there.
const listens = (address) =>
  new Promise((resolve) => {
    const [host, port] = address.split(":");
    const socket = connect(Number(port), host, () => (socket.destroy(), resolve(true)));
    socket.on("error", () => resolve(false));
  });

const gone = async (address) => {
  for (let wait = 0; wait < 2400; wait++) {
    if (!(await listens(address))) return true;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  return false;
};

async function paste(of) {
  const commands = of.told.split("\n").filter((line) => line.startsWith("  ")).join("\n");
  const script = commands.slice(commands.indexOf("  # an access token"));
  const { stdout } = await promisify(execFile)("bash", ["-euc", script]);
  return stdout;
}

// What the walk of a key must come to, whoever asks about its calls.
function walked(out) {
  const after = (mark) => out.slice(out.indexOf(mark));
  assert.match(out, /"active" *: *true/);
  assert.match(out, /"active" *: *false\}?\n/);
  const used = after('"hint"');
  assert.match(used, /HTTP\/1.1 401 [^]*?www-authenticate: Bearer realm="weather"/i, out);
  assert.match(used, /HTTP\/1.1 200 OK[^]*?ratelimit: "burst";r=\d[^]*?"place":"paris"[^\n]*"a":"key"/i, out);
  assert.match(used, /\neyJ[^\n]*\nHTTP\/1.1 200 OK[^]*?"place":"paris"[^\n]*"a":"token"/, out);
  assert.match(used, /\n200\n403\n403\n/, "restricted to one path and one method");
  const limited = used.slice(used.search(/\n200\n403\n403\n/));
  assert.match(limited, /HTTP\/1.1 200 OK\r?\n[^]*?HTTP\/1.1 429 [^\n]*\n[^]*?retry-after: \d+/i, out);
  const [, old, next] = limited.match(/(HTTP\/1.1 200 OK\r?\n(?:[^\n]+:[^\n]*\n)+)\r?\n(HTTP\/1.1 200 OK\r?\n(?:[^\n]+:[^\n]*\n)+)\r?\n200\n401\n401\n200\n/) ?? [];
  assert.ok(next, `rotated and revoked:\n${out}`);
  assert.match(old, /deprecation: @\d+/i);
  assert.match(old, /sunset: \w{3}, \d\d /i);
  assert.doesNotMatch(next, /deprecation|sunset/i);
  return JSON.parse(out.trimEnd().split("\n").at(-1));
}

test("the commands that it prints work when pasted, with nginx in front of the weather API", { skip: !NGINX && "nginx is not installed" }, async (t) => {
  const behind = await start({ data: "nginx" });
  t.after(() => behind.stop("SIGKILL"));
  assert.match(behind.told, /Weather API .* nginx in front of it asks/);
  const out = await paste(behind);
  walked(out);
  assert.match(out, /server: nginx/i);
  // It ends with the demonstration, however that ends.
  await behind.stop("SIGKILL");
  assert.ok(await gone(behind.weather), "nginx was left running");
  const again = await start({ data: "nginx", addresses: behind.addresses });
  await again.stop();
  assert.ok(await gone(behind.weather), "nginx was left running");
});

test("the commands that it prints work when pasted, without nginx", async (t) => {
  const alone = await start({ path: folder, data: "alone" });
  t.after(() => alone.stop("SIGKILL"));
  assert.match(alone.told, /Weather API .* it asks Keywright itself, for there is no program nginx here/);
  const out = await paste(alone);
  walked(out);
  assert.doesNotMatch(out, /server: nginx/i);
});

test("a second start has the same data, at once", async () => {
  // How long that takes on this machine is told by the shortest of a few.
  const [{ person, addresses }, took] = [demo, []];
  do {
    await demo.stop();
    demo = await start({ addresses });
    assert.deepEqual(demo.person, person);
    took.push(demo.milliseconds);
  } while (Math.min(...took) >= 2000 && took.length < 10);
  assert.ok(Math.min(...took) < 2000, `${took} ms`);
});
