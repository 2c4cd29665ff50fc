"""A stand-in for Telegram's Bot API, over real HTTP on this machine.

It knows getMe, deleteWebhook, setMyCommands, getUpdates (held until an update comes or the time is
up), sendMessage, sendPhoto and answerCallbackQuery, for one bot; it checks HTML well-formedness as
far as tags that do not match, and lengths. It can be down, answer 409 and 429, refuse a text, and
lose an answer after it has taken the message. It leaves out everything else: other kinds of
updates, entities, groups, rate limits of its own, files that can be fetched again, webhooks, and
that the real service spreads over machines which may see things in another order.
"""

import json
import re
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs

from tests.patience import PATIENCE_S

TOKEN = "1234567:stand-in-secret-of-the-bot"
CHAT = 4711
_ME = {"id": 1, "is_bot": True, "first_name": "Stand-in", "username": "stand_in_bot"}
_PNG = b"\x89PNG\r\n"


@dataclass(frozen=True)
class Message:
    """What the bot sent. `picture`: whether it came with a PNG; `buttons`: (label, data)."""

    chat: int
    text: str
    picture: bool
    buttons: tuple[tuple[str, str], ...]
    at_s: float


@dataclass
class BotApi:
    """Switches: `down`, `conflict`; `slow_downs`: waiting times of the next 429s; `lose_answers`:
    how many messages are taken without an answer; `refused`: texts that get a 400."""

    token: str = TOKEN
    down: bool = False
    conflict: bool = False
    lose_answers: int = 0
    slow_downs: list[int] = field(default_factory=list)
    refused: tuple[str, ...] = ()
    unknown_chat: bool = False
    slowed_s: list[float] = field(default_factory=list)
    messages: list[Message] = field(default_factory=list)
    calls: list[str] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._updates: list[dict[str, Any]] = []
        self._number = 0
        self._changed = threading.Condition()
        self._server = _Server(self)
        self._over = False

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}/bot"

    def __enter__(self) -> "BotApi":
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        with self._changed:
            self._over = True
            self._changed.notify_all()
        self._server.shutdown()
        self._server.server_close()

    def write(self, text: str, chat: int = CHAT, *, age_s: float = 0.0) -> None:
        """A person writes to the bot."""
        length = len(text.split()[0])
        entities = [{"type": "bot_command", "offset": 0, "length": length}]
        message = {
            "message_id": self._next(), "date": int(time.time() - age_s), "text": text,
            "chat": {"id": chat, "type": "private"},
            "from": {"id": chat, "is_bot": False, "first_name": "Person"},
        }  # fmt: skip
        self._put({"message": message | ({"entities": entities} if text[0] == "/" else {})})

    def press(self, data: str, chat: int = CHAT) -> None:
        """A person presses a button below a message."""
        who = {"id": chat, "is_bot": False, "first_name": "Person"}
        below = {
            "message_id": self._next(), "date": int(time.time()), "text": "?",
            "chat": {"id": chat, "type": "private"}, "from": _ME,
        }  # fmt: skip
        self._put({"callback_query": {
            "id": str(self._next()), "from": who, "chat_instance": "1", "data": data,
            "message": below,
        }})  # fmt: skip

    def texts(self, chat: int = CHAT) -> list[str]:
        return [each.text for each in self.messages if each.chat == chat]

    def wait_for(self, words: str, *, after: int = 0, within_s: float = PATIENCE_S) -> Message:
        """The first message behind place `after` that holds these words."""
        until_s = time.monotonic() + within_s
        with self._changed:
            while True:
                for each in self.messages[after:]:
                    if words in each.text:
                        return each
                left_s = until_s - time.monotonic()
                if left_s <= 0:
                    raise AssertionError(f"no message with {words!r} in {self.texts()[after:]}")
                self._changed.wait(left_s)

    def ask(self, text: str, words: str, *, within_s: float = PATIENCE_S) -> tuple[Message, float]:
        """Writes, waits for the answer that holds `words`, and how long that took, seconds."""
        after, asked_s = len(self.messages), time.monotonic()
        self.write(text)
        answer = self.wait_for(words, after=after, within_s=within_s)
        return answer, answer.at_s - asked_s

    def quickest(self, text: str, words: str) -> float:
        """Seconds to the answer: a machine that stalls does so once, slow answers are always."""
        _, took_s = self.ask(text, words)
        for _ in range(2):
            if took_s >= 1.0:
                took_s = min(took_s, self.ask(text, words)[1])
        return took_s

    def answer(self, method: str, words: dict[str, Any], body: bytes) -> tuple[int, Any] | None:
        """(status, result or description); None: the connection is cut without an answer."""
        self.calls.append(method)
        match method:
            case "getMe":
                return 200, _ME
            case "getUpdates":
                return self._get_updates(int(words.get("offset", 0)), float(words["timeout"]))
            case "sendMessage" | "sendPhoto":
                return self._take(words, picture=_PNG in body)
            case "deleteWebhook" | "setMyCommands" | "answerCallbackQuery":
                return 200, True
        return 404, f"Not Found: {method}"

    def _take(self, words: dict[str, Any], *, picture: bool) -> tuple[int, Any] | None:
        text = words.get("text") or words.get("caption", "")
        if self.slow_downs:
            self.slowed_s.append(time.monotonic())
            return 429, self.slow_downs.pop(0)
        if self.unknown_chat:
            return 400, "Bad Request: chat not found"
        if any(each in text for each in self.refused):
            return 400, "Bad Request: refused by the stand-in"
        if words.get("parse_mode") == "HTML":
            if not _well_formed(text):
                return 400, "Bad Request: can't parse entities"
            text = re.sub(r"</?(b|i|code)>", "", text)
        if len(text) > (1024 if picture else 4096):
            return 400, "Bad Request: message is too long"
        keys = json.loads(words.get("reply_markup", "{}")).get("inline_keyboard", [[]])
        buttons = tuple((each["text"], each["callback_data"]) for each in keys[0])
        with self._changed:
            chat = int(words["chat_id"])
            self.messages.append(Message(chat, text, picture, buttons, time.monotonic()))
            self._changed.notify_all()
        if self.lose_answers:
            self.lose_answers -= 1
            return None
        sent = {"message_id": self._next(), "date": int(time.time()), "text": text,
                "chat": {"id": chat, "type": "private"}, "from": _ME}  # fmt: skip
        return 200, sent

    def _get_updates(self, offset: int, timeout_s: float) -> tuple[int, Any]:
        if self.conflict:
            return 409, "Conflict: terminated by other getUpdates request"
        until_s = time.monotonic() + timeout_s
        with self._changed:
            self._updates = [each for each in self._updates if each["update_id"] >= offset]
            while not (self._updates or self._over or self.conflict or self.down):
                left_s = until_s - time.monotonic()
                if left_s <= 0:
                    break
                self._changed.wait(min(left_s, 0.05))
            return 200, list(self._updates)

    def _put(self, update: dict[str, Any]) -> None:
        with self._changed:
            self._updates.append({"update_id": self._next(), **update})
            self._changed.notify_all()

    def _next(self) -> int:
        self._number += 1
        return self._number


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def __init__(self, api: BotApi) -> None:
        self.api = api
        super().__init__(("127.0.0.1", 0), _Handler)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is no news."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def do_POST(self) -> None:
        api = self.server.api
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        api.paths.append(self.path)
        found = re.fullmatch(r"/bot(.+)/(\w+)", self.path)
        if api.down or found is None:
            self.close_connection = True
            return
        if found[1] != api.token:
            self._say(401, "Unauthorized")
            return
        answer = api.answer(found[2], self._words(body), body)
        if answer is None or api.down:
            self.close_connection = True
            return
        self._say(*answer)

    def _words(self, body: bytes) -> dict[str, Any]:
        kind = self.headers.get("Content-Type", "")
        if kind.startswith("application/json"):
            return dict(json.loads(body))
        if kind.startswith("multipart/"):
            found = re.findall(
                rb'name="(\w+)"\r\n\r\n(.*?)\r\n--', body, re.DOTALL
            )  # files have a filename and do not match
            return {name.decode(): value.decode() for name, value in found}
        return {name: values[0] for name, values in parse_qs(body.decode()).items()}

    def _say(self, status: int, result: Any) -> None:
        if status == 200:
            content: dict[str, Any] = {"ok": True, "result": result}
        elif status == 429:
            content = {"ok": False, "error_code": 429, "description": "Too Many Requests",
                       "parameters": {"retry_after": result}}  # fmt: skip
        else:
            content = {"ok": False, "error_code": status, "description": result}
        body = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None: ...


def _well_formed(text: str) -> bool:
    """Whether tags match and no stray `<` or `&` is left."""
    open_tags: list[str] = []
    for slash, tag in re.findall(r"<(/?)(\w+)>", text):
        if not slash:
            open_tags.append(tag)
        elif not open_tags or open_tags.pop() != tag:
            return False
    rest = re.sub(r"</?(b|i|code)>|&(lt|gt|amp|quot|#x27);", "", text)
    return not open_tags and "<" not in rest and "&" not in rest
