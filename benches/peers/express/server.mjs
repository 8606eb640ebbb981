// Posts in memory behind a token: Express and jsonwebtoken.
import { createSecretKey } from "node:crypto";
import { readFileSync } from "node:fs";

import express from "express";
import jwt from "jsonwebtoken";

// A secret given as text is first tried as a public key, anew for each token, which takes most of the time.
const secret = createSecretKey(readFileSync(process.env.SECRET_FILE, "utf8").replace(/\n$/, ""), "utf8");
const { items: posts } = JSON.parse(readFileSync(process.env.POSTS_JSON, "utf8"));

function signedIn(request, response, next) {
    const [scheme, token] = (request.get("authorization") ?? "").split(" ");
    if (scheme.toLowerCase() !== "bearer" || !token) {
        return response.status(401).set("WWW-Authenticate", "Bearer").json({ error: "no token" });
    }
    try {
        request.caller = jwt.verify(token, secret, {
            algorithms: ["HS256"],
            issuer: "countersign",
            audience: "countersign",
        });
    } catch {
        return response.status(401).set("WWW-Authenticate", "Bearer").json({ error: "invalid token" });
    }
    next();
}

const app = express();
app.disable("x-powered-by");
app.get("/posts", signedIn, (request, response) => {
    response.json({ items: posts.slice(0, 50), next: null });
});
app.listen(Number(process.env.PORT), "127.0.0.1");
