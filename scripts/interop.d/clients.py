"""What every program of examples/clients is asked beside a server of its own, with good tokens and bad ones.

A file beside this one says how its program is started and hands that to `run`. What its guide lets a reader paste is pasted,
and answers what stands there. Signing takes PyJWT, which signs what no honest issuer would.
"""

import base64
import difflib
import hashlib
import hmac
import http.client
import http.server
import json
import os
import re
import secrets
import signal
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import jwt
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

ROOT = Path(__file__).resolve().parents[2]
OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))
DRAFT = {"title": "Hello", "content": "My first post"}
TAKEN = ("signed by hand", "clocks that differ")
INVALID = 'Bearer error="invalid_token"'
ES256 = jwt.get_algorithm_by_name("ES256")
# How long the programs go without asking for keys again, and some time for it.
PATIENCE = 45


def ask(method, url, body=None, headers=()):
    """Returns status, headers and body of an answer; a body of bytes is sent as it is, any other as JSON."""
    headers = dict(headers)
    if body is not None and not isinstance(body, bytes):
        headers["Content-Type"], body = "application/json", json.dumps(body).encode()
    try:
        answer = OPENER.open(urllib.request.Request(url, body, headers, method=method), timeout=30)
    except urllib.error.HTTPError as error:
        answer = error
    with answer:
        text = answer.read()
    return answer.status, answer.headers, json.loads(text) if text else None


def status_of(url, *authorizations):
    """The status of a GET with these headers, byte for byte."""
    address = urllib.parse.urlsplit(url)
    connection = http.client.HTTPConnection(address.hostname, address.port, timeout=30)
    try:
        connection.putrequest("GET", address.path)
        for value in authorizations:
            connection.putheader("Authorization", value)
        connection.endheaders()
        return connection.getresponse().status
    finally:
        connection.close()


def bearer(token):
    return {"Authorization": f"Bearer {token}"}


def part(value):
    text = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(text).rstrip(b"=").decode()


def unpart(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def payload(token):
    return json.loads(unpart(token.split(".")[1]))


class NotStarted(Exception):
    """A program has ended before it said where it listens."""


class Server:
    """`countersign dev`, and the key that it signs with."""

    def __init__(self, binary, algorithm, folder, *flags):
        self.binary, self.algorithm, self.secret = binary, algorithm, None
        command = [binary, "dev", "--ephemeral", "--listen", "127.0.0.1:0", "--json", "--limits-enabled", "false"]
        command += ["--tokens-algorithm", algorithm, *flags]
        if algorithm == "HS256":
            self.secret = folder / "secret"
            self.secret.touch(mode=0o600)
            self.secret.write_text(secrets.token_urlsafe(32) + "\n")
            command += ["--secret-file", str(self.secret)]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        facts = json.loads(self.process.stdout.readline())
        self.url, self.accounts, self.data = facts["url"], facts["accounts"], facts["data_dir"]

    def stop(self):
        self.process.terminate()
        self.process.wait(timeout=20)

    def environment(self):
        """What the programs are told: where the server is, and its secret if it has one."""
        known = {name: value for name, value in os.environ.items() if name not in ("AUTH_SERVER", "SECRET_FILE", "PORT")}
        known.update(AUTH_SERVER=self.url, NO_PROXY="*", PYTHONDONTWRITEBYTECODE="1")
        return known if self.secret is None else {**known, "SECRET_FILE": str(self.secret)}

    def login(self, role, headers=()):
        account = next(account for account in self.accounts if account["roles"] == role)
        form = {"grant_type": "password", "username": account["email"], "password": account["password"]}
        headers = {"Content-Type": "application/x-www-form-urlencoded", **dict(headers)}
        return ask("POST", self.url + "/login", urllib.parse.urlencode(form).encode(), headers)

    def token(self, *role):
        return self.login(list(role))[2]["access_token"]

    def key(self):
        """The private key, or the secret, with which the server signs."""
        if self.secret:
            return self.secret.read_bytes().removesuffix(b"\n")
        kid = json.loads(unpart(self.token("user").split(".")[0]))["kid"]
        command = [self.binary, "key", "export", kid, "--private", "--data-dir", self.data]
        return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True).stdout

    def public_keys(self):
        return ask("GET", self.url + "/.well-known/jwks.json")[2]["keys"]

    def fetches(self):
        """How often the key set was asked for."""
        with OPENER.open(self.url + "/metrics", timeout=30) as answer:
            text = answer.read().decode()
        counted = re.findall(r'countersign_requests_total\{[^}]*jwks\.json[^}]*\} (\d+)', text)
        return sum(map(int, counted))


