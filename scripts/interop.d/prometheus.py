"""A Prometheus of Debian's reads what a server publishes: the guide's configuration, promtool's opinion, and three figures.

    prometheus.py BINARY
"""

import json
import re
import socket
import subprocess
import sys
import tempfile
import time
import urllib.parse
from contextlib import ExitStack, suppress
from pathlib import Path

from clients import OPENER, ROOT, Server, ask, bearer

PATIENCE = 60


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


def published(server):
    with OPENER.open(server.url + "/metrics", timeout=30) as answer:
        return answer.read()


def check(text):
    """What promtool finds in the text, none of which may be there."""
    found = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True, timeout=60)
    assert found.returncode == 0, (found.stdout + found.stderr).decode()


def configuration(server):
    """The block of docs/reference/metrics.md, for this server."""
    text = (ROOT / "docs/reference/metrics.md").read_text()
    block = re.search(r"```yaml\n(scrape_configs:.*?)```", text, re.DOTALL).group(1)
    changed = block.replace("10.0.0.5:9001", urllib.parse.urlsplit(server.url).netloc)
    assert changed != block
    return "global:\n  scrape_interval: 1s\n" + changed


def figure(url, query):
    """The value of a query; None as long as there is none."""
    with suppress(OSError), OPENER.open(f"{url}/api/v1/query?{urllib.parse.urlencode({'query': query})}", timeout=30) as answer:
        found = json.load(answer)["data"]["result"]
        return float(found[0]["value"][1]) if found else None


def main(binary):
    with ExitStack() as ends:
        folder = Path(ends.enter_context(tempfile.TemporaryDirectory()))
        server = Server(binary, "HS256", folder)
        ends.callback(server.stop)
        token = server.token("user")
        for _ in range(5):
            assert ask("GET", server.url + "/posts", headers=bearer(token))[0] == 200
        assert ask("GET", server.url + "/posts")[0] == 401
        check(published(server))

        file = folder / "prometheus.yml"
        file.write_text(configuration(server))
        subprocess.run(["promtool", "check", "config", file], check=True, capture_output=True, timeout=60)
        address = f"127.0.0.1:{free_port()}"
        command = ["prometheus", f"--config.file={file}", f"--storage.tsdb.path={folder}/tsdb", f"--web.listen-address={address}"]
        prometheus = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        ends.callback(prometheus.wait, timeout=20)
        ends.callback(prometheus.terminate)

        expected = {
            'up{job="countersign"}': 1,
            'countersign_requests_total{route="/posts",status="2xx"}': 5,
            'countersign_requests_total{route="/posts",status="4xx"}': 1,
            'countersign_request_seconds_count{kind="login"}': 1,
            'count(histogram_quantile(0.99, countersign_request_seconds_bucket) > 0)': 2,
        }
        until = time.monotonic() + PATIENCE
        while True:
            found = {query: figure(f"http://{address}", query) for query in expected}
            if found == expected:
                break
            assert time.monotonic() < until, found
            time.sleep(0.5)
        for query, value in found.items():
            print(f"{query} = {value:g}")


if __name__ == "__main__":
    main(sys.argv[1])
