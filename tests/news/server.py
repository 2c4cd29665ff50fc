"""A feed server on this machine that answers what a test tells it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

from tests.news.feeds import body, row


@dataclass
class FeedServer:
    """`status`, `content`, `headers`: of the next answers. `asked`: the headers of every request.

    `etag`: where it is set, a request that names it is answered 304.
    """

    status: int = 200
    content: bytes = body([row("2026-08-20T12:30")])
    headers: dict[str, str] = field(default_factory=dict)
    etag: str = ""
    asked: list[dict[str, str]] = field(default_factory=list)
    url: str = ""


@contextmanager
def feed_server() -> Iterator[FeedServer]:
    told = FeedServer()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            told.asked.append(dict(self.headers))
            known = told.etag and self.headers.get("If-None-Match") == told.etag
            status = 304 if known else told.status
            self.send_response(status)
            headers = dict(told.headers) | ({"ETag": told.etag} if told.etag else {})
            content = b"" if status == 304 else told.content
            for name, value in (headers | {"Content-Length": str(len(content))}).items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    told.url = f"http://127.0.0.1:{server.server_address[1]}/ff.json"
    try:
        yield told
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
