// The page /debugger. What it does with a token it does here; a request is sent by a button that says so, and by none
// other. The token is kept in the page alone.

import { distance, element, moment, texts } from "./page.js";
import * as token from "./token.js";

const at = (id) => document.getElementById(id);
const page = at("debugger");
const site = JSON.parse(page.dataset.site);
const words = JSON.parse(page.dataset.words);
const say = texts(page);
const ahead = site.now - Math.floor(Date.now() / 1000);
const now = () => Math.floor(Date.now() / 1000) + ahead;
const CLAIMS = ["jti", "name", "roles", "gen", "iss", "aud", "sid", "sub"];

let current; // the token as it was read, the keys and rules that it is judged by, and the verdict
let forged; // the text of the one that was made of it
let turns = 0;

/** Text that cannot change how what is beside it is read: signs that have no shape are written out. */
const plain = (text) =>
  text.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, (sign) => `\\u${sign.charCodeAt(0).toString(16).padStart(4, "0")}`);

const badge = (kind, text) => element("span", { class: `badge ${kind}` }, text);

/** The three parts of a token, told apart. */
const coloured = (text) => text.split(".").flatMap((part, place) =>
  [...(place ? ["."] : []), element("span", { class: ["head", "body", "sign"][place] ?? "" }, plain(part))]);

/** A number of seconds in its two largest units, as `token explain` writes it. */
function span(all) {
  const parts = [];
  for (const [length, unit] of [[86400, "d"], [3600, "h"], [60, "min"], [1, "s"]]) {
    const number = Math.floor(all / length);
    all %= length;
    if (number) parts.push(`${number} ${unit}`);
    else if (parts.length) break;
  }
  return parts.slice(0, 2).join(" ") || "0 s";
}

/** The keys to judge by, `undefined` if there are none; the rules; and what there is to say of the keys. */
async function judges() {
  if (!at("whose").value) {
    const keys = await token.keysOf(site.keys);
    // The secret that only the server has: it is there, and not at hand.
    if (site.secret) keys.push({ algorithm: site.secret });
    const said = say(site.secret ? "key_secret" : "key_set", { list: keys.map(({ algorithm, kid }) => `${algorithm} ${kid ?? ""}`).join(", ") });
    return { keys, rules: { ...site.rules, now: now(), own: true }, said };
  }
  const rules = { leeway: 30, now: now(), issuer: at("issuer").value, audience: at("audience").value };
  if (!at("key").value) return { rules, said: "" };
  try {
    const keys = await token.keysFrom(at("key").value, { wish: at("wish").value, isBase64url: at("base64url").checked });
    const [{ choices, algorithm, weak }] = keys.length ? keys : [{ choices: [] }];
    at("wish").replaceChildren(...choices.map((name) => element("option", { selected: name === algorithm }, name)));
    return { keys, rules, said: weak ? say(weak, { code: weak }) : say("key_read", { list: keys.map((key) => key.algorithm).join(", ") }) };
  } catch ({ code, reason }) {
    return { rules, said: `${say(reason) ?? say("key_bad")} (${code})` };
  }
}

/** What became of a token, in a sentence. */
function verdictOf({ accepted, signature, code, claim, check, found }, keys) {
  const lines = [];
  const refused = (why, what, name) => say(what === "token_malformed" ? "odd_id" : what, { claim: name });
  if (code) lines.push(element("p", {}, badge("bad", say("refused")), ` ${refused(check, code, claim)} `, element("code", {}, code)));
  else if (accepted) lines.push(element("p", {}, badge("good", say("accepted")), ` ${say("as_far")}`));
  else lines.push(element("p", {}, badge("warn", say("unchecked")), ` ${say(keys?.some(({ unknown }) => unknown) ? "browser" : keys ? "only_server" : "no_key")}`));
  const kind = { ok: "good", refused: "bad", unchecked: "" }[signature];
  lines.push(element("p", {}, badge(kind, say(`signature_${signature}`)), ` ${say(`signature_${signature}_text`)}`));
  for (const [, what, name] of found.slice(1)) lines.push(element("p", { class: "hint" }, say("also", { text: refused("", what, name) })));
  return lines;
}

