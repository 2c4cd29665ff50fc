"""A stand-in for the Hugging Face Hub: one private model repository, in memory, one branch.

It answers what `huggingface_hub` asks for a commit (preupload, LFS batch and upload, commit), for a
listing and for a download, and refuses a wrong token, an unknown repository and a missing file with
the status and the `X-Error-Code` of the real one. It leaves out: Xet, revisions other than main,
pull requests, chunked LFS, redirects to a content network, quotas and rate limits. `.onnx` goes by
LFS, everything else inside the commit.
"""

import base64
import hashlib
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

TOKEN = "hf_tests_secret_token"
REPO = "someone/models"


class StandIn(ThreadingHTTPServer):
    """`files`: what main holds. `commits`: messages, oldest first."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Answers)
        self.files: dict[str, bytes] = {}
        self.lfs: dict[str, bytes] = {}
        self.commits: list[str] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


@contextmanager
def hugging_face() -> Iterator[StandIn]:
    """The stand-in, listening on this machine only."""
    server = StandIn()
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Answers(BaseHTTPRequestHandler):
    server: StandIn
    protocol_version = "HTTP/1.1"

    def do_HEAD(self) -> None:
        self._resolve()

    def do_GET(self) -> None:
        if not self._let_in():
            return
        if self.path.startswith(f"/api/models/{REPO}/tree/main"):
            self._json([_tree_entry(name, content) for name, content in self.server.files.items()])
        elif "/resolve/main/" in self.path:
            self._resolve()
        else:
            self._refuse(404, "RepoNotFound", "Repository not found")

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"] or 0))
        if not self._let_in():
            return
        if self.path == f"/api/models/{REPO}/preupload/main":
            files = json.loads(body)["files"]
            self._json({"files": [_upload_mode(each["path"]) for each in files]})
        elif self.path == f"/{REPO}.git/info/lfs/objects/batch":
            objects = json.loads(body)["objects"]
            self._json({"transfer": "basic", "objects": [self._lfs_action(o) for o in objects]})
        elif self.path == f"/api/models/{REPO}/commit/main":
            self._commit([json.loads(line) for line in body.splitlines() if line])
        else:
            self._refuse(404, "RepoNotFound", "Repository not found")

    def do_PUT(self) -> None:
        content = self.rfile.read(int(self.headers["Content-Length"] or 0))
        name = self.path.removeprefix("/lfs/")
        if hashlib.sha256(content).hexdigest() != name:
            self._refuse(400, "BadRequest", "sha256 differs")
            return
        self.server.lfs[name] = content
        self._send(200, b"")

    def _commit(self, lines: list[dict[str, Any]]) -> None:
        for line in lines:
            value = line["value"]
            if line["key"] == "header":
                self.server.commits.append(value["summary"])
            elif line["key"] == "file":
                self.server.files[value["path"]] = base64.b64decode(value["content"])
            elif line["key"] == "lfsFile":
                self.server.files[value["path"]] = self.server.lfs[value["oid"]]
        oid = hashlib.sha1(str(len(self.server.commits)).encode()).hexdigest()
        url = f"{self.server.url}/{REPO}/commit/{oid}"
        self._json({"commitUrl": url, "commitOid": oid, "success": True})

    def _resolve(self) -> None:
        if self.command == "HEAD" and not self._let_in():
            return
        if not self.path.startswith(f"/{REPO}/resolve/main/"):
            self._refuse(404, "RepoNotFound", "Repository not found")
            return
        name = self.path.removeprefix(f"/{REPO}/resolve/main/")
        if name not in self.server.files:
            self._refuse(404, "EntryNotFound", "Entry not found")
            return
        content = self.server.files[name]
        tag = hashlib.sha256(content).hexdigest()
        self._send(200, content, {"ETag": f'"{tag}"', "X-Repo-Commit": "0" * 40})

    def _lfs_action(self, wanted: dict[str, Any]) -> dict[str, Any]:
        """An object that is there already needs no action."""
        if wanted["oid"] in self.server.lfs:
            return wanted
        upload = {"href": f"{self.server.url}/lfs/{wanted['oid']}", "header": {}}
        return {**wanted, "authenticated": True, "actions": {"upload": upload}}

    def _let_in(self) -> bool:
        if self.headers.get("Authorization") == f"Bearer {TOKEN}":
            return True
        self._refuse(401, "", "Invalid username or password.")
        return False

    def _refuse(self, status: int, code: str, text: str) -> None:
        headers = {"X-Error-Message": text} | ({"X-Error-Code": code} if code else {})
        self._send(status, json.dumps({"error": text}).encode(), headers)

    def _json(self, value: Any) -> None:
        self._send(200, json.dumps(value).encode(), {"Content-Type": "application/json"})

    def _send(self, status: int, content: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None:
        """Tests are quiet."""


def _upload_mode(path: str) -> dict[str, Any]:
    mode = "lfs" if re.search(r"\.onnx$", path) else "regular"
    return {"path": path, "uploadMode": mode, "shouldIgnore": False}


def _tree_entry(name: str, content: bytes) -> dict[str, Any]:
    oid = hashlib.sha1(content).hexdigest()
    return {"type": "file", "oid": oid, "size": len(content), "path": name}
