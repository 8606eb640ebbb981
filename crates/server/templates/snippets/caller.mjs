// Who is calling? The token says it, and the key alone shows that it is true.
//
// For Express: app.use("/api", caller) lets nobody through without a good token, and leaves what it says in request.caller.
// Takes jose 6.
{% if api.secret_file.is_some() %}
import { readFileSync } from "node:fs";

{%- endif %}
import { {% if api.secret_file.is_none() %}createRemoteJWKSet, {% endif %}errors, jwtVerify } from "jose";
{% if let Some(file) = api.secret_file %}
// The server's own secret: whoever has it can also make tokens. It is the bytes of the file without the newline at its end.
const bytes = readFileSync({{ file.quoted() }});
const key = new Uint8Array(bytes.subarray(0, bytes.at(-1) === 0x0a ? -1 : undefined));
{%- else %}
// Public keys, which the server may rotate: they are kept for ten minutes, and fetched when a token names another one.
const key = createRemoteJWKSet(new URL({{ api.key_set.quoted() }}));
{%- endif %}
const expected = {
  algorithms: ["{{ api.algorithm }}"], // always named here, never taken from the token
  typ: {{ api.typ.quoted() }},
  issuer: {{ api.issuer.quoted() }},
  audience: {{ api.audience.quoted() }},
  clockTolerance: {{ api.leeway }},
  requiredClaims: ["exp", "sub", "sid"],
};
{%- if api.secret_file.is_none() %}
// What jose says when it could not get the keys, which is not the fault of a token.
const withoutKeys = ["ERR_JOSE_GENERIC", "ERR_JWKS_INVALID", "ERR_JWKS_TIMEOUT"];
{%- endif %}

export async function caller(request, response, next) {
  const refuse = (status, detail, name, value) =>
    response.status(status).set(name, value).type("application/problem+json").send(JSON.stringify({ status, detail }));
  if (request.headersDistinct.authorization?.length > 1) {
    return refuse(400, "more than one Authorization header", "WWW-Authenticate", 'Bearer error="invalid_request"');
  }
  const [, token] = /^bearer +(\S+)$/i.exec(request.get("authorization") ?? "") ?? [];
  if (!token) return refuse(401, "this wants a token", "WWW-Authenticate", "Bearer");
  try {
    request.caller = (await jwtVerify(token, key, expected)).payload;
  } catch (error) {
{%- if api.secret_file.is_some() %}
    if (!(error instanceof errors.JOSEError)) return next(error);
{%- else %}
    if (!(error instanceof errors.JOSEError) || withoutKeys.includes(error.code)) {
      return refuse(503, "the key set cannot be fetched", "Retry-After", "5");
    }
{%- endif %}
    return refuse(401, error.message, "WWW-Authenticate", 'Bearer error="invalid_token"');
  }
  next();
}
