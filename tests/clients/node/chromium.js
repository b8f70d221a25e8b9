// The browser of the machine, driven by playwright-core (which brings none of its own).

import { existsSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { chromium } from "playwright-core";

const PLACES = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];
const SCREENSHOTS = new URL("../../../target/screenshots/", import.meta.url).pathname;

export async function launch() {
  const executablePath = process.env.CHROMIUM || PLACES.find(existsSync);
  if (!executablePath) throw new Error("no Chromium found: set CHROMIUM=/path/to/chrome");
  const root = process.getuid?.() === 0;
  return chromium.launch({ executablePath, args: root ? ["--no-sandbox"] : [], timeout: 180000 });
}

export async function screenshot(page, name) {
  await mkdir(SCREENSHOTS, { recursive: true });
  await page.screenshot({ path: `${SCREENSHOTS}${name}.png`, fullPage: true });
}

// A browser of its own, whose errors (of scripts, and those it writes to its console) are kept in `problems`.
export async function visitWith(chromium, options = {}) {
  const context = await chromium.newContext(options);
  // The machine may be slow, or busy.
  context.setDefaultTimeout(120000);
  const page = await context.newPage();
  const problems = [];
  page.on("console", (message) => message.type() === "error" && problems.push(message.text()));
  page.on("pageerror", (error) => problems.push(String(error)));
  return { context, page, problems };
}

// Fills and presses what the sign-in and consent pages ask for, with the mouse, until `address` is reached.
export async function passPages(page, address, { username, password, decision = "allow" }) {
  const seen = [];
  for (let step = 0; step < 8; step++) {
    await page.waitForLoadState("load");
    if (page.url().startsWith(address)) return seen;
    const before = page.url();
    if (await page.locator("input[name=password]").count()) {
      if (seen.includes("sign-in")) throw new Error(`asked to sign in again: ${await page.locator("body").innerText()}`);
      seen.push("sign-in");
      await page.fill("input[name=username]", username);
      await page.fill("input[name=password]", password);
      await page.locator("form:has(input[name=password]) button[type=submit], form:has(input[name=password]) button:not([type])").first().click();
    } else if (await page.locator("button[name=decision]").count()) {
      seen.push("consent");
      await page.click(`button[name=decision][value=${decision}]`);
    } else {
      throw new Error(`neither sign-in nor consent at ${before}: ${await page.locator("body").innerText()}`);
    }
  }
  throw new Error(`no end of pages: ${seen}`);
}
