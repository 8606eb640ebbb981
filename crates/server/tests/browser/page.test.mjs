// The page of docs/guides/sessions-for-a-web-page.md, as it stands there: at an origin of its own, at one that nobody listed,
// and behind the same origin as the server.

import assert from "node:assert/strict";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createServer, request } from "node:http";
import { after } from "node:test";

import { developersServer, seen } from "./harness.mjs";

const guide = readFileSync(`${process.env.BROWSER_TEST_ROOT}/docs/guides/sessions-for-a-web-page.md`, "utf8");
const block = (language) => new RegExp(`\`\`\`${language}\n(.*?)\`\`\``, "s").exec(guide)[1];
const DOCUMENT = block("html");
const SCRIPT = block("js");
const HERE = "http://127.0.0.1:8000";
assert.ok(SCRIPT.startsWith(`const SERVER = '${HERE}'`));

/** Serves the page, whose script asks `server()`; what begins with `/auth/` goes on to the server of that name. */
async function pageServer(server, behind) {
  const answer = (response, kind, text) => {
    response.writeHead(200, { "Content-Type": `${kind}; charset=utf-8` });
    response.end(text);
  };
  const pages = createServer((asked, response) => {
    if (behind && asked.url.startsWith("/auth/")) {
      const { port } = new URL(behind());
      const { method, headers } = asked;
      const path = asked.url.slice("/auth".length);
      const passed = request({ host: "127.0.0.1", port, path, method, headers }, (back) => {
        response.writeHead(back.statusCode, back.headers);
        back.pipe(response);
      });
      asked.pipe(passed);
    } else if (asked.url === "/app.js") {
      answer(response, "text/javascript", SCRIPT.replace(HERE, server()));
    } else if (asked.url === "/") {
      answer(response, "text/html", DOCUMENT);
    } else {
      response.writeHead(404).end();
    }
  });
  pages.listen(0, "127.0.0.1");
  await once(pages, "listening");
  after(() => pages.close());
  return `http://127.0.0.1:${pages.address().port}`;
}

const flag = /countersign dev (--http-cors-origins) http/.exec(guide)[1];
const listed = await pageServer(() => apart.url);
const stranger = await pageServer(() => apart.url);
const apart = developersServer(flag, listed);
const one = await pageServer(() => "/auth", () => together.url);
const together = developersServer("--http-public-url", `${one}/auth`);

async function enter(page, { email, password }) {
  await page.getByLabel("E-mail").fill(email);
  await page.getByLabel("Password").fill(password);
  await page.getByRole("button", { name: "Sign in" }).click();
}

/** Signs in, writes, comes back, signs out; at the address of the page. */
async function wholeWay(page, url, { user }) {
  await page.goto(url);
  await enter(page, { ...user, password: "not the right one" });
  await page.getByText("the email or the password is wrong").waitFor();
  assert.equal(await page.getByLabel("Password").inputValue(), "");

  await enter(page, user);
  await page.getByText(`Signed in as ${user.email}`).waitFor();
  await page.getByLabel("Title").fill("<b>bold</b>");
  await page.getByRole("button", { name: "Write" }).click();
  await page.getByText("<b>bold</b>").waitFor();
  // No script has the credential, and it outlasts the page.
  assert.equal(await page.evaluate("document.cookie + JSON.stringify(localStorage)"), "{}");
  await page.reload();
  await page.getByText(`Signed in as ${user.email}`).waitFor();

  const [cookie] = await page.context().cookies();
  await page.getByRole("button", { name: "Sign out" }).click();
  await page.getByLabel("Password").waitFor();
  assert.deepEqual(await page.context().cookies(), []);
  // Who has kept the cookie has nothing.
  await page.context().addCookies([cookie]);
  await page.reload();
  await page.getByLabel("Password").waitFor();
}

// A browser logs each answer that is no success.
const refusals = /status of 401/;

seen("the page of the guide goes all its way at an origin that is listed", apart, async (page) => {
  await wholeWay(page, listed, apart);
}, { expected: refusals, also: [listed] });

seen("the page of the guide goes all its way behind the same origin", together, async (page) => {
  await wholeWay(page, one, together);
}, { expected: refusals, also: [one] });

seen("the page of the guide gets nothing at an origin that is not listed", apart, async (page) => {
  await page.goto(stranger);
  await page.getByRole("status").getByText("Failed to fetch").waitFor();
  // A form of its own reaches the server, which sees where it is from.
  const answered = page.waitForResponse((response) => response.url().endsWith("/login/session"));
  await page.evaluate(({ url, user }) => {
    const form = document.createElement("form");
    Object.assign(form, { method: "post", action: `${url}/login/session` });
    for (const [name, value] of [["username", user.email], ["password", user.password]]) {
      form.append(Object.assign(document.createElement("input"), { name, value }));
    }
    document.body.append(form);
    form.submit();
  }, { url: apart.url, user: apart.user });
  assert.equal((await answered).status(), 403);
  assert.deepEqual(await page.context().cookies(), []);
}, { expected: /CORS|ERR_FAILED|status of 40[13]/, also: [stranger] });
