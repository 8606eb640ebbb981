// Signing in, signing up, the own account, the outbox and the clock.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";

import { developersServer, look, seen, signIn } from "./harness.mjs";

const server = developersServer();
const password = "four unrelated gravel words";
const withoutScripts = { javaScriptEnabled: false };
const refused = (status) => ({ expected: new RegExp(`status of ${status}`) });

/** Asks a route as a program does. */
async function ask(method, path, { body, headers = {} } = {}) {
  const json = body && { "content-type": "application/json" };
  const answer = await fetch(server.url + path, { method, headers: { ...headers, ...json }, body: body && JSON.stringify(body) });
  return { status: answer.status, body: await answer.json().catch(() => null) };
}

/** An account for one test alone. */
async function register(email) {
  assert.equal((await ask("POST", "/register", { body: { email, password, name: "Somebody" } })).status, 201);
  return { email, password };
}

/** Whether an address and a password are good for a login. */
const letsIn = async (account) => (await ask("POST", "/login", { body: account })).status === 200;

/** What the browser's session cookie gets of `/me`. */
async function me(page) {
  const cookies = await page.context().cookies();
  const cookie = cookies.find(({ name }) => name.endsWith("session"));
  return ask("GET", "/me", { headers: { cookie: `${cookie?.name}=${cookie?.value}` } });
}

const part = (page, name) => page.getByRole("region", { name, exact: true });
const status = (page) => page.getByRole("status").textContent();
const alert = (page) => page.getByRole("alert").textContent();

/** Opens the link in the newest letter of a kind to this address; letters take a moment. */
async function openLetter(page, kind, email) {
  const letter = page.getByRole("article").filter({ hasText: email }).filter({ hasText: kind }).first();
  for (let tries = 0; tries < 100; tries += 1) {
    await page.goto("/outbox");
    if (await letter.count()) break;
    await new Promise((later) => setTimeout(later, 50));
  }
  await letter.getByRole("link", { name: "Open the link" }).click();
  await page.waitForURL("**/*?token=*");
}

/** Downloads the file of an account, and reads it. */
async function download(page) {
  const waits = page.waitForEvent("download");
  await page.getByRole("button", { name: "Download my data" }).click();
  const file = await waits;
  assert.equal(file.suggestedFilename(), "account.json");
  return readFileSync(await file.path(), "utf8");
}

seen("the first page leads on", server, async (page) => {
  await page.goto("/");
  await look(page, "home");
  await page.getByRole("main").getByRole("link", { name: "Sign in" }).click();
  await page.waitForURL("**/login");
  await look(page, "sign-in");
});

seen("somebody registers, and is signed in", server, async (page) => {
  await page.goto("/register");
  await look(page, "sign-up");
  await page.getByLabel("E-mail").fill("new@example.com");
  await page.getByLabel("Name").fill("Somebody New");
  await page.getByLabel("Password").fill("password");
  await page.getByRole("button", { name: "Make the account" }).click();
  assert.match(await alert(page), /^This password is not good enough: .+/);
  assert.equal(await page.getByLabel("Name").inputValue(), "Somebody New");
  assert.equal(await page.getByLabel("Password").inputValue(), "");
  await look(page, "sign-up-refused");
  await page.getByLabel("Password").fill(password);
  await page.getByRole("button", { name: "Show" }).click();
  assert.equal(await page.getByLabel("Password").getAttribute("type"), "text");
  await page.getByRole("button", { name: "Make the account" }).click();
  await page.waitForURL("**/account");
  await page.getByRole("link", { name: "Somebody New" }).waitFor();
  const { body } = await me(page);
  assert.deepEqual([body.email, body.name, body.roles], ["new@example.com", "Somebody New", ["user"]]);
  // Who is signed in has nothing to do there.
  for (const path of ["/register", "/login"]) {
    await page.goto(path);
    await page.waitForURL("**/account");
  }
}, refused(422));

