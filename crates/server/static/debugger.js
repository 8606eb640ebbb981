// The page /debugger. What it does with a token it does here; only a button that says so sends a request. The token is
// kept in the page alone.

import { distance, element, moment, texts } from "./page.js";
import * as token from "./token.js";

const at = (id) => document.getElementById(id);
const page = at("debugger");
const site = JSON.parse(page.dataset.site);
const words = JSON.parse(page.dataset.words);
const say = texts(page);
const seconds = () => Math.floor(Date.now() / 1000);
// By the clock of the server, which may be moved.
const ahead = site.now - seconds();
const now = () => seconds() + ahead;

let current; // the token as it was read, with what it is judged by, and the verdict
let forged; // the text of the one that was made of it
let turns = 0;

/** Text that cannot change how its surroundings are read: signs without a shape are written out. */
const plain = (text) =>
  text.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, (sign) => `\\u${sign.charCodeAt(0).toString(16).padStart(4, "0")}`);
const line = (kind, title, ...text) => element("p", {}, element("span", { class: `badge ${kind}` }, title), " ", ...text);
const code = (text) => element("code", {}, plain(text));
const coloured = (text) => text.split(".").flatMap((part, place) =>
  [place ? "." : "", element("span", { class: ["head", "body", "sign"][place] }, plain(part))]);

/** A number of seconds in its two largest units. */
const span = (all) => [[86400, "d"], [3600, "h", 24], [60, "min", 60], [1, "s", 60]]
  .map(([size, unit, most = Infinity]) => [Math.floor(all / size) % most, unit])
  .filter(([number]) => number).slice(0, 2).flat().join(" ") || "0 s";

/** The keys and rules to judge by, and what there is to say of the keys. */
async function judges() {
  const list = (keys) => keys.map(({ algorithm, kid }) => [algorithm, kid].join(" ").trim()).join(", ");
  if (!at("whose").value) {
    const keys = await token.keysOf(site.keys);
    // The secret that only the server has: it is there, and not at hand.
    if (site.secret) keys.push({ algorithm: site.secret });
    const said = say(site.secret ? "key_secret" : "key_set", { list: list(keys) });
    return { keys, rules: { ...site.rules, own: true }, said };
  }
  const rules = { leeway: 30, issuer: at("issuer").value, audience: at("audience").value };
  if (!at("key").value) return { rules, said: "" };
  try {
    const keys = await token.keysFrom(at("key").value, { wish: at("wish").value, isBase64url: at("base64url").checked });
    const { choices = [], algorithm, weak } = keys[0] ?? {};
    at("wish").replaceChildren(...choices.map((name) => element("option", { selected: name === algorithm }, name)));
    return { keys, rules, said: say(weak ?? "key_read", { code: weak, list: list(keys) }) };
  } catch (error) {
    return { rules, said: `${say(error.reason)} (${error.code})` };
  }
}

/** What became of a token, in sentences. */
function verdictOf({ accepted, signature, found }, keys) {
  const why = ([name, claim]) => say(claim && name === "token_malformed" ? "odd_id" : name, { claim });
  const [first, ...others] = found;
  const open = keys ? (keys.some(({ unknown }) => unknown) ? "browser" : "only_server") : "no_key";
  return [
    first ? line("bad", say("refused"), why(first), " ", code(first[0]))
      : accepted ? line("good", say("accepted"), say("as_far")) : line("warn", say("unchecked"), say(open)),
    line({ ok: "good", refused: "bad" }[signature], say(`signature_${signature}`), say(`signature_${signature}_text`)),
    ...others.map((other) => element("p", { class: "hint" }, say("also", { text: why(other) }))),
  ];
}

