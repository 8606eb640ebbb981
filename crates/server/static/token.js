// A token taken apart, judged and forged: functions of what they are given, without a page and without a request.
// It is read as strictly as the server reads it, and what is refused has the name that the server gives it.

const SECRET = ["HS256", "HS384", "HS512"];
const CHOICES = { secret: SECRET, RSA: ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512"], "P-256": ["ES256"],
  "P-384": ["ES384"], "P-521": ["ES512"], Ed25519: ["EdDSA"] };
/** How the names of algorithms (OIDs) begin the key of a file, in hexadecimal. */
const OIDS = { "2a864886f70d010101": "RSA", "2a8648ce3d030107": "P-256", "2b81040022": "P-384", "2b81040023": "P-521",
  "06032b6570": "Ed25519" };

/** Why a token or a key is refused: the stable code, and which of its reasons. */
export class Refusal extends Error {
  constructor(code, reason = code) {
    super(`${code}: ${reason}`);
    Object.assign(this, { code, reason });
  }
}

const isText = (it) => typeof it === "string";
const malformed = (reason) => new Refusal("token_malformed", reason);
const utf8 = (text) => new TextEncoder().encode(text);
const letters = (bytes) => Array.from(bytes, (byte) => String.fromCharCode(byte)).join("");
const fromBase64 = (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));

/** Bytes or a text as base64url. */
export function encode(data) {
  const text = btoa(letters(isText(data) ? utf8(data) : new Uint8Array(data)));
  return text.replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

/** The bytes of base64url, without padding and in the one text that they have (RFC 4648 §3.5). */
export function decode(text) {
  if (/[^\w-]/.test(text) || text.length % 4 === 1) throw malformed("base64url");
  const bytes = fromBase64(text.replaceAll("-", "+").replaceAll("_", "/"));
  if (encode(bytes) !== text) throw malformed("base64url");
  return bytes;
}

/** The members of a JSON object in their order: the name, the value, and how the value is written. */
export function object(text) {
  try {
    JSON.parse(text);
  } catch {
    throw malformed("json");
  }
  if (!/^\s*\{/.test(text)) throw malformed("json");
  const members = [];
  let depth = 0, name, start;
  for (const { 0: piece, index } of text.matchAll(/"(?:[^"\\]|\\.)*"|[{}[\],:]/g)) {
    if (piece[0] === '"') {
      const said = JSON.parse(piece);
      if (!said.isWellFormed()) throw malformed("surrogate");
      if (depth === 1) name ??= said;
    } else if (depth === 1 && piece === ":") {
      start = index + 1;
    } else if (depth === 1 && /[,}]/.test(piece) && name !== undefined) {
      if (members.some((member) => member.name === name)) throw malformed("duplicate");
      const written = text.slice(start, index).trim();
      members.push({ name, written, value: JSON.parse(written) });
      name = undefined;
    }
    depth += /[{[]/.test(piece[0]) - /[}\]]/.test(piece[0]);
    if (depth > 64) throw malformed("deep");
  }
  return members;
}

const find = (members, name) => members.find((member) => member.name === name);
/** The value of a member; `undefined` if there is none. */
export const value = (members, name) => find(members, name)?.value;

function members(part) {
  const bytes = decode(part);
  try {
    return object(new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes));
  } catch (error) {
    throw error.code === "token_malformed" ? error : malformed("utf8");
  }
}

/** A token in its three parts, as it stands there: nothing of it is believed. */
export function read(token) {
  if (utf8(token).length > 8192) throw malformed("long");
  const parts = token.split(".");
  if (parts.length !== 3) throw malformed("parts");
  const [header, payload, signature] = [members(parts[0]), members(parts[1]), decode(parts[2])];
  const [alg, kid, typ] = ["alg", "kid", "typ"].map((name) => value(header, name));
  if ([alg, kid, typ].some((it) => it !== undefined && !isText(it))) throw malformed("member");
  if (alg === undefined) throw malformed("alg");
  return { token, parts, header, payload, signature, alg, kid, typ };
}

