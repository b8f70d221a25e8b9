// npm openid-client 6: everything a web application and a service do.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import * as jose from "jose";
import * as client from "openid-client";
import { Browser, press, text, walk } from "./browser.js";
import { Server } from "./server.js";

const CALLBACK = "https://app.example/callback";
const SIGNED_OUT = "https://app.example/signed-out";
const API = "https://api.example";
const PERSON = { username: "ada", password: "correct horse battery staple 9" };

let server;
let signingKey;
// What applications read by that want their ID tokens encrypted.
const readers = {};

before(async () => {
  const pair = await jose.generateKeyPair("ES256", { extractable: true });
  signingKey = { key: pair.privateKey, kid: "one" };
  const jwk = { ...(await jose.exportJWK(pair.publicKey)), kid: "one", alg: "ES256", use: "sig" };
  const web = {
    redirect_uris: [CALLBACK],
    post_logout_redirect_uris: [SIGNED_OUT],
    grant_types: ["authorization_code", "refresh_token"],
    response_types: ["code"],
    scope: "openid profile email offline_access read write",
    resources: [API],
    id_token_signed_response_alg: "RS256",
  };
  const encrypted = {};
  for (const alg of ["ECDH-ES", "RSA-OAEP-256"]) {
    const { publicKey, privateKey } = await jose.generateKeyPair(alg, { extractable: true });
    readers[alg] = privateKey;
    const read = { ...(await jose.exportJWK(publicKey)), kid: `reads ${alg}`, alg, use: "enc" };
    encrypted[alg] = {
      ...web, token_endpoint_auth_method: "client_secret_post", jwks: { keys: [read] }, userinfo_signed_response_alg: "ES256",
      id_token_encrypted_response_alg: alg, id_token_encrypted_response_enc: "A256GCM",
      userinfo_encrypted_response_alg: alg, userinfo_encrypted_response_enc: "A256GCM",
    };
  }
  const service = { grant_types: ["client_credentials"], redirect_uris: [], response_types: [], scope: "read write", resources: [API] };
  server = await Server.start({
    people: { [PERSON.username]: PERSON.password },
    clients: {
      web: { ...web, token_endpoint_auth_method: "client_secret_basic" },
      webPost: { ...web, token_endpoint_auth_method: "client_secret_post", id_token_signed_response_alg: "ES256" },
      webKey: { ...web, token_endpoint_auth_method: "private_key_jwt", jwks: { keys: [jwk] } },
      publicApp: { ...web, token_endpoint_auth_method: "none", id_token_signed_response_alg: "ES256" },
      firstParty: { ...web, id_token_signed_response_alg: "ES256", token_endpoint_auth_method: "none", first_party: true },
      ...encrypted,
      service: { ...service, token_endpoint_auth_method: "client_secret_basic" },
      servicePost: { ...service, token_endpoint_auth_method: "client_secret_post" },
      serviceKey: { ...service, token_endpoint_auth_method: "private_key_jwt", jwks: { keys: [jwk] } },
      api: { ...service, token_endpoint_auth_method: "client_secret_basic", protected_resources: [API] },
    },
  });
});

after(() => server?.stop());

async function discover(name) {
  const { client_id, client_secret } = server.clients[name];
  const proof = {
    web: () => client.ClientSecretBasic(client_secret),
    service: () => client.ClientSecretBasic(client_secret),
    api: () => client.ClientSecretBasic(client_secret),
    webPost: () => client.ClientSecretPost(client_secret),
    servicePost: () => client.ClientSecretPost(client_secret),
    webKey: () => client.PrivateKeyJwt(signingKey),
    serviceKey: () => client.PrivateKeyJwt(signingKey),
    publicApp: () => client.None(),
    firstParty: () => client.None(),
  }[name]();
  const metadata = { id_token_signed_response_alg: name.startsWith("web") && name !== "webPost" ? "RS256" : "ES256" };
  return client.discovery(new URL(server.issuer), client_id, metadata, proof, { execute: [client.allowInsecureRequests] });
}

