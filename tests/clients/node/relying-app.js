// A single-page application on an origin of its own, whose OpenID client is oidc-client-ts as published.

import { readFile } from "node:fs/promises";
import { createServer } from "node:http";

const LIBRARY = new URL("./node_modules/oidc-client-ts/dist/browser/oidc-client-ts.min.js", import.meta.url);

const page = (settings) => `<!doctype html><html lang="en"><title>Relying application</title>
<h1>Relying application</h1><pre id="out"></pre>
<script src="/oidc-client-ts.js"></script>
<script>
  const show = (what) => { document.getElementById("out").textContent = JSON.stringify(what); };
  const manager = new oidc.UserManager({
    ...${JSON.stringify(settings)},
    userStore: new oidc.WebStorageStateStore({ store: window.localStorage }),
  });
  window.manager = manager;
  (async () => {
    try {
      if (location.pathname === "/callback") show({ user: await manager.signinCallback() });
      else if (location.pathname === "/signed-out") show({ signedOut: await manager.signoutCallback() ?? true });
      else show({ ready: true });
    } catch (error) {
      show({ failed: String(error), error: error.error });
    }
  })();
</script></html>`;

export async function serveApp(port, settings) {
  const library = await readFile(LIBRARY);
  const server = createServer((request, response) => {
    const script = request.url === "/oidc-client-ts.js";
    response.writeHead(200, { "content-type": script ? "text/javascript" : "text/html; charset=utf-8" });
    response.end(script ? library : page(settings));
  });
  await new Promise((ready) => server.listen(port, "127.0.0.1", ready));
  return server;
}

// What the page shows once it has something to show.
export async function shown(page) {
  const out = page.locator("#out");
  await page.waitForFunction(() => document.getElementById("out")?.textContent);
  return JSON.parse(await out.textContent());
}