def follow(guide, folder, here):
    """Pastes the marked blocks of a guide into one shell; says whether each answers what stands below it.

    What the guide names is replaced by what is there: `here` has the addresses.
    """
    marked = r"<!-- (run by|answer to) scripts/interop -->\n```\w+\n(.*?)\n```"
    blocks = re.findall(marked, (ROOT / guide).read_text(), re.DOTALL)
    typed = [text for mark, text in blocks if mark == "run by"]
    shown = [text for mark, text in blocks if mark == "answer to"]
    script = "".join(f"{text}\nprintf '\\n--end--\\n'\n" for text in typed)
    for address, instead in here.items():
        script = script.replace(address, instead)
    environment = dict(os.environ, NO_PROXY="*")
    bash = ["bash", "--norc", "-c", script]
    done = subprocess.run(bash, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=60)
    answers = done.stdout.decode().replace("\r", "").split("--end--\n")[:-1]
    for answer, expected in zip(answers, shown):
        lines = [shape(text).splitlines() for text in (expected, answer)]
        for line in difflib.unified_diff(*lines, guide, "what is answered", lineterm=""):
            print(line, file=sys.stderr)
    return len(shown) > 0 and [shape(text) for text in answers] == [shape(text) for text in shown]


def shape(text):
    """A text without what differs from one time to the next."""
    masks = {
        r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}": "<id>",
        r"eyJ[\w-]+\.[\w-]+\.[\w-]+": "<token>",
        r'"request_id":"[0-9a-f]{32}"': '"request_id":"<id>"',
        r'"refresh_token":"[^"]*"': '"refresh_token":"<secret>"',
        r'("(?:\w+_at|effective_by)":)\d+': r"\1<time>",
        r'("(?:refresh_)?expires_in":)\d+': r"\1<seconds>",
    }
    for pattern, mask in masks.items():
        text = re.sub(pattern, mask, text)
    return text.strip()


def forgeries(server, own, public):
    """Yields pairs of a name and a list of tokens, made after `own`, a good one of the server: those of `TAKEN` have to be taken, all
    others to be refused."""
    key, algorithm = server.key(), server.algorithm
    now = int(time.time())
    head = json.loads(unpart(own.split(".")[0]))
    claims = payload(own)

    def sign(changed=(), header=(), key=key, algorithm=algorithm):
        said = [{**claims, **dict(changed)}, {**head, "alg": algorithm, **dict(header)}]
        return signed(*({name: value for name, value in each.items() if value is not None} for each in said), key)

    # All of these are signed by the key of the server, so each is refused for the one thing that is wrong with it.
    yield "signed by hand", [sign()]
    yield "clocks that differ", [sign({"exp": now - 10}), sign({"nbf": now + 10}), sign({"iat": now + 10})]
    yield "expired", [sign({"exp": now - 60}), sign({"exp": now - 86400})]
    yield "not valid yet", [sign({"nbf": now + 3600})]
    yield "another issuer", [sign({"iss": "somebody"}), sign({"iss": None}), sign({"iss": ""})]
    yield "another audience", [sign({"aud": "somebody"}), sign({"aud": ["a", "b"]}), sign({"aud": None})]
    yield "no exp, sub or sid", [sign({name: None}) for name in ("exp", "sub", "sid")]
    yield "another typ", [sign(header={"typ": typ}) for typ in ("refresh+jwt", "at+jwt", None)]
    yield "unknown crit", [sign(header={"crit": ["mine"], "mine": 1})]

    forged = part({**claims, "roles": ["admin", "user"]})
    parts = own.split(".")
    yield "role altered", [f"{parts[0]}.{forged}.{parts[2]}", f"{parts[0]}.{forged}."]
    none = [part({**head, "alg": alg}) for alg in ("none", "None", "NONE", "")]
    yield "alg none", [f"{each}.{forged}.{signature}" for each in none for signature in ("", parts[2])]

    private = ec.generate_private_key(ec.SECP256R1())
    jwk = json.loads(ES256.to_jwk(private.public_key()))
    carried = [{"jwk": jwk}, {"jku": "http://127.0.0.1:9/jwks.json"}, {"x5u": "http://127.0.0.1:9/"}, {}]
    stolen = [sign(header=header, key=private, algorithm="ES256") for header in carried]
    strangers = [sign(key=secret, algorithm="HS256") for secret in (b"a" * 32, b"secret")]
    yield "another key", stolen + strangers
    if algorithm == "ES256":
        # What everybody has, taken for a secret.
        pem = jwt.PyJWK.from_dict(public).key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        shown = [pem, pem.strip(), json.dumps(public).encode(), unpart(public["x"])]
        yield "public key as secret", [sign(key=secret, algorithm="HS256") for secret in shown]
        yield "unknown kid", [sign(header={"kid": kid}) for kid in ("mine", "", "../../etc/passwd")]


