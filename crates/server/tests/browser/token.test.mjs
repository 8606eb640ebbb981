// What the debugger thinks of tokens and keys: token.js alone, without a browser and without a server.

import assert from "node:assert/strict";
import { createHmac, generateKeyPairSync, sign } from "node:crypto";
import { readFileSync } from "node:fs";
import { test } from "node:test";

const root = process.env.BROWSER_TEST_ROOT;
assert.ok(root, "BROWSER_TEST_ROOT is not set: run scripts/browser");
const source = readFileSync(`${root}/crates/server/static/token.js`);
const token = await import(`data:text/javascript;base64,${source.toString("base64")}`);
const vectors = (name) => JSON.parse(readFileSync(`${root}/crates/jwt/tests/vectors/${name}.json`, "utf8"));

const NOW = 1_800_000_000;
const RULES = { now: NOW, leeway: 30 };
const GOOD = { exp: NOW + 60 };
const secret = "four unrelated gravel words, and more";
const part = (json) => Buffer.from(typeof json === "string" || Buffer.isBuffer(json) ? json : JSON.stringify(json)).toString("base64url");

function mac(header, payload, key = secret, hash = "sha256") {
  const signed = `${part(header)}.${part(payload)}`;
  return `${signed}.${createHmac(hash, key).update(signed).digest("base64url")}`;
}

const withPayload = (payload) => mac({ alg: "HS256" }, payload);
const withHeader = (header) => mac(header, GOOD);

async function verdict(text, key = secret, rules = {}, options = {}) {
  const keys = await token.keysFrom(key, options);
  return token.judge(token.read(text), keys, { ...RULES, ...rules });
}

async function codeOf(text, ...more) {
  try {
    return (await verdict(text, ...more)).found[0]?.[0];
  } catch (error) {
    return error.code;
  }
}

const refuses = (text, why) => assert.throws(() => token.read(text), { code: "token_malformed" }, why ?? text);

test("a good token is accepted, and each of its bits counts", async () => {
  const good = withPayload({ ...GOOD, sub: "somebody" });
  assert.deepEqual(await verdict(good), { accepted: true, signature: "ok", found: [] });
  for (const [at, letter] of [...good].entries()) {
    const changed = good.slice(0, at) + (letter === "A" ? "B" : "A") + good.slice(at + 1);
    assert.ok(await codeOf(changed), `${at} of ${good}`);
  }
});

test("base64 that is not canonical is refused", () => {
  const parts = withPayload(GOOD).split(".");
  for (const place of [0, 1, 2]) {
    for (const damage of ["=", "==", "+", "/", " ", "\n", "####", "ä", "%3D"]) {
      for (const text of [parts[place] + damage, damage + parts[place]]) refuses(parts.with(place, text).join("."));
    }
  }
  const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  const last = alphabet.indexOf(parts[2].at(-1));
  for (const stray of [1, 2, 3]) refuses(parts.with(2, parts[2].slice(0, -1) + alphabet[last | stray]).join("."));
  refuses(parts.with(1, "e31").join("."));
});

test("texts of other shapes, and what is too long, are refused", () => {
  for (const text of ["", ".", "..", "...", "a.b.c.d.e", "a.b", '{"alg":"HS256"}']) refuses(text);
  const filler = (length) => mac({ alg: "HS256" }, { ...GOOD, x: "x".repeat(length) });
  const most = filler(6000);
  assert.ok(token.read(most));
  refuses(filler(6100));
  refuses("x".repeat(9000));
});

test("a member that stands twice is refused", () => {
  for (const payload of ['{"exp":1,"exp":9000000000}', '{"exp":1800000060,"\\u0065xp":9000000000}',
    '{"exp":1800000060,"x":1,"x":1}', '{"exp":1800000060,"":1,"":2}']) refuses(withPayload(payload), payload);
  for (const header of ['{"alg":"none","alg":"HS256"}', '{"alg":"HS256","\\u0061lg":"none"}', '{"alg":"HS256","kid":"a","kid":"a"}']) {
    refuses(withHeader(header), header);
  }
  assert.ok(token.read(withPayload('{"exp":1800000060,"__proto__":1,"constructor":{"exp":1}}')));
});

test("text that is not UTF-8 is refused", () => {
  const around = (start, bytes) => Buffer.concat([Buffer.from(start), Buffer.from(bytes, "latin1"), Buffer.from('"}')]);
  for (const bytes of ["\xFF", "\xC0\xAF", "\xED\xA0\x80", "\xF4\x90\x80\x80", "\x80", "\xE2\x82", "\\ud800", "\\udc00\\ud800"]) {
    refuses(withPayload(around('{"exp":1800000060,"x":"', bytes)), bytes);
    refuses(withHeader(around('{"alg":"HS256","x":"', bytes)), bytes);
  }
  refuses(withPayload(Buffer.from('\uFEFF{"exp":1800000060}')));
  refuses(withPayload(Buffer.from('{"exp":1800000060}', "utf16le")));
  assert.ok(token.read(withPayload('{"exp":1800000060,"x":"\\ud83d\\ude00"}')));
});

test("a part that is not one object is refused", async () => {
  for (const payload of ["", "null", "true", "1", '"text"', "[]", '[{"exp":1800000060}]', '{"exp":1800000060}{}',
    '{"exp":1800000060},', '{"exp":1800000060', '{"exp":1800000060,}', "{exp:1800000060}", "{'exp':1800000060}",
    '{"exp":1800000060}\0', '{"exp":1800000060,"x":"\u0001"}', '{"exp":01800000060}', '{"exp":+1}', '{"exp":NaN}',
    '{"exp":Infinity}', '{"exp":0x7fffffff}', '{"exp":1.}', '{"exp":.5}', '{"exp":1e}']) {
    refuses(withPayload(payload), payload);
    refuses(withHeader(payload), payload);
  }
  assert.equal(await codeOf(withPayload(' \r\n{ "exp" :\t1800000060 } ')), undefined);
  const nested = (depth) => withPayload(`{"exp":1800000060,"x":${"[".repeat(depth)}${"]".repeat(depth)}}`);
  assert.ok(token.read(nested(63)));
  refuses(nested(64));
});

test("a header without a usable alg, or with an odd kid or typ, is refused", () => {
  for (const header of ["{}", '{"alg":null}', '{"alg":1}', '{"alg":["HS256"]}', '{"ALG":"HS256"}', '{"alg":"HS256","kid":1}',
    '{"alg":"HS256","kid":null}', '{"alg":"HS256","typ":{}}']) refuses(withHeader(header), header);
});

test("claims of the wrong type are refused, and not taken for absent", async () => {
  const one = (name, wrong) => name === "exp" ? `{"exp":${wrong}}` : `{"exp":1800000060,"${name}":${wrong}}`;
  const wrongs = [["exp nbf iat", ['"1800000060"', "null", "true", "[]", "{}", "[1800000060]", "-1", "18446744073709551616", "1e999",
    "-1e300", "1e300", "1e17", "-0.5"]], ["iss sub jti", ["1", "null", "true", "[]", "{}", '["a"]']], ["aud", ["1", "null", "[1]", "{}"]]];
  for (const [names, values] of wrongs) {
    for (const name of names.split(" ")) {
      for (const wrong of values) assert.equal(await codeOf(withPayload(one(name, wrong))), "claim_invalid", one(name, wrong));
    }
  }
  for (const exp of ["1800000060.5", "1.80000006e9", "9223372036854775807"]) {
    assert.equal(await codeOf(withPayload(`{"exp":${exp}}`)), undefined, exp);
  }
});

test("each claim is refused by the name that the server gives it", async () => {
  const id = "0198a3c2-7d4e-7b11-9f63-2b1de9f0c4aa";
  const rules = { issuer: "me", audience: "posts", own: true };
  const whole = { iss: "me", aud: ["mail", "posts"], sub: id, sid: id, exp: NOW + 60 };
  const cases = [[{}, undefined], [{ exp: NOW - 29 }, undefined], [{ exp: NOW - 30 }, "token_expired"], [{ exp: undefined }, "claim_missing"],
    [{ nbf: NOW + 30 }, undefined], [{ nbf: NOW + 31 }, "token_not_yet_valid"], [{ iss: "you" }, "issuer_mismatch"],
    [{ iss: undefined }, "issuer_mismatch"], [{ aud: "mail" }, "audience_mismatch"], [{ aud: undefined }, "audience_mismatch"],
    [{ sub: "alice" }, "token_malformed"], [{ sid: id.toUpperCase() }, "token_malformed"], [{ sid: undefined }, "token_malformed"]];
  for (const [changes, code] of cases) {
    assert.equal(await codeOf(withPayload({ ...whole, ...changes }), secret, rules), code, JSON.stringify(changes));
  }
  // Without an audience of one's own, a token that names one is for somebody else.
  assert.equal(await codeOf(withPayload({ ...GOOD, aud: "posts" })), "audience_mismatch");
  assert.equal(token.madeAt(id), 1_755_094_089);
});

test("extensions and other kinds of token are refused", async () => {
  for (const [header, code, rules] of [[{ crit: ["b64"] }, "header_unsupported"], [{ b64: false }, "header_unsupported"],
    [{ b64: true }, undefined], [{ typ: "JWT" }, undefined], [{ typ: "jwt" }, undefined], [{ typ: "at+jwt" }, "type_mismatch"],
    [{}, "type_mismatch", { typ: "at+jwt" }], [{ typ: "application/at+jwt" }, undefined, { typ: "at+jwt" }]]) {
    assert.equal(await codeOf(withHeader({ alg: "HS256", ...header }), secret, rules), code, JSON.stringify(header));
  }
});

test("the key decides the algorithm, and the kid which key it is", async () => {
  assert.equal(await codeOf(withHeader({ alg: "none" })), "algorithm_mismatch");
  assert.equal(await codeOf(withHeader({ alg: "HS384" })), "algorithm_mismatch");
  assert.equal(await codeOf(mac({ alg: "HS512" }, GOOD, secret, "sha512"), secret, {}, { wish: "HS512" }), undefined);
  assert.equal(await codeOf(withPayload(GOOD), secret, {}, { wish: "HS512" }), "algorithm_mismatch");
  const jwk = (kid, k) => ({ kty: "oct", alg: "HS256", kid, k: part(k) });
  const set = JSON.stringify({ keys: [jwk("a", "x".repeat(40)), jwk("b", secret), { kty: "EC", crv: "secp256k1" }] });
  assert.equal(await codeOf(withHeader({ alg: "HS256", kid: "b" }), set), undefined);
  assert.equal(await codeOf(withHeader({ alg: "HS256", kid: "a" }), set), "signature_invalid");
  assert.equal(await codeOf(withHeader({ alg: "HS256", kid: "c" }), set), "unknown_key");
  assert.equal(await codeOf(withHeader({ alg: "HS256" }), set), "unknown_key");
});

test("the vectors of the RFCs come out", async () => {
  const rules = { now: 1_300_819_000, leeway: 0 };
  let checked = 0;
  for (const { alg, jwk, token: text, claims } of vectors("jws").filter(({ claims }) => claims)) {
    for (const key of [{ ...jwk, alg }, jwk]) {
      const { accepted, found } = await token.judge(token.read(text), await token.keysFrom(JSON.stringify(key), {}), rules);
      assert.ok(accepted && claims, `${alg}: ${found}`);
      checked += 1;
    }
  }
  assert.equal(checked, 4);
  const { token: text, secret_base64url: octets } = vectors("rfc7515_a1");
  assert.equal(await codeOf(text, octets, rules, { isBase64url: true }), undefined);
  assert.equal(await codeOf(text, octets, rules), "signature_invalid");
  const sample = vectors("jwt_io_sample");
  const [key] = await token.keysFrom(sample.secret, {});
  assert.equal(key.weak, "secret_too_short");
  const { signature, found } = await token.judge(token.read(sample.token), [key], RULES);
  assert.deepEqual([signature, found], ["ok", [["claim_missing", "exp"]]]);
  assert.equal(await codeOf(vectors("rfc7515_a5").token), "algorithm_mismatch");
});

/** A token by a pair of this kind, and its public key in each form. */
function pair(alg) {
  const bits = alg.slice(2);
  const curve = { 256: "P-256", 384: "P-384", 512: "P-521" }[bits];
  const kind = { E: ["ec", { namedCurve: curve }], R: ["rsa", { modulusLength: 2048 }], P: ["rsa", { modulusLength: 2048 }] }[alg[0]];
  const { publicKey, privateKey } = alg === "EdDSA" ? generateKeyPairSync("ed25519") : generateKeyPairSync(...kind);
  const signed = `${part({ alg })}.${part(GOOD)}`;
  const options = { key: privateKey, dsaEncoding: "ieee-p1363", ...(alg[0] === "P" && { padding: 6, saltLength: bits / 8 }) };
  const signature = sign(alg === "EdDSA" ? null : `sha${bits}`, Buffer.from(signed), options).toString("base64url");
  return { text: `${signed}.${signature}`, pem: publicKey.export({ type: "spki", format: "pem" }),
    jwk: publicKey.export({ format: "jwk" }), own: privateKey.export({ format: "jwk" }) };
}

for (const alg of ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"]) {
  test(`a token by ${alg} is checked with each form of its key, and no other key`, async () => {
    const { text, pem, jwk, own } = pair(alg);
    for (const key of [pem, JSON.stringify(jwk), JSON.stringify({ keys: [{ ...jwk, alg }] }), JSON.stringify(own)]) {
      assert.equal(await codeOf(text, key, {}, { wish: alg }), undefined, key);
    }
    assert.equal(await codeOf(text, pair(alg).pem, {}, { wish: alg }), "signature_invalid");
    assert.equal(await codeOf(`${text.slice(0, -8)}AAAAAAAA`, pem, {}, { wish: alg }), "signature_invalid");
    // The same key as a secret is no key, and a token that wants it to be one is refused.
    assert.equal(await codeOf(mac({ alg: "HS256" }, GOOD, pem), pem), "algorithm_mismatch");
    const [key] = await token.keysFrom(pem, {});
    assert.equal(await token.pem(key), pem);
    const confused = await token.confused(token.read(text), pem);
    assert.equal(confused, mac({ alg: "HS256" }, GOOD, pem));
    const another = await token.signedByAnother(token.read(text));
    assert.notEqual(another, text);
    assert.equal(await codeOf(another, pem, {}, { wish: alg }), "signature_invalid");
  });
}

