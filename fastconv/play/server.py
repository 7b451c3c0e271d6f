"""The page and its session over HTTP: `http.server`, bound to this machine's own address.

    GET  /, /page.css, /page.js     the page
    GET  /api/state                 Session.state()
    POST /api/NAME                  Session.NAME(**body): network, train, look, example

A body is a JSON object. Other sites that are open in the browser must not reach the session: a
request is refused unless its Host is this server (which stops names that are rebound to 127.0.0.1)
and Origin and Sec-Fetch-Site, where the browser sends them, are those of the page itself. Bodies
must be `application/json`, which a form cannot send.
"""

from __future__ import annotations

import contextlib
import inspect
import json
import socketserver
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.resources import files
from typing import Any

from fastconv.play.session import Session

ADDRESS = "127.0.0.1"
LARGEST_BODY = 1 << 20  # bytes
METHODS = ("network", "train", "look", "example")
PAGES = {
    "/": ("index.html", "text/html"),
    "/page.css": ("page.css", "text/css"),
    "/page.js": ("page.js", "text/javascript"),
}
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "connect-src 'self'; img-src data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
}


class Refused(Exception):
    """A request that is answered with an error."""

    def __init__(self, status: HTTPStatus, message: str):
        super().__init__(message)
        self.status = status


class Server(ThreadingHTTPServer):
    """Serves `session` at `url` while `serve_forever()` runs.

    Args:
        session: what the page shows.
        port: 0 for any that is free.

    Raises OSError if the port is taken, and OverflowError for one above 65535.
    """

    daemon_threads = True

    def __init__(self, session: Session, port: int = 0):
        self.session = session
        # One thread computes, so that requests change the session one after the other.
        self._worker = ThreadPoolExecutor(1, "fastconv play")
        super().__init__((ADDRESS, port), Handler)

    @property
    def url(self) -> str:
        return f"http://{ADDRESS}:{self.server_port}/"

    @property
    def hosts(self) -> tuple[str, str]:
        """The values of a Host header that are accepted."""
        return f"{ADDRESS}:{self.server_port}", f"localhost:{self.server_port}"

    def compute(self, method: Callable[..., Any], arguments: dict[str, Any]) -> Any:
        """Call a method of the session when those before it have returned."""
        return self._worker.submit(method, **arguments).result()

    def server_bind(self) -> None:
        # That of HTTPServer would look for the name of the address in the network.
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = ADDRESS, int(self.server_address[1])

    def server_close(self) -> None:
        super().server_close()
        self._worker.shutdown(cancel_futures=True)

    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exc_info()[1], (ConnectionError, TimeoutError)):
            super().handle_error(request, client_address)


class Handler(BaseHTTPRequestHandler):
    """Answers the requests of one connection."""

    server: Server
    protocol_version = "HTTP/1.1"
    server_version, sys_version = "fastconv", ""
    timeout: int = 60  # seconds, of a connection that is silent

    def do_GET(self) -> None:
        with self._refusals():
            self._check_sender()
            if self.path in PAGES:
                name, kind = PAGES[self.path]
                body = (files("fastconv.play") / "page" / name).read_bytes()
                self._answer(HTTPStatus.OK, f"{kind}; charset=utf-8", body)
            elif self.path == "/api/state":
                self._answer_json(HTTPStatus.OK, self.server.compute(self.server.session.state, {}))
            else:
                raise Refused(HTTPStatus.NOT_FOUND, f"there is no {self.path}")

    def do_POST(self) -> None:
        with self._refusals():
            self._check_sender()
            arguments = self._body()
            name = self.path.removeprefix("/api/")
            if self.path == name or name not in METHODS:
                raise Refused(HTTPStatus.NOT_FOUND, f"there is no {self.path}")
            method = getattr(self.server.session, name)
            try:
                inspect.signature(method).bind(**arguments)
                result = self.server.compute(method, arguments)
            except (TypeError, ValueError) as error:
                raise Refused(HTTPStatus.BAD_REQUEST, str(error)) from error
            self._answer_json(HTTPStatus.OK, result)

    def log_message(self, format: str, *args: Any) -> None:
        """Requests are not printed."""

    def _check_sender(self) -> None:
        host, origin = self.headers.get("Host"), self.headers.get("Origin")
        site = self.headers.get("Sec-Fetch-Site", "none")
        if (
            host not in self.server.hosts
            or origin not in (None, f"http://{host}")
            or site not in ("none", "same-origin")
        ):
            raise Refused(HTTPStatus.FORBIDDEN, f"requests must come from {self.server.url}")

    def _body(self) -> dict[str, Any]:
        if self.headers.get_content_type() != "application/json":
            raise Refused(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "the body must be application/json")
        length = self.headers.get("Content-Length", "")
        if not (length.isascii() and length.isdigit()):
            raise Refused(HTTPStatus.LENGTH_REQUIRED, "Content-Length must be given")
        if len(length) > 9 or int(length) > LARGEST_BODY:
            message = f"the body must have at most {LARGEST_BODY} bytes"
            raise Refused(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, message)
        try:
            body = json.loads(self.rfile.read(int(length)))
        except (ValueError, RecursionError) as error:
            raise Refused(HTTPStatus.BAD_REQUEST, f"the body is not JSON: {error}") from None
        if not isinstance(body, dict):
            raise Refused(HTTPStatus.BAD_REQUEST, "the body must be an object")
        return body

    @contextlib.contextmanager
    def _refusals(self) -> Any:
        """Answer with the error of the block, if it raises one; then the connection ends."""
        try:
            yield
        except Refused as error:
            self.close_connection = True
            self._answer_json(error.status, {"error": str(error)})

    def _answer_json(self, status: HTTPStatus, value: Any) -> None:
        self._answer(status, "application/json", json.dumps(value).encode())

    def _answer(self, status: HTTPStatus, kind: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        for name, value in HEADERS.items():
            self.send_header(name, value)
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)
