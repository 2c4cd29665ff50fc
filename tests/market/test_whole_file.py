import os
from pathlib import Path

import pytest

from market.whole_file import whole_file


def test_file_is_there_with_its_folder_once_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "reports" / "run.json"
    with whole_file(path) as part:
        part.write_text("{}", encoding="utf-8")
        assert not path.exists()
    assert [each.name for each in path.parent.iterdir()] == ["run.json"]
    assert path.read_text(encoding="utf-8") == "{}"


def test_writer_that_fails_leaves_the_file_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "run.json"
    path.write_text("before", encoding="utf-8")
    with pytest.raises(ValueError, match="half"), whole_file(path) as part:
        part.write_text("af", encoding="utf-8")
        raise ValueError("half")
    assert [each.name for each in tmp_path.iterdir()] == ["run.json"]
    assert path.read_text(encoding="utf-8") == "before"


def test_what_is_no_file_is_not_replaced(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with pytest.raises(OSError, match="a folder or a device is there"), whole_file(pipe) as part:
        part.write_text("new")
    assert pipe.is_fifo()
    assert list(tmp_path.iterdir()) == [pipe]