test("the keys that OpenSSL wrote are read, and those of no use are refused by name", async () => {
  const { good, refused_public: refused } = vectors("openssl");
  let read = 0;
  for (const { alg, public: texts } of good) {
    for (const text of texts.filter((text) => text.includes("BEGIN PUBLIC KEY"))) {
      const [{ algorithm }] = await token.keysFrom(text, { wish: alg });
      assert.equal(algorithm, alg);
      read += 1;
    }
  }
  assert.ok(read >= 5, `${read}`);
  for (const { what, pem } of refused.filter(({ what }) => /explicit|secp256k1|certificate/.test(what))) {
    await assert.rejects(token.keysFrom(pem, {}), (error) => /^key_/.test(error.code), what);
  }
  const { privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
  const pem = privateKey.export({ type: "pkcs8", format: "pem" });
  await assert.rejects(token.keysFrom(pem, {}), { code: "key_unsupported", reason: "private" });
  const { publicKey } = generateKeyPairSync("rsa", { modulusLength: 1024 });
  await assert.rejects(token.keysFrom(publicKey.export({ type: "spki", format: "pem" }), {}), { code: "key_too_small" });
  for (const [key, code] of [['{"kty":', "key_malformed"], ['{"kty":"oct","k":"%%%"}', "key_malformed"], ["{}", "key_unsupported"],
    ['{"kty":"RSA","n":"AA","e":"AQAB","use":"enc"}', "key_use_mismatch"], ['{"kty":"RSA","n":"x","e":"AQAB","alg":"HS256"}', "key_mismatch"],
    ['{"kty":"EC","crv":"P-256","x":"AAAA","y":"AAAA"}', "key_invalid"], ["-----BEGIN PUBLIC KEY-----\n%%\n-----END PUBLIC KEY-----", "key_malformed"]]) {
    await assert.rejects(token.keysFrom(key, {}), { code }, key);
  }
});

test("what is at hand of a server with a secret decides nothing more", async () => {
  const keys = [{ algorithm: "HS256" }];
  const judged = async (text) => {
    const { accepted, signature, found } = await token.judge(token.read(text), keys, RULES);
    return [accepted, signature, found[0]?.[0]];
  };
  assert.deepEqual(await judged(withPayload(GOOD)), [null, "unchecked", undefined]);
  assert.deepEqual(await judged(withHeader({ alg: "HS256", kid: "any" })), [null, "unchecked", undefined]);
  assert.deepEqual(await judged(withHeader({ alg: "none" })), [false, "unchecked", "algorithm_mismatch"]);
  assert.deepEqual(await judged(withPayload({ exp: 1 })), [false, "unchecked", "token_expired"]);
});

test("another token differs in what was altered, and in nothing else", () => {
  const own = token.read(withPayload('{"sub":"a", "n":1.50,"exp":1800000060}'));
  const other = token.read(token.altered(own, { payload: { roles: ["admin"], sub: "b" } }));
  assert.deepEqual(token.differences(own, other), [["sub", '"a"', '"b"'], ["roles", undefined, '["admin"]']]);
  assert.equal(Buffer.from(other.parts[1], "base64url").toString(), '{"sub":"b","n":1.50,"exp":1800000060,"roles":["admin"]}');
  assert.equal(other.parts[2], own.parts[2]);
  assert.equal(token.altered(other, {}), other.token);
  assert.equal(token.retyped(own, '{"sub":"a", "n":1.50,"exp":1800000060}'), own.token);
  assert.match(token.altered(own, { header: { alg: "none" } }, ""), /\.$/);
});

test("a token is found in what it is usually copied with, and what is none is named", () => {
  for (const text of ["a.b.c", "  a.b.c\n", '"a.b.c"', "Bearer a.b.c", "authorization: bearer a.b.c",
    '{"access_token":"a.b.c","token_type":"Bearer"}']) assert.equal(token.bare(text), "a.b.c", text);
  assert.equal(token.bare('{"a":1}'), '{"a":1}');
  for (const [text, name] of [["a.b.c.d.e", "jwe"], ["MnfoOqvWYdwKR2", "opaque"], ["eyJ9.e30=.AAAA", "base64"],
    ["eyJhbGciOi\nJIUzI1NiJ9.e30.AAAA", "blanks"], ["eyJhbGciOi....AAAA", "cut"]]) assert.equal(token.guess(text), `guess_${name}`, text);
  assert.equal(token.guess("a.b.c"), undefined);
});
