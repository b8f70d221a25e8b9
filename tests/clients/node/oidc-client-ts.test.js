// oidc-client-ts in Chromium: a public client in the browser, on another origin than the issuer.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { launch, passPages } from "./chromium.js";
import { serveApp, shown } from "./relying-app.js";
import { freePort, Server } from "./server.js";

const PERSON = { username: "grace", password: "correct horse battery staple 9" };

let server, app, chromium, origin;

before(async () => {
  const port = await freePort();
  origin = `http://127.0.0.1:${port}`;
  server = await Server.start({
    people: { [PERSON.username]: PERSON.password },
    clients: {
      spa: {
        redirect_uris: [`${origin}/callback`],
        post_logout_redirect_uris: [`${origin}/signed-out`],
        grant_types: ["authorization_code", "refresh_token"],
        response_types: ["code"],
        token_endpoint_auth_method: "none",
        id_token_signed_response_alg: "ES256",
        scope: "openid profile email offline_access",
      },
    },
  });
  app = await serveApp(port, {
    authority: server.issuer,
    client_id: server.clients.spa.client_id,
    redirect_uri: `${origin}/callback`,
    post_logout_redirect_uri: `${origin}/signed-out`,
    scope: "openid profile offline_access",
    loadUserInfo: true,
    automaticSilentRenew: false,
  });
  chromium = await launch();
});

after(async () => {
  await chromium?.close();
  app?.close();
  app?.closeAllConnections();
  await server?.stop();
});

async function open() {
  const context = await chromium.newContext();
  context.setDefaultTimeout(120000);
  const page = await context.newPage();
  const problems = [];
  page.on("console", (message) => message.type() === "error" && problems.push(message.text()));
  await page.goto(`${origin}/`);
  assert.ok((await shown(page)).ready);
  return { context, page, problems };
}

async function signIn(page) {
  await page.evaluate(() => void window.manager.signinRedirect({ state: "deep/link" }));
  await page.waitForURL(`${server.issuer}/**`);
  await passPages(page, origin, PERSON);
  const { user, failed } = await shown(page);
  assert.equal(failed, undefined);
  return user;
}

test("a person signs in from another origin, and the profile comes from userinfo across origins", async () => {
  const { context, page, problems } = await open();
  const user = await signIn(page);
  assert.equal(user.profile.iss, server.issuer);
  assert.equal(user.profile.preferred_username, PERSON.username);
  assert.equal(user.state, "deep/link");
  assert.ok(user.access_token && user.refresh_token && user.id_token);
  assert.deepEqual(problems, []);
  await context.close();
});

test("a silent renewal uses the refresh token across origins", async () => {
  const { context, page } = await open();
  const first = await signIn(page);
  const second = await page.evaluate(() => window.manager.signinSilent());
  assert.notEqual(second.access_token, first.access_token);
  assert.notEqual(second.refresh_token, first.refresh_token);
  assert.equal(second.profile.sub, first.profile.sub);
  await context.close();
});

test("an error of the token endpoint can be read across origins", async () => {
  const { context, page } = await open();
  const reply = await page.evaluate(async () => {
    const endpoint = await window.manager.metadataService.getTokenEndpoint();
    const body = new URLSearchParams({ grant_type: "refresh_token", refresh_token: "none", client_id: window.manager.settings.client_id });
    const response = await fetch(endpoint, { method: "POST", body });
    return { status: response.status, ...(await response.json()) };
  });
  assert.equal(reply.status, 400);
  assert.equal(reply.error, "invalid_grant");
  await context.close();
});

test("tokens can be revoked across origins", async () => {
  const { context, page } = await open();
  const user = await signIn(page);
  await page.evaluate(() => window.manager.revokeTokens(["refresh_token"]));
  const failed = await page.evaluate((refresh_token) => {
    const body = new URLSearchParams({ grant_type: "refresh_token", refresh_token, client_id: window.manager.settings.client_id });
    return window.manager.metadataService.getTokenEndpoint().then((endpoint) => fetch(endpoint, { method: "POST", body })).then((r) => r.json());
  }, user.refresh_token);
  assert.equal(failed.error, "invalid_grant");
  await context.close();
});

test("the person signs out and is asked for the password the next time", async () => {
  const { context, page } = await open();
  await signIn(page);
  await page.evaluate(() => void window.manager.signoutRedirect());
  await page.waitForURL(`${origin}/signed-out**`);
  assert.ok((await shown(page)).signedOut);
  await page.goto(`${origin}/`);
  await page.evaluate(() => void window.manager.signinRedirect());
  await page.waitForURL(`${server.issuer}/**`);
  assert.equal(await page.locator("input[name=password]").count(), 1);
  await context.close();
});

test("the authorization and account pages cannot be framed or read across origins", async () => {
  const { context, page } = await open();
  const readable = await page.evaluate((issuer) => fetch(`${issuer}/account`, { credentials: "include" }).then(() => true, () => false), server.issuer);
  assert.equal(readable, false);
  const framed = await page.evaluate(
    (issuer) =>
      new Promise((resolve) => {
        const frame = document.createElement("iframe");
        frame.src = `${issuer}/account`;
        frame.onload = () => resolve(frame.contentDocument === null ? "cross-origin" : "blocked");
        document.body.append(frame);
        setTimeout(() => resolve("blocked"), 3000);
      }),
    server.issuer,
  );
  const inside = page.frames().find((f) => f !== page.mainFrame());
  const body = await inside?.evaluate(() => document.querySelector("form, main") !== null).catch(() => false);
  assert.ok(framed && !body, "the account page was shown in a frame");
  await context.close();
});
