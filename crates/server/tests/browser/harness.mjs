// A server of its own for each file of tests, a browser, and what has to hold on every page.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { after, before, test } from "node:test";

import { chromium } from "playwright-core";

const binary = required("BROWSER_TEST_BINARY");
const pictures = required("BROWSER_TEST_PICTURES");
const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

function required(name) {
  assert.ok(process.env[name], `${name} is not set: run scripts/browser`);
  return process.env[name];
}

let browser;
// One browser for all tests of a file, however many servers they need.
before(async () => {
  const flagsOfChromium = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync"];
  browser = await chromium.launch({
    executablePath: process.env.BROWSER_TEST_CHROMIUM ?? "/usr/bin/chromium",
    args: flagsOfChromium,
  });
});
after(() => browser?.close());

/**
 * Starts `countersign dev` for the tests of a file, with more flags if there are any.
 * What it returns has `url` and `accounts` once the tests run.
 */
export function developersServer(...flags) {
  const server = {};
  before(async () => {
    mkdirSync(pictures, { recursive: true });
    const base = ["dev", "--json", "--ephemeral", "--listen", "127.0.0.1:0", "--limits-enabled", "false"];
    server.process = spawn(binary, [...base, ...flags], { stdio: ["ignore", "pipe", "pipe"] });
    server.log = "";
    server.process.stderr.on("data", (text) => { server.log += text; });
    for await (const line of createInterface(server.process.stdout)) {
      Object.assign(server, JSON.parse(line));
      break;
    }
    assert.ok(server.url, `the server does not start: ${server.log}`);
    server.user = server.accounts.find(({ roles }) => !roles.includes("admin"));
    server.admin = server.accounts.find(({ roles }) => roles.includes("admin"));
  });
  after(() => ended(server));
  return server;
}

/** The same with `countersign serve`, which has one account: `user`, who registered. */
export function productionServer(...flags) {
  const server = { log: "", user: { email: "somebody@example.com", password: "four unrelated gravel words" } };
  before(async () => {
    const folder = mkdtempSync(join(tmpdir(), "countersign-"));
    const base = ["serve", "--data-dir", folder, "--listen", "127.0.0.1:0"];
    server.process = spawn(binary, [...base, ...flags], { stdio: ["ignore", "ignore", "pipe"] });
    server.process.once("exit", () => rmSync(folder, { recursive: true }));
    for await (const text of server.process.stderr.iterator({ destroyOnReturn: false })) {
      server.log += text;
      server.url = /listening on (http\S+)/.exec(server.log)?.[1];
      if (server.url) break;
    }
    assert.ok(server.url, `the server does not start: ${server.log}`);
    server.process.stderr.resume();
    const headers = { "Content-Type": "application/json" };
    const made = await fetch(`${server.url}/register`, { method: "POST", headers, body: JSON.stringify(server.user) });
    assert.equal(made.status, 201, await made.text());
  });
  after(() => ended(server));
  return server;
}

async function ended({ process }) {
  process.kill("SIGTERM");
  await new Promise((done) => process.once("exit", done));
}

/**
 * A test in a browser of its own: `visit` gets a page and what makes more of them. It fails too when a page logs an
 * error, breaks its content security policy, throws, or asks another host.
 * Options: `expected`, a pattern of errors that the test provokes; `also`, other hosts that it asks; and what Playwright
 * knows of contexts.
 */
export function seen(name, server, visit, { expected, also = [], ...options } = {}) {
  test(name, { timeout: 90_000 }, async () => {
    const troubles = [];
    const contexts = [];
    const context = async (more = {}) => {
      const made = await browser.newContext({
        baseURL: server.url, locale: "en-GB", reducedMotion: "reduce", ...options, ...more,
      });
      made.setDefaultTimeout(15_000);
      contexts.push(made);
      made.on("console", (message) => {
        if (message.type() === "error" && !expected?.test(message.text())) troubles.push(message.text());
      });
      made.on("weberror", (error) => troubles.push(String(error.error())));
      made.on("request", (request) => {
        const isOwn = [server.url, ...also].some((url) => request.url().startsWith(url));
        if (/^(https?|wss?):/.test(request.url()) && !isOwn) {
          troubles.push(`asks ${request.url()}`);
        }
      });
      return made;
    };
    try {
      const first = await context();
      await visit(await first.newPage(), { context, device: async (more) => (await context(more)).newPage() });
      assert.deepEqual(troubles, []);
    } finally {
      await Promise.all(contexts.map((made) => made.close()));
    }
  });
}

/** Signs in on the page, as one of the server's accounts. */
export async function signIn(page, { email, password }) {
  await page.goto("/login");
  await page.getByLabel("E-mail").fill(email);
  await page.getByLabel("Password").fill(password);
  await page.getByRole("main").getByRole("button", { name: "Sign in" }).click();
  await page.waitForURL("**/account");
}

/** What is wrong with the page for who cannot see, or cannot use a mouse: nothing serious may be. */
export async function accessible(page) {
  await page.evaluate(axe);
  const { violations } = await page.evaluate(() => globalThis.axe.run(document, { resultTypes: ["violations"] }));
  const grave = violations.filter(({ impact }) => ["serious", "critical"].includes(impact));
  const shown = grave.map(({ id, help, nodes }) => `${id}: ${help}: ${nodes.map(({ html }) => html).slice(0, 3).join(" ")}`);
  assert.deepEqual(shown, []);
}

/** Takes pictures of the page, narrow and wide, light and dark; nothing may be wider than the screen. */
export async function look(page, name) {
  for (const width of [390, 1280]) {
    await page.setViewportSize({ width, height: 844 });
    for (const colorScheme of ["light", "dark"]) {
      await page.emulateMedia({ colorScheme });
      await page.screenshot({ path: `${pictures}/${name}-${width}-${colorScheme}.png`, fullPage: true });
      await accessible(page);
    }
    const needed = await page.evaluate(() => document.documentElement.scrollWidth);
    assert.ok(needed <= width, `${name} is ${needed} wide on a screen of ${width}`);
  }
  await page.emulateMedia({ colorScheme: "light" });
}
