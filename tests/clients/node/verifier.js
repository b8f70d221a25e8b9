// Verifies what comes on standard input, a token in a line, by jose's remote set as it is when nobody sets anything.

import { createInterface } from "node:readline";
import * as jose from "jose";

const [issuer, audience] = process.argv.slice(2);
const keys = jose.createRemoteJWKSet(new URL(`${issuer}/jwks`));
for await (const token of createInterface({ input: process.stdin })) {
  let told = "";
  // A machine that is busy for five seconds is no answer: then it asks again.
  for (let tries = 0; tries < 3 && (told === "" || told?.startsWith("ERR_JWKS_TIMEOUT")); tries++)
    told = await jose.jwtVerify(token.trim(), keys, { issuer, audience }).then(
      () => null,
      (why) => `${why.code}: ${why.message}`,
    );
  console.log(JSON.stringify(told));
}