// One sign-in by code + PKCE: returns the tokens and what was needed to get them.
async function signIn(config, { browser = new Browser(), more = {}, decision, exchange = {} } = {}) {
  const verifier = client.randomPKCECodeVerifier();
  const state = client.randomState();
  const nonce = client.randomNonce();
  const url = client.buildAuthorizationUrl(config, {
    redirect_uri: CALLBACK,
    scope: "openid profile email",
    code_challenge: await client.calculatePKCECodeChallenge(verifier),
    code_challenge_method: "S256",
    state,
    nonce,
    ...more,
  });
  const end = await walk(browser, await browser.open(url), { ...PERSON, decision });
  assert.ok(end.left, end.page && text(end.page));
  assert.equal(end.left.origin + end.left.pathname, CALLBACK);
  const answer = end.posted
    ? new Request(end.left, { method: "POST", body: end.posted, headers: { "content-type": "application/x-www-form-urlencoded" } })
    : end.left;
  const checks = { pkceCodeVerifier: verifier, expectedState: state, expectedNonce: nonce, idTokenExpected: true, ...exchange };
  const tokens = await client.authorizationCodeGrant(config, answer, checks);
  return { tokens, browser, seen: end.seen, answer, checks };
}

const refusedWith = (error, status) => (thrown) => {
  assert.equal(thrown.error, error, `${thrown} ${thrown.cause && JSON.stringify(thrown.cause)}`);
  if (status) assert.equal(thrown.status, status);
  return true;
};

describe("discovery", () => {
  test("it names this issuer and what the client needs", async () => {
    const found = (await discover("web")).serverMetadata();
    assert.equal(found.issuer, server.issuer);
    assert.ok(found.supportsPKCE());
    assert.equal(found.authorization_response_iss_parameter_supported, true);
    assert.deepEqual(found.response_types_supported, ["code"]);
    for (const method of ["client_secret_basic", "client_secret_post", "private_key_jwt", "none"])
      assert.ok(found.token_endpoint_auth_methods_supported.includes(method), method);
  });

  test("RFC 8414 metadata says the same", async () => {
    const { client_id, client_secret } = server.clients.service;
    const config = await client.discovery(new URL(server.issuer), client_id, undefined, client.ClientSecretBasic(client_secret), {
      algorithm: "oauth2",
      execute: [client.allowInsecureRequests],
    });
    assert.equal(config.serverMetadata().token_endpoint, (await discover("service")).serverMetadata().token_endpoint);
  });
});

