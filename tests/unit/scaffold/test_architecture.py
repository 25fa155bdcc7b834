"""The picture of a service, drawn from what Docker Compose runs."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
import yaml

from estiba.errors import DriftError
from estiba.scaffold import architecture, compose, new
from estiba.service import project as projects

if TYPE_CHECKING:
    from pathlib import Path

NODE = re.compile(r'^ +(n\d+)[(\[/"]+([^"()\]/\n]+)', re.MULTILINE)
ARROW = re.compile(r'^ +(n\d+) (--?.?->)(?:\|"(.*)"\|)? (n\d+)$', re.MULTILINE)


@pytest.fixture
def service(tmp_path: Path) -> Path:
    """Return a new service."""
    return new.create(tmp_path / "harbour")


def draw(service: Path) -> set[tuple[str, str, str]]:
    """Render the picture, and return its arrows: from where, what is written at it, and to where."""
    compose.render(projects.load(service))
    text = (service / architecture.FILE).read_text()
    names = {node: label.partition("<br>")[0] for node, label in NODE.findall(text)}
    return {(names[start], words, names[end]) for start, _, words, end in ARROW.findall(text)}


def test_picture_is_that_of_the_requirements(service: Path) -> None:
    """Internet, nginx, Gunicorn, Django, with PostgreSQL, Redis and the volume of static files: each arrow is there."""
    assert draw(service) == {
        ("Internet", "port 80", "nginx"),
        ("nginx", "", "webapp"),
        ("volume staticfiles", "", "nginx"),
        ("static", "", "volume staticfiles"),
        *(
            (name, "", server)
            for name in ("webapp", "worker", "scheduler", "migrate")
            for server in ("postgres", "redis")
        ),
        ("postgres", "", "volume postgres"),
        ("redis", "", "volume redis"),
    }
    assert '["webapp<br>Gunicorn<br>Django, port 8000"]' in (service / architecture.FILE).read_text()


def test_settings_change_the_picture(service: Path) -> None:
    """Processes, extras and the server of ASGI are those of pyproject.toml; what was drawn before is drift then."""
    draw(service)
    file = service / "pyproject.toml"
    text = file.read_text()
    lines = 'asgi = "config.asgi:application"\nextras = ["s3", '
    assert text.count("extras = [") == 1
    file.write_text(
        text.replace("extras = [", lines)
        + '[tool.estiba.processes.web]\n[tool.estiba.processes.mails]\ncommand = ["x"]\n'
    )
    with pytest.raises(DriftError, match=r"not what pyproject.toml says: .*docs/architecture.md"):
        compose.check(projects.load(service))

    arrows = draw(service)

    assert {("webapp", "S3_BUCKET", "s3"), ("mails", "", "postgres")} <= arrows
    assert "worker" not in {start for start, *_ in arrows}
    assert "an ASGI server" in (service / architecture.FILE).read_text()


def test_table_says_what_compose_does(service: Path) -> None:
    """Each part has a row, with its image or that of the service."""
    draw(service)
    text = (service / architecture.FILE).read_text()
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line[:1] == "|"][2:]
    described = yaml.safe_load((service / compose.NAMES[0]).read_text())["services"]

    assert [row[0] for row in rows] == list(described)
    assert rows[0] == ["nginx", "`nginx:1.28`", "", "webapp, static", "staticfiles"]
    assert rows[1] == ["webapp", "the service's", "`web`", "migrate", ""]