seen("a wrong password is told, and the address is kept", server, async (page) => {
  await page.goto("/login");
  await page.getByLabel("E-mail").fill(server.user.email);
  await page.getByLabel("Password").fill("wrong wrong wrong");
  await page.getByRole("main").getByRole("button", { name: "Sign in" }).click();
  assert.equal(await alert(page), "The address or the password is not right.");
  assert.equal(await page.getByLabel("E-mail").inputValue(), server.user.email);
  await look(page, "sign-in-refused");
}, refused(401));

seen("by the keys alone somebody signs in", server, async (page) => {
  await page.goto("/login");
  const focused = () => page.evaluate(() => {
    const { id, tagName, textContent } = document.activeElement;
    return id || `${tagName.toLowerCase()} ${textContent.trim()}`;
  });
  assert.equal(await focused(), "email");
  await page.keyboard.type(server.user.email);
  const order = [];
  for (let step = 0; step < 5; step += 1) {
    await page.keyboard.press("Tab");
    order.push(await focused());
  }
  assert.deepEqual(order, ["password", "button Show", "button Sign in", "a Forgot your password?", "a Make one"]);
  for (let step = 0; step < 4; step += 1) await page.keyboard.press("Shift+Tab");
  assert.equal(await focused(), "password");
  await page.keyboard.type(server.user.password);
  await page.keyboard.press("Enter");
  await page.waitForURL("**/account");
  assert.equal((await me(page)).body.email, server.user.email);
  // The first stop on every page leads past the frame.
  await page.keyboard.press("Tab");
  assert.equal(await focused(), "a Skip to the content");
  await page.keyboard.press("Enter");
  await page.keyboard.press("Tab");
  assert.equal(await focused(), "new_name");
});

seen("who is signed in reads posts, and who signs out does not", server, async (page) => {
  await page.goto("/account");
  await page.waitForURL("**/login?next=%2Faccount");
  await signIn(page, server.user);
  assert.equal((await page.request.get("/posts", { headers: { accept: "application/json" } })).status(), 200);
  const before = await page.context().cookies();
  await page.getByRole("banner").getByRole("button", { name: "Sign out" }).click();
  await page.waitForURL("**/login");
  assert.equal((await page.request.get("/posts", { headers: { accept: "application/json" } })).status(), 401);
  // Also by a copy of the cookie that was made before.
  const { name, value } = before.find((cookie) => cookie.name.endsWith("session"));
  const copied = await ask("GET", "/posts", { headers: { cookie: `${name}=${value}` } });
  assert.deepEqual([copied.status, copied.body.code], [401, "session_expired"]);
});

seen("one device signs out another", server, async (page, { device }) => {
  const account = await register("devices@example.com");
  const others = [await device(), await device()];
  for (const one of [page, ...others]) await signIn(one, account);
  await page.reload();
  const devices = part(page, "Devices");
  assert.equal(await devices.getByRole("listitem").count(), 3);
  assert.equal(await devices.getByRole("listitem").first().getByText("This one").count(), 1);
  await look(page, "account-devices");
  await devices.getByRole("listitem").nth(1).getByRole("button").click();
  await page.waitForURL("**/account?done=device#devices");
  assert.equal(await devices.getByRole("status").textContent(), "That device is signed out.");
  // The newest is listed first after this one.
  assert.deepEqual([(await me(others[1])).body.code, (await me(others[0])).status], ["session_expired", 200]);
  await others[1].reload();
  await others[1].waitForURL("**/login?next=%2Faccount");
  await devices.getByRole("button", { name: "Sign out all others" }).click();
  await page.waitForURL("**/account?done=devices#devices");
  assert.equal(await devices.getByRole("listitem").count(), 1);
  assert.deepEqual([(await me(others[0])).status, (await me(page)).status], [401, 200]);
});

