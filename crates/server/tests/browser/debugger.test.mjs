// The debugger: what the page says of a token, and what the server answers to it.

import assert from "node:assert/strict";
import { createHmac, generateKeyPairSync, sign } from "node:crypto";

import { developersServer, look, seen } from "./harness.mjs";

const server = developersServer();
const pairs = developersServer("--tokens-algorithm", "ES256");
const REFUSED = { expected: /status of 401/ };

async function tokenOf({ url, user }) {
  const body = JSON.stringify({ email: user.email, password: user.password });
  const answer = await fetch(`${url}/login`, { method: "POST", headers: { "content-type": "application/json" }, body });
  return (await answer.json()).access_token;
}

const part = (json) => Buffer.from(typeof json === "string" ? json : JSON.stringify(json)).toString("base64url");
const payloadOf = (token) => JSON.parse(Buffer.from(token.split(".")[1], "base64url"));
const soon = () => Math.floor(Date.now() / 1000) + 252;

function mac(payload, secret, header = { alg: "HS256", typ: "JWT" }) {
  const signed = `${part(header)}.${part(payload)}`;
  return `${signed}.${createHmac("sha256", secret).update(signed).digest("base64url")}`;
}

/** What is sent from here on, as the method and the path of each request. */
function sent(page) {
  const requests = [];
  page.on("request", (request) => {
    if (/^https?:/.test(request.url()) && !request.url().includes("/static/")) requests.push(`${request.method()} ${new URL(request.url()).pathname}`);
  });
  return requests;
}

async function open(page, token) {
  await page.goto("/debugger");
  if (token !== undefined) await page.getByLabel("Token", { exact: true }).fill(token);
}

const verdict = (page) => page.locator("#verdict");
const says = async (place, text) => {
  await place.getByText(text).first().waitFor();
};

seen("a good token of a server with a secret is read here, and accepted there", server, async (page) => {
  const token = await tokenOf(server);
  await open(page);
  await says(verdict(page), "Paste a token to begin.");
  await look(page, "debugger-empty");
  const requests = sent(page);
  await page.getByLabel("Token", { exact: true }).fill(`Bearer ${token}`);
  await says(verdict(page), "Not judged");
  await says(verdict(page), "The signature can be checked by this server alone");
  const shown = page.locator("#shown");
  assert.equal(await shown.textContent(), token);
  for (const [place, kind] of ["head", "body", "sign"].entries()) {
    assert.equal(await shown.locator(`.${kind}`).textContent(), token.split(".")[place]);
  }
  const lines = await Promise.all(["head", "body", "sign"].map((kind) => shown.locator(`.${kind}`)
    .evaluate((span) => [getComputedStyle(span).textDecorationStyle, getComputedStyle(span).color].join())));
  assert.equal(new Set(lines.map((line) => line.split(",")[0])).size, 3, "told apart by more than colour");
  const payload = page.locator("#payload");
  await says(payload, "what the caller may do");
  await says(payload, /^expires in (9 min \d+ s|10 min): /);
  await says(payload, /^the account, made .* ago$/);
  await says(payload, "the login it belongs to, made");
  await says(page.locator("#header"), "one secret: who verifies can also sign");
  await says(page.locator("#elsewhere"), "Elsewhere, HS256: whoever has the secret verifies it");
  assert.deepEqual(requests, [], "nothing is sent until a button is pressed");
  await look(page, "debugger-good");
  await page.getByRole("button", { name: "Send it to this server and see the answer" }).first().click();
  await says(page.locator("#answer"), `The server lets it in, as ${server.user.email}.`);
  assert.deepEqual(requests, ["GET /me"]);
});

/** Presses the button of an attack, and answers what the page and then the server say to it. */
async function attack(page, name) {
  await page.getByRole("button", { name, exact: true }).click();
  await page.getByRole("heading", { name, exact: true }).waitFor();
  const code = await page.locator("#tried-verdict code").first().textContent({ timeout: 2_000 }).catch(() => "none");
  await page.locator("#send").click();
  const answer = page.locator("#tried-answer");
  await answer.locator(".badge").waitFor();
  return [code, await answer.locator(".badge").textContent(), await answer.locator("code").textContent()];
}

