// The README's program in Node, as it stands there, on tokens of a server.

import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { test } from "node:test";
import { pathToFileURL } from "node:url";

import { developersServer } from "./harness.mjs";

const readme = readFileSync(`${process.env.BROWSER_TEST_ROOT}/README.md`, "utf8");
const started = /cargo run --release -- dev (--tokens-algorithm ES256)\n/.exec(readme)?.[1];
assert.ok(started, "the README starts the server in another way");
const server = developersServer(...started.split(" "));

test("the README's program takes the token of a login and no other", async () => {
  const shown = /```js\n(.*?)```/s.exec(readme)[1];
  // Node.js looks for packages above the file that imports them.
  const file = `${process.cwd()}/readme-caller.mjs`;
  writeFileSync(file, shown.replace("http://127.0.0.1:8000", server.url));
  const { caller } = await import(pathToFileURL(file));

  const { email, password } = server.user;
  const headers = { "Content-Type": "application/json" };
  const body = JSON.stringify({ email, password });
  const answer = await (await fetch(`${server.url}/login`, { method: "POST", headers, body })).json();
  const token = answer.access_token;
  const payload = await caller(`Bearer ${token}`);
  assert.deepEqual(payload.roles, ["user"]);
  assert.match(payload.sub, /^[0-9a-f-]{36}$/);

  const [header, claims, signature] = token.split(".");
  const admin = { ...JSON.parse(Buffer.from(claims, "base64url")), roles: ["admin"] };
  const forged = [header, Buffer.from(JSON.stringify(admin)).toString("base64url"), signature].join(".");
  await assert.rejects(caller(`Bearer ${forged}`), /signature/);
  await assert.rejects(caller(`Basic ${token}`), /not a bearer token/);
  await assert.rejects(caller(), /not a bearer token/);
});
