"""Runs the code that `countersign snippet` prints for APIs, each in a small program beside a server, with good tokens and bad
ones.

Takes the path of the binary `countersign`, and what each language is run by: fastapi=PYTHON, express=FOLDER with its packages,
go=GO. Prints a table: a row for each algorithm and language, a column for each thing that is checked.
Exit code: 0 all is as expected, 1 something is not, or a program did not start.
"""

import base64
import http.client
import json
import os
import secrets
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
from pathlib import Path

OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))
# A text that would end a literal which does not expect it.
ISSUER = "it's \"odd\" \\ `${x}` {{y}} é"
ALGORITHMS = ("HS256", "ES256", "ES512", "EdDSA", "RS256", "PS384")

PYTHON = """
import socket
import uvicorn
from fastapi import FastAPI
from caller import Caller

app = FastAPI()


@app.get("/")
def who(caller: Caller):
    return {"sub": caller["sub"]}


listener = socket.create_server(("127.0.0.1", 0))
print(listener.getsockname()[1], flush=True)
uvicorn.Server(uvicorn.Config(app, log_level="warning")).run(sockets=[listener])
"""
JAVASCRIPT = """
import express from "express";
import { caller } from "./caller.mjs";

const app = express();
app.get("/", caller, (request, response) => response.json({ sub: request.caller.sub }));
const listener = app.listen(0, "127.0.0.1", () => console.log(listener.address().port));
"""
GO = """package main

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
)

func main() {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	fmt.Println(listener.Addr().(*net.TCPAddr).Port)
	http.Serve(listener, Protect(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		json.NewEncoder(w).Encode(map[string]string{"sub": CallerOf(r).Subject})
	})))
}
"""


def ask(method, url, body=None, headers=()):
    headers = dict(headers)
    if body is not None:
        headers["Content-Type"], body = "application/json", json.dumps(body).encode()
    try:
        answer = OPENER.open(urllib.request.Request(url, body, headers, method=method), timeout=30)
    except urllib.error.HTTPError as error:
        answer = error
    with answer:
        return answer.status, answer.headers, answer.read()


def part(value):
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def payload(token):
    text = token.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))


def program(language, by, folder):
    """Writes the program around the printed code; returns the command that runs it."""
    match language:
        case "fastapi":
            (folder / "main.py").write_text(PYTHON)
            return [by, "main.py"]
        case "express":
            (folder / "main.mjs").write_text(JAVASCRIPT)
            (folder / "node_modules").symlink_to(Path(by) / "node_modules")
            return ["node", "main.mjs"]
        case "go":
            (folder / "main.go").write_text(GO)
            # Debian's library, in place of a download.
            (folder / "go.mod").write_text(
                "module api\n\ngo 1.19\n\nrequire github.com/golang-jwt/jwt/v4 v4.4.3\n\n"
                "replace github.com/golang-jwt/jwt/v4 => /usr/share/gocode/src/github.com/golang-jwt/jwt\n"
            )
            debian = {"GOPROXY": "off", "GOFLAGS": "-mod=mod", "GOTOOLCHAIN": "local"}
            build = [by, "build", "-o", "main", "."]
            subprocess.run(build, cwd=folder, env={**os.environ, **debian}, check=True)
            return ["./main"]
    raise SystemExit(f"there is no language {language}")


