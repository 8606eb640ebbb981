"""Starts each gateway with the recipe that `countersign snippet` prints for it, between a server and an API that says what
reached it, and asks as good and bad clients do.

Takes the path of the binary `countersign`, and of each gateway as NAME=PATH. Prints a table: a row for each request, a column
for each gateway, with the status of the answer; NO behind it says that something is not as it has to be.
Exit code: 0 all is as expected, 1 something is not, or a program did not start.
"""

import base64
import http.client
import http.server
import json
import os
import re
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse
from pathlib import Path

HERE = "127.0.0.1"
# The address that a client claims to have.
CLAIMED = "203.0.113.9"
NAME = "Zoë, the \"1st\""
# Ports at which a gateway speaks TLS, with a certificate that was made for the occasion.
ENCRYPTED, UNCHECKED = set(), ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
UNCHECKED.check_hostname, UNCHECKED.verify_mode = False, ssl.CERT_NONE
IDENTITY = ("x-auth-subject", "x-auth-name", "x-auth-roles")
EVIL = [("Origin", "https://evil.example"), ("Sec-Fetch-Site", "cross-site")]
# What would tell an API of another client, path or method than was asked about.
MISLEADING = {
    "Forwarded": f"for={CLAIMED}",
    "X-Real-IP": CLAIMED,
    "X-Original-URL": "/internal",
    "X-Rewrite-URL": "/internal",
    "X-HTTP-Method": "DELETE",
    "X-HTTP-Method-Override": "DELETE",
    "X-Method-Override": "DELETE",
    # And what would choose the name of the request in logs, or its trace.
    "X-Request-Id": "of-a-client",
    "traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
}


class Answer:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    def code(self):
        """The `code` of a problem, when all of it is there."""
        if self.headers.get("Content-Type") != "application/problem+json":
            return None
        return json.loads(self.body).get("code")


def raw(port, head, body=b"", method="GET"):
    """Sends bytes as they are; an answer that does not come is one of status 0."""
    with socket.create_connection((HERE, port), timeout=20) as connection:
        if port in ENCRYPTED:
            connection = UNCHECKED.wrap_socket(connection, server_hostname=HERE)
        try:
            connection.sendall(head.encode("latin-1") + body)
        except OSError:
            pass  # answered, and closed, before all of it was sent
        try:
            response = http.client.HTTPResponse(connection, method=method)
            response.begin()
            return Answer(response.status, response.headers, response.read())
        except (http.client.HTTPException, OSError):
            return Answer(0, {}, b"")


def ask(port, path, headers=(), method="GET", body=b""):
    lines = [f"{method} {path} HTTP/1.1", f"Host: {HERE}:{port}", "Connection: close"]
    lines += [f"{name}: {value}" for name, value in headers]
    if body or method in ("POST", "PUT"):
        lines.append(f"Content-Length: {len(body)}")
    return raw(port, "\r\n".join(lines) + "\r\n\r\n", body, method)


class Listener(http.server.ThreadingHTTPServer):
    """A server of this program, which keeps what reached it and answers what it is told to."""

    daemon_threads = True

    def __init__(self, port=0):
        self.seen, self.status, self.told = [], 200, {}
        super().__init__((HERE, port), Handler)
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def handle_error(self, *_):
        pass  # a gateway that closes a connection

    @property
    def port(self):
        return self.server_address[1]


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def handle_one_request(self):
        self.raw_requestline = self.rfile.readline(65537)
        if not self.raw_requestline or not self.parse_request():
            self.close_connection = True
            return
        if "chunked" in self.headers.get("Transfer-Encoding", ""):
            body = b""
            while size := int(self.rfile.readline().split(b";")[0], 16):
                body += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
        else:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.server.seen.append((self.command, self.path, self.headers.items(), body))
        self.send_response(self.server.status)
        for name, value in self.server.told.items():
            self.send_header(name, value)
        text = b"the API"
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(text)

    def log_message(self, *_):
        pass


def free_port():
    with socket.socket() as listener:
        listener.bind((HERE, 0))
        return listener.getsockname()[1]


def start(command, folder, **more):
    quiet = {"stdout": subprocess.DEVNULL, "stderr": open(folder / "log", "ab"), **more}
    return subprocess.Popen(command, cwd=folder, text=True, **quiet)


