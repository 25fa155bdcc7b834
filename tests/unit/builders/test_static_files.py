from __future__ import annotations

from typing import TYPE_CHECKING

import static_files

if TYPE_CHECKING:
    from pathlib import Path


def test_what_the_static_root_has_already_is_served(tmp_path: Path) -> None:
    """What is committed, or was written by commands, joins what was collected, which stays as it is."""
    prepared, collected = tmp_path / "prepared", tmp_path / "collected"
    for folder in (prepared / "public" / "static", collected):
        folder.mkdir(parents=True)
        (folder / "site.css").write_text(folder.name)
    (prepared / "public" / "static" / "bundle.js").touch()

    static_files.add_own(prepared, "/app/public/static", collected)

    assert sorted(path.name for path in collected.iterdir()) == ["bundle.js", "site.css"]
    assert (collected / "site.css").read_text() == "collected"


def test_catalogues_are_seen_where_they_belong(tmp_path: Path) -> None:
    """Folders of messages are bound whole; a service without any has nothing to bind."""
    folder = tmp_path / "shop" / "locale" / "es" / "LC_MESSAGES"
    folder.mkdir(parents=True)

    assert static_files.find_messages(str(tmp_path)) == {"/app/shop/locale/es/LC_MESSAGES": folder}
    assert static_files.find_messages(None) == {}


def test_static_root_elsewhere_gets_nothing(tmp_path: Path) -> None:
    """The service is below /app, so a folder outside of it has nothing of its own."""
    (tmp_path / "srv" / "static").mkdir(parents=True)

    static_files.add_own(tmp_path, "/srv/static", tmp_path / "collected")
    static_files.add_own(tmp_path, "/app/none", tmp_path / "collected")

    assert not (tmp_path / "collected").exists()
