"""What the Python peers of scripts/interop share: one JSON request a line on stdin, one JSON answer a line on stdout.

The requests stand in crates/jwt/examples/interop/peer.rs.
"""

import base64
import json
import platform
import sys
from collections.abc import Callable
from importlib.metadata import version
from typing import Any

CURVES = {"ES256": "P-256", "ES384": "P-384", "ES512": "P-521", "EdDSA": "Ed25519", "Ed25519": "Ed25519"}


def secret_text(secret: bytes) -> str:
    return base64.urlsafe_b64encode(secret).rstrip(b"=").decode()


def secret_bytes(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def serve(package: str, *actions: Callable[..., Any]) -> None:
    """Answers requests until there are no more: each names one of the actions and holds its arguments."""

    def describe() -> dict[str, str]:
        runtime = f"Python {platform.python_version()} with cryptography {version('cryptography')}"
        return {"name": package, "version": version(package), "runtime": runtime}

    named = {action.__name__: action for action in (describe, *actions)}
    for line in sys.stdin:
        request = json.loads(line)
        action = named[request.pop("do")]
        try:
            answer = {"ok": action(**request)}
        except Exception as error:  # whatever the library refuses with is the answer
            answer = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer), flush=True)