seen("a name, a password and an address are changed", server, async (page, { device }) => {
  const account = await register("old@example.com");
  const other = await device();
  await signIn(other, account);
  await signIn(page, account);
  await look(page, "account");

  const hostile = `<img src=x onerror="throw 1"> & "Sons"`;
  await page.getByRole("textbox", { name: "Name" }).fill(hostile);
  await page.getByRole("button", { name: "Save the name" }).click();
  await page.waitForURL("**/account?done=name#name");
  assert.equal(await part(page, "Name").getByRole("status").textContent(), "The name is saved.");
  assert.equal((await me(page)).body.name, hostile);
  assert.equal(await page.getByRole("banner").getByText(hostile).count(), 1);

  const change = part(page, "Password");
  await change.getByLabel("Current password").fill("not the right one at all");
  await change.getByLabel("New password").fill("five unrelated gravel words");
  await change.getByRole("button", { name: "Change the password" }).click();
  assert.equal(await change.getByRole("alert").textContent(), "That is not your password.");
  assert.ok(await change.getByRole("alert").isVisible());
  await look(page, "account-refused");
  await change.getByLabel("Current password").fill(password);
  await change.getByLabel("New password").fill("five unrelated gravel words");
  await change.getByRole("button", { name: "Change the password" }).click();
  await page.waitForURL("**/account?done=password#password");
  const renewed = { email: account.email, password: "five unrelated gravel words" };
  assert.deepEqual([await letsIn(account), await letsIn(renewed)], [false, true]);
  assert.deepEqual([(await me(other)).status, (await me(page)).status], [401, 200]);

  const address = part(page, "Address");
  await address.getByLabel("New e-mail").fill("moved@example.com");
  await address.getByLabel("Your password").fill(renewed.password);
  await address.getByRole("button", { name: "Change the address" }).click();
  await page.waitForURL("**/account?done=address#address");
  await look(page, "account-told");
  assert.equal((await me(page)).body.email, "old@example.com", "the link was not used yet");
  await openLetter(page, "confirm_new_address", "moved@example.com");
  await page.getByRole("heading", { name: "Confirm your address" }).waitFor();
  assert.equal((await me(page)).body.email, "old@example.com", "looking uses nothing up");
  await look(page, "verify");
  await page.getByRole("button", { name: "Confirm the address" }).click();
  await page.waitForURL("**/account?done=verified#address");
  assert.equal((await me(page)).body.email, "moved@example.com");
  assert.ok(await letsIn({ ...renewed, email: "moved@example.com" }));
}, refused(403));

seen("a forgotten password is set anew by the letter", server, async (page, { device }) => {
  const account = await register("forgetful@example.com");
  const other = await device();
  await signIn(other, account);
  await page.goto("/login");
  await page.getByRole("link", { name: "Forgot your password?" }).click();
  await look(page, "forgot");
  const answers = [];
  for (const email of ["nobody-at-all@example.com", account.email]) {
    await page.goto("/password/forgot");
    await page.getByLabel("E-mail").fill(email);
    await page.getByRole("button", { name: "Send the link" }).click();
    await page.getByRole("heading", { name: "Look into your mail" }).waitFor();
    answers.push((await page.getByRole("main").textContent()).replace(email, "…"));
  }
  assert.equal(answers[0], answers[1], "nobody learns which addresses have an account");
  await look(page, "letter-sent");
  await openLetter(page, "reset_password", account.email);
  const link = page.url();
  await look(page, "reset");
  await page.reload();
  await page.getByLabel("New password").fill("12345678");
  await page.getByRole("button", { name: "Set the password" }).click();
  assert.match(await alert(page), /^This password is not good enough/);
  assert.ok(await letsIn(account), "nothing is used up by what was refused");
  await page.getByLabel("New password").fill("six unrelated gravel words");
  await page.getByRole("button", { name: "Set the password" }).click();
  await page.waitForURL("**/login?done=reset");
  assert.match(await status(page), /^You have a new password/);
  assert.equal((await me(other)).status, 401);
  await look(page, "sign-in-told");
  await signIn(page, { email: account.email, password: "six unrelated gravel words" });
  await page.goto(link);
  await page.getByLabel("New password").fill("seven unrelated gravel words");
  await page.getByRole("button", { name: "Set the password" }).click();
  assert.match(await alert(page), /^This link has been used/);
  await look(page, "reset-used");
}, refused("(400|422)"));

