// The console of administrators.

import assert from "node:assert/strict";

import { developersServer, look, seen } from "./harness.mjs";

const server = developersServer("--tokens-algorithm", "ES256");
const password = "four unrelated gravel words";

// What somebody may call himself, and his program, to do something in the pages of who administers.
const hostile = [
  `<img src=x onerror=document.title='broken'>`,
  `"><script>document.title='broken'</script>`,
  `' onmouseover=document.title='broken' x='`,
  `\u202egnp.exe\u202d {{7*7}} \${7*7} </textarea></title><svg onload=document.title='broken'>`,
  "W".repeat(100),
  "\u{1F469}\u{200D}\u{1F4BB} \u05D0\u05D1\u05D2 \u0627\u0644\u0639\u0631\u0628\u064A\u0629",
];

async function ask(path, { method = "GET", body, token, ...headers } = {}) {
  const sent = body && { body: JSON.stringify(body) };
  const credential = token && { authorization: `Bearer ${token}` };
  return fetch(server.url + path, {
    method, ...sent, headers: { ...(body && { "content-type": "application/json" }), ...credential, ...headers },
  });
}

async function tokenOf({ email, password }, headers = {}) {
  const answer = await ask("/login", { method: "POST", body: { email, password }, ...headers });
  assert.equal(answer.status, 200);
  return (await answer.json()).access_token;
}

const asAdmin = async () => tokenOf(server.admin);

async function register(email, name) {
  const made = await ask("/register", { method: "POST", body: { email, password, name } });
  assert.equal(made.status, 201, await made.clone().text());
  return (await made.json()).id;
}

/** Signs in, and goes on to a page. */
async function open(page, path, { email, password } = server.admin) {
  await page.goto(`/login?next=${encodeURIComponent(path)}`);
  await page.getByLabel("E-mail").fill(email);
  await page.getByLabel("Password").fill(password);
  const answer = page.waitForResponse((response) => response.url() === server.url + path);
  await page.getByRole("main").getByRole("button", { name: "Sign in" }).click();
  return answer;
}

seen("who is not signed in is asked to, and comes back", server, async (page) => {
  await page.goto("/admin/console/users?q=user&role=admin");
  assert.match(page.url(), /\/login\?next=/);
  await page.getByLabel("E-mail").fill(server.admin.email);
  await page.getByLabel("Password").fill(server.admin.password);
  await page.getByRole("main").getByRole("button", { name: "Sign in" }).click();
  await page.waitForURL("**/admin/console/users?q=user&role=admin");
  assert.equal(await page.getByLabel("Part of the address or the name").inputValue(), "user");
});

seen("a plain user is told that it is not for him", server, async (page) => {
  const answer = await open(page, "/admin", server.user);
  assert.equal(answer.status(), 403);
  await page.getByRole("heading", { name: "This is for administrators" }).waitFor();
  await look(page, "console-refused");
}, { expected: /status of 403/ });

seen("the overview counts what happens", server, async (page) => {
  await open(page, "/admin");
  const total = async (label) => {
    const figures = page.locator("figure").filter({ hasText: label });
    return Number(await figures.first().locator("strong").textContent());
  };
  const [logins, failures] = [await total("Logins"), await total("Failed logins")];
  assert.ok(logins >= 1);
  await tokenOf(server.user);
  const wrong = { email: server.user.email, password: "not the right one" };
  assert.equal((await ask("/login", { method: "POST", body: wrong })).status, 401);
  const { email, password } = server.user;
  const first = await (await ask("/login", { method: "POST", body: { email, password } })).json();
  await ask("/refresh", { method: "POST", body: { refresh_token: first.refresh_token } });
  // What was counted stands for a while, longer where it took long.
  for (let tries = 0; tries < 20 && await total("Refreshes") === 0; tries += 1) {
    await new Promise((passed) => setTimeout(passed, 250));
    await page.reload();
  }
  assert.equal(await total("Logins"), logins + 2);
  assert.equal(await total("Failed logins"), failures + 1);
  assert.equal(await total("Refreshes"), 1);
  assert.equal(await total("Replays"), 0);
  await page.getByText("The numbers").first().click();
  const row = page.getByRole("table").first().getByRole("row").nth(1);
  assert.equal(await row.getByRole("cell").first().textContent(), String(logins + 2));
  assert.match(await page.getByRole("listitem").filter({ hasText: "A login" }).first().textContent(), /ms|s/);
  await look(page, "console-overview");
});

