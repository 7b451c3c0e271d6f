"""Sends the logs to a server."""

from __future__ import annotations

import json
import warnings
from typing import Any

import numpy as np

from fastconv.callbacks.callback import Callback

_PATIENCE = 10  # timeout in seconds; training must not hang


class RemoteMonitor(Callback):
    """Sends {"epoch": ..., and the logs} to a server after every epoch, by POST.

    If the server does not answer, training continues with a warning.

    Args:
        root: URL of the server, http or https.
        path: path on the server.
        field: name of the form field that contains the JSON.
        headers: dict of additional HTTP headers.
        send_as_json: send the JSON itself, as "application/json", instead of a form.

    Raises ValueError for any other kind of URL.
    """

    first_rank_only = True

    def __init__(
        self,
        root: str = "http://localhost:9000",
        path: str = "/publish/epoch/end/",
        field: str = "data",
        headers: dict[str, str] | None = None,
        send_as_json: bool = False,
    ):
        super().__init__()
        if not root.startswith(("http://", "https://")):
            raise ValueError(f"`root` must begin with http:// or https://, received {root!r}")
        self.root = root
        self.path = path
        self.field = field
        self.headers = headers
        self.send_as_json = send_as_json

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        import urllib.parse  # imported here: slower to import than the rest of fastconv
        import urllib.request

        text = json.dumps({"epoch": epoch} | {k: _plain(v) for k, v in (logs or {}).items()})
        if self.send_as_json:
            kind, body = "application/json", text
        else:
            kind = "application/x-www-form-urlencoded"
            body = urllib.parse.urlencode({self.field: text})
        headers = {"Content-Type": kind} | (self.headers or {})
        request = urllib.request.Request(
            self.root + self.path, body.encode(), headers, method="POST"
        )
        try:
            with urllib.request.urlopen(request, timeout=_PATIENCE):
                pass
        except OSError as error:
            warnings.warn(
                f"Could not reach RemoteMonitor root server at {self.root}: {error}", stacklevel=2
            )


def _plain(value: Any) -> Any:
    return value.tolist() if isinstance(value, (np.ndarray, np.generic)) else value
