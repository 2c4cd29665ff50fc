"""The child process: imports the package and calls its functions as it is told, one by one.

It ends when the parent's end of the pipe closes. Whatever the package raises ends it too, with a
traceback: the parent starts another one.
"""

import importlib
from multiprocessing.connection import Connection

from mt5api.live.frames import pack, unpack


def serve(pipe: Connection, module: str) -> None:
    """Answers `(function, arguments, named arguments)` until the pipe closes."""
    mt5 = importlib.import_module(module)
    while True:
        try:
            name, args, named = unpack(pipe.recv_bytes())
        except EOFError:
            return
        pipe.send_bytes(pack(getattr(mt5, name)(*args, **named)))