seen("each attack on a secret is refused, by the name of what gives it away", server, async (page) => {
  const token = await tokenOf(server);
  await open(page, token);
  const requests = sent(page);
  assert.deepEqual(await attack(page, "Make me an admin"), ["none", "401", "signature_invalid"]);
  assert.deepEqual(await page.locator("#changes td").allTextContents(), ["roles", '["user"]', '["admin","user"]']);
  await look(page, "debugger-admin");
  assert.deepEqual(await attack(page, "Say it needs no signature"), ["algorithm_mismatch", "401", "algorithm_mismatch"]);
  assert.deepEqual(await attack(page, "Sign it with another key"), ["none", "401", "signature_invalid"]);
  assert.deepEqual(new Set(requests), new Set(["GET /me"]));
  assert.deepEqual(await attack(page, "Let it be expired"), ["token_expired", "401", "token_expired"]);
  assert.deepEqual(await attack(page, "Let it be for somebody else"), ["audience_mismatch", "401", "audience_mismatch"]);
  assert.equal(requests.filter((request) => request === "POST /dev/tokens").length, 2);
  await page.getByRole("button", { name: "Take the public key for a secret: PEM" }).click();
  await says(page.locator("#tried-verdict"), "There is no public key to take");
  // The same again, asked from here: it was the server that refused.
  const forged = await page.evaluate(() => document.getElementById("tried-shown").textContent);
  const answer = await fetch(`${server.url}/me`, { headers: { authorization: `Bearer ${forged}` } });
  assert.equal((await answer.json()).code, "audience_mismatch");
}, REFUSED);

seen("with a key pair the page judges by itself, and the server says the same", pairs, async (page) => {
  const token = await tokenOf(pairs);
  await open(page, token);
  const requests = sent(page);
  await says(verdict(page), "Accepted");
  await says(verdict(page), "Header and payload are as they were signed.");
  await says(page.locator("#elsewhere"), "accepted by all 17 verifiers");
  await look(page, "debugger-pair");
  const [header, payload, signature] = token.split(".");
  const tampered = part({ ...payloadOf(token), roles: ["admin", "user"] });
  await page.getByLabel("Token", { exact: true }).fill(`${header}.${tampered}.${signature}`);
  await says(verdict(page), "signature_invalid");
  await says(verdict(page), "This key did not sign this header and payload.");
  await page.getByLabel("Token", { exact: true }).fill(token);
  await says(verdict(page), "Accepted");
  const both = (code) => [code, "401", code];
  assert.deepEqual(requests, []);
  assert.deepEqual(await attack(page, "Make me an admin"), both("signature_invalid"));
  assert.deepEqual(await attack(page, "Say it needs no signature"), both("algorithm_mismatch"));
  assert.deepEqual(await attack(page, "Sign it with another key"), both("signature_invalid"));
  assert.deepEqual(await attack(page, "Take the public key for a secret: PEM"), both("algorithm_mismatch"));
  await look(page, "debugger-confused");
  assert.deepEqual(await attack(page, "Take the public key for a secret: JWK"), both("algorithm_mismatch"));
  assert.deepEqual(new Set(requests), new Set(["GET /me"]));
  assert.deepEqual(await attack(page, "Let it be expired"), both("token_expired"));
  assert.deepEqual(await attack(page, "Let it be for somebody else"), both("audience_mismatch"));
  // What is typed is judged as it is typed, and left alone it is good again.
  const edit = page.getByLabel("Or change the payload yourself");
  const original = await edit.inputValue();
  await edit.fill(original.replace('"user"', '"admin"'));
  await says(page.locator("#tried-verdict"), "signature_invalid");
  assert.equal((await page.locator("#changes td").allTextContents())[0], "roles");
  await edit.fill("{");
  await says(page.locator("#tried-verdict"), "token_malformed");
}, REFUSED);

seen("a token of another server is refused by its kid, and one that was changed by its form", pairs, async (page) => {
  await open(page, await tokenOf(pairs));
  await says(verdict(page), "Accepted");
  const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const signed = `${part({ alg: "ES256", kid: "theirs" })}.${part({ exp: soon() })}`;
  const signature = sign("sha256", Buffer.from(signed), { key: privateKey, dsaEncoding: "ieee-p1363" }).toString("base64url");
  for (const [text, code, sentence] of [[`${signed}.${signature}`, "unknown_key", "“kid” names none of the keys."],
    ["MnfoOqvWYdwKR2", "token_malformed", "a text without dots is no JWT"], [`${signed}=.${signature}`, "token_malformed", "belong to base64"],
    [`${part('{"alg":"ES256","alg":"none"}')}.e30.`, "token_malformed", "A member stands twice"]]) {
    await page.getByLabel("Token", { exact: true }).fill(text);
    await says(verdict(page), code);
    await says(verdict(page), sentence);
  }
  await look(page, "debugger-malformed");
});

