// Signing in, signing up, and the own account.

import assert from "node:assert/strict";

import { developersServer, look, seen, signIn } from "./harness.mjs";

const server = developersServer();

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
  await page.getByLabel("Password").fill("four unrelated gravel words");
  await page.getByRole("button", { name: "Make the account" }).click();
  await page.waitForURL("**/account");
});

seen("a wrong password is told, and the address is kept", server, async (page) => {
  await page.goto("/login");
  await page.getByLabel("E-mail").fill(server.user.email);
  await page.getByLabel("Password").fill("wrong wrong wrong");
  await page.getByRole("main").getByRole("button", { name: "Sign in" }).click();
  assert.equal(await page.getByRole("alert").textContent(), "The address or the password is not right.");
  assert.equal(await page.getByLabel("E-mail").inputValue(), server.user.email);
  await look(page, "sign-in-refused");
}, { expected: /status of 401/ });
