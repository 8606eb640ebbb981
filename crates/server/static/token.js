// A token taken apart, judged and forged: functions of what they are given, without a page and without a request.
// It is read as strictly as the server reads it, and what is refused has the name that the server gives it.

const CHOICES = { secret: ["HS256", "HS384", "HS512"], RSA: ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512"],
  "P-256": ["ES256"], "P-384": ["ES384"], "P-521": ["ES512"], Ed25519: ["EdDSA"] };
// How a PEM file names the kind of its key (OIDs), in hexadecimal.
const OIDS = { "2a864886f70d010101": "RSA", "2a8648ce3d030107": "P-256", "2b81040022": "P-384", "2b81040023": "P-521",
  "06032b6570": "Ed25519" };
// What a text may be that is no token.
const GUESSES = { guess_blanks: /\s/, guess_cut: /\.\.\.|…/, guess_jwe: /^([^.]*\.){4}[^.]*$/, guess_opaque: /^[^.]*$/,
  guess_base64: /[=+/]/ };

/** Why a token or a key is refused: the stable code, and which of its reasons. */
const refusal = (code, reason = code) => Object.assign(new Error(reason), { code, reason });
const malformed = (reason) => refusal("token_malformed", reason);
const isText = (it) => typeof it === "string";
const utf8 = (text) => new TextEncoder().encode(text);
const base64 = (bytes) => btoa(Array.from(new Uint8Array(bytes), (byte) => String.fromCharCode(byte)).join(""));
const bytesOf = (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));

/** Bytes or a text as base64url. */
export const encode = (data) => base64(isText(data) ? utf8(data) : data)
  .replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");

/** The bytes of base64url, in the one text that they have (RFC 4648 §3.5). */
export function decode(text) {
  if (/[^\w-]/.test(text) || text.length % 4 === 1) throw malformed("base64url");
  const bytes = bytesOf(text.replaceAll("-", "+").replaceAll("_", "/"));
  if (encode(bytes) !== text) throw malformed("base64url");
  return bytes;
}

const find = (members, name) => members.find((member) => member.name === name);
const value = (members, name) => find(members, name)?.value;

/** The members of a part in their order: the name, the value, and how the value is written. */
function membersOf(part) {
  const bytes = decode(part);
  let text;
  try {
    text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
    JSON.parse(text);
  } catch {
    throw malformed(text === undefined ? "utf8" : "json");
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
      if (find(members, name)) throw malformed("duplicate");
      const written = text.slice(start, index).trim();
      members.push({ name, written, value: JSON.parse(written) });
      name = undefined;
    }
    depth += /^[{[]/.test(piece) - /^[}\]]/.test(piece);
    if (depth > 64) throw malformed("deep");
  }
  return members;
}

/** A token in its three parts, as it stands there: nothing of it is believed. */
export function read(token) {
  if (utf8(token).length > 8192) throw malformed("long");
  const parts = token.split(".");
  if (parts.length !== 3) throw malformed("parts");
  const [header, payload, signature] = [membersOf(parts[0]), membersOf(parts[1]), decode(parts[2])];
  const [alg, kid, typ] = ["alg", "kid", "typ"].map((name) => value(header, name));
  if ([alg, kid, typ].some((it) => it !== undefined && !isText(it))) throw malformed("member");
  if (alg === undefined) throw malformed("alg");
  return { token, parts, header, payload, signature, alg, kid, typ };
}

/** A token without what it is usually copied with: the rest of a header, or of a login's answer. */
export const bare = (text) => /"access_token"\s*:\s*"([^"]*)"/.exec(text)?.[1]
  ?? text.trim().replace(/^"+|"+$/g, "").replace(/^authorization:\s*/i, "").replace(/^bearer\s+/i, "");

export const guess = (text) => Object.keys(GUESSES).find((name) => GUESSES[name].test(text));

/** What WebCrypto calls an algorithm. */
function web(algorithm) {
  const bits = algorithm.slice(2);
  const name = { H: "HMAC", R: "RSASSA-PKCS1-v1_5", P: "RSA-PSS", E: "ECDSA" }[algorithm[0]];
  if (algorithm === "EdDSA") return { name: "Ed25519" };
  return { name, hash: `SHA-${bits}`, saltLength: bits / 8, namedCurve: `P-${bits === "512" ? 521 : bits}` };
}