/** What a member means, at this moment. */
function meaning(part, member) {
  const { name, value } = member;
  const time = /^(exp|nbf|iat)$/.test(name) && token.seconds(member);
  if (Number.isFinite(time)) {
    const away = time - now();
    const when = say(away > 0 ? "ahead" : "past", { span: span(Math.abs(away)) });
    return say(name === "exp" && away <= 0 ? "expired" : name, { when, time: moment(time) });
  }
  if (name === "alg") return words[value === "none" ? "alg_none" : /^HS/.test(value) ? "alg_secret" : "alg_pair"];
  const known = /^(jku|jwk|x5[uc])$/.test(name) ? "brought" : name === "sub" && current.rules.own ? "account" : name;
  const text = Object.hasOwn(words, known) ? words[known] : part === "header" ? words.unread : "";
  const made = /^(sub|sid)$/.test(name) && token.madeAt(value);
  return made ? say("made", { meaning: text, when: distance(made - now()) }) : text;
}

function rows(part, { read, verdict, rules }) {
  const judged = part === "header" ? verdict.signature !== "unchecked" && ["alg", "kid", "typ"]
    : ["exp", "nbf", "aud", rules.issuer && "iss", ...(rules.own ? ["sub", "sid"] : [])];
  return read[part].map((member) => {
    const bad = verdict.found.some(([, claim]) => claim === member.name);
    const mark = bad ? ["bad", `✗ ${say("bad")}`] : judged && judged.includes(member.name) && ["good", `✓ ${say("good")}`];
    const hint = element("p", { class: "hint" });
    hint.live = () => { hint.textContent = meaning(part, member); };
    hint.live();
    return element("div", {}, element("dt", {}, plain(member.name), ...(mark ? line(...mark).childNodes : [])),
      element("dd", {}, code(member.written), hint));
  });
}

/** A token as it was read, the verdict on it, and how that is said. */
async function weigh(text, keys, rules) {
  try {
    const read = token.read(text);
    const verdict = await token.judge(read, keys, { ...rules, now: now() });
    return { read, verdict, lines: verdictOf(verdict, keys) };
  } catch ({ code: name, reason }) {
    return { lines: [line("bad", say("no_token"), say(reason), " ", code(name)), words[token.guess(text)] ?? ""] };
  }
}

/** Judges what stands in the field, and shows it. */
async function update() {
  const turn = ++turns;
  const text = token.bare(at("token").value);
  const { keys, rules, said } = await judges();
  const { read, verdict, lines } = await weigh(text, keys, rules);
  // Somebody has gone on typing.
  if (turn !== turns) return;
  current = read && { read, keys, rules, verdict };
  at("key-said").textContent = said;
  at("own").hidden = !at("whose").value;
  for (const part of page.querySelectorAll(".read")) part.hidden = !read;
  at("answer").replaceChildren();
  at("verdict").replaceChildren(...(text ? lines : [say("begin")]));
  if (!read) return;
  at("shown").replaceChildren(...coloured(text));
  const { advice, refused_by: others } = site.elsewhere[Object.hasOwn(site.elsewhere, read.alg) ? read.alg : ""];
  at("elsewhere").textContent = say("elsewhere", { alg: plain(read.alg), advice })
    + (others.length ? ` ${say("refused_by", { list: others.join("; ") })}` : "");
  for (const part of ["header", "payload"]) at(part).replaceChildren(...rows(part, current));
  at("edit").value = `{\n${read.payload.map(({ name, written }) => `  ${JSON.stringify(name)}: ${written}`).join(",\n")}\n}`;
}

/** Asks this server, and shows how it refuses; else answers what it said. */
async function ask(path, place, bearer, body) {
  place.replaceChildren(say("asking"));
  try {
    const headers = { accept: "application/json", ...(bearer && { authorization: `Bearer ${bearer}` }),
      ...(body && { "content-type": "application/json" }) };
    const response = await fetch(path, { method: body ? "POST" : "GET", headers, body: body && JSON.stringify(body),
      credentials: "omit", cache: "no-store" });
    const answer = await response.json();
    if (response.ok) return answer;
    place.replaceChildren(line("bad", response.status, code(answer.code), ` ${answer.detail}`));
  } catch {
    place.replaceChildren(say("unreachable"));
  }
  return undefined;
}