describe("code and PKCE", () => {
  for (const name of ["web", "webPost", "webKey", "publicApp"]) {
    test(`a person signs in to a client of kind ${name}`, async () => {
      const config = await discover(name);
      const { tokens, seen } = await signIn(config);
      assert.deepEqual(seen, ["sign-in", "consent"]);
      const claims = tokens.claims();
      assert.equal(claims.iss, server.issuer);
      assert.equal(claims.aud, server.clients[name].client_id);
      assert.ok(claims.sub && claims.auth_time && claims.sid);
      assert.deepEqual(claims.amr, ["pwd"]);
      assert.equal(tokens.token_type.toLowerCase(), "bearer");
      assert.ok(tokens.expires_in > 0 && tokens.expires_in <= 600);
      const person = await client.fetchUserInfo(config, tokens.access_token, claims.sub);
      assert.equal(person.sub, claims.sub);
      assert.equal(person.preferred_username, PERSON.username);
    });
  }

  test("consent is remembered, and a first-party client asks for none", async () => {
    const config = await discover("web");
    const { browser } = await signIn(config);
    assert.deepEqual((await signIn(config, { browser })).seen, []);
    assert.deepEqual((await signIn(await discover("firstParty"))).seen, ["sign-in"]);
  });

  test("form_post brings the answer by POST", async () => {
    const { tokens, seen } = await signIn(await discover("web"), { more: { response_mode: "form_post" } });
    assert.ok(seen.includes("form_post"));
    assert.ok(tokens.access_token);
  });

  test("a person who denies sends access_denied", async () => {
    const attempt = signIn(await discover("webPost"), { more: { prompt: "consent" }, decision: "deny" });
    await assert.rejects(attempt, refusedWith("access_denied"));
  });

  test("prompt=none answers login_required without a session and a code with one", async () => {
    const config = await discover("web");
    await assert.rejects(signIn(config, { more: { prompt: "none" } }), refusedWith("login_required"));
    const { browser } = await signIn(config);
    const { seen } = await signIn(config, { browser, more: { prompt: "none" } });
    assert.deepEqual(seen, []);
  });

  test("prompt=login asks again and gives a new auth_time", async () => {
    const config = await discover("web");
    const first = await signIn(config);
    await new Promise((resolve) => setTimeout(resolve, 1100));
    const again = await signIn(config, { browser: first.browser, more: { prompt: "login" } });
    assert.deepEqual(again.seen, ["sign-in"]);
    assert.ok(again.tokens.claims().auth_time > first.tokens.claims().auth_time);
  });

  test("max_age is kept", async () => {
    const { tokens } = await signIn(await discover("web"), { more: { max_age: "60" }, exchange: { maxAge: 60 } });
    assert.ok(tokens.claims().auth_time);
  });

  test("a wrong verifier gets nothing", async () => {
    const attempt = signIn(await discover("web"), { exchange: { pkceCodeVerifier: client.randomPKCECodeVerifier() } });
    await assert.rejects(attempt, refusedWith("invalid_grant", 400));
  });

  test("a code used twice is refused, and what the first use got is revoked", async () => {
    const config = await discover("web");
    const { tokens, answer, checks } = await signIn(config, { more: { scope: "openid offline_access" } });
    await assert.rejects(client.authorizationCodeGrant(config, answer, checks), refusedWith("invalid_grant", 400));
    await assert.rejects(client.refreshTokenGrant(config, tokens.refresh_token), refusedWith("invalid_grant", 400));
  });

  test("the claims parameter brings what it asks for", async () => {
    const more = { scope: "openid", claims: JSON.stringify({ id_token: { preferred_username: null } }) };
    const { tokens } = await signIn(await discover("web"), { more });
    assert.equal(tokens.claims().preferred_username, PERSON.username);
  });
});

describe("encrypted", () => {
  for (const alg of ["ECDH-ES", "RSA-OAEP-256"]) {
    test(`an ID token and userinfo under ${alg} are opened by jose and openid-client, and by no other key`, async () => {
      const { client_id, client_secret } = server.clients[alg];
      const metadata = { id_token_signed_response_alg: "RS256", userinfo_signed_response_alg: "ES256" };
      const config = await client.discovery(new URL(server.issuer), client_id, metadata, client.ClientSecretPost(client_secret), {
        execute: [client.allowInsecureRequests],
      });
      assert.ok(config.serverMetadata().id_token_encryption_alg_values_supported.includes(alg));
      client.enableDecryptingResponses(config, ["A256GCM"], { key: readers[alg], alg, kid: `reads ${alg}` });
      const { tokens } = await signIn(config);
      const subject = tokens.claims().sub;
      // The same by jose alone: opened, and what is inside verified by the published keys.
      const opened = await jose.compactDecrypt(tokens.id_token, readers[alg], { contentEncryptionAlgorithms: ["A256GCM"] });
      assert.deepEqual(
        [opened.protectedHeader.alg, opened.protectedHeader.enc, opened.protectedHeader.cty, opened.protectedHeader.kid],
        [alg, "A256GCM", "JWT", `reads ${alg}`],
      );
      const keys = jose.createRemoteJWKSet(new URL(config.serverMetadata().jwks_uri));
      const inside = new TextDecoder().decode(opened.plaintext);
      const { payload } = await jose.jwtVerify(inside, keys, { issuer: server.issuer, audience: client_id });
      assert.equal(payload.sub, subject);
      const other = await jose.generateKeyPair(alg);
      await assert.rejects(jose.compactDecrypt(tokens.id_token, other.privateKey), { code: "ERR_JWE_DECRYPTION_FAILED" });
      const told = await client.fetchUserInfo(config, tokens.access_token, subject);
      assert.equal(told.preferred_username, PERSON.username);
    });
  }
});

