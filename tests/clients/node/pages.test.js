// The pages a person sees: keyboard only, narrow, light and dark, without JavaScript, and by axe's accessibility rules.
// Screenshots go to target/screenshots.

import assert from "node:assert/strict";
import { createServer } from "node:http";
import { after, before, describe, test } from "node:test";
import { launch, passPages, visitWith } from "./chromium.js";
import { looksWell } from "./looks.js";
import { freePort, Server } from "./server.js";

const PERSON = { username: "ada", password: "correct horse battery staple 9" };

let server, chromium, application, managing, api, CALLBACK;

before(async () => {
  // The application: it is enough that its address answers.
  const port = await freePort();
  CALLBACK = `http://127.0.0.1:${port}/callback`;
  application = createServer((_, response) => {
    response.setHeader("content-type", "text/html");
    response.end("<title>application</title>back");
  }).listen(port, "127.0.0.1");
  server = await Server.start({
    people: { [PERSON.username]: PERSON.password },
    clients: {
      "A reading room": {
        redirect_uris: [CALLBACK],
        post_logout_redirect_uris: [`http://127.0.0.1:${port}/out`],
        grant_types: ["authorization_code", "refresh_token"],
        response_types: ["code"],
        token_endpoint_auth_method: "none",
        scope: "openid profile email offline_access read",
        client_uri: "https://reading-room.example",
      },
    },
  });
  await addApi();
  api = await server.addClient("weather", {
    grant_types: ["client_credentials"],
    response_types: [],
    token_endpoint_auth_method: "client_secret_basic",
    protected_resources: ["https://weather.example/v1"],
  });
  chromium = await launch();
});

after(async () => {
  await chromium?.close();
  application?.close();
  application?.closeAllConnections();
  await server?.stop();
});

function authorizeAddress(more = {}) {
  const url = new URL(`${server.issuer}/authorize`);
  url.search = new URLSearchParams({
    response_type: "code",
    client_id: server.clients["A reading room"].client_id,
    redirect_uri: CALLBACK,
    scope: "openid profile email offline_access",
    state: "s",
    code_challenge: "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM",
    code_challenge_method: "S256",
    ...more,
  });
  return url.href;
}

// An API whose keys people make, and what a machine needs to add it.
async function addApi() {
  const manager = await server.addClient("manager", {
    grant_types: ["client_credentials"],
    token_endpoint_auth_method: "client_secret_post",
    scope: "apis:manage keys:create keys:any",
    resources: [server.issuer],
  });
  const form = { grant_type: "client_credentials", scope: "apis:manage keys:create keys:any", ...manager };
  const pick = ({ grant_type, scope, client_id, client_secret }) => ({ grant_type, scope, client_id, client_secret });
  const granted = await fetch(`${server.issuer}/token`, { method: "POST", body: new URLSearchParams(pick(form)) });
  const { access_token } = await granted.json();
  managing = { authorization: `Bearer ${access_token}`, "content-type": "application/json" };
  const added = await fetch(`${server.issuer}/v1/apis`, {
    method: "POST",
    headers: managing,
    body: JSON.stringify({
      name: "weather",
      audience: "https://weather.example/v1",
      policy: {
        v: 1,
        rate: [{ name: "burst", by: "family", limit: 5, per: "1s", burst: 10 }],
        quota: [{ name: "month", limit: 10000, per: "month" }],
      },
      settings: { scopes: "weather.read weather.write", public_keys: true },
    }),
  });
  assert.equal(added.status, 201, await added.text());
}

const visit = (options) => visitWith(chromium, options);

async function toSignIn(page) {
  await page.goto(authorizeAddress());
  await page.waitForSelector("input[name=password]");
}

async function toConsent(page) {
  await toSignIn(page);
  await page.fill("input[name=username]", PERSON.username);
  await page.fill("input[name=password]", PERSON.password);
  await page.keyboard.press("Enter");
  await page.waitForSelector("button[name=decision][value=allow]");
}

async function toAccount(page) {
  await page.goto(`${server.issuer}/account`);
  await passPages(page, `${server.issuer}/account`, PERSON);
}

// Keys: each page makes what it needs.
async function toKeyForm(page) {
  await toAccount(page);
  await page.goto(`${server.issuer}/account/keys/new?api=weather&for=server`);
}

async function toNewKey(page) {
  await toKeyForm(page);
  await page.fill("input[name=name]", "Nightly backup");
  await page.fill("textarea[name=addresses]", "203.0.113.9\n2001:db8::/48");
  await page.check("input[name=scope]");
  await page.click("button.main");
  await page.waitForSelector("pre.secret");
}