seen("an account is found, and given a role that holds at once", server, async (page) => {
  await register("wanda@example.com", "Wanda Wanted");
  for (const number of [1, 2, 3]) await register(`other${number}@example.com`, `Somebody ${number}`);
  const wanda = { email: "wanda@example.com", password };
  assert.equal((await ask("/admin/users", { token: await tokenOf(wanda) })).status, 403);
  await open(page, "/admin/console/users");
  await look(page, "console-users");
  await page.getByLabel("Part of the address or the name").fill("WANTED");
  await page.getByRole("button", { name: "Search" }).click();
  await page.waitForURL("**/admin/console/users?q=WANTED*");
  assert.equal(await page.getByRole("main").getByRole("row").count(), 2);
  await page.getByRole("link", { name: "wanda@example.com" }).click();
  await look(page, "console-user");
  await page.getByLabel("admin").check();
  await page.getByLabel("Name").fill("Wanda the Wise");
  await page.getByRole("button", { name: "Save" }).click();
  await page.getByText("Changed.").waitFor();
  assert.equal((await ask("/admin/users", { token: await tokenOf(wanda) })).status, 200);
  const me = await (await ask("/me", { token: await tokenOf(wanda) })).json();
  assert.equal(me.name, "Wanda the Wise");
  // Nothing is asked of the server where nothing differs.
  await page.getByRole("button", { name: "Save" }).click();
  await page.getByText("There was nothing to change.").waitFor();
  // The line that does the same is one that a terminal takes.
  await page.getByText("The same without this page").first().click();
  const curl = await page.locator("#change-curl").textContent();
  assert.match(curl, /^curl -X PATCH http:\/\/127\.0\.0\.1:\d+\/admin\/users\/[0-9a-f-]+ /);
  await look(page, "console-user-changed");
});

seen("to disable an account ends its logins", server, async (page) => {
  const id = await register("dora@example.com", "Dora");
  const token = await tokenOf({ email: "dora@example.com", password });
  assert.equal((await ask("/me", { token })).status, 200);
  await open(page, `/admin/console/users/${id}`);
  assert.equal(await page.getByRole("button", { name: "Sign out everywhere" }).count(), 1);
  await page.getByRole("checkbox", { name: /Disabled/ }).check();
  await page.getByRole("button", { name: "Save" }).click();
  await page.getByText("Changed.").waitFor();
  assert.equal((await ask("/me", { token })).status, 401);
  await page.getByText("No login of this account is live.").waitFor();
  await look(page, "console-user-disabled");
  await page.getByRole("checkbox", { name: /Disabled/ }).uncheck();
  await page.getByRole("button", { name: "Save" }).click();
  const again = await tokenOf({ email: "dora@example.com", password });
  await page.reload();
  await page.getByRole("button", { name: "Sign out everywhere" }).click();
  await page.getByText("All logins of this account have ended.").waitFor();
  assert.equal((await ask("/me", { token: again })).status, 401);
});

seen("an account goes when its address is typed, and not before", server, async (page) => {
  const id = await register("gone@example.com", "Gone Soon");
  await open(page, `/admin/console/users/${id}`);
  await page.getByLabel("Type its address to confirm").fill("someone-else@example.com");
  await page.getByRole("button", { name: "Delete for ever" }).click();
  assert.match(await page.getByRole("alert").textContent(), /not its address/);
  assert.equal((await ask(`/admin/users/${id}`, { token: await asAdmin() })).status, 200);
  await page.getByLabel("Type its address to confirm").fill("Gone@example.com");
  await page.getByRole("button", { name: "Delete for ever" }).click();
  await page.getByText("The account is gone").waitFor();
  assert.equal((await ask(`/admin/users/${id}`, { token: await asAdmin() })).status, 404);
}, { expected: /status of 422/ });

seen("the last administrator is kept, and it is said why", server, async (page) => {
  const token = await asAdmin();
  const { items } = await (await ask("/admin/users?role=admin", { token })).json();
  for (const { id, email } of items) {
    if (email !== server.admin.email) {
      await ask(`/admin/users/${id}`, { method: "PATCH", token, body: { roles: ["user"] } });
    }
  }
  const own = items.find(({ email }) => email === server.admin.email);
  await open(page, `/admin/console/users/${own.id}`);
  await page.getByLabel("admin").uncheck();
  await page.getByRole("button", { name: "Save" }).click();
  await page.getByText("Give the role admin to another one first").waitFor();
  await look(page, "console-last-admin");
  assert.equal((await ask("/admin/users", { token: await asAdmin() })).status, 200);
}, { expected: /status of 409/ });