// What an application encrypts for the server, by jose and a key that the server publishes for it.
async function sealed(alg, token) {
  const { keys } = await (await fetch(`${server.issuer}/jwks`)).json();
  const jwk = keys.find((key) => key.use === "enc" && key.alg === alg);
  return new jose.CompactEncrypt(new TextEncoder().encode(token))
    .setProtectedHeader({ alg, enc: "A256GCM", cty: "JWT", kid: jwk.kid })
    .encrypt(await jose.importJWK(jwk, alg));
}

describe("encrypted for the server", () => {
  for (const alg of ["ECDH-ES", "RSA-OAEP-256"]) {
    test(`an ID token that jose encrypts under ${alg} is a hint of whom to sign out`, async () => {
      const config = await discover("web");
      const { tokens, browser } = await signIn(config);
      const hint = await sealed(alg, tokens.id_token);
      const url = client.buildEndSessionUrl(config, { post_logout_redirect_uri: SIGNED_OUT, id_token_hint: hint });
      const end = await browser.open(url);
      assert.equal(end.left?.href, SIGNED_OUT, end.html && text(end));
    });

    test(`a client assertion that jose signs and then encrypts under ${alg} proves its client`, async () => {
      const { client_id } = server.clients.serviceKey;
      const now = Math.floor(Date.now() / 1000);
      const signed = await new jose.SignJWT({ iss: client_id, sub: client_id, aud: server.issuer, jti: `${alg} ${now}`, exp: now + 60 })
        .setProtectedHeader({ alg: "ES256", kid: signingKey.kid })
        .sign(signingKey.key);
      const form = { grant_type: "client_credentials", scope: "read", client_assertion: await sealed(alg, signed),
        client_assertion_type: "urn:ietf:params:oauth:client-assertion-type:jwt-bearer" };
      const reply = await fetch(`${server.issuer}/token`, { method: "POST", body: new URLSearchParams(form) });
      assert.equal(reply.status, 200, await reply.clone().text());
    });
  }
});

describe("refresh", () => {
  test("each use gives new tokens of the same person, and userinfo takes them", async () => {
    const config = await discover("web");
    let { tokens } = await signIn(config, { more: { scope: "openid profile offline_access" } });
    const { sub } = tokens.claims();
    for (let turn = 0; turn < 3; turn++) {
      const next = await client.refreshTokenGrant(config, tokens.refresh_token);
      assert.notEqual(next.refresh_token, tokens.refresh_token);
      assert.equal(next.claims()?.sub ?? sub, sub);
      await client.fetchUserInfo(config, next.access_token, sub);
      tokens = next;
    }
  });

  test("an answer lost on the way can be asked for again", async () => {
    const config = await discover("publicApp");
    const { tokens } = await signIn(config, { more: { scope: "openid offline_access" } });
    const once = await client.refreshTokenGrant(config, tokens.refresh_token);
    const again = await client.refreshTokenGrant(config, tokens.refresh_token);
    assert.equal(again.refresh_token, once.refresh_token);
  });

  test("scope can be narrowed, and the next refresh has all of it again", async () => {
    const config = await discover("web");
    const { tokens } = await signIn(config, { more: { scope: "openid offline_access read write" } });
    const narrow = await client.refreshTokenGrant(config, tokens.refresh_token, { scope: "read" });
    assert.equal(narrow.scope, "read");
    const whole = await client.refreshTokenGrant(config, narrow.refresh_token);
    assert.deepEqual(jose.decodeJwt(whole.access_token).scope.split(" ").sort(), ["offline_access", "openid", "read", "write"]);
    await assert.rejects(client.refreshTokenGrant(config, whole.refresh_token, { scope: "read admin" }), refusedWith("invalid_scope", 400));
  });

  test("a refresh token is bound to its client", async () => {
    const { tokens } = await signIn(await discover("publicApp"), { more: { scope: "openid offline_access" } });
    await assert.rejects(client.refreshTokenGrant(await discover("web"), tokens.refresh_token), refusedWith("invalid_grant", 400));
  });
});