def stop(process):
    process.terminate()
    try:
        process.wait(timeout=10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def command(name, program, recipe, lua, port, folder):
    """Writes what runs the printed recipe, as it is, without rights and without a folder of the system."""
    if port in ENCRYPTED:
        certificate = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"]
        certificate += ["-subj", f"/CN={HERE}", "-addext", f"subjectAltName=IP:{HERE}", "-keyout", "key.pem", "-out", "pem"]
        subprocess.run(certificate, cwd=folder, check=True, stderr=subprocess.DEVNULL)
        (folder / "both.pem").write_text((folder / "pem").read_text() + (folder / "key.pem").read_text())
        for there, here in (
            (f"/etc/haproxy/{HERE}.pem", f"{folder}/both.pem"),
            (f"/etc/ssl/certs/{HERE}.pem", f"{folder}/pem"),
            (f"/etc/ssl/private/{HERE}.key", f"{folder}/key.pem"),
            # On loopback alone.
            (f"listen {port} ", f"listen {HERE}:{port} "),
            (f"bind :{port} ", f"bind {HERE}:{port} "),
            ("0.0.0.0", HERE),
        ):
            recipe = recipe.replace(there, here)
    (folder / "recipe").write_text(recipe)
    home = {**os.environ, "HOME": str(folder), "XDG_DATA_HOME": str(folder), "XDG_CONFIG_HOME": str(folder)}
    match name:
        case "nginx":
            kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
            temporary = "".join(f"{kind}_temp_path {folder}/{kind};" for kind in kinds)
            user = "user root;" if os.geteuid() == 0 else ""
            (folder / "nginx.conf").write_text(
                f"{user} daemon off; worker_processes 1; pid {folder}/pid; error_log stderr;\n"
                f"events {{}}\nhttp {{ access_log off; {temporary} include {folder}/recipe; }}\n"
            )
            return [program, "-p", str(folder), "-e", "stderr", "-c", str(folder / "nginx.conf")], home
        case "caddy":
            (folder / "Caddyfile").write_text(f"{{\n\tadmin off\n\tskip_install_trust\n\tauto_https disable_redirects\n\tdefault_bind {HERE}\n}}\nimport recipe\n")
            return [program, "run", "--config", "Caddyfile", "--adapter", "caddyfile"], home
        case "haproxy":
            (folder / "countersign.lua").write_text(lua)
            (folder / "recipe").write_text(recipe.replace("/etc/haproxy/", f"{folder}/"))
            return [program, "-db", "-f", "recipe"], home
        case "traefik":
            (folder / "recipe").rename(folder / "recipe.yaml")
            static = [f"--entryPoints.web.address={HERE}:{port}", "--providers.file.filename=recipe.yaml"]
            return [program, *static, "--global.checkNewVersion=false", "--log.level=ERROR"], home
        case "envoy":
            (folder / "recipe").rename(folder / "recipe.yaml")
            return [program, "-c", "recipe.yaml", "--disable-hot-restart", "--concurrency", "1", "-l", "error"], home
    raise SystemExit(f"there is no gateway {name}")


class Stage:
    """A server, an API, and a gateway between them and a client."""

    def __init__(self, binary, name, program, scheme, role, folder):
        self.name, self.scheme = name, scheme
        self.folder, self.port, self.api, self.started = folder, free_port(), Listener(), []
        if scheme == "https":
            ENCRYPTED.add(self.port)
        self.origin = f"{scheme}://{HERE}:{self.port}"
        settings = ["--public-url", self.origin, "--http-trusted-proxies", f"{HERE}/32"]
        clean = {key: value for key, value in os.environ.items() if not key.startswith("COUNTERSIGN_")}
        dev = [binary, "dev", "--ephemeral", "--json", "--listen", f"{HERE}:0", "--limits-enabled", "false"]
        self.server = start(dev + settings, folder, stdout=subprocess.PIPE, env=clean)
        self.started.append(self.server)
        facts = json.loads(self.server.stdout.readline())
        self.accounts, self.own = facts["accounts"], int(facts["url"].rsplit(":", 1)[1])

        wanted = ["--listen", f"{HERE}:{self.own}", "--upstream", f"http://{HERE}:{self.api.port}", *role, *settings]
        snippet = lambda what: subprocess.run(
            [binary, "snippet", what, *wanted], env=clean, capture_output=True, text=True, check=True
        )
        printed = snippet(name)
        assert printed.stderr == "", printed.stderr
        lua = snippet("haproxy-lua").stdout if name == "haproxy" else ""
        line, home = command(name, program, printed.stdout, lua, self.port, folder)
        self.started.append(start(line, folder, env=home))
        self.wait()

    def wait(self):
        begun = time.monotonic()
        while True:
            try:
                if ask(self.port, "/healthz").status == 200:
                    return
            except OSError:  # also of TLS, while there is no certificate yet
                pass
            if self.started[-1].poll() is not None or time.monotonic() - begun > 60:
                raise SystemExit((self.folder / "log").read_text())
            time.sleep(0.05)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for process in reversed(self.started):
            stop(process)
        self.api.shutdown()
        self.api.server_close()

    def login(self, role, path="/login", headers=()):
        account = next(account for account in self.accounts if account["roles"][0] == role)
        body = json.dumps({"email": account["email"], "password": account["password"]}).encode()
        sent = [("Content-Type", "application/json"), ("Origin", self.origin), *headers]
        answer = ask(self.port, path, sent, "POST", body)
        assert answer.status == 200, (answer.status, answer.body)
        return answer

    def token(self, role="user"):
        return json.loads(self.login(role).body)["access_token"]

    def cookie(self):
        return [("Cookie", self.login("user", "/login/session").headers["Set-Cookie"].split(";")[0])]

    def moved(self, offset):
        """Moves the clock of the server."""
        sent = [("Content-Type", "application/json"), ("Sec-Fetch-Site", "none")]
        answer = ask(self.own, "/dev/clock", sent, "POST", json.dumps({"offset": offset}).encode())
        assert answer.status == 200, answer.body

    def through(self, headers=(), method="GET", path="/api/things?a=b", body=b""):
        """Asks; returns the answer and what has reached the API, if anything has."""
        before = len(self.api.seen)
        answer = ask(self.port, path, headers, method, body)
        seen = self.api.seen[before:]
        assert len(seen) < 2, "it was asked once and reached the API twice"
        return answer, seen[0] if seen else None


def bearer(token):
    return [("Authorization", f"Bearer {token}")]


def part(value):
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def payload(token):
    text = token.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))