async function send(text, place) {
  const account = await ask(site.me, place, text);
  if (account) place.replaceChildren(line("good", 200, say("let_in", account)));
}

/** Shows a token beside the one that it was made of. */
async function compare(text, title) {
  const { read, keys, rules } = current;
  const other = await weigh(text, keys, rules);
  const changes = other.read ? token.differences(read, other.read) : [];
  const cell = (it) => element("td", {}, code(it ?? "–"));
  forged = text;
  at("tried-title").textContent = title;
  at("tried-verdict").replaceChildren(...other.lines);
  at("tried-shown").replaceChildren(...coloured(text));
  at("changes").replaceChildren(...changes.map((row) => element("tr", {}, ...row.map(cell))));
  at("tried-answer").replaceChildren();
  at("tried-token").hidden = false;
}

/** A token that its server signed with a flaw, where it does that; else one whose signature is the old one. */
const flawed = async (read, kind, payload) => site.tokens
  ? (await ask(site.tokens, at("tried-verdict"), read.token, { kind }))?.access_token : token.altered(read, { payload });

/** A token signed with a public key in one of its forms for the secret; none where there is no public key. */
async function confused({ read, keys }, form) {
  const found = keys?.find(({ key }) => key?.type === "public");
  if (!found) at("tried-verdict").replaceChildren(say("no_public_key"));
  return found && token.confused(read, await form(found));
}

const ATTACKS = {
  role: ({ read }) => token.altered(read, { payload: { roles: ["admin", "user"] } }),
  none: ({ read }) => token.altered(read, { header: { alg: "none" } }, ""),
  secret: ({ read }) => token.signedByAnother(read),
  confused_pem: (it) => confused(it, token.pem),
  confused_jwk: (it) => confused(it, async ({ key }) => JSON.stringify(await crypto.subtle.exportKey("jwk", key))),
  expired: ({ read }) => flawed(read, "expired", { exp: now() - 3600 }),
  wrong_audience: ({ read }) => flawed(read, "wrong_audience", { aud: "another-service" }),
};

for (const button of page.querySelectorAll("[data-attack]")) {
  button.addEventListener("click", async () => {
    at("tried-token").hidden = true;
    at("tried-title").textContent = button.textContent;
    try {
      const text = await ATTACKS[button.dataset.attack](current);
      if (text) await compare(text, button.textContent);
    } catch {
      at("tried-verdict").replaceChildren(say("browser"));
    }
    at("tried").scrollIntoView({ block: "nearest" });
  });
}
for (const id of ["token", "whose", "key", "wish", "base64url", "issuer", "audience"]) at(id).addEventListener("input", update);
at("edit").addEventListener("input", () => compare(token.retyped(current.read, at("edit").value), say("edited")));
at("ask").addEventListener("click", () => send(current.read.token, at("answer")));
at("send").addEventListener("click", () => send(forged, at("tried-answer")));

at("login").addEventListener("submit", async (event) => {
  event.preventDefault();
  const place = at("login-answer");
  const answer = await ask(site.login, place, undefined, { email: at("email").value, password: at("password").value });
  at("password").value = "";
  if (!answer) return;
  place.replaceChildren(say("got"));
  event.target.closest("details").open = false;
  at("token").value = answer.access_token;
  update();
});

/** Takes a token out of the fragment, which no request has in it, and leaves nothing of it in the address. */
function fragment() {
  if (location.hash.startsWith("#token=")) {
    at("token").value = location.hash.slice(7);
    history.replaceState(null, "", location.pathname + location.search);
  }
  update();
}

let before = now();
setInterval(() => {
  for (const hint of page.querySelectorAll("dd .hint")) hint.live();
  const exp = current?.read.payload.find(({ name }) => name === "exp");
  const end = token.seconds(exp) + current?.rules.leeway;
  // A tab that nobody sees is not called each second.
  if (before < end && now() >= end) update();
  before = now();
}, 1000);
addEventListener("hashchange", fragment);
fragment();
