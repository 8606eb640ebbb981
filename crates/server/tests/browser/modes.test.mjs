// A server that hands out tokens only, to accounts that an administrator makes.

import { developersServer, look, seen } from "./harness.mjs";

const server = developersServer("--auth-mode", "jwt", "--accounts-registration", "closed");

seen("what is not possible is told in place of a form", server, async (page) => {
  await page.goto("/login");
  await page.getByText("This server hands out tokens only").waitFor();
  await look(page, "tokens-only");
  await page.goto("/register");
  await page.getByText("New accounts are made by an administrator").waitFor();
  await look(page, "closed");
  await page.goto("/outbox");
  await page.getByText("There is none yet").waitFor();
  await look(page, "outbox-empty");
});