def identity(seen):
    """What an API could take for an identity, however it spells the names of headers."""
    found = [(re.sub("[^a-z0-9]", "-", name.lower()), value) for name, value in seen[2]]
    return sorted((name, value) for name, value in found if name.startswith("x-auth-"))


def header(seen, name):
    return [value for each, value in seen[2] if each.lower() == name]


def leaves_out(seen):
    """Whether a proxy behind this one would leave out an identity."""
    return "x-auth" in ",".join(header(seen, "connection")).lower()


def checks(stage):
    """Yields what is asked: its name, the status, and whether all is as it has to be."""
    renamed = [("Content-Type", "application/json"), *bearer(stage.token())]
    assert ask(stage.port, "/me", renamed, "PATCH", json.dumps({"name": NAME}).encode()).status == 200
    token = stage.token()
    good = bearer(token)
    says = payload(token)
    own = sorted(zip(IDENTITY, (says["sub"], urllib.parse.quote(NAME, safe=""), ",".join(says["roles"]))))
    same_site = [("Origin", stage.origin), ("Sec-Fetch-Site", "same-origin")]

    def refused(name, status, code, headers, **request):
        answer, seen = stage.through(headers, **request)
        told = answer.headers.get("WWW-Authenticate", "").startswith("Bearer") or code in ("cross_site", "method_unknown")
        return name, answer.status, (answer.status, answer.code(), seen) == (status, code, None) and told

    def passed(name, headers, **request):
        answer, seen = stage.through(headers, **request)
        return name, answer.status, answer.status == 200 and seen is not None and identity(seen) == own

    yield refused("no credential", 401, "credentials_missing", [])
    yield passed("good token", good)
    cookie = stage.cookie()
    yield passed("good cookie", cookie)
    head, _, signature = token.split(".")
    forged = part({**says, "roles": ["admin", "user"]})
    yield refused("role tampered", 401, "signature_invalid", bearer(f"{head}.{forged}.{signature}"))
    none = part({"alg": "none", "typ": "JWT"})
    yield refused("alg none", 401, "algorithm_mismatch", bearer(f"{none}.{forged}."))
    answer, seen = stage.through(good + bearer(stage.token("admin")))
    yield "two tokens", answer.status, answer.status in (400, 401) and seen is None
    stage.moved("+20m")
    yield refused("token expired", 401, "token_expired", good)
    stage.moved("+0s")

    # What a client says about itself.
    spelled = [name.replace("-", "_", times) for name in IDENTITY for times in (0, 1, 2)]
    spelled += ["x-auth_subject", "X-AUTH-ROLES", "X_Auth_Roles", "X-Auth-Subject"]
    spoofed = [(name, "admin") for name in spelled]
    yield refused("identity spoofed", 401, "credentials_missing", spoofed)
    yield passed("... with a good token", spoofed + good)
    yield passed("... behind the token", good + spoofed)
    named = [("Connection", ", ".join(["close", *IDENTITY, "x-forwarded-for", "x-original-method"]))]
    answer, seen = stage.through(good + named)
    yield "... named in Connection", answer.status, (
        seen is None if answer.status == 400 else answer.status == 200 and identity(seen) == own and not leaves_out(seen)
    )
    answer, seen = stage.through(good + list(MISLEADING.items()) + [("X-Forwarded-For", CLAIMED)])
    left = set(MISLEADING.values()) & {value for _, value in seen[2]}
    right = len(header(seen, "x-forwarded-for")) == 1 and CLAIMED not in header(seen, "x-forwarded-for")[0]
    # Nor has the server let the client name its request, where the gateway asks and where it hands all of it on.
    named = [("X-Request-Id", MISLEADING["X-Request-Id"])]
    ids = [ask(stage.port, path, named).headers.get("X-Request-Id") for path in ("/api/things", "/me")]
    right = right and all(ids) and MISLEADING["X-Request-Id"] not in ids
    yield "path, method, client spoofed", answer.status, answer.status == 200 and not left and right and identity(seen) == own
    odd = ["X-Odd: a\r\n X-Auth-Subject: admin", "X-Odd: a\nX-Auth-Subject: admin", "X-Odd: a\rX-Auth-Subject: admin"]
    odd += ["X-Auth-Subject : admin", "X-Auth-Subject\t: admin", " X-Auth-Subject: admin", "\tX-Auth-Subject: admin"]
    odd += ["X-Auth-Subject\0: admin", "X-Auth-Subject;: admin", ":X-Auth-Subject: admin", "X-Odd: a\0\r\nX-Auth-Subject: admin"]
    odd += ["X-Odd: a\x0bX-Auth-Subject: admin", "X-Odd: a\x0c\r\nX_Auth_Subject: admin", "\x85X-Auth-Subject: admin"]
    statuses, right = set(), True
    for line in odd:
        before = len(stage.api.seen)
        lines = f"GET /api/odd HTTP/1.1\r\nHost: {HERE}:{stage.port}\r\n{line}\r\nConnection: close\r\n{'%s: %s' % good[0]}\r\n\r\n"
        statuses.add(raw(stage.port, lines).status)
        right = right and all(identity(seen) == own for seen in stage.api.seen[before:])
    yield f"{len(odd)} heads out of shape", "/".join(map(str, sorted(statuses - {0}))), right and max(statuses) < 500
    claimed = [("X-Forwarded-For", CLAIMED)]
    spy = json.loads(stage.login("user", headers=claimed).body)["access_token"]
    listed = ask(stage.port, "/sessions", bearer(spy) + claimed)
    current = [login for login in json.loads(listed.body)["items"] if login["current"]]
    yield "client of a login spoofed", listed.status, len(current) == 1 and current[0]["address"] != CLAIMED

    # Requests that another site makes a browser send.
    yield passed("cookie, POST, same origin", cookie + same_site, method="POST")
    yield refused("cookie, POST, another site", 403, "cross_site", cookie + EVIL, method="POST")
    yield refused("cookie, POST, no origin", 403, "cross_site", cookie, method="POST")
    yield refused("cookie, DELETE, another site", 403, "cross_site", cookie + EVIL, method="DELETE")
    for name in ("X-Forwarded-Method", "X-Original-Method", "X_Original_Method"):
        answer, seen = stage.through(cookie + EVIL + [(name, "GET")], method="POST")
        yield f"... with {name}: GET", answer.status, answer.status == 403 and seen is None
    twice = cookie + [("Origin", stage.origin)] + EVIL
    answer, seen = stage.through(twice, method="POST")
    yield "... with two origins", answer.status, answer.status in (400, 403) and seen is None
    answer, seen = stage.through(good + [("X-Original-Method", "PUT")])
    yield "token, another method named", answer.status, answer.status == 200 and identity(seen) == own

    # Methods, bodies, sizes.
    answer, seen = stage.through(good, method="HEAD")
    yield "HEAD", answer.status, answer.status == 200 and seen[0] == "HEAD" and answer.body == b""
    answer, seen = stage.through(method="HEAD")
    yield "HEAD, no credential", answer.status, answer.status == 401 and seen is None and answer.body == b""
    answer, seen = stage.through(good, method="OPTIONS")
    yield "OPTIONS", answer.status, answer.status == 200 and seen[0] == "OPTIONS"
    yield refused("OPTIONS, no credential", 401, "credentials_missing", [], method="OPTIONS")
    body = os.urandom(1 << 20)
    answer, seen = stage.through(good, method="POST", body=body)
    yield "body of 1 MiB", answer.status, answer.status == 200 and seen[3] == body
    answer, seen = stage.through(method="POST", body=body)
    yield "... no credential", answer.status, answer.status in (0, 401) and seen is None
    before = len(stage.api.seen)
    lines = f"POST /api/chunks HTTP/1.1\r\nHost: {HERE}:{stage.port}\r\nConnection: close\r\n{'%s: %s' % good[0]}\r\n"
    answer = raw(stage.port, lines + "Transfer-Encoding: chunked\r\n\r\n", b"5\r\nhello\r\n0\r\n\r\n", "POST")
    seen = stage.api.seen[before:]
    yield "body in chunks", answer.status, answer.status == 200 and [each[3] for each in seen] == [b"hello"]
    before = len(stage.api.seen)
    inner = f"GET /api/inner HTTP/1.1\r\nHost: {HERE}:{stage.port}\r\nX-Auth-Subject: admin\r\n\r\n".encode()
    both = f"Transfer-Encoding: chunked\r\nContent-Length: {len(inner) + 5}\r\n\r\n"
    answer = raw(stage.port, lines + both, b"0\r\n\r\n" + inner, "POST")
    paths = [each[1] for each in stage.api.seen[before:]]
    yield "a request within a body", answer.status, "/api/inner" not in paths and answer.status < 500
    answer, seen = stage.through(good + [("Cookie", "junk=" + "x" * 7000)])
    yield "cookie of 7 KB", answer.status, answer.status == 200 and identity(seen) == own
    answer, seen = stage.through([("Cookie", "junk=" + "x" * 40000)])
    yield "cookie of 40 KB", answer.status, (answer.status == 0 or 400 <= answer.status < 500) and seen is None
    websocket = [("Upgrade", "websocket"), ("Sec-WebSocket-Version", "13"), ("Sec-WebSocket-Key", "AAAAAAAAAAAAAAAAAAAAAA==")]
    lines = f"GET /api/socket HTTP/1.1\r\nHost: {HERE}:{stage.port}\r\nConnection: upgrade\r\n"
    before = len(stage.api.seen)
    answer = raw(stage.port, lines + "".join(f"{name}: {value}\r\n" for name, value in websocket) + "\r\n")
    yield "websocket, no credential", answer.status, answer.status in (401, 403) and len(stage.api.seen) == before

    # Ways around the path.
    ways = ["/api", "/api/", "/%61pi/x", "//api/x", "/x/../api/x", "/x/%2e%2e/api/x", "/api%2fx", "/api/%2e%2e/api", "/./api/x"]
    ways += ["/API/x", "/apiary", "/api;x/y", "/api/..%2f..%2fapi", "/api\\x", "/api%00", f"http://{HERE}:{stage.port}/api/x"]
    before = len(stage.api.seen)
    statuses = {stage.through(path=way)[0].status for way in ways}
    only = {status for status in statuses if status}
    yield "16 ways around the path", "/".join(map(str, sorted(only))), (
        len(stage.api.seen) == before and all(400 <= status < 500 for status in only)
    )
    answer, seen = stage.through(good, path="/api/a%20b?x=%2F&role=admin")
    yield "path and query", answer.status, answer.status == 200 and seen[1] == "/api/a%20b?x=%2F&role=admin"
    answer, seen = stage.through(path="/apiary")
    yield "a path that begins alike", answer.status, answer.status == 404 and seen is None

    # What has ended.
    for name, credential, code in (("token", good, "token_revoked"), ("cookie", cookie, "session_expired")):
        out = ask(stage.port, "/logout", credential + same_site, "POST")
        assert out.status == 200, out.body
        answer, seen = stage.through(credential)
        yield f"{name} after logout", answer.status, answer.status == 401 and seen is None and answer.code() is not None

    # A server that does not say yes.
    spare = spoofed + good
    stop(stage.server)
    answer, seen = stage.through(spare)
    yield "server stopped", answer.status, answer.status >= 500 and seen is None
    fake = Listener(stage.own)
    try:
        for status, told in ((503, {"Retry-After": "5"}), (429, {"Retry-After": "5"}), (500, {}), (302, {"Location": "/login"})):
            fake.status, fake.told = status, told
            answer, seen = stage.through(spare, method="POST", body=b"body")
            right = answer.status == 429 if status == 429 else answer.status >= 300
            yield f"server says {status}", answer.status, right and seen is None
        fake.status, fake.told = 200, {}
        answer, seen = stage.through(spare)
        yield "server says yes, not who", answer.status, seen is None or "admin" not in dict(identity(seen)).values()
        asked = [each for each in fake.seen if each[1].startswith("/forward-auth")]
        sent = [each for each in asked if each[3] or header(each, "transfer-encoding")]
        yield "body asked about", "none" if not sent else "some", bool(asked) and not sent
    finally:
        fake.shutdown()
        fake.server_close()