function meaningOf(part, { name, value, written }) {
  if (part === "header") {
    if (name === "alg") return words[value === "none" ? "alg_none" : /^HS/.test(value) ? "alg_secret" : "alg_pair"];
    if (/^(jku|jwk|x5u|x5c)$/.test(name)) return words.brought;
    return words[/^(kid|typ|crit|b64)$/.test(name) ? name : "unread"];
  }
  const seconds = token.seconds({ value, written });
  if (/^(exp|nbf|iat)$/.test(name) && seconds !== undefined) return { name, seconds };
  const made = /^(sub|sid)$/.test(name) && token.madeAt(value);
  const meaning = CLAIMS.includes(name) ? words[name] : "";
  return made ? say("made", { meaning, when: distance(made - now()) }) : meaning;
}

/** What a time means at this moment. */
function timeText({ name, seconds }) {
  const away = seconds - now();
  const when = say(away > 0 ? "ahead" : "past", { span: span(Math.abs(away)) });
  const which = { exp: away > 0 ? "exp_ahead" : "exp_past", nbf: "nbf", iat: "iat" }[name];
  return say(which, { when, time: seconds < 8.64e12 ? moment(seconds) : seconds });
}

function rows(part, { read, verdict, rules }) {
  const judged = { header: ["alg", "kid", "typ"], payload: ["exp", "nbf", rules.issuer && "iss", "aud", rules.own && "sub", rules.own && "sid"] }[part];
  const isOk = part === "header" ? verdict.signature !== "unchecked" : true;
  return read[part].map((member) => {
    const { name, written } = member;
    const bad = verdict.found.some(([check, , claim]) => claim === name && (part === "header") === /^(algorithm|key|header)$/.test(check));
    const mark = bad ? badge("bad", `✗ ${say("bad")}`) : isOk && judged.includes(name) ? badge("good", `✓ ${say("good")}`) : "";
    const meaning = meaningOf(part, member);
    const hint = element("p", { class: "hint" }, meaning?.name ? timeText(meaning) : meaning);
    if (meaning?.name) hint.time = meaning;
    return element("div", {}, element("dt", {}, plain(name), " ", mark), element("dd", {}, element("code", {}, plain(written)), hint));
  });
}

/** Judges what stands in the field, and shows it. */
async function update() {
  const turn = ++turns;
  const text = token.bare(at("token").value);
  const { keys, rules, said } = await judges();
  let [read, refusal, verdict] = [];
  try {
    read = token.read(text);
    verdict = await token.judge(read, keys, rules);
  } catch (error) {
    refusal = error;
  }
  if (turn !== turns) return;
  at("key-said").textContent = said;
  at("own").hidden = !at("whose").value;
  for (const part of page.querySelectorAll(".read")) part.hidden = !read;
  current = read && { read, keys, rules, verdict };
  at("answer").replaceChildren();
  if (!read) {
    const guess = words[token.guess(text)];
    const lines = text ? [element("p", {}, badge("bad", say("no_token")), ` ${say(refusal.reason)} `, element("code", {}, refusal.code)),
      ...(guess ? [element("p", { class: "hint" }, guess)] : [])] : [element("p", {}, say("begin"))];
    return at("verdict").replaceChildren(...lines);
  }
  at("verdict").replaceChildren(...verdictOf(verdict, keys));
  at("shown").replaceChildren(...coloured(text));
  const { advice, refused_by: others } = site.elsewhere[Object.hasOwn(site.elsewhere, read.alg) ? read.alg : ""];
  at("elsewhere").textContent = say("elsewhere", { alg: plain(read.alg), advice }) + (others.length ? ` ${say("refused_by", { list: others.join("; ") })}` : "");
  for (const part of ["header", "payload"]) at(part).replaceChildren(...rows(part, current));
  at("edit").value = JSON.stringify(JSON.parse(new TextDecoder().decode(token.decode(read.parts[1]))), null, 2);
}

/** Sends a token to this server, as a client would, and shows what it answers. */
async function send(text, place) {
  place.replaceChildren(say("asking"));
  try {
    const response = await fetch(site.me, { headers: { accept: "application/json", authorization: `Bearer ${text}` }, credentials: "omit", cache: "no-store" });
    show(response, await response.json(), place);
  } catch {
    place.textContent = say("unreachable");
  }
}

function show({ ok, status }, { code, detail, email }, place) {
  place.replaceChildren(element("p", {}, badge(ok ? "good" : "bad", `${status}`), " ",
    ...(ok ? [say("let_in", { email })] : [element("code", {}, code), ` ${detail}`])));
}

async function post(path, body, place, headers = {}) {
  place.replaceChildren(say("asking"));
  try {
    const response = await fetch(path, { method: "POST", headers: { ...headers, accept: "application/json", "content-type": "application/json" }, credentials: "omit", body: JSON.stringify(body) });
    const answer = await response.json();
    if (response.ok) return answer.access_token;
    show(response, answer, place);
  } catch {
    place.textContent = say("unreachable");
  }
  return undefined;
}

