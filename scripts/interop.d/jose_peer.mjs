// jose as a peer of scripts/interop: one JSON request a line on stdin, one JSON answer a line on stdout.
// The requests stand in crates/jwt/examples/interop/peer.rs.

import { createRequire } from "node:module";
import { createInterface } from "node:readline";
import * as jose from "jose";

/** Hands jose a key the way its users do. */
function read(algorithm, { secret, pem, jwk, jwks }) {
    if (secret) return jose.base64url.decode(secret);
    if (jwk) return jose.importJWK(jwk, algorithm);
    if (jwks) return jose.createLocalJWKSet(jwks);
    const importPem = pem.startsWith("-----BEGIN PUBLIC KEY") ? jose.importSPKI : jose.importPKCS8;
    return importPem(pem, algorithm);
}

const actions = {
    describe() {
        const { name, version } = createRequire(import.meta.url)("jose/package.json");
        return { name, version, runtime: `Node.js ${process.versions.node}` };
    },

    async generate({ algorithm }) {
        if (algorithm.startsWith("HS")) {
            const secret = await jose.exportJWK(await jose.generateSecret(algorithm, { extractable: true }));
            const forms = [{ secret: secret.k }, { jwk: secret }];
            return { private: forms, public: forms };
        }
        const { privateKey, publicKey } = await jose.generateKeyPair(algorithm, { extractable: true });
        return {
            private: [{ pem: await jose.exportPKCS8(privateKey) }, { jwk: await jose.exportJWK(privateKey) }],
            public: [{ pem: await jose.exportSPKI(publicKey) }, { jwk: await jose.exportJWK(publicKey) }],
        };
    },

    async sign({ algorithm, key, kid, claims }) {
        const header = { alg: algorithm, kid, typ: "JWT" };
        return new jose.SignJWT(claims).setProtectedHeader(header).sign(await read(algorithm, key));
    },

    async verify({ algorithm, key, token, issuer, audience }) {
        const options = { algorithms: [algorithm], issuer, audience, requiredClaims: ["exp"] };
        return (await jose.jwtVerify(token, await read(algorithm, key), options)).payload;
    },

    thumbprint({ key }) {
        return jose.calculateJwkThumbprint(key.jwk);
    },
};

for await (const line of createInterface({ input: process.stdin })) {
    const { do: name, ...request } = JSON.parse(line);
    const action = actions[name];
    if (!action) throw new Error(`no action ${name}`);
    let answer;
    try {
        answer = { ok: await action(request) };
    } catch (error) {
        answer = { error: `${error.name}: ${error.message}` };
    }
    console.log(JSON.stringify(answer));
}