describe("client credentials", () => {
  for (const name of ["service", "servicePost", "serviceKey"]) {
    test(`a client of kind ${name} gets an at+jwt for its resource, which verifies through JWKS`, async () => {
      const config = await discover(name);
      const tokens = await client.clientCredentialsGrant(config, { scope: "read", resource: API });
      assert.equal(tokens.refresh_token, undefined);
      const keys = jose.createRemoteJWKSet(new URL(config.serverMetadata().jwks_uri));
      const { payload, protectedHeader } = await jose.jwtVerify(tokens.access_token, keys, {
        issuer: server.issuer,
        audience: API,
        typ: "at+jwt",
      });
      assert.equal(protectedHeader.alg, "ES256");
      assert.equal(payload.client_id, server.clients[name].client_id);
      assert.equal(payload.sub, payload.client_id);
      assert.equal(payload.scope, "read");
      assert.ok(payload.jti);
    });
  }

  test("a wrong secret is invalid_client with 401", async () => {
    const { client_id, client_secret } = server.clients.service;
    const wrong = (client_secret[10] === "x" ? "y" : "x") + client_secret.slice(1);
    const config = await client.discovery(new URL(server.issuer), client_id, undefined, client.ClientSecretBasic(wrong), {
      execute: [client.allowInsecureRequests],
    });
    const thrown = await client.clientCredentialsGrant(config).catch((error) => error);
    // openid-client looks at the challenge before the body.
    assert.equal(thrown.status, 401);
    assert.deepEqual(thrown.cause.map(({ scheme }) => scheme), ["basic"]);
    assert.equal((await thrown.response.json()).error, "invalid_client");
  });

  test("a scope or a resource that is not the client's is refused", async () => {
    const config = await discover("service");
    await assert.rejects(client.clientCredentialsGrant(config, { scope: "admin" }), refusedWith("invalid_scope", 400));
    await assert.rejects(client.clientCredentialsGrant(config, { resource: "https://other.example" }), refusedWith("invalid_target", 400));
  });

  test("an assertion is good once", async () => {
    const config = await discover("serviceKey");
    const assertion = await new jose.SignJWT({})
      .setProtectedHeader({ alg: "ES256", kid: signingKey.kid })
      .setIssuer(server.clients.serviceKey.client_id)
      .setSubject(server.clients.serviceKey.client_id)
      .setAudience(server.issuer)
      .setJti(client.randomNonce())
      .setIssuedAt()
      .setExpirationTime("1m")
      .sign(signingKey.key);
    const body = new URLSearchParams({
      grant_type: "client_credentials",
      client_assertion_type: "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
      client_assertion: assertion,
    });
    const ask = () => fetch(config.serverMetadata().token_endpoint, { method: "POST", body });
    assert.equal((await ask()).status, 200);
    const second = await ask();
    assert.equal(second.status, 401);
    assert.equal((await second.json()).error, "invalid_client");
  });
});

describe("userinfo", () => {
  test("a token of a service, and no token, are refused with a challenge", async () => {
    const config = await discover("service");
    const { access_token } = await client.clientCredentialsGrant(config, { scope: "read", resource: API });
    const endpoint = config.serverMetadata().userinfo_endpoint;
    const refused = await fetch(endpoint, { headers: { authorization: `Bearer ${access_token}` } });
    assert.ok([401, 403].includes(refused.status));
    assert.match(refused.headers.get("www-authenticate"), /^Bearer .*error="(invalid_token|insufficient_scope)"/);
    const bare = await fetch(endpoint);
    assert.equal(bare.status, 401);
    assert.match(bare.headers.get("www-authenticate"), /^Bearer/i);
    assert.doesNotMatch(bare.headers.get("www-authenticate"), /error=/);
  });
});