async function toKey(page) {
  await toNewKey(page);
  await stored(page);
  await page.waitForSelector("#check");
}

// The page of a key that was used this minute, by whoever may and by somebody else.
async function toUsedKey(page) {
  await toNewKey(page);
  const key = (await page.locator("pre.secret").innerText()).trim();
  const authorization = `Basic ${Buffer.from(`${api.client_id}:${api.client_secret}`).toString("base64")}`;
  const headers = { authorization, "content-type": "application/json" };
  for (const ip of [...Array(7).fill("203.0.113.9"), "198.51.100.7", "198.51.100.7"]) {
    const body = JSON.stringify({ key, scopes: ["weather.read"], request: { ip } });
    const asked = await fetch(`${server.issuer}/v1/keys/verify`, { method: "POST", headers, body });
    assert.equal((await asked.json()).valid, ip === "203.0.113.9");
  }
  await stored(page);
  await page.waitForSelector("#check");
  // What was counted in memory is written down within seconds.
  for (const until = Date.now() + 30_000; ; await page.reload()) {
    if (await page.locator("svg.chart").count()) break;
    assert.ok(Date.now() < until, "its use is never shown");
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
  await page.click("details summary");
}

// The page that shows the key that takes the place of another.
async function toSuccessor(page) {
  await toKey(page);
  await page.click("a.main");
  await page.click("button.main");
  await page.waitForSelector("pre.secret");
}

// Past the page that shows a key: it wants to hear that the key is kept somewhere.
async function stored(page) {
  await page.check("#stored");
  await page.click("button.main");
}

// A link with which a key is claimed.
async function makeLink() {
  const key = { api: "weather", name: "Partner integration", scope: "weather.read", anywhere: true };
  const made = await fetch(`${server.issuer}/v1/keys/claims`, {
    method: "POST",
    headers: managing,
    body: JSON.stringify({ key }),
  });
  assert.equal(made.status, 201);
  return (await made.json()).link;
}

async function toOffer(page, link) {
  await page.goto(link ?? (await makeLink()));
  await page.click("button.main");
  await page.waitForSelector("button[value=make]");
}

async function toClaimed(page, link) {
  await toOffer(page, link);
  await page.click("button[value=make]");
  await page.waitForSelector("pre.secret");
}

const CLAIM_PAGES = {
  claim: async (page) => page.goto(await makeLink()),
  "claim-unknown": async (page) => {
    await page.goto(`${server.issuer}/claim`);
    await page.fill("#code", "kw_claim_nothing");
    await page.click("button.main");
    await page.waitForSelector(".wrong");
  },
  "claim-offer": (page) => toOffer(page),
  "claim-made": (page) => toClaimed(page),
  "claim-again": async (page) => {
    const link = await makeLink();
    await toClaimed(page, link);
    await page.goto("about:blank");
    await page.goto(link);
    await page.click("button.main");
    await page.waitForSelector("[role=alert]");
  },
};

const KEY_PAGES = {
  "keys-none": async (page) => {
    await toAccount(page);
    await page.goto(`${server.issuer}/account/keys`);
  },
  "key-for": async (page) => {
    await toAccount(page);
    await page.goto(`${server.issuer}/account/keys/new`);
  },
  "key-new": toKeyForm,
  "key-new-problem": async (page) => {
    await toKeyForm(page);
    await page.fill("textarea[name=addresses]", "nonsense");
    await page.fill("input[name=name]", "Backup");
    await page.click("button.main");
    await page.waitForSelector("[role=alert]");
  },
  "key-made": toNewKey,
  key: toKey,
  "key-used": toUsedKey,
  "key-check": async (page) => {
    await toKey(page);
    await page.fill("input[name=address]", "198.51.100.7");
    await page.fill("input[name=method]", "GET");
    await page.fill("input[name=path]", "/today");
    await page.click("#check button");
    await page.waitForSelector(".findings");
  },
  "key-rotate": async (page) => {
    await toKey(page);
    await page.click("a.main");
    await page.waitForSelector("input[name=overlap]");
  },
  "key-successor": toSuccessor,
  "key-rotated": async (page) => {
    await toSuccessor(page);
    await stored(page);
    await page.waitForSelector("#check");
  },
  "key-off": async (page) => {
    await toKey(page);
    await page.click("button[value=disable]");
    await page.waitForSelector("button[value=enable]");
  },
  "key-revoke": async (page) => {
    await toKey(page);
    await page.click("a.danger");
    await page.waitForSelector("button.danger");
  },
  keys: async (page) => {
    await toKey(page);
    await page.goto(`${server.issuer}/account/keys`);
  },
};

const PAGES = {
  "sign-in": toSignIn,
  "sign-in-failed": async (page) => {
    await toSignIn(page);
    await page.fill("input[name=username]", PERSON.username);
    await page.fill("input[name=password]", "not this one at all");
    await page.keyboard.press("Enter");
    await page.waitForSelector("[role=alert]");
  },
  consent: toConsent,
  account: toAccount,
  ...Object.fromEntries(
    ["profile", "password", "sessions", "consents"].map((part) => [
      `account-${part}`,
      async (page) => {
        await toAccount(page);
        await page.goto(`${server.issuer}/account/${part}`);
      },
    ]),
  ),
  "sign-out": async (page) => {
    await toAccount(page);
    await page.goto(`${server.issuer}/end_session`);
  },
  "signed-out": async (page) => {
    await toAccount(page);
    await page.goto(`${server.issuer}/end_session`);
    await page.click("button[name=decision][value=sign_out]");
  },
  home: (page) => page.goto(`${server.issuer}/`),
  dead: (page) => page.goto(authorizeAddress({ redirect_uri: "https://elsewhere.example/" })),
  "not-found": (page) => page.goto(`${server.issuer}/no-such-page`),
  ...KEY_PAGES,
  ...CLAIM_PAGES,
};

for (const [name, go] of Object.entries(PAGES)) looksWell(name, go, visit);

describe("by keyboard alone", () => {
  // Tabs until the focus is on what `selector` names, and checks that the focus can be seen.
  async function tabTo(page, selector) {
    for (let press = 0; press < 40; press++) {
      if (await page.evaluate((s) => document.activeElement?.matches(s), selector)) {
        const visible = await page.evaluate(() => {
          const style = getComputedStyle(document.activeElement);
          return (style.outlineStyle !== "none" && style.outlineWidth !== "0px") || style.boxShadow !== "none";
        });
        assert.ok(visible, `focus on ${selector} cannot be seen`);
        return;
      }
      await page.keyboard.press("Tab");
    }
    assert.fail(`no way to ${selector} by Tab`);
  }

  test("sign-in, consent, account, sign-out", async () => {
    const { context, page } = await visit();
    await toSignIn(page);
    await tabTo(page, "input[name=username]");
    await page.keyboard.type(PERSON.username);
    await tabTo(page, "input[name=password]");
    await page.keyboard.type(PERSON.password);
    await page.keyboard.press("Enter");
    await page.waitForSelector("button[name=decision]");
    await tabTo(page, "button[name=decision][value=allow]");
    await page.keyboard.press("Enter");
    await page.waitForURL(`${CALLBACK}**`);
    assert.ok(new URL(page.url()).searchParams.get("code"));
    await page.goto(`${server.issuer}/account`);
    await tabTo(page, "main a[href], main button");
    await page.goto(`${server.issuer}/end_session`);
    await tabTo(page, "button[name=decision][value=sign_out]");
    await Promise.all([page.waitForNavigation(), page.keyboard.press("Enter")]);
    await page.goto(authorizeAddress());
    await page.waitForSelector("input[name=password]");
    await context.close();
  });

  test("a key is made, tried, rotated and revoked", async () => {
    const { context, page } = await visit();
    await toAccount(page);
    await page.goto(`${server.issuer}/account/keys`);
    const enter = async (selector, next) => {
      await tabTo(page, selector);
      await page.keyboard.press("Enter");
      await page.waitForSelector(next);
    };
    await enter("a.main", ".paths a");
    await enter(".paths a", "input[name=name]");
    await tabTo(page, "input[name=name]");
    await page.keyboard.type("By keyboard");
    await tabTo(page, "input[name=scope]");
    await page.keyboard.press("Space");
    await tabTo(page, "textarea[name=addresses]");
    await page.keyboard.type("203.0.113.9");
    await enter("button.main", "pre.secret");
    const keep = async () => {
      await tabTo(page, "#stored");
      await page.keyboard.press("Space");
      await enter("button.main", "#check");
    };
    await keep();
    await tabTo(page, "input[name=address]");
    await page.keyboard.type("203.0.113.9");
    await enter("#check button", ".findings");
    assert.match(await page.locator("#check").innerText(), /It would pass/);
    await page.goto(page.url().replace(/\/check$/, ""));
    await enter("a.main", "input[name=overlap]");
    await enter("button.main", "pre.secret");
    await keep();
    await enter("a.danger", "button.danger");
    await enter("button.danger", "text=/revoked for good/");
    await context.close();
  });
});

describe("without JavaScript", () => {
  test("sign-in, consent and account work as they do with it", async () => {
    const { context, page } = await visit({ javaScriptEnabled: false });
    await page.goto(authorizeAddress());
    const seen = await passPages(page, CALLBACK, PERSON);
    assert.equal(seen[0], "sign-in");
    const answer = new URL(page.url()).searchParams;
    assert.ok(answer.get("code"));
    assert.equal(answer.get("iss"), server.issuer);
    assert.equal(answer.get("state"), "s");
    await page.goto(`${server.issuer}/account`);
    assert.ok(page.url().startsWith(`${server.issuer}/account`));
    assert.match(await page.locator("body").innerText(), new RegExp(PERSON.username));
    await context.close();
  });

  test("a key is made, shown once, and not again", async () => {
    const { context, page } = await visit({ javaScriptEnabled: false });
    await toNewKey(page);
    const key = (await page.locator("pre.secret").innerText()).trim();
    assert.match(key, /^kw_live_[0-9A-Za-z]{40,}$/);
    assert.ok(!page.url().includes(key));
    await page.reload();
    assert.ok(!(await page.content()).includes(key), "a reload shows no key and makes no other");
    await context.close();
  });

  test("a claim link is pasted, looked at, and used once", async () => {
    const link = await makeLink();
    const { context, page } = await visit({ javaScriptEnabled: false });
    await page.goto(link);
    assert.equal(await page.inputValue("#code"), "", "nothing but the browser has seen what is behind the #");
    await page.fill("#code", link);
    await page.click("button.main");
    await page.click("button[value=make]");
    const key = (await page.locator("pre.secret").innerText()).trim();
    assert.match(key, /^kw_live_[0-9A-Za-z]{40,}$/);
    await context.close();
    const other = await visit();
    await other.page.goto(link);
    await other.page.click("button.main");
    assert.match(await other.page.locator("main").innerText(), /Somebody else used this link before you/);
    await other.context.close();
  });

  test("form_post has a button to press", async () => {
    const { context, page } = await visit({ javaScriptEnabled: false });
    await page.goto(authorizeAddress({ response_mode: "form_post" }));
    for (let step = 0; step < 3; step++) {
      if (await page.locator("input[name=code]").count()) break;
      if (await page.locator("input[name=password]").count()) {
        await page.fill("input[name=username]", PERSON.username);
        await page.fill("input[name=password]", PERSON.password);
        await page.locator("form:has(input[name=password]) button:not([type=button])").first().click();
      } else await page.click("button[name=decision][value=allow]");
      await page.waitForLoadState("load");
    }
    await page.locator("form:has(input[name=code]) button").click();
    await page.waitForURL(`${CALLBACK}**`);
    await context.close();
  });
});

describe("a claim link with JavaScript", () => {
  test("what is behind the # goes into the form, out of the address and its history, and to no server", async () => {
    const link = await makeLink();
    const code = link.split("#")[1];
    const { context, page } = await visit();
    const asked = [];
    page.on("request", (request) => asked.push(`${request.url()} ${request.headers().referer ?? ""}`));
    await page.goto(link);
    assert.equal(await page.inputValue("#code"), code);
    assert.ok(!page.url().includes(code));
    await page.click("button.main");
    await page.waitForSelector("button[value=make]");
    assert.ok(asked.length > 2 && asked.every((one) => !one.includes(code)), asked.join("\n"));
    await context.close();
  });

  test("a key is not left before somebody says that it is stored", async () => {
    const { context, page } = await visit();
    await toNewKey(page);
    const before = await page.content();
    await page.click("button.main");
    assert.ok((await page.locator("pre.secret").count()) === 1 && before.includes("I stored it"));
    await stored(page);
    await page.waitForSelector("#check");
    await context.close();
  });
});

describe("what a page may do", () => {
  test("every page forbids framing, foreign scripts and storing", async () => {
    for (const address of [authorizeAddress(), `${server.issuer}/account`, authorizeAddress({ client_id: "nobody" })]) {
      const reply = await fetch(address);
      const policy = reply.headers.get("content-security-policy") ?? "";
      assert.match(policy, /default-src 'none'/, address);
      assert.match(policy, /frame-ancestors 'none'/, address);
      assert.doesNotMatch(policy, /unsafe-(inline|eval)/, address);
      assert.equal(reply.headers.get("x-content-type-options"), "nosniff", address);
      assert.match(reply.headers.get("cache-control") ?? "", /no-store/, address);
      assert.match(reply.headers.get("referrer-policy") ?? "", /^(no-referrer|same-origin)$/, address);
    }
  });
});