def role_checks(stage):
    for role, status, code in (("user", 403, "insufficient_scope"), ("admin", 200, None)):
        answer, seen = stage.through(bearer(stage.token(role)) + [("X-Auth-Roles", "admin")])
        right = answer.status == status and (seen is not None) == (status == 200)
        if status == 200:
            right = right and dict(identity(seen))["x-auth-roles"] == "admin,user"
        elif stage.name != "envoy":  # which asks for the role by itself
            right = right and answer.code() == code
        yield f"role admin wanted, {role}", answer.status, right
    answer, seen = stage.through()
    yield "role admin wanted, nobody", answer.status, answer.status == 401 and seen is None


def encrypted_checks(stage):
    answer, seen = stage.through()
    yield "https, no credential", answer.status, answer.status == 401 and seen is None
    cookie = stage.cookie()
    answer, seen = stage.through(cookie + [("Origin", stage.origin), ("X-Forwarded-Proto", "http")], method="POST")
    right = answer.status == 200 and header(seen, "x-forwarded-proto") == ["https"] and cookie[0][1].startswith("__Host-")
    yield "https, cookie, POST, same origin", answer.status, right
    answer, seen = stage.through(cookie + EVIL, method="POST")
    yield "https, cookie, POST, another site", answer.status, answer.status == 403 and seen is None
    claims = ["X-Auth-Subject: admin", "x_auth_subject: admin", "X-Auth_Roles: admin", f"Authorization: Bearer {stage.token()}"]
    curl = ["curl", "-sk", "--http2", "-o", "body", "-w", "%{http_version} %{http_code}", f"{stage.origin}/api/x"]
    curl += [word for claim in claims for word in ("-H", claim)]
    before = len(stage.api.seen)
    quiet = {"cwd": stage.folder, "capture_output": True, "text": True, "env": {**os.environ, "NO_PROXY": "*"}, "timeout": 30}
    said = subprocess.run(curl, **quiet).stdout
    reached = [[value for _, value in identity(seen)] for seen in stage.api.seen[before:]]
    right = said == "2 200" and len(reached) == 1 and len(reached[0]) >= 2 and "admin" not in reached[0]
    yield "HTTP/2, identity spoofed", said.split(" ")[-1], right