describe("introspection and revocation", () => {
  test("the resource server sees a token of its audience; a stranger sees nothing", async () => {
    const { access_token } = await client.clientCredentialsGrant(await discover("service"), { scope: "read", resource: API });
    const seen = await client.tokenIntrospection(await discover("api"), access_token);
    assert.equal(seen.active, true);
    assert.equal(seen.scope, "read");
    assert.equal(seen.client_id, server.clients.service.client_id);
    assert.deepEqual(await client.tokenIntrospection(await discover("servicePost"), access_token), { active: false });
  });

  test("a revoked access token is inactive", async () => {
    const config = await discover("service");
    const { access_token } = await client.clientCredentialsGrant(config, { scope: "read", resource: API });
    assert.equal((await client.tokenIntrospection(config, access_token)).active, true);
    await client.tokenRevocation(config, access_token);
    assert.deepEqual(await client.tokenIntrospection(config, access_token), { active: false });
  });

  test("revoking a refresh token ends the whole grant", async () => {
    const config = await discover("web");
    const { tokens } = await signIn(config, { more: { scope: "openid offline_access" } });
    assert.equal((await client.tokenIntrospection(config, tokens.refresh_token)).active, true);
    await client.tokenRevocation(config, tokens.refresh_token, { token_type_hint: "refresh_token" });
    assert.deepEqual(await client.tokenIntrospection(config, tokens.refresh_token), { active: false });
    assert.deepEqual(await client.tokenIntrospection(config, tokens.access_token), { active: false });
    await assert.rejects(client.refreshTokenGrant(config, tokens.refresh_token), refusedWith("invalid_grant", 400));
    await assert.rejects(client.fetchUserInfo(config, tokens.access_token, tokens.claims().sub));
  });
});

describe("end session", () => {
  test("with the ID token as a hint the person is signed out and comes back with the state", async () => {
    const config = await discover("web");
    const { tokens, browser } = await signIn(config);
    const url = client.buildEndSessionUrl(config, {
      id_token_hint: tokens.id_token,
      post_logout_redirect_uri: SIGNED_OUT,
      state: "back",
    });
    const end = await browser.open(url);
    assert.equal(end.left?.href, `${SIGNED_OUT}?state=back`, end.html && text(end));
    await assert.rejects(signIn(config, { browser, more: { prompt: "none" } }), refusedWith("login_required"));
  });

  test("without a hint the person is asked first", async () => {
    const config = await discover("web");
    const { browser } = await signIn(config);
    const page = await browser.open(client.buildEndSessionUrl(config));
    assert.equal(page.status, 200);
    assert.equal((await signIn(config, { browser, more: { prompt: "none" } })).seen.length, 0);
    const done = await press(browser, page, "decision", "sign_out");
    assert.ok(done.status === 200, text(done));
    await assert.rejects(signIn(config, { browser, more: { prompt: "none" } }), refusedWith("login_required"));
  });

  test("a refresh token without offline_access ends with the session; one with it lives on", async () => {
    const config = await discover("web");
    const browser = new Browser();
    const { tokens: bound } = await signIn(config, { browser, more: { scope: "openid" } });
    const { tokens: offline } = await signIn(config, { browser, more: { scope: "openid offline_access" } });
    assert.ok(bound.refresh_token && offline.refresh_token);
    await browser.open(client.buildEndSessionUrl(config, { id_token_hint: bound.id_token, post_logout_redirect_uri: SIGNED_OUT }));
    await assert.rejects(client.refreshTokenGrant(config, bound.refresh_token), refusedWith("invalid_grant", 400));
    assert.ok((await client.refreshTokenGrant(config, offline.refresh_token)).access_token);
  });
});