/** A token without what it is usually copied with. */
export function bare(text) {
  try {
    const { access_token: token } = JSON.parse(text);
    if (isText(token)) return token;
  } catch { /* it is not the answer of a login */ }
  return text.trim().replace(/^"+|"+$/g, "").replace(/^authorization:\s*/i, "").replace(/^bearer\s+/i, "");
}

const GUESSES = { guess_blanks: /\s/, guess_cut: /\.\.\.|…/, guess_jwe: /^([^.]*\.){4}[^.]*$/, guess_opaque: /^[^.]*$/,
  guess_base64: /[=+/]/ };
/** What a text may be that is no token. */
export const guess = (text) => Object.keys(GUESSES).find((name) => GUESSES[name].test(text));

/** What WebCrypto calls an algorithm. */
function web(algorithm) {
  const bits = algorithm.slice(2), hash = `SHA-${bits}`;
  switch (algorithm.slice(0, 2)) {
    case "HS": return { name: "HMAC", hash };
    case "RS": return { name: "RSASSA-PKCS1-v1_5", hash };
    case "PS": return { name: "RSA-PSS", hash, saltLength: bits / 8 };
    case "ES": return { name: "ECDSA", hash, namedCurve: `P-${bits === "512" ? 521 : bits}` };
    default: return { name: "Ed25519" };
  }
}

function fromPem(text) {
  const [, label, base64] = /^-----BEGIN ([A-Z0-9 ]+)-----([^-]*)-----END \1-----\s*$/.exec(text) ?? [];
  if (label !== "PUBLIC KEY") throw new Refusal("key_unsupported", /PRIVATE/.test(label) ? "private" : "pem");
  const data = fromBase64(base64);
  const start = Array.from(data.slice(0, 40), (byte) => byte.toString(16).padStart(2, "0")).join("");
  return { format: "spki", data, kind: OIDS[Object.keys(OIDS).find((oid) => start.includes(oid))] };
}

function fromJwk({ kty, crv, kid, alg, use = "sig", n, e, x, y, k }) {
  if (use !== "sig") throw new Refusal("key_use_mismatch");
  if (kty === "oct") return { kid, alg, format: "raw", data: decode(k), kind: "secret" };
  // Private members stay behind: who verifies needs none.
  return { kid, alg, format: "jwk", data: { kty, crv, n, e, x, y }, kind: kty === "RSA" ? kty : crv };
}

/** Makes a key for the wished algorithm, if its kind can be for that. The token has no say in it. */
async function imported({ format, data, kind, kid, alg }, wish) {
  if (!Object.hasOwn(CHOICES, kind)) throw new Refusal("key_unsupported");
  const own = alg === "Ed25519" ? "EdDSA" : alg;
  const choices = CHOICES[kind].filter((one) => one === (own ?? one));
  if (!choices.length) throw new Refusal("key_mismatch");
  const algorithm = choices.includes(wish) ? wish : choices[0];
  const made = { algorithm, choices, kid };
  if (kind === "secret" && data.length * 8 < algorithm.slice(2)) made.weak = "secret_too_short";
  try {
    made.key = await crypto.subtle.importKey(format, data, web(algorithm), true, ["verify"]);
  } catch (error) {
    // Browsers know Ed25519 since 2025.
    if (error.name !== "NotSupportedError") throw new Refusal("key_invalid");
    made.unknown = true;
  }
  if (made.key?.algorithm.modulusLength < 2048) throw new Refusal("key_too_small");
  return made;
}

/** The keys of a set; those that are for something else are left out. */
export async function keysOf(set, wish) {
  const keys = await Promise.allSettled(set.map(async (jwk) => imported(fromJwk(jwk), wish)));
  return keys.filter(({ status }) => status === "fulfilled").map((made) => made.value);
}

