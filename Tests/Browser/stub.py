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
# A stream that stays has a sign of life so often.
STREAM_SECONDS = 2
TYPES = {".js": "text/javascript", ".css": "text/css"}


class StubNode:
    """Use it in a `with`. `answers` maps a path to what is sent as JSON, or to a function of the query that makes it;
    a pair is sent with its status.

    A key as "POST /v1/nodes" is for that method alone. `places` is what a server fills into the page.
    """

    def __init__(self, answers, places=None):
        self.answers, self.places = answers, places or {}
        # The Last-Event-ID of each stream of events that was asked for, None without one.
        self.streams = []
        # What is refused, a path each, with its status; what was asked for, each as (method, path and query, headers, body).
        self.refused, self.asked = {}, []
        # What becomes of a stream: "ends" at once, "stays" open and tells what `tell` is given, or is "silent" from the start.
        self.stream = "ends"
        self._told, self._changed = [], threading.Condition()
        handler = type("Handler", (_Handler,), {"stub": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self):
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def tell(self, event):
        """To all streams that are open."""
        with self._changed:
            self._told.append(event)
            self._changed.notify_all()

    def change_stream(self, becomes):
        """Those that are open end."""
        with self._changed:
            self.stream = becomes
            self._changed.notify_all()

    def told(self, kind, since):
        """What was told after so many, as soon as there is something; None when a stream of this kind has to end."""
        with self._changed:
            self._changed.wait_for(lambda: self.stream != kind or len(self._told) > since, STREAM_SECONDS)
            return self._told[since:] if self.stream == kind else None

    def __exit__(self, *_):
        self.change_stream("ends")
        self._server.shutdown()
        self._server.server_close()


class _Handler(BaseHTTPRequestHandler):
    stub = None
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        target = urlsplit(self.path)
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.stub.asked.append((self.command, self.path, dict(self.headers), body.decode()))
        if target.path == "/":
            text = (PUBLIC / "index.html").read_text()
            page = re.sub(r"\{\{([^}|]*)\|?([^}]*)\}\}", lambda found: self.stub.places.get(found[1], found[2]), text)
            self._send(200, "text/html; charset=utf-8", page.encode())
        elif (status := self.stub.refused.get(target.path)) is not None:
            problem = {"code": "busy", "detail": "It is busy."}
            self._send(status, "application/problem+json", json.dumps(problem).encode())
        elif target.path.startswith("/page/"):
            file = PUBLIC / Path(target.path).name
            self._send(200, TYPES[file.suffix], file.read_bytes())
        elif target.path == "/v1/events" and "event-stream" in self.headers.get("Accept", ""):
            self.stub.streams.append(self.headers.get("Last-Event-ID"))
            self._stream()
        else:
            answers = self.stub.answers
            answer = answers.get(f"{self.command} {target.path}", answers.get(target.path))
            if callable(answer):
                answer = answer({name: values[0] for name, values in parse_qs(target.query).items()})
            status, answer = answer if isinstance(answer, tuple) else (404 if answer is None else 200, answer)
            self._send(status, "application/json", json.dumps(answer).encode())

    do_POST = do_PATCH = do_DELETE = do_GET

    def _stream(self):
        opening = b"retry: 1000\nid: 0-7\n\n"
        kind, told = self.stub.stream, len(self.stub._told)
        if kind == "ends":
            self._send(200, "text/event-stream", opening)
            return
        self.close_connection = True
        try:
            if kind == "stays":
                self.send_response(200)
                self.send_header("Content-Type", "text/event-stream")
                self.end_headers()
                self.wfile.write(opening)
            while (events := self.stub.told(kind, told)) is not None:
                told += len(events)
                lines = [f"id: {event['id']}\ndata: {json.dumps(event)}\n\n" for event in events] or [": beat\n\n"]
                if kind == "stays":
                    self.wfile.write("".join(lines).encode())
        except OSError:
            pass  # The page is gone.

    def _send(self, status, kind, body):
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Content-Security-Policy", POLICY)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass
