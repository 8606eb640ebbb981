"""Starts examples/clients/fastapi beside a server of its own, and asks it with good tokens and bad ones. What its guide lets a
reader paste is pasted, and answers what stands there.

Takes the path of the binary `countersign`. Prints a table: a row for each algorithm, a column for each thing that is checked.
Exit code: 0 all is as expected, 1 something is not, or a program did not start.
"""

import base64
import json
import os
import re
import secrets
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE, GUIDE = ROOT / "examples/clients/fastapi", ROOT / "docs/guides/fastapi.md"
OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))
DRAFT = {"title": "Hello", "content": "My first post"}


def ask(method, url, body=None, headers=()):
    """Returns status, headers and body of an answer; a body of bytes is a form, any other JSON."""
    headers = dict(headers)
    if isinstance(body, bytes):
        headers["Content-Type"] = "application/x-www-form-urlencoded"
    elif body is not None:
        headers["Content-Type"], body = "application/json", json.dumps(body).encode()
    try:
        answer = OPENER.open(urllib.request.Request(url, body, headers, method=method), timeout=30)
    except urllib.error.HTTPError as error:
        answer = error
    with answer:
        text = answer.read()
    return answer.status, answer.headers, json.loads(text) if text else None


def bearer(token):
    return {"Authorization": f"Bearer {token}"}


def part(value):
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def payload(token):
    text = token.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))


def follow(server, page, folder):
    """Pastes the marked blocks of the guide into one shell; says whether each answers what stands below it."""
    marked = r"<!-- (run by|answer to) scripts/interop -->\n```\w+\n(.*?)\n```"
    blocks = re.findall(marked, GUIDE.read_text(), re.DOTALL)
    typed = [text for mark, text in blocks if mark == "run by"]
    shown = [text for mark, text in blocks if mark == "answer to"]
    script = "".join(f"{text}\nprintf '\\n--end--\\n'\n" for text in typed)
    script = script.replace("http://127.0.0.1:8000", server).replace("http://127.0.0.1:8001", page)
    bash = ["bash", "--norc", "-c", script]
    environment = dict(os.environ, NO_PROXY="*")
    done = subprocess.run(bash, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=60)
    answers = done.stdout.decode().replace("\r", "").split("--end--\n")[:-1]
    shape = lambda text: re.sub(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "<id>", text.strip())
    for answer, expected in zip(answers, shown):
        if shape(answer) != shape(expected):
            print(f"the guide shows {expected}\nand the answer is {answer}")
    return len(shown) > 0 and [shape(text) for text in answers] == [shape(text) for text in shown]


def checks(server, accounts, page, folder):
    """Yields what is checked, as pairs of its name and whether it holds."""

    def login(role, headers=()):
        # As the button of FastAPI's pages does: a form, from their origin, with an empty `Basic`.
        account = next(account for account in accounts if account["roles"] == role)
        form = {"grant_type": "password", "username": account["email"], "password": account["password"]}
        return ask("POST", server + "/login", urllib.parse.urlencode(form).encode(), headers)

    status, headers, answer = login(["user"], {"Origin": page, "Authorization": "Basic Og=="})
    token = answer["access_token"]
    yield "form login of its page", status == 200 and headers["Access-Control-Allow-Origin"] == page
    status, headers, _ = ask("GET", page + "/posts")
    yield "no token", status == 401 and headers["WWW-Authenticate"] == "Bearer"
    status, _, post = ask("POST", page + "/posts", DRAFT, bearer(token))
    listed = ask("GET", page + "/posts", headers=bearer(token))
    yield "good", (status, listed[0], listed[2]) == (201, 200, [post]) and post["author_id"] == payload(token)["sub"]

    def refused(token):
        status, headers, _ = ask("GET", page + "/posts", headers=bearer(token))
        return status == 401 and headers["WWW-Authenticate"] == 'Bearer error="invalid_token"'

    head, _, signature = token.split(".")
    forged = part({**payload(token), "roles": ["admin", "user"]})
    yield "role tampered", refused(f"{head}.{forged}.{signature}")
    yield "alg none", refused(f"{part({'alg': 'none', 'typ': 'JWT'})}.{forged}.")
    yield "no JWT", refused("nothing of the kind")

    admin = login(["admin", "user"])[2]["access_token"]
    other = ask("POST", page + "/posts", DRAFT, bearer(admin))[2]
    removed = [
        ask("DELETE", f"{page}/posts/{other['id']}", headers=bearer(token))[0],
        ask("DELETE", f"{page}/posts/{post['id']}", headers=bearer(admin))[0],
    ]
    yield "role asked", removed == [403, 204]

    yield "guide", follow(server, page, folder)
    ask("POST", server + "/dev/clock", {"offset": "-2h"})
    yield "expired", refused(login(["user"])[2]["access_token"])


def start(binary, algorithm, folder):
    """Runs the example against a server that signs with this algorithm; returns what was checked."""
    started = []
    with socket.socket() as listener:
        # Its port is known before the server starts, which is told the origin of its page.
        listener.bind(("127.0.0.1", 0))
        page = "http://127.0.0.1:%d" % listener.getsockname()[1]
        environment = {name: value for name, value in os.environ.items() if name not in ("AUTH_SERVER", "SECRET_FILE")}
        command = [binary, "dev", "--ephemeral", "--listen", "127.0.0.1:0", "--json"]
        command += ["--tokens-algorithm", algorithm, "--http-cors-origins", page]
        if algorithm == "HS256":
            secret = folder / "secret"
            secret.touch(mode=0o600)
            secret.write_text(secrets.token_urlsafe(32) + "\n")
            command += ["--secret-file", str(secret)]
            environment["SECRET_FILE"] = str(secret)
        try:
            server = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
            started.append(server)
            facts = json.loads(server.stdout.readline())
            environment.update(AUTH_SERVER=facts["url"], NO_PROXY="*", PYTHONDONTWRITEBYTECODE="1")
            program = [sys.executable, "-m", "uvicorn", "main:app", "--log-level", "warning"]
            program += ["--fd", str(listener.fileno())]
            started.append(subprocess.Popen(program, cwd=EXAMPLE, env=environment, pass_fds=[listener.fileno()]))
            begun = time.monotonic()
            while True:
                try:
                    ask("GET", page + "/openapi.json")
                    break
                except urllib.error.URLError:
                    if started[-1].poll() is not None or time.monotonic() - begun > 60:
                        raise
                    time.sleep(0.05)
            return list(checks(facts["url"], facts["accounts"], page, folder))
        finally:
            for process in reversed(started):
                process.terminate()
                process.wait(timeout=20)


good = True
for algorithm in ("HS256", "ES256"):
    with tempfile.TemporaryDirectory() as folder:
        done = start(sys.argv[1], algorithm, Path(folder))
    if good and algorithm == "HS256":
        print("\nexamples/clients/fastapi\n\n|           |", " | ".join(name for name, _ in done), "|")
        print("|-----------|" + "|".join("-" * (len(name) + 2) for name, _ in done) + "|")
    print(f"| {algorithm:9} |", " | ".join(("ok" if holds else "NO").ljust(len(name)) for name, holds in done), "|", flush=True)
    good = good and all(holds for _, holds in done)
sys.exit(0 if good else 1)