/** The keys of a text: PEM, a JWK, a set of them, or else a secret, in base64url if that is said. */
export async function keysFrom(text, { wish, isBase64url }) {
  const trimmed = text.trim();
  try {
    if (trimmed.startsWith("-----")) return [await imported(fromPem(trimmed), wish)];
    if (trimmed.startsWith("{")) {
      const json = JSON.parse(trimmed);
      return json.keys ? await keysOf(json.keys, wish) : [await imported(fromJwk(json), wish)];
    }
    const data = isBase64url ? decode(trimmed) : utf8(text);
    return [await imported({ format: "raw", data, kind: "secret" }, wish)];
  } catch (error) {
    throw /^(key|secret)_/.test(error.code) ? error : new Refusal("key_malformed");
  }
}

/** Seconds of a time as a verifier reads it: a fraction is rounded up, and what is out of range is none. */
export function seconds({ value: time, written } = {}) {
  if (/^\d+$/.test(written)) return BigInt(written) < 2n ** 63n ? time : undefined;
  return typeof time === "number" && time >= 0 && time < 2 ** 53 ? Math.ceil(time) : undefined;
}

/** When an id was made, in seconds: a UUID of version 7 in its canonical form says so (RFC 9562 §5.7). */
export function madeAt(id) {
  if (!/^[\da-f]{8}-[\da-f]{4}-7[\da-f]{3}-[89ab][\da-f]{3}-[\da-f]{12}$/.test(id)) return undefined;
  return Math.floor(parseInt(id.slice(0, 8) + id.slice(9, 13), 16) / 1000);
}

const isNames = (it) => isText(it) || (Array.isArray(it) && it.every(isText));

/** What stands in the way of a payload, were its signature good, in the order of a verifier: check, code, claim. */
function claims(payload, { now, leeway, issuer, audience, own }) {
  const found = [];
  const refuse = (when, ...why) => when && found.push(why);
  for (const member of payload) {
    const { name, value: it } = member;
    const odd = (/^(exp|nbf|iat)$/.test(name) && seconds(member) === undefined)
      || (/^(iss|sub|jti)$/.test(name) && !isText(it)) || (name === "aud" && !isNames(it));
    refuse(odd, "claims", "claim_invalid", name);
  }
  const exp = seconds(find(payload, "exp"));
  refuse(!find(payload, "exp"), "expiry", "claim_missing", "exp");
  refuse(now >= exp + leeway, "expiry", "token_expired", "exp");
  refuse(now + leeway < seconds(find(payload, "nbf")), "not_before", "token_not_yet_valid", "nbf");
  refuse(issuer && value(payload, "iss") !== issuer, "issuer", "issuer_mismatch", "iss");
  const named = value(payload, "aud");
  refuse(audience ? ![named].flat().includes(audience) : named !== undefined, "audience", "audience_mismatch", "aud");
  for (const id of own ? ["sub", "sid"] : []) {
    refuse(madeAt(value(payload, id)) === undefined, "subject", "token_malformed", id);
  }
  return found;
}