def run(binary, name, program):
    done = []
    stages = (("http", [], checks), ("http", ["--role", "admin"], role_checks), ("https", [], encrypted_checks))
    for scheme, role, asked in stages:
        with tempfile.TemporaryDirectory() as folder, Stage(binary, name, program, scheme, role, Path(folder)) as stage:
            done += list(asked(stage))
    return done


gateways = {name: os.path.abspath(program) for name, program in (each.split("=", 1) for each in sys.argv[2:])}
results = {name: run(sys.argv[1], name, program) for name, program in gateways.items()}
rows = [name for name, _, _ in next(iter(results.values()))]
width = max(map(len, rows))
cells = {name: [f"{status}{'' if right else ' NO'}" for _, status, right in done] for name, done in results.items()}
widths = {name: max(len(name), *map(len, column)) for name, column in cells.items()}
print(f"\n| {'':{width}} |", " | ".join(f"{name:{widths[name]}}" for name in cells), "|")
print("|" + "-" * (width + 2) + "|" + "|".join("-" * (widths[name] + 2) for name in cells) + "|")
for at, row in enumerate(rows):
    print(f"| {row:{width}} |", " | ".join(f"{column[at]:{widths[name]}}" for name, column in cells.items()), "|")
sys.exit(0 if all(right for done in results.values() for _, _, right in done) else 1)