seen("each kind of key is read, and decides the algorithm", server, async (page) => {
  await open(page);
  const requests = sent(page);
  await page.getByLabel("Checked with").selectOption("a key of mine");
  const key = page.getByLabel("Secret, or public key");
  const secret = "four unrelated gravel words, and more";
  const judged = async (token, text, { algorithm, expect = "Accepted" } = {}) => {
    await page.getByLabel("Token", { exact: true }).fill(token);
    await key.fill(text);
    if (algorithm) await page.getByLabel("Algorithm of the key").selectOption(algorithm);
    await says(verdict(page), expect);
  };
  await judged(mac({ exp: soon() }, secret), secret);
  await says(page.locator("#payload"), /expires in 4 min 1\d s|expires in 4 min \d s/);
  await judged(mac({ exp: soon() }, secret), "another secret that is long enough", { expect: "signature_invalid" });
  await judged(mac({ exp: soon() - 432 }, secret), secret, { expect: "token_expired" });
  await says(page.locator("#payload"), /^expired 3 min( \d+ s)? ago: /);
  await page.getByLabel("the secret is base64url").check();
  await judged(mac({ exp: soon() }, Buffer.from(secret)), part(secret));
  await page.getByLabel("the secret is base64url").uncheck();
  await judged(mac({ exp: soon() }, "your-256-bit-secret"), "your-256-bit-secret");
  await says(page.locator("#key-said"), "secret_too_short");
  for (const [algorithm, kind, options] of [["RS256", "rsa", { modulusLength: 2048 }], ["PS256", "rsa", { modulusLength: 2048 }],
    ["ES256", "ec", { namedCurve: "P-256" }], ["ES384", "ec", { namedCurve: "P-384" }], ["EdDSA", "ed25519"]]) {
    const { publicKey, privateKey } = generateKeyPairSync(kind, options);
    const signed = `${part({ alg: algorithm })}.${part({ exp: soon() })}`;
    const how = { key: privateKey, dsaEncoding: "ieee-p1363", ...(algorithm === "PS256" && { padding: 6, saltLength: 32 }) };
    const signature = sign(kind === "ed25519" ? null : `sha${algorithm.slice(2)}`, Buffer.from(signed), how).toString("base64url");
    const token = `${signed}.${signature}`;
    await judged(token, publicKey.export({ type: "spki", format: "pem" }), { algorithm });
    await judged(token, JSON.stringify({ keys: [{ ...publicKey.export({ format: "jwk" }), alg: algorithm }] }));
    await judged(mac({ exp: soon() }, publicKey.export({ type: "spki", format: "pem" })), publicKey.export({ type: "spki", format: "pem" }),
      { expect: "algorithm_mismatch" });
    await key.fill(privateKey.export({ type: "pkcs8", format: "pem" }));
    await says(page.locator("#key-said"), "This is a private key.");
  }
  // Whom a token is from and for is asked when somebody is expected.
  await judged(mac({ exp: soon(), iss: "me", aud: "posts" }, secret), secret, { expect: "audience_mismatch" });
  await page.getByLabel("Expected audience").fill("posts");
  await says(verdict(page), "Accepted");
  await page.getByLabel("Expected issuer").fill("you");
  await says(verdict(page), "issuer_mismatch");
  await look(page, "debugger-own-key");
  assert.deepEqual(requests, []);
});

seen("a token is taken from the fragment alone, and leaves the address", pairs, async (page) => {
  const token = await tokenOf(pairs);
  const requests = [];
  page.on("request", (request) => requests.push(request.url()));
  await page.goto(`/debugger?token=${part("not.this.one")}#token=${token}`);
  await says(verdict(page), "Accepted");
  assert.equal(await page.getByLabel("Token", { exact: true }).inputValue(), token);
  assert.ok(!page.url().includes("#") && !page.url().includes(token));
  assert.ok(requests.every((url) => !url.includes(token)), "no request names it");
  await page.goto(`/debugger?token=${token}`);
  await says(verdict(page), "Paste a token to begin.");
  const kept = await page.evaluate(() => JSON.stringify([{ ...localStorage }, { ...sessionStorage }, document.cookie, history.state]));
  assert.ok(!kept.includes(token.slice(0, 20)), kept);
  await page.goto(`/debugger#token=${token}`);
  await says(verdict(page), "Accepted");
  await page.reload();
  await says(verdict(page), "Paste a token to begin.");
});

