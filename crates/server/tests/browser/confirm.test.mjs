// A server on which an address has to be confirmed first.

import assert from "node:assert/strict";

import { developersServer, look, seen, signIn } from "./harness.mjs";

const server = developersServer("--accounts-verify-email", "true");
const account = { email: "new@example.com", password: "four unrelated gravel words" };

seen("a registration is an account once its address is confirmed", server, async (page) => {
  await page.goto("/register");
  await page.getByLabel("E-mail").fill(account.email);
  await page.getByLabel("Password").fill(account.password);
  await page.getByRole("button", { name: "Make the account" }).click();
  await page.getByRole("heading", { name: "Look into your mail" }).waitFor();
  await look(page, "confirm-first");

  await page.goto("/login");
  await page.getByLabel("E-mail").fill(account.email);
  await page.getByLabel("Password").fill(account.password);
  await page.getByRole("main").getByRole("button", { name: "Sign in" }).click();
  assert.match(await page.getByRole("alert").textContent(), /^The address has not been confirmed yet/);
  await look(page, "sign-in-unconfirmed");
  await page.getByRole("button", { name: "Send the letter again" }).click();
  await page.getByRole("heading", { name: "Look into your mail" }).waitFor();

  const letters = page.getByRole("article").filter({ hasText: account.email });
  for (let tries = 0; tries < 100 && await letters.count() < 2; tries += 1) await page.goto("/outbox");
  assert.equal(await letters.count(), 2, "one of the registration, one that was asked for");
  await letters.first().getByRole("link", { name: "Open the link" }).click();
  const link = page.url();
  await page.reload();
  await page.getByRole("button", { name: "Confirm the address" }).click();
  await page.waitForURL("**/login?done=verified");
  assert.match(await page.getByRole("status").textContent(), /^The address is confirmed/);
  await signIn(page, account);

  await page.goto(link);
  await page.getByRole("button", { name: "Confirm the address" }).click();
  assert.match(await page.getByRole("alert").textContent(), /^This link has been used/);
  await look(page, "verify-used");
}, { expected: /status of 40[03]/ });