const kids = async () => (await (await ask("/.well-known/jwks.json")).json()).keys.map(({ kid }) => kid);

seen("a key is rotated and another revoked, after it was said what that means", server, async (page) => {
  const [before] = await kids();
  await open(page, "/admin/console/keys");
  await look(page, "console-keys");
  await page.getByLabel("Algorithm").selectOption("EdDSA");
  await page.getByRole("button", { name: "See what it means" }).click();
  await page.getByText("Nobody is signed out").waitFor();
  assert.equal((await kids()).length, 1, "it was shown, and not done");
  await look(page, "console-rotation");
  await page.getByRole("button", { name: "Rotate" }).click();
  await page.getByText("A new key is there, and waits.").waitFor();
  const both = await kids();
  assert.equal(both.length, 2);
  const fresh = both.find((kid) => kid !== before);
  await page.getByRole("heading", { name: fresh }).getByText("waits").waitFor();

  // At once: the next tokens are signed by it, those that are out stay good.
  const old = await asAdmin();
  await page.getByLabel("Sign with it at once").check();
  await page.getByRole("button", { name: "See what it means" }).click();
  await page.getByText("may refuse the new tokens").waitFor();
  await page.getByRole("button", { name: "Rotate" }).click();
  await page.getByText("A new key signs from now on.").waitFor();
  await page.getByRole("heading", { name: fresh }).getByText("signs").waitFor();
  const header = JSON.parse(Buffer.from((await asAdmin()).split(".")[0], "base64url"));
  assert.deepEqual([header.kid, header.alg], [fresh, "EdDSA"]);
  assert.equal((await ask("/me", { token: old })).status, 200);
  await look(page, "console-keys-rotated");

  await page.getByRole("link", { name: `Revoke this key ${before}` }).click();
  await page.getByText("Every access token that this key signed is refused").waitFor();
  assert.equal((await ask("/me", { token: old })).status, 200, "it was shown, and not done");
  await look(page, "console-revocation");
  await page.getByRole("button", { name: "Revoke now" }).click();
  await page.getByText("The key is gone.").waitFor();
  assert.deepEqual(await kids(), [fresh]);
  assert.equal((await ask("/me", { token: old })).status, 401);
  await look(page, "console-keys-revoked");
});

seen("the audit log is filtered, paged and handed out", server, async (page) => {
  const id = await register("watched@example.com", "Watched");
  for (let count = 0; count < 60; count += 1) {
    await ask("/login", { method: "POST", body: { email: "watched@example.com", password: "wrong password" } });
  }
  await open(page, "/admin/console/events");
  await look(page, "console-events");
  await page.getByLabel("What").selectOption("login.failed");
  await page.getByLabel("About the account").fill(id);
  await page.getByLabel("From (UTC)").fill("2026-01-01T00:00");
  await page.getByRole("button", { name: "Filter" }).click();
  await page.waitForURL("**type=login.failed*");
  const rows = page.getByRole("table").locator("tbody > tr");
  assert.equal(await rows.count(), 50);
  assert.equal(await rows.getByText("login.failed").count(), 50);
  const [download] = await Promise.all([
    page.waitForEvent("download"),
    page.getByRole("button", { name: "Download as JSON lines" }).click(),
  ]);
  assert.equal(download.suggestedFilename(), "events.jsonl");
  const chunks = [];
  for await (const chunk of await download.createReadStream()) chunks.push(chunk);
  const lines = Buffer.concat(chunks).toString().trimEnd().split("\n").map((line) => JSON.parse(line));
  assert.equal(lines.length, 60);
  assert.ok(lines.every((event) => event.type === "login.failed" && event.user_id === id));
  await page.getByRole("link", { name: "Next page" }).click();
  await page.waitForURL("**after=*");
  assert.equal(await rows.count(), 10);
  const token = await asAdmin();
  const exported = await (await ask("/admin/events?type=events.exported", { token })).json();
  assert.equal(exported.items.length, 1, "that it was handed out is recorded");
  await page.getByLabel("About the account").fill("no id");
  await page.getByRole("button", { name: "Filter" }).click();
  await page.getByRole("alert").waitFor();
  await page.goto("/admin/console/events?type=keys.sealed");
  await page.getByText("Nothing of this kind was recorded.").waitFor();
  await look(page, "console-events-none");
}, { expected: /status of 400/ });

