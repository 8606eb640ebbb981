// The lesson, from its account to the last logout, with every answer held against what the step is about.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { promisify } from "node:util";

import { developersServer, look, productionServer, seen, signIn } from "./harness.mjs";

const server = developersServer();
const closed = developersServer("--accounts-registration", "closed");
const tokensOnly = developersServer("--auth-mode", "jwt");
const sessionsOnly = developersServer("--auth-mode", "session", "--sessions-store", "memory");
const production = productionServer("--http-docs", "true");
/** Refusals are what half of the lesson is about; Chromium notes each as an error. */
const expected = /status of 401/;

const titles = {
  account: "First of all, an account",
  login: "1 Credentials for a token",
  parts: "2 What is in it",
  ask: "3 Ask with it",
  tampered: "4 Alter it",
  without: "5 Come without one",
  refresh: "6 Get the next one",
  logout: "7 Log out, and try again",
  session: "8 Sign in with a cookie",
  cookie: "9 Ask with the cookie",
  end: "10 Log out: the row is gone",
};

const step = (page, name) => page.getByRole("region", { name: titles[name] });
const button = (page, name) => page.locator(`button[data-act="${name}"]`);

/** Presses the button of a step, and waits for what it says; returns what was sent and answered meanwhile. */
async function take(page, name, outcome = /./) {
  const answered = [];
  const note = (response) => { if (response.request().resourceType() === "fetch") answered.push(response); };
  page.on("response", note);
  await button(page, name).click();
  const status = step(page, name).getByRole("status");
  await status.filter({ hasText: outcome }).waitFor();
  page.off("response", note);
  const exchanges = await Promise.all(answered.map(async (response) => ({
    asked: `${response.request().method()} ${new URL(response.url()).pathname}`,
    sent: await response.request().allHeaders(),
    body: response.request().postDataJSON(),
    status: response.status(),
    headers: await response.allHeaders(),
    answer: await response.json(),
  })));
  // Each of them is shown as it was.
  const shown = await step(page, name).locator(".exchange").allTextContents();
  assert.equal(shown.length, exchanges.length, name);
  exchanges.forEach(({ asked, status, answer }, place) => {
    assert.ok(shown[place].includes(asked) && shown[place].includes(`${status} `), shown[place]);
    const some = answer.code ?? answer.id ?? answer.access_token ?? answer.revoked?.[0] ?? "items";
    assert.ok(shown[place].includes(some), shown[place]);
  });
  return exchanges;
}

/** Asks the server from outside of the browser. */
async function ask(path, headers, from = server) {
  const response = await fetch(from.url + path, { headers });
  return { status: response.status, ...await response.json() };
}

seen("the lesson shows each step as it is, and leaves nothing behind", server, async (page, { context }) => {
  await page.goto("/learn");
  await page.getByRole("heading", { level: 1, name: "A token, step by step" }).waitFor();
  await look(page, "learn");

  // One step after the other: all but the first wait, and say for what.
  assert.ok(await button(page, "account").isEnabled());
  for (const name of Object.keys(titles).slice(1)) assert.ok(await button(page, name).isDisabled(), name);
  assert.match(await step(page, "login").textContent(), /Comes after “First of all, an account”\./);
  assert.match(await step(page, "ask").textContent(), /Comes after “2\. What is in it”\./);

  const [registered] = await take(page, "account", "is there");
  assert.equal(registered.status, 201);
  assert.match(registered.body.email, /^learner-[0-9a-f]{8}@example\.com$/);
  assert.deepEqual(registered.answer.roles, ["user"]);
  assert.ok(await button(page, "parts").isDisabled());

  const [login] = await take(page, "login", "The token is here");
  assert.deepEqual([login.asked, login.status], ["POST /login", 200]);
  assert.deepEqual(login.body, registered.body);
  const first = login.answer.access_token;
  const [head, body, sign] = first.split(".");
  const token = step(page, "login").locator(".token");
  assert.equal(await token.textContent(), first);
  assert.deepEqual(await token.locator("span").allTextContents(), [head, body, sign]);
  assert.equal((await ask("/me", { Authorization: `Bearer ${first}` })).email, registered.body.email);

  await take(page, "parts", "without a key");
  const parts = await step(page, "parts").locator("pre").allTextContents();
  assert.equal(JSON.parse(parts[0]).alg, "HS256");
  assert.deepEqual(JSON.parse(parts[1]), JSON.parse(Buffer.from(body, "base64url")));
  assert.equal(parts[2], sign);

  const [posts] = await take(page, "ask", "The signature fits");
  assert.deepEqual([posts.asked, posts.status, posts.sent.authorization], ["GET /posts", 200, `Bearer ${first}`]);
  assert.equal(posts.sent.cookie, undefined);

  const [tampered] = await take(page, "tampered", "the signature does not fit");
  assert.deepEqual([tampered.asked, tampered.status, tampered.answer.code], ["GET /posts", 401, "signature_invalid"]);
  const sent = tampered.sent.authorization.replace("Bearer ", "").split(".");
  assert.deepEqual([sent[0], sent[2]], [head, sign]);
  assert.deepEqual(JSON.parse(Buffer.from(sent[1], "base64url")), { ...JSON.parse(parts[1]), roles: ["admin"] });
  const said = await step(page, "tampered").locator(".exchange").textContent();
  assert.ok(said.includes(`www-authenticate: ${tampered.headers["www-authenticate"]}`), said);
  assert.match(tampered.headers["www-authenticate"], /^Bearer error="invalid_token"/);
  assert.equal(await step(page, "tampered").locator(".altered").textContent(), sent[1]);
  // Who uses a keyboard is still where the step was.
  assert.equal(await page.evaluate(() => document.activeElement.dataset.act), "tampered");

  const [without] = await take(page, "without", "nobody said who is calling");
  assert.deepEqual([without.status, without.answer.code], [401, "credentials_missing"]);
  assert.equal(without.sent.authorization, undefined);

  const [refresh] = await take(page, "refresh", "A new token");
  assert.deepEqual([refresh.asked, refresh.status], ["POST /refresh", 200]);
  assert.deepEqual(refresh.body, { refresh_token: login.answer.refresh_token });
  const second = refresh.answer.access_token;
  assert.notEqual(second, first);
  assert.equal((await ask("/posts", { Authorization: `Bearer ${second}` })).status, 200);

  const [logout, after] = await take(page, "logout", "Here the token is refused");
  assert.deepEqual([logout.asked, logout.status, logout.answer.revoked.length], ["POST /logout", 200, 1]);
  assert.deepEqual([after.status, after.answer.code], [401, "token_revoked"]);
  assert.equal(after.sent.authorization, `Bearer ${second}`);
  for (const old of [first, second]) {
    const refused = await ask("/posts", { Authorization: `Bearer ${old}` });
    assert.deepEqual([refused.status, refused.code], [401, "token_revoked"]);
  }

  const browser = page.context();
  assert.deepEqual((await browser.cookies()).map(({ name }) => name), []);
  const [, list] = await take(page, "session", "the row that the server keeps");
  const [cookie] = await browser.cookies();
  assert.deepEqual([cookie.name, cookie.httpOnly, cookie.sameSite], ["session", true, "Lax"]);
  const Cookie = `session=${cookie.value}`;
  const row = (await ask("/sessions", { Cookie })).items.find(({ current }) => current);
  assert.deepEqual(list.answer.items.filter(({ current }) => current), [row]);
  assert.ok((await step(page, "session").locator("dl").textContent()).includes(row.id));

  const [byCookie] = await take(page, "cookie", "the cookie led to the row");
  assert.deepEqual([byCookie.asked, byCookie.status, byCookie.sent.cookie], ["GET /posts", 200, Cookie]);
  assert.equal(byCookie.sent.authorization, undefined);

  const [left, refused, again, others, ended] = await take(page, "end", "The row is gone");
  assert.deepEqual([left.asked, left.status, left.answer.revoked], ["POST /logout", 200, [row.id]]);
  assert.deepEqual([refused.status, refused.answer.code], [401, "credentials_missing"]);
  assert.deepEqual([again.status, others.status, ended.status], [200, 200, 200]);
  assert.ok(!others.answer.items.some(({ id }) => id === row.id));
  assert.deepEqual(await browser.cookies(), []);
  assert.equal((await ask("/posts", { Cookie })).code, "session_expired");
  const last = await ask("/posts", { Authorization: `Bearer ${again.answer.access_token}` });
  assert.equal(last.code, "token_revoked");

  // No password and no cookie was ever shown.
  const shownAtLast = await page.content();
  for (const secret of [registered.body.password, cookie.value]) assert.ok(!shownAtLast.includes(secret));
  assert.ok((await step(page, "login").locator(".exchange").textContent()).includes("••••"));
  assert.deepEqual(await page.evaluate(() => [localStorage.length, sessionStorage.length]), [0, 0]);
  await look(page, "learn-done");

  await page.getByRole("button", { name: "Start over" }).click();
  await page.waitForLoadState();
  await button(page, "account").click();
  await step(page, "account").getByRole("status").filter({ hasText: "is there" }).waitFor();
  assert.ok(await button(page, "parts").isDisabled());
}, { expected });

seen("what goes wrong is told, and can be tried again", server, async (page) => {
  await page.goto("/learn");
  await page.route("**/register", (route) => route.abort());
  await take(page, "account", "no answer");
  assert.ok(await button(page, "login").isDisabled());
  await page.unroute("**/register");
  await page.route("**/register", (route) => route.fulfill({ status: 429, json: { code: "rate_limited" } }));
  await button(page, "account").click();
  await step(page, "account").getByRole("status").filter({ hasText: "not the answer" }).waitFor();
  assert.match(await step(page, "account").locator(".exchange").textContent(), /429.*rate_limited/s);
  await look(page, "learn-refused");
  await page.unroute("**/register");
  await take(page, "account", "is there");
  assert.ok(await button(page, "login").isEnabled());
}, { expected: /ERR_FAILED|status of 429/ });

seen("who is signed in is told what the session costs", server, async (page) => {
  await signIn(page, server.user);
  await page.goto("/learn");
  const warning = step(page, "session").getByText("You are signed in as");
  assert.match(await warning.textContent(), /This step ends that session/);
  const [before] = await page.context().cookies();
  for (const name of Object.keys(titles).slice(0, 8)) await take(page, name);
  // Until then nothing has touched it.
  assert.deepEqual((await page.context().cookies())[0].value, before.value);
  assert.equal((await ask("/me", { Cookie: `session=${before.value}` })).email, server.user.email);
  await look(page, "learn-signed-in");
  await take(page, "session");
  assert.equal((await ask("/me", { Cookie: `session=${before.value}` })).code, "session_expired");
}, { expected: /status of 40[14]/ });

seen("in German", server, async (page) => {
  await page.goto("/learn");
  await page.getByRole("heading", { level: 1, name: "Ein Token, Schritt für Schritt" }).waitFor();
  await page.getByText("Kommt nach „1. Zugangsdaten gegen ein Token“.").waitFor();
  for (const [name, says] of [
    ["account", "Das Konto learner-"], ["login", "Das Token ist da. Es gilt bis"], ["parts", "ohne Schlüssel lesen"],
    ["ask", "Die Signatur passt"], ["tampered", "Abgelehnt"],
  ]) {
    await button(page, name).click();
    await page.getByRole("status").filter({ hasText: says }).waitFor();
  }
  await look(page, "learn-german");
}, { expected, locale: "de-DE" });

seen("where nobody can register the visitor lends an account", closed, async (page) => {
  await page.goto("/learn");
  await button(page, "account").click();
  await page.getByRole("status").filter({ hasText: "are needed" }).waitFor();
  await page.getByLabel("E-mail", { exact: true }).fill(closed.user.email);
  await page.getByLabel("Password", { exact: true }).fill("wrong wrong wrong");
  assert.deepEqual(await take(page, "account", "Nothing was sent yet"), []);
  const [refused] = await take(page, "login", "not the answer");
  assert.equal(refused.answer.code, "invalid_credentials");
  await page.getByLabel("Password", { exact: true }).fill(closed.user.password);
  await take(page, "account", closed.user.email);
  const [login] = await take(page, "login", "The token is here");
  assert.equal(login.body.email, closed.user.email);
  await look(page, "learn-lent");
  assert.ok(!(await page.getByRole("main").textContent()).includes(closed.user.password));
}, { expected });

seen("in production the account is the visitor's own, and what is asked for is the account", production, async (page) => {
  await page.goto("/learn");
  await page.getByLabel("E-mail", { exact: true }).fill(production.user.email);
  await page.getByLabel("Password", { exact: true }).fill(production.user.password);
  const taken = {};
  for (const name of Object.keys(titles)) taken[name] = await take(page, name);
  assert.deepEqual([taken.ask[0].asked, taken.ask[0].answer.email], ["GET /me", production.user.email]);
  assert.deepEqual([taken.tampered[0].status, taken.tampered[0].answer.code], [401, "signature_invalid"]);
  assert.deepEqual([taken.logout[1].status, taken.logout[1].answer.code], [401, "token_revoked"]);
  assert.equal(taken.cookie[0].answer.email, production.user.email);
  // Nothing of the lesson is left in the account: of all its logins none goes on.
  assert.deepEqual(await page.context().cookies(), []);
  const body = JSON.stringify(production.user);
  const headers = { "Content-Type": "application/json" };
  const login = await (await fetch(`${production.url}/login`, { method: "POST", headers, body })).json();
  const { items } = await ask("/sessions", { Authorization: `Bearer ${login.access_token}` }, production);
  assert.deepEqual(items.map(({ current }) => current), [true]);
}, { expected });

