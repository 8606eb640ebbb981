// The lesson: each button does its step for real, and shows what went over the wire.

import { element, moment, texts } from "./page.js";

const lesson = document.getElementById("lesson");
const say = texts(lesson);
const { base, resource, cookie } = lesson.dataset;

/** What a step leaves for later ones, in this page alone. */
const kept = {};
const MASK = "•".repeat(8);
const TOKEN = /(eyJ[\w-]+\.eyJ[\w-]+\.[\w-]+)/;
/** The headers of an answer that say something about signing in. */
const TOLD = ["content-type", "www-authenticate", "retry-after", "cache-control"];

// What each step does, and returns in words. `ask` sends a request and expects a status, perhaps a code; `show` adds more.
const acts = {
  async account({ ask, step }) {
    const [email, password] = [...step.querySelectorAll("input")].map(({ value }) => value);
    if (email && password) {
      kept.account = { email, password };
      return say("lent", { email });
    }
    if (email != null) throw new Error(say("fill"));
    kept.account = { email: `learner-${crypto.randomUUID().slice(0, 8)}@example.com`, password: crypto.randomUUID() };
    return say("account", await ask(201, "POST", "/register", { body: kept.account }));
  },

  async login({ ask }) {
    keep(await ask(200, "POST", "/login", { body: kept.account }));
    return say("login", { time: moment(claims().exp) });
  },

  async parts({ show }) {
    const [header, payload, signature] = kept.access.split(".");
    show(
      element("p", {}, token(kept.access)),
      message("head", say("header"), readable(decoded(header))),
      message("body", say("payload"), readable(decoded(payload))),
      facts(["sub", "roles", "sid", "exp"].map((name) => [name, say(`claim_${name}`, { time: moment(claims().exp) })])),
      message("sign", say("signature"), signature),
    );
    return say("parts");
  },

  async ask({ ask }) {
    await ask(200, "GET", resource, { bearer: kept.access });
    return say("ask");
  },

  async tampered({ ask, show }) {
    const [header, payload, signature] = kept.access.split(".");
    const [before] = /"roles":\[[^\]]*\]/.exec(decoded(payload));
    // An administrator already wants more.
    const after = before === '"roles":["admin"]' ? '"roles":["admin","root"]' : '"roles":["admin"]';
    show(element("p", { class: "mono" }, element("del", {}, before), " → ", element("ins", {}, after)));
    const forged = [header, encoded(decoded(payload).replace(before, after)), signature].join(".");
    await ask(401, "GET", resource, { bearer: forged, code: "signature_invalid", altered: true });
    return say("tampered");
  },

  async without({ ask }) {
    await ask(401, "GET", resource, { code: "credentials_missing" });
    return say("without");
  },

  async refresh({ ask }) {
    keep(await ask(200, "POST", "/refresh", { body: { refresh_token: kept.refresh } }));
    return say("refresh", { time: moment(claims().exp) });
  },

  async logout({ ask }) {
    const { access_expires_at: until } = await ask(200, "POST", "/logout", { bearer: kept.access });
    await ask(401, "GET", resource, { bearer: kept.access, code: "token_revoked" });
    return say("logout", { time: moment(until) });
  },

  async session({ ask, show }) {
    await ask(200, "POST", "/login/session", { body: kept.account, cookies: true, sets: true });
    const { items } = await ask(200, "GET", "/sessions", { cookies: true });
    const row = items.find(({ current }) => current);
    kept.session = row.id;
    show(element("p", { class: "kind" }, say("row")), facts(["id", "device", "address", "created_at", "last_used_at"].map((name) =>
      [say(name), name.endsWith("_at") ? moment(row[name]) : row[name]])));
    return say("session");
  },

  async cookie({ ask }) {
    await ask(200, "GET", resource, { cookies: true });
    return say("session_cookie");
  },

  async end({ ask }) {
    const { revoked } = await ask(200, "POST", "/logout", { cookies: true, sets: true });
    if (!revoked.includes(kept.session)) throw new Error();
    await ask(401, "GET", resource, { cookies: "gone" });
    if (!kept.access) return say("end");
    // Only who is signed in can look for the row.
    keep(await ask(200, "POST", "/login", { body: kept.account }));
    const { items } = await ask(200, "GET", "/sessions", { bearer: kept.access });
    await ask(200, "POST", "/logout", { bearer: kept.access });
    if (items.some(({ id }) => id === kept.session)) throw new Error();
    return say("end_seen");
  },
};

// The steps that this server offers, in their order: each wakes the next one.
const buttons = [...lesson.querySelectorAll("button[data-act]")];
buttons.forEach((button, place) => {
  const before = buttons[place - 1]?.closest(".step").querySelector("h2, h3").textContent.trim().replace(/^(\d+)/, "$1.");
  wake(button, before && say("first", { title: before }));
  button.addEventListener("click", () => perform(button, buttons[place + 1]));
});
lesson.querySelector("[data-again]").addEventListener("click", () => location.assign(location.pathname));