def signed(claims, header, key):
    """A token, by hand where a library would not make it."""
    text = part(header) + "." + part(claims)
    if header["alg"] == "HS256":
        return text + "." + part(hmac.digest(key, text.encode(), hashlib.sha256))
    return text + "." + part(ES256.sign(text.encode(), ES256.prepare_key(key)))


def rubbish(good):
    """Values of `Authorization` that nobody should send."""
    head, claims, signature = good.split(".")
    yield from ("", "Bearer", "Bearer ", "Basic Og==", "Negotiate YII=", good, f"Bearer{good}", f"Bearer {good} x")
    yield from (b"Bearer \xff\xfe.\xe2\x82.\x80", "Bearer " + "." * 7000, "Bearer " + "A" * 7000, "Bearer a.b", "Bearer ..")
    yield from (f"Bearer {good}.x", f"Bearer {good}A", f"Bearer {head}.{claims}", f"Bearer {head}..{signature}")
    for text in (b"null", b"[]", b"{}", b"1", b'"x"', b"{", b"\xff", b"[" * 3000, b'{"a":' * 700):
        yield f"Bearer {part(text)}.{claims}.{signature}"
        yield f"Bearer {head}.{part(text)}.{signature}"
    for header in ({"alg": 1}, {"alg": ["ES256"]}, {"alg": None}, {"kid": 1}, {"kid": {}}, {"kid": ["a"]}, {"typ": 1}, {"crit": 1}):
        for alg in ("ES256", "HS256"):
            yield f"Bearer {part({'alg': alg, 'typ': 'JWT', **header})}.{claims}.{signature}"


def checks(server, page, folder, guide, more):
    """Yields what is checked, as pairs of its name and whether it holds."""
    posts = page + "/posts"
    token, admin = server.token("user"), server.token("admin", "user")
    account = payload(token)["sub"]

    def refused(token):
        status, headers, _ = ask("GET", posts, headers=bearer(token))
        if (status, headers["WWW-Authenticate"]) != (401, INVALID):
            print(f"{status} {headers['WWW-Authenticate']} for {token}", file=sys.stderr)
        return (status, headers["WWW-Authenticate"]) == (401, INVALID)

    status, headers, _ = ask("GET", posts)
    yield "no token", status == 401 and headers["WWW-Authenticate"] == "Bearer"
    status, _, post = ask("POST", posts, {**DRAFT, "author_id": "me", "id": "mine"}, bearer(token))
    listed = ask("GET", posts, headers={"Authorization": f"bEARER {token}"})
    yield "good token", (status, listed[0], listed[2]) == (201, 200, [post])
    yield "author from the token", (post["author_id"], post["author_name"]) == (account, None) and post["id"] != "mine"

    public = server.public_keys()
    for name, tokens in forgeries(server, token, public[0] if public else None):
        if name in TAKEN:
            yield name, all(ask("GET", posts, headers=bearer(token))[0] == 200 for token in tokens)
        else:
            yield name, all([refused(token) for token in tokens])

    other = ask("POST", posts, DRAFT, bearer(admin))[2]
    status, headers, _ = ask("DELETE", f"{posts}/{other['id']}", headers=bearer(token))
    yield "role asked", status == 403 and headers["WWW-Authenticate"] == 'Bearer error="insufficient_scope"'
    yield "role there", ask("DELETE", f"{posts}/{post['id']}", headers=bearer(admin))[0] == 204

    odd = [value for value in rubbish(token) if not 400 <= status_of(posts, value) < 500]
    for pair in ((token, token), (token, "x"), ("x", token)):
        value = [f"Bearer {each}" for each in pair]
        odd += [] if status_of(posts, *value) == 400 else [value]
    odd += [] if ask("GET", f"{posts}?access_token={token}")[0] == 401 else ["in the query"]
    if odd:
        print(f"not refused as it should be: {odd}", file=sys.stderr)
    yield "odd headers", not odd
    bodies = [b"", b"{", b"[]", b"null", b'"x"', b"\xff\xfe", b'{"title":1,"content":[]}', b'{"title":"a"}', b"[" * 5000]
    sent = {**bearer(token), "Content-Type": "application/json"}
    bodies += [b'{"title":NaN,"content":""}', b'{"title":1e999,"content":""}', b'{"title":' + b"9" * 5000 + b"}", b'{"a":' * 9000]
    held = [400 <= ask("POST", posts, body, sent)[0] < 500 for body in bodies]
    # Half a character, and nothing: whatever becomes of these, the list can still be read.
    held += [ask("POST", posts, {**DRAFT, "title": text}, sent)[0] < 500 for text in ("\ud800", "\0")]
    yield "odd bodies", all(held) and ask("GET", posts, headers=bearer(token))[0] == 200

    yield from more(server, page, token)
    yield "its guide", follow(guide, folder, {"http://127.0.0.1:8000": server.url, "http://127.0.0.1:8001": page})

    if server.algorithm == "ES256":
        before = server.fetches()
        head, claims, signature = token.split(".")
        made_up = [part({"alg": "ES256", "typ": "JWT", "kid": secrets.token_hex(8)}) for _ in range(100)]
        all_refused = all([refused(f"{each}.{claims}.{signature}") for each in made_up])
        yield "keys asked for seldom", all_refused and before >= 1 and server.fetches() - before <= 1
        status, _, _ = ask("POST", server.url + "/admin/keys/rotate", {"immediate": True}, bearer(admin))
        assert status in (200, 201), f"the rotation is answered with {status}"
        renewed = server.token("user")
        statuses, begun = [], time.monotonic()
        while statuses[-1:] != [200] and time.monotonic() - begun < PATIENCE:
            statuses.append(ask("GET", posts, headers=bearer(renewed))[0])
            time.sleep(0.5)
        still = ask("GET", posts, headers=bearer(token))[0]
        yield "keys rotated", renewed.split(".")[0] != head and set(statuses) <= {200, 401} and statuses[-1] == still == 200

    server.stop()
    good = ask("GET", posts, headers=bearer(token))[0]
    bad = ask("GET", posts, headers=bearer(f"{part({'alg': server.algorithm, 'typ': 'JWT', 'kid': 'x'})}.e30.AAAA"))[0]
    yield "server gone", good == 200 and bad in (401, 503)


