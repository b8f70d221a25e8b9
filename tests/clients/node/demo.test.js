// `keywright demo`: the first minute of a newcomer, in a browser and at a terminal.

import assert from "node:assert/strict";
import { execFile, spawn } from "node:child_process";
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

async function start() {
  const [listen, application] = demo?.addresses ?? [`127.0.0.1:${await freePort()}`, `127.0.0.1:${await freePort()}`];
  const begun = performance.now();
  const env = { PATH: process.env.PATH, HOME: folder };
  const child = spawn(BINARY, ["demo", "--listen", listen, "--application", application, "--data", join(folder, "data")], { env });
  let told = "";
  for (const pipe of [child.stdout, child.stderr]) pipe.on("data", (piece) => (told += piece));
  const ended = new Promise((resolve) => child.on("close", resolve));
  while (!/Stop with/.test(told)) {
    if (child.exitCode !== null || performance.now() - begun > 20000) throw new Error(`the demonstration did not start:\n${told}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  const [, username] = told.match(/Sign in as\s+(\S+)/);
  const [, password] = told.match(/with password\s+(\S+)/);
  return {
    addresses: [listen, application],
    application: `http://${application}/`,
    person: { username, password },
    told,
    milliseconds: performance.now() - begun,
    stop: () => (child.kill("SIGTERM"), ended),
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

test("the commands that it prints work when pasted", async () => {
  const commands = demo.told.split("\n").filter((line) => line.startsWith("  ")).join("\n");
  const script = commands.slice(commands.indexOf("  # an access token"));
  const { stdout } = await promisify(execFile)("bash", ["-euc", script]);
  assert.match(stdout, /"active" *: *true/);
  assert.match(stdout, /"active" *: *false\}?\n/);
  // The key: good, from another network restricted, exchanged for a token, too often limited, in the end revoked, and
  // its token with it.
  assert.match(stdout, /"key_id":"key_[^\n]*"active":true/, stdout);
  for (const code of ["ok", "restricted", "rate_limited"]) assert.match(stdout, new RegExp(`"code":"${code}"`), stdout);
  assert.match(stdout, /"code":"key_revoked"[^\n]*\s*\{"active":false\}\s*$/, stdout);
});

test("a second start has the same data, at once", async () => {
  await demo.stop();
  const again = await start();
  assert.deepEqual(again.person, demo.person);
  assert.ok(again.milliseconds < 2000, `${again.milliseconds} ms`);
  demo = again;
});
