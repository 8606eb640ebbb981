"""An API that knows nothing of tokens: it answers with who the gateway says is there."""

from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Api(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        subject = self.headers.get("X-Auth-Subject", "")
        self.send_response(200 if subject else 500)
        self.send_header("Content-Length", str(len(subject)))
        self.end_headers()
        self.wfile.write(subject.encode())

    def log_message(self, *_: object) -> None:
        pass


ThreadingHTTPServer(("127.0.0.1", 3000), Api).serve_forever()