function fromPem(text) {
  const [, label, inside] = /^-----BEGIN ([A-Z0-9 ]+)-----([^-]*)-----END \1-----$/.exec(text) ?? [];
  if (label !== "PUBLIC KEY") throw refusal("key_unsupported", /PRIVATE/.test(label) ? "private" : "pem");
  const data = bytesOf(inside);
  const start = Array.from(data.slice(0, 40), (byte) => byte.toString(16).padStart(2, "0")).join("");
  return { format: "spki", data, kind: OIDS[Object.keys(OIDS).find((oid) => start.includes(oid))] };
}

function fromJwk({ kty, crv, kid, alg, use = "sig", n, e, x, y, k }) {
  if (use !== "sig") throw refusal("key_use_mismatch");
  if (kty === "oct") return { kid, alg, format: "raw", data: decode(k), kind: "secret" };
  // Private members stay behind: who verifies needs none.
  return { kid, alg, format: "jwk", data: { kty, crv, n, e, x, y }, kind: kty === "RSA" ? kty : crv };
}

/** Makes a key for the wished algorithm, if its kind can be for that. The token has no say in it. */
async function imported({ format, data, kind, kid, alg }, wish) {
  if (!Object.hasOwn(CHOICES, kind)) throw refusal("key_unsupported");
  const own = alg === "Ed25519" ? "EdDSA" : alg;
  const choices = CHOICES[kind].filter((one) => one === (own ?? one));
  if (!choices.length) throw refusal("key_mismatch");
  const algorithm = choices.includes(wish) ? wish : choices[0];
  const made = { algorithm, choices, kid };
  if (kind === "secret" && data.length * 8 < algorithm.slice(2)) made.weak = "secret_too_short";
  try {
    made.key = await crypto.subtle.importKey(format, data, web(algorithm), true, ["verify"]);
  } catch (error) {
    // Browsers know Ed25519 since 2025, and have none of this where neither https nor loopback is spoken.
    if (error.name !== "NotSupportedError" && crypto.subtle) throw refusal("key_invalid");
    made.unknown = true;
  }
  if (made.key?.algorithm.modulusLength < 2048) throw refusal("key_too_small");
  return made;
}

/** The keys of a set; those that are for something else are left out. */
export async function keysOf(set, wish) {
  const keys = await Promise.allSettled(set.map(async (jwk) => imported(fromJwk(jwk), wish)));
  return keys.flatMap((made) => made.value ?? []);
}

/** The keys of a text: PEM, a JWK, a set of them, or else a secret, in base64url if that is said. */
export async function keysFrom(text, { wish, isBase64url }) {
  const trimmed = text.trim();
  try {
    const json = trimmed.startsWith("{") && JSON.parse(trimmed);
    if (json.keys) return await keysOf(json.keys, wish);
    const material = json ? fromJwk(json) : trimmed.startsWith("-----") ? fromPem(trimmed)
      : { format: "raw", data: isBase64url ? decode(trimmed) : utf8(text), kind: "secret" };
    return [await imported(material, wish)];
  } catch (error) {
    throw /^key_/.test(error.code) ? error : refusal("key_malformed");
  }
}

/** Seconds of a time as a verifier reads it: a fraction is rounded up, and what is out of range is none. */
export function seconds({ value: time, written } = {}) {
  const most = 2 ** (/^\d+$/.test(written) ? 63 : 53);
  return typeof time === "number" && time >= 0 && time <= most ? Math.ceil(time) : undefined;
}

/** When an id was made, in seconds: a UUID of version 7 in its canonical form says so (RFC 9562 §5.7). */
export function madeAt(id) {
  const [, high, low] = /^([\da-f]{8})-([\da-f]{4})-7[\da-f]{3}-[89ab][\da-f]{3}-[\da-f]{12}$/.exec(id) ?? [];
  return high && Math.floor(parseInt(high + low, 16) / 1000);
}

