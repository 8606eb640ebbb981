// Who is calling? The token says it, and the key alone shows that it is true.

import { readFileSync } from "node:fs";

import { createRemoteJWKSet, errors, jwtVerify } from "jose";

const server = process.env.AUTH_SERVER ?? "http://127.0.0.1:8000";
const secretFile = process.env.SECRET_FILE; // with it HS256, without it ES256
const key = secretFile ? secret() : createRemoteJWKSet(new URL("/.well-known/jwks.json", server));
const expected = {
  algorithms: [secretFile ? "HS256" : "ES256"], // always named here, never taken from the token
  typ: "JWT",
  issuer: "countersign",
  audience: "countersign",
  clockTolerance: 30,
  requiredClaims: ["exp", "sub", "sid"],
};
// What jose says when it could not get the keys, which is not the fault of a token.
const withoutKeys = ["ERR_JOSE_GENERIC", "ERR_JWKS_INVALID", "ERR_JWKS_TIMEOUT"];

/** The secret of the server, which is the file's bytes without the newline at its end. */
function secret() {
  const bytes = readFileSync(secretFile);
  const kept = new Uint8Array(bytes.subarray(0, bytes.at(-1) === 0x0a ? -1 : undefined));
  if (kept.length < 32) throw new Error(`${secretFile} has less than 32 bytes`);
  return kept;
}

/** An answer that says what is wrong, as RFC 9457 has it; `challenge` is for `WWW-Authenticate`, as RFC 6750 has it. */
export function refuse(response, status, detail, challenge) {
  if (challenge) response.set("WWW-Authenticate", challenge);
  response.status(status).type("application/problem+json").send(JSON.stringify({ status, detail }));
}

/** Lets nobody through without a good token, and leaves what it says in `request.caller`. */
export async function caller(request, response, next) {
  if (request.headersDistinct.authorization?.length > 1) {
    return refuse(response, 400, "more than one Authorization header", 'Bearer error="invalid_request"');
  }
  const [, token] = /^bearer +(\S+)$/i.exec(request.get("authorization") ?? "") ?? [];
  if (!token) return refuse(response, 401, "this wants a token", "Bearer");
  try {
    request.caller = (await jwtVerify(token, key, expected)).payload;
  } catch (error) {
    if (!(error instanceof errors.JOSEError) || withoutKeys.includes(error.code)) {
      response.set("Retry-After", "5");
      return refuse(response, 503, "the key set cannot be fetched");
    }
    return refuse(response, 401, error.message, 'Bearer error="invalid_token"');
  }
  next();
}

/** Whether the caller has this role. Everybody has `user`. */
export function hasRole({ caller }, role) {
  return Array.isArray(caller.roles) && caller.roles.includes(role);
}