def without_keys(server, start):
    """Whether it is nobody's fault when the program never had the keys: no server, or one that answers 501."""
    token, held = server.token("user"), []
    with http.server.HTTPServer(("127.0.0.1", 0), http.server.BaseHTTPRequestHandler) as broken:
        broken.RequestHandlerClass.log_message = lambda *_: None
        threading.Thread(target=broken.serve_forever, daemon=True).start()
        for address in ("http://127.0.0.1:9", "http://127.0.0.1:%d" % broken.server_port):
            with start({**server.environment(), "AUTH_SERVER": address}) as page:
                status, headers, _ = ask("GET", page + "/posts", headers=bearer(token))
                held.append((status, headers["Retry-After"]) == (503, "5"))
        broken.shutdown()
    return all(held)


def weak_secret(server, start, folder):
    """Whether a secret that can be guessed is of no use: the program does not start with it, or takes no token of it."""
    file = folder / "weak"
    file.write_text("secret\n")
    token = signed(payload(server.token("user")), {"alg": "HS256", "typ": "JWT"}, b"secret")
    try:
        with start({**server.environment(), "SECRET_FILE": str(file)}) as page:
            return ask("GET", page + "/posts", headers=bearer(token))[0] == 401
    except NotStarted:
        return True


@contextmanager
def pasted(readme, environment, folder=ROOT):
    """Runs what a README says last, in this folder, and hands on the address that it prints."""
    block = re.findall(r"```sh\n(.*?)\n```", (ROOT / readme).read_text(), re.DOTALL)[-1]
    options = {"cwd": folder, "env": {**environment, "PORT": "0"}, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    process = subprocess.Popen(["bash", "--norc", "-ec", block], text=True, start_new_session=True, **options)
    try:
        said = next((line for line in process.stdout if line.startswith("listening on ")), None)
        if said is None:
            raise NotStarted(readme)
        yield said.removeprefix("listening on ").strip()
    finally:
        # What the shell has started, too.
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        process.wait(timeout=20)


def run(name, guide, start, flags=(), more=lambda server, page, token: ()):
    """Asks a program under HS256 and ES256, and ends with the exit code; writes the verdicts to the file named second.

    `start` is a context manager: it takes the environment and has the address of the program; `more` yields further checks.
    """
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(124))
    binary, verdicts = sys.argv[1], {}
    for algorithm in ("HS256", "ES256"):
        with ExitStack() as stack:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            server = Server(binary, algorithm, folder, *flags)
            stack.callback(server.stop)
            if algorithm == "ES256":
                done = [("without keys", without_keys(server, start))]
            else:
                done = [("weak secret", weak_secret(server, start, folder))]
            page = stack.enter_context(start(server.environment()))
            done += checks(server, page, folder, guide, more)
            for what, holds in done:
                verdicts.setdefault(what, {})[algorithm] = bool(holds)
                if not holds:
                    print(f"{name} with {algorithm}: {what}", file=sys.stderr)
    Path(sys.argv[2]).write_text(json.dumps({"name": name, "verdicts": verdicts}))
    held = [holds for each in verdicts.values() for holds in each.values()]
    print(f"{name}: {sum(held)} of {len(held)} checks hold")
    sys.exit(0 if all(held) else 1)
