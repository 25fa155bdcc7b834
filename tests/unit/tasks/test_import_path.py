from __future__ import annotations

from typing import TYPE_CHECKING

from estiba.tasks import import_path

if TYPE_CHECKING:
    from pathlib import Path


def test_service_comes_last(tmp_path: Path) -> None:
    """Its folder, the one it is in, and that of its tasks stay importable, and shadow nothing."""
    service = tmp_path / "site" / "service"
    service.mkdir(parents=True)
    path = [str(service), "", str(tmp_path / "site"), "/lib/python", str(tmp_path / "elsewhere"), "/site-packages"]
    import_path.put_service_last(path, service, str(tmp_path / "elsewhere" / "tasks.py"))

    assert path == [
        "/lib/python",
        "/site-packages",
        str(service),
        "",
        str(tmp_path / "site"),
        str(tmp_path / "elsewhere"),
    ]