/** What stands in the way of a payload, were its signature good, in the order of a verifier: the code, and the claim. */
function claims(payload, { now, leeway, issuer, audience, own }) {
  const found = [];
  const refuse = (when, ...why) => when && found.push(why);
  for (const member of payload) {
    const { name, value: it } = member;
    refuse((/^(exp|nbf|iat)$/.test(name) && seconds(member) === undefined) || (/^(iss|sub|jti)$/.test(name) && !isText(it))
      || (name === "aud" && !isText(it) && !(Array.isArray(it) && it.every(isText))), "claim_invalid", name);
  }
  refuse(!find(payload, "exp"), "claim_missing", "exp");
  refuse(now >= seconds(find(payload, "exp")) + leeway, "token_expired", "exp");
  refuse(now + leeway < seconds(find(payload, "nbf")), "token_not_yet_valid", "nbf");
  refuse(issuer && value(payload, "iss") !== issuer, "issuer_mismatch", "iss");
  const named = value(payload, "aud");
  refuse(audience ? ![named].flat().includes(audience) : named !== undefined, "audience_mismatch", "aud");
  for (const id of own ? ["sub", "sid"] : []) refuse(!madeAt(value(payload, id)), "token_malformed", id);
  return found;
}

/** Which key a header means, as a verifier finds it; else what stands in the way. */
function meant({ alg, kid, typ, header }, keys, rules) {
  const isFor = (key) => key.algorithm === (alg === "Ed25519" ? "EdDSA" : alg);
  const wrong = ["algorithm_mismatch", "alg"];
  if (keys.length && !keys.some(isFor)) return wrong;
  const key = kid === undefined ? keys.length === 1 && keys[0]
    : keys.find((one) => one.kid === kid) ?? keys.find((one) => one.kid === undefined);
  if (!key) return ["unknown_key", "kid"];
  if (!isFor(key)) return wrong;
  const odd = header.find(({ name, value: it }) => name === "crit" || (name === "b64" && it !== true));
  if (odd) return ["header_unsupported", odd.name];
  const short = (type) => type?.replace(/^application\//, "");
  const fits = rules.typ ? short(typ) === short(rules.typ) : /^jwt$/i.test(typ ?? "JWT");
  return fits ? key : ["type_mismatch", "typ"];
}

/**
 * The verdict on a token that was read: all that stands in its way is in `found`, the first of a verifier first. Where no
 * key is at hand the signature is left unchecked, and nothing is accepted.
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
    if (!good) found.unshift(["signature_invalid"]);
  }
  return { accepted: found.length ? false : signature === "ok" || null, signature, found };
}

/** A part with other members in place of its own, or at its end. */
function replaced(members, changes = {}) {
  const all = new Map(members.map(({ name, written }) => [name, written]));
  for (const name of Object.keys(changes)) all.set(name, JSON.stringify(changes[name]));
  return encode(`{${[...all].map(([name, written]) => `${JSON.stringify(name)}:${written}`).join(",")}}`);
}

/** The token with other members, under its old signature if none is given. */
export const altered = ({ parts, header, payload }, changes, signature = parts[2]) =>
  [replaced(header, changes.header), replaced(payload, changes.payload), signature].join(".");

/** The token with a payload as somebody typed it. */
export const retyped = ({ parts }, payload) => [parts[0], encode(payload), parts[2]].join(".");

async function sign(token, algorithm, key) {
  const signed = token.slice(0, token.lastIndexOf("."));
  return `${signed}.${encode(await crypto.subtle.sign(web(algorithm), key, utf8(signed)))}`;
}

/** The token signed by a key of the right kind that somebody made for it. */
export async function signedByAnother({ token, alg }) {
  const algorithm = Object.values(CHOICES).flat().includes(alg) ? alg : "HS256";
  const kind = { ...web(algorithm), modulusLength: 2048, publicExponent: new Uint8Array([1, 0, 1]) };
  const made = await crypto.subtle.generateKey(kind, false, ["sign", "verify"]);
  return sign(token, algorithm, made.privateKey ?? made);
}

/** The token signed with HS256, and a public key for the secret, which everybody has. */
export async function confused(token, publicKey) {
  const key = await crypto.subtle.importKey("raw", utf8(publicKey), web("HS256"), false, ["sign"]);
  return sign(altered(token, { header: { alg: "HS256" } }), "HS256", key);
}

/** A public key as a file has it. */
export async function pem({ key }) {
  const lines = base64(await crypto.subtle.exportKey("spki", key)).match(/.{1,64}/g);
  return `-----BEGIN PUBLIC KEY-----\n${lines.join("\n")}\n-----END PUBLIC KEY-----\n`;
}

/** Which members are others in another token: the name, and both writings. */
export const differences = (one, other) => ["header", "payload"].flatMap((part) => {
  const names = [...new Set([...one[part], ...other[part]].map(({ name }) => name))];
  return names.map((name) => [name, find(one[part], name)?.written, find(other[part], name)?.written])
    .filter(([, before, after]) => before !== after);
});