/** Shows a forged token beside the one that it was made of. */
async function tried(text, title) {
  const { read, keys, rules } = current;
  const place = at("tried-verdict");
  forged = text;
  at("tried-title").textContent = title;
  at("tried-answer").replaceChildren();
  at("tried-token").hidden = false;
  at("tried-shown").replaceChildren(...coloured(text));
  try {
    const other = token.read(text);
    place.replaceChildren(...verdictOf(await token.judge(other, keys, { ...rules, now: now() }), keys));
    const cell = (text) => element("td", {}, element("code", {}, text === undefined ? "–" : plain(text)));
    const lines = token.differences(read, other).map(({ name, before, after }) => element("tr", {}, cell(name), cell(before), cell(after)));
    if (read.parts[2] !== other.parts[2]) lines.push(element("tr", {}, element("td", {}, say("signature")), cell(read.parts[2].slice(0, 12)), cell(other.parts[2].slice(0, 12))));
    at("changes").replaceChildren(...lines);
  } catch ({ reason, code }) {
    place.replaceChildren(element("p", {}, badge("bad", say("no_token")), ` ${say(reason)} `, element("code", {}, code)));
    at("changes").replaceChildren();
  }
}

/** A public key that everybody has, of those that are known here. */
const publicKey = () => current.keys?.find(({ key }) => key?.type === "public");

const ATTACKS = {
  role: ({ read }) => token.altered(read, { payload: { roles: ["admin", "user"] } }),
  none: ({ read }) => token.altered(read, { header: { alg: "none" } }, ""),
  secret: ({ read }) => token.signedByAnother(read),
  confused_pem: async ({ read }) => publicKey() && token.confused(read, await token.pem(publicKey())),
  confused_jwk: async ({ read }) => publicKey() && token.confused(read, JSON.stringify(await crypto.subtle.exportKey("jwk", publicKey().key))),
  expired: ({ read }) => flawed("expired", () => token.altered(read, { payload: { exp: now() - 3600 } })),
  wrong_audience: ({ read }) => flawed("wrong_audience", () => token.altered(read, { payload: { aud: "https://another-service.example" } })),
};

/** Signed by the server if that makes such tokens; else by nobody. */
const flawed = (kind, unsigned) => site.tokens
  ? post(site.tokens, { kind }, at("tried-verdict"), { authorization: `Bearer ${current.read.token}` }) : unsigned();

for (const button of page.querySelectorAll("[data-attack]")) {
  button.addEventListener("click", async () => {
    const text = await ATTACKS[button.dataset.attack](current);
    if (text) return tried(text, button.textContent);
    at("tried-title").textContent = button.textContent;
    at("tried-token").hidden = true;
    if (!at("tried-verdict").querySelector(".badge.bad")) at("tried-verdict").textContent = say("no_public_key");
  });
}
for (const id of ["token", "whose", "key", "wish", "base64url", "issuer", "audience"]) at(id).addEventListener("input", update);
at("edit").addEventListener("input", () => tried(token.altered(current.read, {}).replace(/\.[^.]*\./, `.${token.encode(at("edit").value)}.`), say("edited")));
at("ask").addEventListener("click", () => send(current.read.token, at("answer")));
at("send").addEventListener("click", () => send(forged, at("tried-answer")));
at("login").addEventListener("submit", async (event) => {
  event.preventDefault();
  const text = await post(site.login, { email: at("email").value, password: at("password").value }, at("login-answer"));
  at("password").value = "";
  if (!text) return;
  at("login-answer").textContent = say("got");
  at("token").value = text;
  update();
});

/** Takes a token out of the fragment, which no request has in it, and leaves nothing of it in the address. */
function fragment() {
  const { hash, pathname, search } = location;
  if (!hash.startsWith("#token=")) return;
  history.replaceState(null, "", pathname + search);
  at("token").value = decodeURIComponent(hash.slice(7));
  update();
}

setInterval(() => {
  for (const hint of page.querySelectorAll("dd .hint")) if (hint.time) hint.textContent = timeText(hint.time);
  if (current && current.verdict.code !== "token_expired") {
    const exp = current.read.payload.find(({ name }) => name === "exp");
    if (exp && now() === token.seconds(exp) + current.rules.leeway) update();
  }
}, 1000);
addEventListener("hashchange", fragment);
fragment();
update();
