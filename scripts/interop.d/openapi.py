"""Asks servers of its own what its OpenAPI document describes, with schemathesis, and holds the answers against it.

Takes the path of the binary `countersign`. Signed in as the administrator of `dev`; what may end that login is asked of a
server of its own.
Exit code: 0 no disagreement, 1 one, or a server that did not start.
"""

import json
import os
import subprocess
import sys
import urllib.request

ENDS_LOGINS = "^/(logout|sessions|dev/clock|admin/keys|admin/users/[^/]+/sessions)"
CHECKS = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance"
# A test of the document and no search for weaknesses: few requests to each route, the same ones every time.
OPTIONS = ["--max-examples", "10", "--seed", "1", "--request-timeout", "20", "--checks", CHECKS]


def login(url, account):
    body = json.dumps({"email": account["email"], "password": account["password"]}).encode()
    request = urllib.request.Request(url + "/login", body, {"Content-Type": "application/json"})
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(request, timeout=20) as answer:
        return json.load(answer)["access_token"]


def ask(binary, choice):
    """Asks what a regular expression chooses of a fresh server; returns whether nothing disagreed."""
    command = [binary, "dev", "--ephemeral", "--listen", "127.0.0.1:0", "--json", "--limits-enabled", "false"]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        started = json.loads(server.stdout.readline())
        administrator = next(account for account in started["accounts"] if "admin" in account["roles"])
        token = login(started["url"], administrator)
        program = [os.path.join(os.path.dirname(sys.executable), "schemathesis"), "run"]
        arguments = [started["url"] + "/openapi.json", "--header", f"Authorization: Bearer {token}"]
        done = subprocess.run(
            program + arguments + [choice, ENDS_LOGINS] + OPTIONS, env=dict(os.environ, NO_PROXY="*"), timeout=240
        )
        return done.returncode == 0
    finally:
        server.terminate()
        server.wait(timeout=20)


# Both are asked, also where the first disagrees.
agreed = [ask(sys.argv[1], choice) for choice in ("--exclude-path-regex", "--include-path-regex")]
sys.exit(0 if all(agreed) else 1)
