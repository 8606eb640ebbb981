// The page of the routes: its button "Authorize" works with a password and with a token that is pasted.

import assert from "node:assert/strict";

import { developersServer, seen } from "./harness.mjs";

const server = developersServer();

/** What `GET /me` answers when it is tried from the page. */
async function tryMe(page) {
  const block = page.locator(".opblock-get", { has: page.locator('[data-path="/me"]') });
  await block.locator(".opblock-summary-control").first().click();
  await block.getByRole("button", { name: "Execute" }).click();
  const answer = block.locator(".live-responses-table .response").first();
  await answer.waitFor();
  return { status: await answer.locator(".response-col_status").innerText(), body: await answer.innerText() };
}

seen("authorized with a password", server, async (page) => {
  await page.goto("/docs");
  await page.getByRole("button", { name: "Authorize" }).first().click();
  const password = page.locator(".auth-container", { hasText: "Flow: password" });
  await page.locator("#oauth_username").fill(server.user.email);
  await page.locator("#oauth_password").fill(server.user.password);
  await password.getByRole("button", { name: "Apply given OAuth2 credentials" }).click();
  await password.locator("button", { hasText: "Logout" }).waitFor();
  await page.getByRole("button", { name: "Close" }).first().click();
  const { status, body } = await tryMe(page);
  assert.match(status, /200/);
  assert.ok(body.includes(server.user.email), body);
});

seen("authorized with a token that is pasted", server, async (page) => {
  const login = await fetch(`${server.url}/login`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ email: server.admin.email, password: server.admin.password }),
  });
  const { access_token: token } = await login.json();
  await page.goto("/docs");
  await page.getByRole("button", { name: "Authorize" }).first().click();
  const bearer = page.locator(".auth-container", { hasText: "http, Bearer" });
  await bearer.getByRole("textbox").fill(token);
  await bearer.getByRole("button", { name: "Apply credentials" }).click();
  await page.getByRole("button", { name: "Close" }).first().click();
  const { status, body } = await tryMe(page);
  assert.match(status, /200/);
  assert.ok(body.includes(server.admin.email), body);
});

seen("without it the answer is a refusal", server, async (page) => {
  await page.goto("/docs");
  const { status } = await tryMe(page);
  assert.match(status, /401/);
}, { expected: /status of 401/ });