seen("somebody takes the own data along", server, async (page) => {
  const account = await register("takes@example.com");
  await signIn(page, account);
  const text = await download(page);
  const all = JSON.parse(text);
  assert.deepEqual([all.account.email, all.sessions.length, all.events.next], [account.email, 1, null]);
  assert.ok(all.events.items.length >= 2, "a registration and a login");
  assert.ok(!text.includes("$argon2") && !text.includes("hash") && !text.includes(password));
});

seen("an account is deleted by its owner", server, async (page) => {
  const account = await register("leaves@example.com");
  await signIn(page, account);
  const away = part(page, "Delete the account");
  await away.getByLabel("Your password").fill("not the right one at all");
  await away.getByLabel("Yes, delete").check();
  await away.getByRole("button", { name: "Delete the account" }).click();
  assert.equal(await away.getByRole("alert").textContent(), "That is not your password.");
  assert.ok(await letsIn(account));
  // The browser asks for the tick; without it nothing is sent.
  await away.getByLabel("Your password").fill(password);
  await away.getByRole("button", { name: "Delete the account" }).click();
  assert.ok(await letsIn(account));
  await away.getByLabel("Yes, delete").check();
  await away.getByRole("button", { name: "Delete the account" }).click();
  await page.waitForURL("**/login?done=deleted#main");
  assert.match(await status(page), /^The account is gone/);
  assert.ok(!await letsIn(account));
}, refused(403));

seen("all of it works without scripts", server, async (page, { device }) => {
  const account = { email: "plain@example.com", password };
  await page.goto("/register");
  assert.equal(await page.getByRole("button", { name: "Show" }).count(), 0);
  await page.getByLabel("E-mail").fill(account.email);
  await page.getByLabel("Password").fill(password);
  await page.getByRole("button", { name: "Make the account" }).click();
  await page.waitForURL("**/account");
  await page.getByRole("banner").getByRole("button", { name: "Sign out" }).click();
  await page.waitForURL("**/login");
  await signIn(page, account);
  await page.screenshot({ path: `${process.env.BROWSER_TEST_PICTURES}/account-plain.png`, fullPage: true });

  await page.getByRole("textbox", { name: "Name" }).fill("Plain");
  await page.getByRole("button", { name: "Save the name" }).click();
  await page.waitForURL("**/account?done=name#name");
  const other = await device();
  await signIn(other, account);
  await page.reload();
  await part(page, "Devices").getByRole("listitem").nth(1).getByRole("button").click();
  assert.equal(await part(page, "Devices").getByRole("status").textContent(), "That device is signed out.");
  assert.equal((await me(other)).status, 401);
  const change = part(page, "Password");
  await change.getByLabel("Current password").fill(password);
  await change.getByLabel("New password").fill("five unrelated gravel words");
  await change.getByRole("button", { name: "Change the password" }).click();
  await page.waitForURL("**/account?done=password#password");
  await part(page, "Address").getByLabel("New e-mail").fill("plainer@example.com");
  await part(page, "Address").getByLabel("Your password").fill("five unrelated gravel words");
  await page.getByRole("button", { name: "Change the address" }).click();
  await page.waitForURL("**/account?done=address#address");
  await openLetter(page, "confirm_new_address", "plainer@example.com");
  await page.getByRole("button", { name: "Confirm the address" }).click();
  await page.waitForURL("**/account?done=verified#address");
  assert.deepEqual([(await me(page)).body.email, (await me(page)).body.name], ["plainer@example.com", "Plain"]);
  assert.equal(JSON.parse(await download(page)).account.name, "Plain");

  await page.goto("/password/forgot");
  await page.getByLabel("E-mail").fill("plainer@example.com");
  await page.getByRole("button", { name: "Send the link" }).click();
  await page.getByRole("heading", { name: "Look into your mail" }).waitFor();
  await openLetter(page, "reset_password", "plainer@example.com");
  await page.getByLabel("New password").fill("six unrelated gravel words");
  await page.getByRole("button", { name: "Set the password" }).click();
  await signIn(page, { email: "plainer@example.com", password: "six unrelated gravel words" });

  await page.locator(".clock summary").click();
  await page.getByLabel("Set it from the real time by").selectOption("6h");
  await page.getByRole("button", { name: "Set", exact: true }).click();
  await page.locator("summary").getByText("+6 h").waitFor();
  await page.getByRole("button", { name: "Back to now" }).click();
  assert.equal((await ask("GET", "/dev/clock")).body.offset, "0s");

  const away = part(page, "Delete the account");
  await away.getByLabel("Your password").fill("six unrelated gravel words");
  await away.getByLabel("Yes, delete").check();
  await away.getByRole("button", { name: "Delete the account" }).click();
  await page.waitForURL("**/login?done=deleted#main");
}, withoutScripts);

