"""The child process: imports the package and calls its functions as it is told, one by one.

It ends when the parent's end of the pipe closes. Whatever the package raises ends it too, with a
traceback: the parent starts another one.
"""

import importlib
import signal
from multiprocessing.connection import Connection

from mt5api.live.frames import pack, unpack


def serve(pipe: Connection, module: str) -> None:
    """Answers `(function, arguments, named arguments)` until the pipe closes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's, who then ends us
    mt5 = importlib.import_module(module)
    while True:
        try:
            name, args, named = unpack(pipe.recv_bytes())
        except EOFError:
            return
        # An empty **named is not nothing to the package's C functions: they get a mapping of
        # keywords, and order_send and others refuse their arguments for it (-2, "Unnamed arguments
        # not allowed").
        function = getattr(mt5, name)
        answer = function(*args, **named) if named else function(*args)
        pipe.send_bytes(pack(answer))
