// What must be true of how a page looks: accessible by axe's rules in light and dark, whole at 320 px.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import axe from "axe-core";
import { screenshot } from "./chromium.js";

// What can be seen and holds more than it shows, sideways: a text behind an edge. Fields are read by moving in them.
const cutOff = () =>
  [...document.querySelectorAll("main *")]
    .filter((element) => element.checkVisibility() && !/^(INPUT|TEXTAREA|SELECT)$/.test(element.tagName))
    // What is for screen readers only is a pixel wide.
    .filter((element) => element.clientWidth > 1)
    .filter((element) => element.scrollWidth > element.clientWidth + 1 && getComputedStyle(element).overflowX !== "visible")
    .map((element) => element.outerHTML.slice(0, 120));

// `go` brings a browser page to the page in question; `visit` opens a browser with the options given.
export function looksWell(name, go, visit) {
  describe(`page ${name}`, () => {
    for (const colorScheme of ["light", "dark"]) {
      test(`in ${colorScheme}: no accessibility problem, no error in the console`, async () => {
        const { context, page, problems } = await visit({ colorScheme, reducedMotion: "reduce" });
        await go(page);
        await screenshot(page, `${name}-${colorScheme}`);
        await page.evaluate(axe.source);
        const { violations } = await page.evaluate(() => window.axe.run(document, { runOnly: ["wcag2a", "wcag2aa", "wcag21aa", "wcag22aa", "best-practice"] }));
        const grave = violations.filter(({ impact }) => ["serious", "critical"].includes(impact));
        assert.deepEqual(grave.map(({ id, nodes }) => [id, nodes.map((n) => `${n.html} ${n.failureSummary}`)]), []);
        // A page with a 4xx status is reported in the console as a failed load of itself: that is no fault of the page.
        assert.deepEqual(problems.filter((p) => !/status of 4\d\d/.test(p)), []);
        await context.close();
      });
    }

    for (const colorScheme of ["light", "dark"]) test(`at 320 px in ${colorScheme} nothing runs out of the side or is cut off, and targets can be hit`, async () => {
      const { context, page } = await visit({ viewport: { width: 320, height: 640 }, colorScheme });
      await go(page);
      await screenshot(page, `${name}-320-${colorScheme}`);
      assert.deepEqual(await page.evaluate(cutOff), []);
      const [wide, room] = await page.evaluate(() => [document.documentElement.scrollWidth, document.documentElement.clientWidth]);
      assert.ok(wide <= room, `${wide} px of content in ${room} px`);
      for (const button of await page.locator("button:visible").all()) {
        const box = await button.boundingBox();
        assert.ok(box.height >= 24 && box.width >= 24, `a button of ${box.width} × ${box.height}`);
      }
      await context.close();
    });
  });
}