/** Lets a button be used, or says what it waits for. */
function wake(button, first = "") {
  button.disabled = first !== "";
  document.getElementById(`${button.dataset.act}-wait`).textContent = first;
}

async function perform(button, next) {
  // Not `disabled`: that would take the focus away.
  if (button.ariaDisabled) return;
  button.ariaDisabled = "true";
  const step = button.closest(".step");
  const [outcome, exchanges] = step.querySelectorAll(".outcome, .exchanges");
  exchanges.replaceChildren();
  const show = (...what) => exchanges.append(...what);
  const ask = async (status, method, path, more = {}) => {
    const answer = await send(method, path, more);
    show(exchange(method, path, more, answer));
    if (answer.status !== status || (more.code && more.code !== answer.body.code)) throw new Error();
    return answer.body;
  };
  const tell = (kind, text) => Object.assign(outcome, { className: `outcome notice ${kind}`, textContent: text });
  try {
    tell("good", await acts[button.dataset.act]({ ask, show, step }));
    // What was typed may be wrong.
    if (step.querySelector("input")) button.ariaDisabled = null;
    else button.textContent = `✓ ${say("done")}`;
    if (next) wake(next);
  } catch (trouble) {
    // That nobody answers is a TypeError (Fetch §5.6).
    tell("bad", trouble instanceof TypeError ? say("unreachable") : trouble.message || say("unexpected"));
    button.ariaDisabled = null;
  }
}

/** Sends a request; with the cookie only where the step is about it. */
async function send(method, path, { bearer, body, cookies }) {
  const headers = { Accept: "application/json" };
  if (bearer) headers.Authorization = `Bearer ${bearer}`;
  if (body) headers["Content-Type"] = "application/json";
  const credentials = cookies ? "same-origin" : "omit";
  const response = await fetch(base + path, { method, headers, body: body && JSON.stringify(body), credentials });
  return { status: response.status, reason: response.statusText, headers: response.headers, body: await response.json() };
}

/** What was sent and answered, side by side. */
function exchange(method, path, { bearer, body, cookies, sets, altered }, answer) {
  const sent = [`${method} ${base}${path}`];
  if (bearer) sent.push(`Authorization: Bearer ${bearer}`);
  if (cookies === true && !body) sent.push(`Cookie: ${cookie}=… ${say("cookie")}`);
  if (body) sent.push("Content-Type: application/json", "", readable(body.password ? { ...body, password: MASK } : body));
  const got = TOLD.filter((name) => answer.headers.has(name)).map((name) => `${name}: ${answer.headers.get(name)}`);
  if (sets) got.push(`set-cookie: ${cookie}=… ${say("cookie")}`);
  got.push("", readable(answer.body));
  const kind = answer.status < 400 ? "good" : "bad";
  const status = element("span", { class: `badge ${kind}` }, `${answer.status} ${answer.reason}`);
  return element("div", { class: "exchange" },
    message("", say("request"), ...coloured(sent, altered)),
    message("", element("span", {}, say("answer"), " ", status), ...coloured(got)));
}

function message(kind, title, ...inside) {
  return element("div", { class: "message" },
    element("p", { class: `kind ${kind}` }, title), element("pre", { class: "wrap" }, ...inside));
}

/** Lines of text in which tokens are coloured. */
function coloured(lines, altered) {
  return lines.join("\n").split(TOKEN).map((piece) => (TOKEN.test(piece) ? token(piece, altered) : piece));
}

/** A token in its three parts; the middle one is marked where it was altered. */
function token(text, altered) {
  const [head, body, sign] = text.split(".");
  const part = (kind, inside) => element("span", { class: kind }, inside);
  return element("span", { class: "token" },
    part("head", head), ".", part(altered ? "body altered" : "body", body), ".", part("sign", sign));
}

function facts(pairs) {
  return element("dl", { class: "facts" },
    ...pairs.flatMap(([name, value]) => [element("dt", {}, name), element("dd", {}, String(value))]));
}

/** JSON on several lines; the beginning of a long list. */
function readable(json) {
  const value = typeof json === "string" ? JSON.parse(json) : { ...json };
  const number = value.items?.length - 3;
  if (number > 0) value.items = [...value.items.slice(0, 3), `… ${say("more", { number })}`];
  return JSON.stringify(value, null, 2);
}

function keep(answer) {
  Object.assign(kept, { access: answer.access_token, refresh: answer.refresh_token });
}

function claims() {
  return JSON.parse(decoded(kept.access.split(".")[1]));
}

function decoded(part) {
  const bytes = atob(part.replaceAll("-", "+").replaceAll("_", "/"));
  return new TextDecoder().decode(Uint8Array.from(bytes, (letter) => letter.charCodeAt(0)));
}

function encoded(text) {
  const bytes = String.fromCharCode(...new TextEncoder().encode(text));
  return btoa(bytes).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}