seen("what a hostile token says stays text", server, async (page) => {
  const script = "<img src=x onerror=\"document.title='owned'\"><script>document.title='owned'</script>";
  const token = mac({ exp: soon(), name: script, [script]: script, roles: [script], sub: "\u202Egnp.exe" }, "x", { alg: "HS256", kid: script, jku: "https://evil.example/keys", [script]: 1 });
  await open(page, token);
  await says(page.locator("#payload"), script);
  await says(page.locator("#header"), script);
  await says(page.locator("#header"), "never read: a token does not bring the key that proves it");
  await says(page.locator("#payload"), "\\u202egnp.exe");
  await page.getByRole("button", { name: "Make me an admin" }).click();
  await says(page.locator("#changes"), JSON.stringify([script]));
  assert.equal(await page.locator("main img, main script").count(), 0);
  assert.notEqual(await page.title(), "owned");
  await look(page, "debugger-hostile");
  for (const [alg, name] of [["__proto__", "constructor"], ["constructor", "__proto__"], ["toString", "hasOwnProperty"]]) {
    await page.getByLabel("Token", { exact: true }).fill(mac(`{"exp":1,"${name}":{"x":1}}`, "x", { alg }));
    await says(page.locator("#payload"), name);
    await says(page.locator("#elsewhere"), "not measured");
  }
});

seen("a token is fetched by the button that says so, and the password does not stay", pairs, async (page) => {
  await open(page);
  const requests = sent(page);
  await page.getByText("Get a token from this server").click();
  await page.getByLabel("E-mail").fill(pairs.user.email);
  await page.getByLabel("Password").fill("wrong wrong wrong");
  assert.deepEqual(requests, []);
  await page.getByRole("button", { name: "Sign in for a token: sends both to this server" }).click();
  await says(page.locator("#login-answer"), "invalid_credentials");
  await look(page, "debugger-get");
  await page.getByLabel("Password").fill(pairs.user.password);
  await page.getByRole("button", { name: "Sign in for a token: sends both to this server" }).click();
  await says(verdict(page), "Accepted");
  assert.equal(await page.getByLabel("Password").inputValue(), "");
  assert.deepEqual(requests, ["POST /login", "POST /login"]);
  assert.equal(payloadOf(await page.getByLabel("Token", { exact: true }).inputValue()).roles[0], "user");
}, REFUSED);

seen("the page tells the time by the clock of the server", pairs, async (page) => {
  const token = await tokenOf(pairs);
  const clock = (body) => fetch(`${pairs.url}/dev/clock`, { method: "POST", headers: { "content-type": "application/json" },
    body: JSON.stringify(body) });
  try {
    await clock({ offset: "11m" });
    await open(page, token);
    await says(verdict(page), "token_expired");
    await says(page.locator("#payload"), /^expired (1 min( \d+ s)?|59 s) ago: /);
    await page.locator("#ask").click();
    await says(page.locator("#answer"), "token_expired");
  } finally {
    await clock({ offset: "0s" });
  }
}, REFUSED);

seen("a token that ran out while the page slept is refused when it wakes", server, async (page) => {
  await page.clock.install();
  const secret = "four unrelated gravel words, and more";
  await open(page, mac({ exp: soon() }, secret));
  await page.locator("#whose").selectOption({ index: 1 });
  await page.getByLabel("Secret, or public key").fill(secret);
  await says(verdict(page), "Accepted");
  // One call for many seconds, as a tab in the background gets it.
  await page.clock.fastForward("10:00");
  await says(verdict(page), "token_expired");
});

seen("without scripts the page names the command", server, async (page) => {
  await page.goto("/debugger");
  assert.equal(await page.locator("noscript pre").innerText(), "countersign token explain -");
  await page.locator("noscript pre").waitFor();
  assert.equal(await page.getByLabel("Token", { exact: true }).isVisible(), false);
  await page.screenshot({ path: `${process.env.BROWSER_TEST_PICTURES}/debugger-no-script.png` });
}, { javaScriptEnabled: false });

seen("the page speaks German", pairs, async (page) => {
  await page.goto(`/debugger#token=${await tokenOf(pairs)}`);
  await says(verdict(page), "Gültig");
  await says(page.locator("#payload"), /^läuft in (9 min \d+ s|10 min) ab: /);
  await page.getByRole("button", { name: "Mich zum Administrator machen" }).click();
  await says(page.locator("#tried-verdict"), "Abgelehnt");
  await look(page, "debugger-german");
}, { locale: "de-DE" });