seen("in production the commands ask for the password and run", production, async (page) => {
  await page.goto("/learn");
  const commands = await page.locator("main pre").allTextContents();
  const script = commands.join("\n").replace("you@example.com", production.user.email);
  const shell = promisify(execFile)("bash", ["-u", "-c", script]);
  shell.child.stdin.end(`${production.user.password}\n`);
  const { stdout } = await shell;
  const codes = [...stdout.matchAll(/"code":"(\w+)"/g)].map(([, code]) => code);
  assert.deepEqual(codes, ["signature_invalid", "credentials_missing", "token_revoked", "session_expired"]);
  assert.ok(stdout.includes('"roles":["admin"]') && stdout.includes('"current":true'), stdout);
}, { javaScriptEnabled: false });

seen("without sessions the token alone is tried", tokensOnly, async (page) => {
  await page.goto("/learn");
  for (const name of ["session", "cookie", "end"]) {
    assert.equal(await button(page, name).count(), 0, name);
    assert.match(await step(page, name).textContent(), /Not offered by this server/);
    assert.equal(await step(page, name).locator("pre").count(), 0);
  }
  for (const name of Object.keys(titles).slice(0, 8)) await take(page, name);
  assert.match(await step(page, "logout").getByRole("status").textContent(), /Here the token is refused/);
  await look(page, "learn-tokens-only");
}, { expected });

seen("without tokens the session alone is tried", sessionsOnly, async (page) => {
  await page.goto("/learn");
  assert.equal(await button(page, "login").count(), 0);
  await page.getByText("in the memory of this process").waitFor();
  for (const name of ["account", "session", "cookie", "end"]) await take(page, name);
  assert.equal(await step(page, "end").getByRole("status").textContent(),
    "The row is gone, and the browser has dropped the cookie.");
}, { expected });

seen("without scripts the same steps run in a shell", server, async (page) => {
  await page.goto("/learn");
  await page.getByText("The buttons need JavaScript").waitFor();
  assert.equal(await page.locator("main").getByRole("button").count(), 0);
  const commands = await page.locator("main pre").allTextContents();
  assert.equal(commands.length, 11);
  const mark = "---- next ----";
  const script = commands.map((text) => text.trim()).join(`\necho; echo '${mark}'\n`);
  const { stdout } = await promisify(execFile)("bash", ["-u", "-c", script]);
  const [account, login, parts, asked, tampered, without, refresh, logout, session, cookie, end] = stdout.split(mark);
  assert.deepEqual(JSON.parse(account).roles, ["user"]);
  const token = JSON.parse(login).access_token;
  assert.deepEqual(JSON.parse(parts), JSON.parse(Buffer.from(token.split(".")[1], "base64url")));
  assert.match(asked, /^HTTP\/1.1 200[^]*"items":/m);
  assert.match(tampered, /"roles":\["admin"\][^]*HTTP\/1.1 401[^]*www-authenticate: Bearer error=[^]*"signature_invalid"/);
  assert.match(without, /HTTP\/1.1 401[^]*www-authenticate: Bearer realm=[^]*"credentials_missing"/);
  assert.notEqual(JSON.parse(refresh).access_token, token);
  assert.match(logout, /HTTP\/1.1 200[^]*"revoked":\["[^]*HTTP\/1.1 401[^]*"token_revoked"/);
  assert.match(session, /HTTP\/1.1 200[^]*set-cookie: session=\w{64}; HttpOnly[^]*"current":true/);
  assert.match(cookie, /HTTP\/1.1 200[^]*"items":/);
  assert.match(end, /HTTP\/1.1 200[^]*set-cookie: session=;[^]*HTTP\/1.1 401[^]*"session_expired"/);
  await page.screenshot({ path: `${process.env.BROWSER_TEST_PICTURES}/learn-no-script.png`, fullPage: true });
}, { javaScriptEnabled: false });
