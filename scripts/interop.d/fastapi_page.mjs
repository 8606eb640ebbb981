// Presses the button Authorize of the page /docs that FastAPI makes, in Chromium, for fastapi_page.py.
//
// The page takes Swagger UI from elsewhere: what it asks there is answered with the package of the same name, and every other
// host is refused. stdin has one JSON object: the address of the page, that of the server, an account, and Chromium.

import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { text } from "node:stream/consumers";
import { test } from "node:test";

import { chromium } from "playwright-core";

const { page: address, server, account, program } = JSON.parse(await text(process.stdin));
const swagger = dirname(createRequire(import.meta.url).resolve("swagger-ui-dist/package.json"));
const elsewhere = "https://cdn.jsdelivr.net/npm/swagger-ui-dist@5/";

const browser = await chromium.launch({ executablePath: program, args: ["--no-sandbox", "--disable-gpu", "--no-first-run"] });

/** The page, as a reader opens it; and in `strangers` who else was asked. */
async function opened() {
  const page = await browser.newPage();
  const strangers = [];
  page.setDefaultTimeout(15_000);
  await page.route(/^https?:/, (route) => {
    const url = route.request().url();
    if (url.startsWith(`${address}/`) || url.startsWith(`${server}/`)) return route.continue();
    if (url.startsWith(elsewhere)) return route.fulfill({ path: join(swagger, url.slice(elsewhere.length)) });
    // The page has an icon there.
    if (!url.endsWith("/favicon.png")) strangers.push(url);
    return route.abort();
  });
  await page.goto(`${address}/docs`);
  return { page, strangers };
}

/** Presses Authorize, and what is below the fields then; leaves the dialogue open. */
async function authorize(page, password) {
  await page.locator(".auth-wrapper > button.authorize").first().click();
  await page.locator("#oauth_username").fill(account.email);
  await page.locator("#oauth_password").fill(password);
  await page.locator(".auth-btn-wrapper button.authorize").click();
}

/** What `GET /posts` answers when it is tried from the page. */
async function tried(page) {
  const block = page.locator(".opblock-get", { has: page.locator('[data-path="/posts"]') });
  await block.locator(".opblock-summary-control").first().click();
  await block.getByRole("button", { name: "Try it out" }).click();
  await block.getByRole("button", { name: "Execute" }).click();
  const answer = block.locator(".live-responses-table .response").first();
  await answer.waitFor();
  return { status: await answer.locator(".response-col_status").innerText(), body: await answer.innerText() };
}

test("with address and password the routes answer", async () => {
  const { page, strangers } = await opened();
  await authorize(page, account.password);
  await page.locator(".auth-btn-wrapper button", { hasText: "Logout" }).waitFor();
  await page.locator(".auth-btn-wrapper button.btn-done").click();
  const { status, body } = await tried(page);
  assert.match(status, /200/);
  assert.match(body, /My first post/);
  assert.deepEqual(strangers, []);
});

test("a wrong password is said to be one", async () => {
  const { page } = await opened();
  await authorize(page, "not the password of this account");
  await page.locator(".auth-container .errors", { hasText: /auth error/i }).waitFor();
  assert.equal(await page.locator(".auth-btn-wrapper button", { hasText: "Logout" }).count(), 0);
});

test("without authorising the answer is 401", async () => {
  const { page } = await opened();
  const { status, body } = await tried(page);
  assert.match(status, /401/);
  assert.doesNotMatch(body, /My first post/);
});

test.after(() => browser.close());
