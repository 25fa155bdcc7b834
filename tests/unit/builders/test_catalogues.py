from __future__ import annotations

from typing import TYPE_CHECKING

import catalogues

if TYPE_CHECKING:
    from pathlib import Path

MSGFMT = """#!/bin/sh
echo "$@" >>arguments
case $4 in *broken*) exit 1 ;; esac
touch "${3#--output-file=}"
"""
"""The program as far as a caller sees it."""


def test_those_without_a_compiled_file_are_compiled(tmp_path: Path) -> None:
    """Each is compiled beside where it is, and those that are refused are named after all have been tried."""
    top = tmp_path / "messages"
    folder = top / "shop/locale/es/LC_MESSAGES"
    folder.mkdir(parents=True)
    for name in ("broken.po", "django.po", "djangojs.mo", "djangojs.po", "README"):
        (folder / name).touch()
    program = tmp_path / "msgfmt"
    program.write_text(MSGFMT)
    program.chmod(0o755)

    assert catalogues.compile_all(str(program), top) == ["shop/locale/es/LC_MESSAGES/broken.po"]

    options = "--check-format --endianness=little --output-file=shop/locale/es/LC_MESSAGES"
    assert (top / "arguments").read_text().splitlines() == [
        f"{options}/{name}.mo shop/locale/es/LC_MESSAGES/{name}.po" for name in ("broken", "django")
    ]
    assert catalogues.find_uncompiled(top) == ["shop/locale/es/LC_MESSAGES/broken.po"]