seen("settings are shown with where they are from", server, async (page) => {
  await open(page, "/admin/console/settings");
  const row = page.getByRole("row").filter({ hasText: "tokens.algorithm" });
  assert.match(await row.textContent(), /ES256.*flag.*--tokens-algorithm/s);
  assert.match(await page.getByRole("row").filter({ hasText: "tokens.issuer" }).textContent(), /default/);
  await look(page, "console-settings");
});

seen("nothing that somebody is called becomes part of a page", server, async (page) => {
  const ids = [];
  for (const [place, name] of hostile.entries()) {
    const email = `o'x&${place}{b}@example.com`;
    ids.push(await register(email, name));
    await tokenOf({ email, password }, { "user-agent": name.replace(/[^\x20-\x7e]/g, "?") });
  }
  await open(page, "/admin/console/users");
  const whole = async () => {
    assert.doesNotMatch(await page.title(), /broken/);
    for (const selector of ["main img", "main script", "main svg[onload]", "[onerror]", "[onmouseover]"]) {
      assert.equal(await page.locator(selector).count(), 0, selector);
    }
  };
  for (const name of hostile) {
    const cell = page.locator("bdi", { hasText: name });
    assert.equal(await cell.first().textContent(), name);
  }
  await whole();
  await look(page, "console-users-hostile");
  for (const [place, id] of ids.entries()) {
    await page.goto(`/admin/console/users/${id}`);
    assert.equal(await page.getByLabel("Name").inputValue(), hostile[place]);
    await page.getByText("The same without this page").first().click();
    const curl = await page.locator("#change-curl").textContent();
    assert.match(curl, /^[\x20-\x7e\n]*$/, "what is copied is what is seen");
    await whole();
  }
  await look(page, "console-user-hostile");
  for (const name of hostile) {
    await page.goto(`/admin/console/users?q=${encodeURIComponent(name)}&role=${encodeURIComponent(name)}`);
    assert.equal(await page.getByLabel("Part of the address or the name").inputValue(), name);
    await whole();
    const query = ["type", "user", "actor", "session", "since"].map((key) => `${key}=${encodeURIComponent(name)}`);
    await page.goto(`/admin/console/events?${query.join("&")}`);
    await whole();
    await page.goto(`/admin/console/keys?done=${encodeURIComponent(name)}`);
    await whole();
  }
  await page.goto(`/admin/console/events?type=login.succeeded`);
  await whole();
  await look(page, "console-events-hostile");
}, { expected: /status of 4\d\d/ });

seen("everything is done by forms where there are no scripts", server, async (page) => {
  const id = await register("formal@example.com", "Formal");
  await page.goto(`/login?next=/admin/console/users/${id}`);
  await page.locator("#email").fill(server.admin.email);
  await page.locator("#password").fill(server.admin.password);
  await page.getByRole("main").getByRole("button", { name: "Sign in" }).click();
  await page.waitForURL(`**/admin/console/users/${id}`);
  await page.locator("#name").fill("By a Form");
  await page.getByRole("button", { name: "Save" }).click();
  await page.getByText("Changed.").waitFor();
  const user = await (await ask(`/admin/users/${id}`, { token: await asAdmin() })).json();
  assert.equal(user.name, "By a Form");
  assert.match(await page.locator("time").first().textContent(), /UTC$/);
  await page.goto("/admin/console/keys");
  await page.getByRole("button", { name: "See what it means" }).click();
  await page.getByRole("button", { name: "Rotate" }).click();
  await page.getByText("A new key is there, and waits.").waitFor();
  await page.goto("/admin/console/events?type=key.added");
  assert.ok(await page.getByRole("table").locator("tbody > tr").count() >= 1);
}, { javaScriptEnabled: false });

seen("the console speaks German", server, async (page) => {
  await page.goto("/login?next=/admin");
  await page.getByLabel("E-Mail").fill(server.admin.email);
  await page.getByLabel("Passwort").fill(server.admin.password);
  await page.getByRole("main").getByRole("button", { name: "Anmelden" }).click();
  await page.getByRole("heading", { name: "Wie es läuft" }).waitFor();
  await look(page, "console-overview-de");
  await page.goto("/admin/console/keys");
  await look(page, "console-keys-de");
  await page.goto("/admin/console/events");
  await look(page, "console-events-de");
}, { locale: "de-DE" });