def checks(binary, server, account, secret, page):
    """Yields what is checked, as pairs of its name and whether it holds."""

    def answer(token):
        return ask("GET", page, headers={"Authorization": f"Bearer {token}"})

    def refused(token):
        status, headers, _ = answer(token)
        return status == 401 and headers["WWW-Authenticate"] == 'Bearer error="invalid_token"'

    def login():
        sent = {"email": account["email"], "password": account["password"]}
        return json.loads(ask("POST", server + "/login", sent)[2])["access_token"]

    token = login()
    says = payload(token)
    status, headers, _ = ask("GET", page)
    yield "no token", status == 401 and headers["WWW-Authenticate"] == "Bearer"
    status, _, body = answer(token)
    yield "good", status == 200 and json.loads(body) == {"sub": says["sub"]} and says["iss"] == ISSUER
    twice = http.client.HTTPConnection(page.split("/")[2], timeout=30)
    twice.putrequest("GET", "/")
    for _ in range(2):
        twice.putheader("Authorization", f"Bearer {token}")
    twice.endheaders()
    yield "two headers", twice.getresponse().status == 400
    twice.close()
    head, _, signature = token.split(".")
    forged = part({**says, "roles": ["admin"]})
    yield "tampered", refused(f"{head}.{forged}.{signature}")
    yield "alg none", refused(f"{part({'alg': 'none', 'typ': 'JWT'})}.{forged}.")
    yield "no JWT", refused("nothing.of.the-kind")
    if secret:

        def sign(*more, issuer=ISSUER, audience="countersign", algorithm="HS256"):
            command = [binary, "token", "sign", "--secret-file", secret, "--algorithm", algorithm, "--subject", says["sub"]]
            command += ["--issuer", issuer, "--audience", audience, "--claim", f'sid="{says["sid"]}"', *more]
            return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

        yield "signed by hand", answer(sign())[0] == 200
        yield "other issuer", refused(sign(issuer="countersign"))
        yield "other audience", refused(sign(audience="other"))
        yield "other kind", refused(sign("--typ", "at+jwt"))
        yield "other algorithm", refused(sign(algorithm="HS384"))
    ask("POST", server + "/dev/clock", {"offset": "-2h"})
    yield "expired", refused(login())
    ask("POST", server + "/dev/clock", {"offset": "+0s"})


def run(binary, algorithm, languages):
    """Returns for each language what was checked."""
    done = {}
    with tempfile.TemporaryDirectory() as folder:
        folder, secret = Path(folder), None
        settings = ["--tokens-algorithm", algorithm, "--tokens-issuer", ISSUER]
        if algorithm.startswith("HS"):
            secret = folder / "se'cret"
            secret.touch(mode=0o600)
            secret.write_text(secrets.token_urlsafe(64) + "\n")
            settings += ["--secret-file", str(secret)]
        clean = {key: value for key, value in os.environ.items() if not key.startswith("COUNTERSIGN_")}
        quiet = {"stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL, "text": True}
        dev = [binary, "dev", "--ephemeral", "--listen", "127.0.0.1:0", "--json", "--limits-enabled", "false", *settings]
        started = [subprocess.Popen(dev, env=clean, **quiet)]
        try:
            facts = json.loads(started[0].stdout.readline())
            account = next(each for each in facts["accounts"] if each["roles"] == ["user"])
            for language, by in languages.items():
                place = folder / language
                place.mkdir()
                snippet = [binary, "snippet", language, "--listen", facts["url"].split("://")[1], *settings]
                printed = subprocess.run(snippet, env=clean, capture_output=True, text=True, check=True)
                ending = {"fastapi": "py", "express": "mjs", "go": "go"}[language]
                (place / f"caller.{ending}").write_text(printed.stdout)
                line = program(language, by, place)
                environment = {**clean, "NO_PROXY": "*", "PYTHONDONTWRITEBYTECODE": "1"}
                started.append(subprocess.Popen(line, cwd=place, env=environment, stdout=subprocess.PIPE, text=True))
                page = f"http://127.0.0.1:{started[-1].stdout.readline().strip()}/"
                done[language] = dict(checks(binary, facts["url"], account, secret and str(secret), page))
        finally:
            for process in reversed(started):
                process.terminate()
                process.wait(timeout=20)
    return done


languages = dict(each.split("=", 1) for each in sys.argv[2:])
languages = {name: by if os.sep not in by else os.path.abspath(by) for name, by in languages.items()}
columns, good = [], True
for algorithm in ALGORITHMS:
    for language, done in run(sys.argv[1], algorithm, languages).items():
        if not columns:
            columns = list(done)
            print("\n|                 |", " | ".join(columns), "|")
            print("|-----------------|" + "|".join("-" * (len(column) + 2) for column in columns) + "|")
        cells = ({True: "ok", False: "NO", None: ""}[done.get(column)].ljust(len(column)) for column in columns)
        print(f"| {algorithm:7} {language:7} |", " | ".join(cells), "|", flush=True)
        good = good and all(done.values())
sys.exit(0 if good else 1)