/** Which key a header means, as a verifier finds it; else a check and a code. */
function meant({ alg, kid, typ, header }, keys, rules) {
  const isFor = (key) => key.algorithm === (alg === "Ed25519" ? "EdDSA" : alg);
  if (keys.length && !keys.some(isFor)) return ["algorithm", "algorithm_mismatch", "alg"];
  const key = kid === undefined ? keys.length === 1 && keys[0]
    : keys.find((one) => one.kid === kid) ?? keys.find((one) => one.kid === undefined);
  if (!key) return ["key", "unknown_key", "kid"];
  if (!isFor(key)) return ["algorithm", "algorithm_mismatch", "alg"];
  const odd = header.find(({ name, value: it }) => name === "crit" || (name === "b64" && it !== true));
  if (odd) return ["header", "header_unsupported", odd.name];
  const short = (type) => type?.replace(/^application\//, "");
  const fits = rules.typ ? short(typ) === short(rules.typ) : (typ ?? "JWT").toUpperCase() === "JWT";
  return fits ? key : ["header", "type_mismatch", "typ"];
}

/**
 * The verdict on a token that was read: the first check that it fails, in the order of a verifier, and in `found` all of
 * them. Where no key is at hand the signature is left unchecked, and nothing is accepted.
 */
export async function judge(token, keys, rules) {
  const found = claims(token.payload, rules);
  let signature = "unchecked";
  const key = keys && meant(token, keys, rules);
  if (Array.isArray(key)) {
    found.unshift(key);
  } else if (key?.key) {
    const signed = utf8(token.parts.slice(0, 2).join("."));
    const good = await crypto.subtle.verify(web(key.algorithm), key.key, token.signature, signed);
    signature = good ? "ok" : "refused";
    if (!good) found.unshift(["signature", "signature_invalid"]);
  }
  const [[check, code, claim] = []] = found;
  return { accepted: code ? false : signature === "ok" || null, signature, check, code, claim, found };
}

/** A JSON object with other members in place of its own, or at its end. */
function written(members, changes) {
  const all = Object.fromEntries(members.map((member) => [member.name, member.written]));
  for (const name of Object.keys(changes)) all[name] = JSON.stringify(changes[name]);
  return `{${Object.entries(all).map(([name, text]) => `${JSON.stringify(name)}:${text}`).join(",")}}`;
}

/** The token with other members, under its old signature if none is given. */
export function altered({ parts, header, payload }, changes, signature = parts[2]) {
  const head = changes.header ? encode(written(header, changes.header)) : parts[0];
  return `${head}.${changes.payload ? encode(written(payload, changes.payload)) : parts[1]}.${signature}`;
}

async function sign(token, algorithm, key) {
  const signed = token.slice(0, token.lastIndexOf("."));
  return `${signed}.${encode(await crypto.subtle.sign(web(algorithm), key, utf8(signed)))}`;
}

async function signWith(secret, token, algorithm) {
  return sign(token, algorithm, await crypto.subtle.importKey("raw", secret, web(algorithm), false, ["sign"]));
}

/** The token signed by a key that somebody made for it: of the right kind, and the wrong one. */
export async function signedByAnother({ token, alg }) {
  if (!/^([RPE]S(256|384|512)|EdDSA|Ed25519)$/.test(alg)) {
    return signWith(crypto.getRandomValues(new Uint8Array(64)), token, SECRET.includes(alg) ? alg : "HS256");
  }
  const kind = { ...web(alg), modulusLength: 2048, publicExponent: new Uint8Array([1, 0, 1]) };
  return sign(token, alg, (await crypto.subtle.generateKey(kind, false, ["sign", "verify"])).privateKey);
}

/** The token signed with HS256, and a public key for the secret, which everybody has. */
export const confused = (token, publicKey) =>
  signWith(utf8(publicKey), altered(token, { header: { alg: "HS256" } }), "HS256");

/** A public key as a file has it. */
export async function pem({ key }) {
  const base64 = btoa(letters(new Uint8Array(await crypto.subtle.exportKey("spki", key))));
  return `-----BEGIN PUBLIC KEY-----\n${base64.match(/.{1,64}/g).join("\n")}\n-----END PUBLIC KEY-----\n`;
}

/** Which members are others in another token: the part, the name, and both writings. */
export function differences(one, other) {
  return ["header", "payload"].flatMap((part) => {
    const names = new Set([...one[part], ...other[part]].map(({ name }) => name));
    const pairs = [...names].map((name) => [name, find(one[part], name)?.written, find(other[part], name)?.written]);
    return pairs.filter(([, before, after]) => before !== after)
      .map(([name, before, after]) => ({ part, name, before, after }));
  });
}
