"""What each answer of a Supabase project means for the sync."""

import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from tests.patience import PATIENCE_S
from trading.supabase import SupabaseStore
from trading.supabase_settings import SupabaseSecrets
from trading.supabase_sync import RowRefused, StoreAway, StoreError, StoreRefuses

KEY = "secret-key-0123456789"
JSON, HTML = "application/json", "text/html"


class _Project(ThreadingHTTPServer):
    """Gives one answer to everything."""

    daemon_threads = True
    answer = (201, JSON, "")


class _Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        assert isinstance(self.server, _Project)
        status, kind, body = self.server.answer
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body.encode())))
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, *_: object) -> None: ...


@pytest.fixture
def project() -> Iterator[_Project]:
    server = _Project(("127.0.0.1", 0), _Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def _insert(url: str) -> None:
    store = SupabaseStore(SupabaseSecrets(url, KEY), timeout_s=PATIENCE_S)
    try:
        store.insert("trades", [{"deal_id": 1}], ("deal_id",), merge=False)
    finally:
        store.close()


def _said(code: str) -> str:
    return f'{{"code": "{code}", "message": "no {KEY}", "details": null, "hint": null}}'


@pytest.mark.parametrize(
    ("answer", "means"),
    [
        ((500, JSON, _said("XX000")), StoreAway),
        ((503, HTML, "<h1>paused</h1>"), StoreAway),
        ((429, JSON, '{"message": "slow down"}'), StoreAway),
        ((302, HTML, ""), StoreAway),
        ((200, HTML, "<h1>Welcome to the hotel</h1>"), StoreAway),
        ((401, JSON, '{"message": "Invalid API key"}'), StoreRefuses),
        ((401, JSON, _said("PGRST301")), StoreRefuses),
        ((403, JSON, _said("42501")), StoreRefuses),
        ((404, JSON, _said("PGRST205")), StoreRefuses),
        ((404, HTML, "not here"), StoreRefuses),
        ((400, JSON, _said("PGRST204")), StoreRefuses),
        ((400, JSON, _said("42703")), StoreRefuses),
        ((400, JSON, _said("22003")), RowRefused),
        ((400, JSON, _said("23514")), RowRefused),
        ((409, JSON, _said("23503")), RowRefused),
        ((413, HTML, "too large"), RowRefused),
    ],
    ids=lambda each: f"{each[0]}-{each[2][:24]}" if isinstance(each, tuple) else each.__name__,
)
def test_answer_says_whether_to_wait_to_call_a_person_or_to_set_the_row_aside(
    project: _Project, answer: tuple[int, str, str], means: type[StoreError]
) -> None:
    project.answer = answer
    with pytest.raises(means) as caught:
        _insert(f"http://127.0.0.1:{project.server_address[1]}")
    assert KEY not in str(caught.value)


def test_taken_row_is_no_error(project: _Project) -> None:
    _insert(f"http://127.0.0.1:{project.server_address[1]}")


def test_nobody_at_the_address_is_away() -> None:
    with pytest.raises(StoreAway, match="ConnectError"):
        _insert("http://127.0.0.1:9")


def test_daemon_without_supabase_does_not_load_its_library() -> None:
    code = "import sys, trading.live_command, trading.supabase_channel as c; "
    code += "c.supabase_openers(c.SupabaseSettings(), paper=False); "
    code += "assert not {'supabase', 'postgrest'} & sys.modules.keys()"
    subprocess.run([sys.executable, "-c", code], check=True)
