"""The page without a node: its files from `public/`, and answers that a test makes up, as for 200 nodes."""

import json
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

PUBLIC = Path(__file__).parents[2] / "public"
POLICY = ("default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; "
          "base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
TYPES = {".js": "text/javascript", ".css": "text/css"}


class StubNode:
    """Use it in a `with`. `answers` maps a path to what is sent as JSON, or to a function of the query that makes it."""

    def __init__(self, answers):
        self.answers = answers
        # The Last-Event-ID of each stream of events that was asked for, None without one.
        self.streams = []
        handler = type("Handler", (_Handler,), {"stub": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self):
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self._server.shutdown()
        self._server.server_close()


class _Handler(BaseHTTPRequestHandler):
    stub = None
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        target = urlsplit(self.path)
        if target.path == "/":
            text = (PUBLIC / "index.html").read_text()
            page = re.sub(r"\{\{[^}|]*\|?([^}]*)\}\}", r"\1", text)
            self._send(200, "text/html; charset=utf-8", page.encode())
        elif target.path.startswith("/page/"):
            file = PUBLIC / Path(target.path).name
            self._send(200, TYPES[file.suffix], file.read_bytes())
        elif target.path == "/v1/events" and "event-stream" in self.headers.get("Accept", ""):
            self.stub.streams.append(self.headers.get("Last-Event-ID"))
            self._send(200, "text/event-stream", b"retry: 1000\nid: 0-7\n\n")
        else:
            answer = self.stub.answers.get(target.path)
            if callable(answer):
                answer = answer({name: values[0] for name, values in parse_qs(target.query).items()})
            status = 404 if answer is None else 200
            self._send(status, "application/json", json.dumps(answer).encode())

    def _send(self, status, kind, body):
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Content-Security-Policy", POLICY)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass
