// Posts, for whoever is signed in at Countersign. Of users and passwords this program knows nothing.

import { randomUUID } from "node:crypto";

import express from "express";

import { caller, hasRole, refuse } from "./caller.mjs";

const app = express();
const posts = new Map();

app.disable("x-powered-by");
// First who it is, then what was sent.
app.use("/posts", caller, express.json());

app.get("/posts", (request, response) => {
  response.json([...posts.values()]);
});

app.post("/posts", (request, response) => {
  const { title, content } = request.body ?? {};
  if (typeof title !== "string" || typeof content !== "string") {
    return refuse(response, 422, "title and content are texts");
  }
  // `sub` is the stable id of the account; `name` is not there when it has none.
  const { sub, name = null } = request.caller;
  const post = { id: randomUUID(), title, content, author_id: sub, author_name: name };
  posts.set(post.id, post);
  response.status(201).json(post);
});

app.delete("/posts/:id", (request, response) => {
  const post = posts.get(request.params.id);
  if (!post) return refuse(response, 404, "there is no such post");
  if (request.caller.sub !== post.author_id && !hasRole(request, "admin")) {
    const detail = "only its author or an admin may remove a post";
    return refuse(response, 403, detail, 'Bearer error="insufficient_scope"');
  }
  posts.delete(post.id);
  response.status(204).end();
});

app.use((request, response) => refuse(response, 404, "there is nothing here"));
// What went wrong inside is for the log alone.
app.use((error, request, response, next) => {
  const status = error.status >= 400 && error.status < 500 ? error.status : 500;
  if (status === 500) console.error(error);
  refuse(response, status, status === 500 ? "something went wrong" : "the request is not in order");
});

const listener = app.listen(Number(process.env.PORT ?? 8001), "127.0.0.1", (error) => {
  if (error) throw error;
  console.log(`listening on http://127.0.0.1:${listener.address().port}`);
});