seen("the pages speak German", server, async (page) => {
  await page.goto("/account");
  await page.getByRole("heading", { name: "Anmelden" }).waitFor();
  await page.getByLabel("E-Mail").fill(server.user.email);
  await page.getByLabel("Passwort").fill(server.user.password);
  await page.getByRole("main").getByRole("button", { name: "Anmelden" }).click();
  await page.getByRole("heading", { name: "Ihr Konto" }).waitFor();
  await look(page, "account-german");
  // Another language can be chosen, and stays on the page.
  await page.getByRole("button", { name: "English" }).click();
  await page.getByRole("heading", { name: "Your account" }).waitFor();
  assert.ok(page.url().endsWith("/account"));
  assert.equal(await page.getAttribute("html", "lang"), "en");
}, { locale: "de-DE" });

seen("the outbox shows letters, and what is in them does nothing", server, async (page) => {
  const hostile = `<script>throw 1</script><img src="http://192.0.2.1/x">`;
  const email = "lettered@example.com";
  await ask("POST", "/register", { body: { email, password, name: hostile } });
  await ask("POST", "/password/forgot", { body: { email } });
  const letter = page.getByRole("article").filter({ hasText: email });
  for (let tries = 0; tries < 100 && !await letter.count(); tries += 1) await page.goto("/outbox");
  await page.frameLocator("article iframe >> nth=0").getByText("script").first().waitFor();
  await look(page, "outbox");
  await letter.getByText("As text").click();
  assert.ok((await letter.locator("pre").textContent()).includes("/password/reset?token="));
});

seen("what a code means is a page like the others", server, async (page) => {
  await page.goto("/docs/errors/token_expired");
  await page.getByRole("heading", { name: "token_expired" }).waitFor();
  await look(page, "error-code");
  await page.goto("/docs/errors/nothing");
  await page.getByRole("heading", { name: "There is nothing here" }).waitFor();
  await look(page, "nowhere");
}, refused(404));

seen("a page of another site sends forms in vain", server, async (page) => {
  const account = await register("lured@example.com");
  await signIn(page, account);
  for (const [path, field] of [["/account/name", "new_name"], ["/account/forgot", "email"]]) {
    const form = `<form method="post" action="${server.url}${path}"><input name="${field}" value="${account.email}"><button>Win</button></form>`;
    await page.goto(`data:text/html,${encodeURIComponent(form)}`);
    await page.getByRole("button", { name: "Win" }).click();
    await page.getByRole("heading", { name: "This form comes from elsewhere" }).waitFor();
  }
  await look(page, "cross-site");
  assert.equal((await me(page)).body.name, "Somebody");
  await page.goto("/outbox");
  assert.equal(await page.getByText(account.email).count(), 0, "no letter was asked for");
}, refused(403));

seen("a link for the first administrator that is not good is told", server, async (page) => {
  await page.goto("/admin/claim?token=0123456789abcdef");
  await look(page, "claim");
  await page.getByLabel("E-mail").fill("first@example.com");
  await page.getByLabel("Password").fill(password);
  await page.getByRole("button", { name: "Become the administrator" }).click();
  assert.match(await alert(page), /^This link has been used/);
  await look(page, "claim-refused");
}, refused(400));
