// The clock of a developer's server, which is moved for all tests of a file at once: so these have a server of their own.

import assert from "node:assert/strict";

import { developersServer, look, seen, signIn } from "./harness.mjs";

const server = developersServer();
const offset = async () => (await (await fetch(`${server.url}/dev/clock`)).json()).offset;

seen("the clock is moved, a session ends by it, and comes back with it", server, async (page) => {
  await signIn(page, server.user);
  const clock = page.getByRole("contentinfo");
  await clock.locator("summary").click();
  const slider = clock.getByRole("slider", { name: "Set it from the real time by" });
  assert.equal(await slider.getAttribute("aria-valuetext"), "nothing");
  await look(page, "clock");
  await clock.getByRole("button", { name: "+10 min" }).click();
  await clock.getByText("+10 min").first().waitFor();
  assert.equal(await offset(), "10m");
  await clock.getByRole("button", { name: "+1 h" }).click();
  await clock.locator("summary").getByText("+70 min").waitFor();
  // What the page says of now is the server's time.
  const shown = await clock.locator("summary time").getAttribute("datetime");
  assert.ok(Math.abs(Date.parse(shown) - Date.now() - 4_200_000) < 60_000, shown);
  assert.match(await page.getByRole("region", { name: "Devices" }).textContent(), /used\s+(now|\d+ seconds? ago)/);

  // An idle session ends after twelve hours.
  await slider.focus();
  for (let steps = 0; steps < 20 && await slider.getAttribute("aria-valuetext") !== "+1\u00a0d"; steps += 1) {
    await page.keyboard.press("ArrowRight");
  }
  assert.equal(await offset(), "70m", "nothing is set while somebody chooses");
  await clock.getByRole("button", { name: "Set", exact: true }).click();
  await page.waitForURL("**/login?next=%2Faccount");
  assert.equal(await offset(), "1d");
  await look(page, "clock-moved");
  await clock.getByRole("button", { name: "Back to now" }).click();
  await page.waitForURL("**/account");
  assert.equal(await offset(), "0s");
});
