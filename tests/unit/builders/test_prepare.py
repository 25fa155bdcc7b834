from __future__ import annotations

import gzip
import os
from pathlib import Path

import pytest

import prepare
from root import Root


class Recording(Root):
    """A root in which programs end with the given codes, in turn, and are noted."""

    codes: list[int]
    ran: list[tuple[list[str], str]]

    def run(self, argv: list[str], *, cwd: str = "/", **_: object) -> int:
        """Note a program."""
        self.ran.append((argv, cwd))
        return self.codes.pop(0)


def recording(*codes: int) -> Recording:
    """Make a root that nothing is run in."""
    root = Recording(tree=Path("/tree"), top=Path("/top"))
    root.codes, root.ran = list(codes), []
    return root


@pytest.mark.parametrize(
    ("words", "program"),
    [
        (["compilescss", "--force"], ["src/manage.py", "compilescss", "--force"]),
        (["tools/themes.py", "--all"], ["tools/themes.py", "--all"]),
    ],
    ids=["command", "script"],
)
def test_command_is_one_of_manage_or_a_script(words: list[str], program: list[str]) -> None:
    """A first word that ends in .py is no command of manage.py but a file of the service."""
    assert prepare.command(words, "src/manage.py") == program


def test_commands_run_in_order_in_the_application() -> None:
    """Each is run by the service's Python, in its folder."""
    root = recording(0, 0)
    prepare.run_all(root, [["manage.py", "compilescss"], ["themes.py"]])

    python = "/opt/venv/bin/python"
    assert root.ran == [([python, "manage.py", "compilescss"], "/app"), ([python, "themes.py"], "/app")]


def test_first_failure_ends_the_build() -> None:
    """It is told which command failed; those after it do not run."""
    root = recording(0, 3, 0)
    with pytest.raises(SystemExit) as caught:
        prepare.run_all(root, [["manage.py", "a"], ["manage.py", "b", "--all"], ["manage.py", "c"]])

    assert len(root.ran) == 2
    assert caught.value.code == (
        "manage.py b --all failed with exit code 3; what [tool.estiba] prepare names runs without a network and a "
        "database, and with the values of [tool.estiba] env"
    )


def test_no_bytecode_of_a_command_stays(tmp_path: Path) -> None:
    """Folders of bytecode are removed at every depth, and nothing else is."""
    for name in ("__pycache__", "shop/__pycache__", "shop/static"):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "file").touch()

    prepare.remove_bytecode(tmp_path)

    assert [path.relative_to(tmp_path) for path in tmp_path.rglob("file")] == [Path("shop/static/file")]


def test_written_gzip_files_have_no_time(tmp_path: Path) -> None:
    """What a command compressed is the same every time; files of the source, and what is no gzip file, stay."""
    before = gzip.compress(b"themed", mtime=1234567890)
    for name in ("written.gz", "source.gz"):
        (tmp_path / name).write_bytes(before)
    (tmp_path / "other.gz").write_bytes(b"1234567890")
    (tmp_path / "empty.gz").touch()
    (tmp_path / "link.gz").symlink_to("source.gz")
    os.utime(tmp_path / "source.gz", (1, 1))

    prepare.clear_times(tmp_path)

    assert (tmp_path / "written.gz").read_bytes() == before[:4] + bytes(4) + before[8:]
    assert (tmp_path / "source.gz").read_bytes() == before
    assert (tmp_path / "other.gz").read_bytes() == b"1234567890"
