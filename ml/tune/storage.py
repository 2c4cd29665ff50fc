"""Where studies are kept: a SQLite file, or PostgreSQL by URL."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ml.training.models import TrainingError

_BUSY_S = 60


@contextmanager
def opened(url: str) -> Iterator[Any]:
    """Optuna's storage behind a database URL; its connections are closed afterwards.

    `postgresql://` is meant for psycopg 3. A password is in no message.
    """
    from optuna.storages import RDBStorage
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import ArgumentError, SQLAlchemyError

    try:
        place = make_url(url)
        if place.drivername in ("postgresql", "postgres"):
            place = place.set(drivername="postgresql+psycopg")
        waits = {"connect_args": {"timeout": _BUSY_S}} if place.drivername == "sqlite" else {}
        storage = RDBStorage(place.render_as_string(hide_password=False), engine_kwargs=waits)
    except ArgumentError:
        raise TrainingError(
            "storage: a database URL such as postgresql://user@host/optuna is allowed; another "
            "text came"
        ) from None
    except (SQLAlchemyError, ImportError) as error:
        raise TrainingError(
            f"storage: {place.render_as_string(hide_password=True)} cannot be used: "
            f"{str(error).splitlines()[0]}"
        ) from None
    try:
        yield storage
    finally:
        storage.remove_session()
        storage.engine.dispose()


def sqlite_url(path: Path) -> str:
    """The URL of a file, whose folder is made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    return f"sqlite:///{path.resolve()}"
