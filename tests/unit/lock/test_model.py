from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from estiba.digest import Digest
from estiba.errors import LockFormatError
from estiba.lock import model
from estiba.lock.model import Deb, Distribution, Layer, Lock

SAMPLE = Path(__file__).parents[2] / "fixtures" / "services" / "tiny" / "estiba.lock"

DEB = Deb(
    name="libz1",
    version="1:1.0-1",
    arch="amd64",
    file="libz1_1%3a1.0-1_amd64.deb",
    sha256=Digest("1" * 64),
    size=10,
    source="zlib",
    source_version="1:1.0-1",
    groups=("base", "build"),
    platforms=("x86_64-linux",),
    depends=(),
)
DJANGO = Distribution(
    name="django",
    version="5.2",
    file="django-5.2-py3-none-any.whl",
    kind="wheel",
    sha256=Digest("2" * 64),
    size=20,
    groups=("dev", "runtime"),
    platforms=("x86_64-linux",),
    requires=("asgiref",),
)
LOCK = Lock(
    inputs=Digest("3" * 64),
    python="3.13",
    suite="trixie",
    pockets=("main",),
    platforms=("x86_64-linux",),
    debs=(DEB,),
    distributions=(DJANGO, replace(DJANGO, name="asgiref", file="asgiref-5.2-py3-none-any.whl", requires=())),
    build_distributions=(),
    layers=(Layer(name="small", distributions=("django", "asgiref")),),
)

RENDERED = (
    "{\n"
    '"version": 1,\n'
    f'"inputs": "sha256:{"3" * 64}",\n'
    '"python": "3.13",\n'
    '"debian": {"suite":"trixie","pockets":["main"]},\n'
    '"platforms": ["x86_64-linux"],\n'
    '"debs": [\n'
    '{"arch":"amd64","depends":[],"file":"libz1_1%3a1.0-1_amd64.deb","groups":["base","build"],"name":"libz1",'
    f'"platforms":["x86_64-linux"],"sha256":"{"1" * 64}","size":10,"source":"zlib","source_version":"1:1.0-1",'
    '"version":"1:1.0-1"}\n'
    "],\n"
    '"distributions": [\n'
    '{"build":[],"file":"asgiref-5.2-py3-none-any.whl","groups":["dev","runtime"],"kind":"wheel","name":"asgiref",'
    f'"platforms":["x86_64-linux"],"requires":[],"sha256":"{"2" * 64}","size":20,"version":"5.2"}},\n'
    '{"build":[],"file":"django-5.2-py3-none-any.whl","groups":["dev","runtime"],"kind":"wheel","name":"django",'
    f'"platforms":["x86_64-linux"],"requires":["asgiref"],"sha256":"{"2" * 64}","size":20,"version":"5.2"}}\n'
    "],\n"
    '"build_distributions": [],\n'
    '"layers": [\n'
    '{"distributions":["asgiref","django"],"name":"small"}\n'
    "]\n"
    "}\n"
)


def test_render_is_one_record_per_line_and_sorted() -> None:
    """The whole form, to the byte."""
    assert model.render(LOCK) == RENDERED


def test_a_rendered_lock_reads_back() -> None:
    """Rendering and parsing are each other's reverse."""
    assert model.render(model.parse(RENDERED)) == RENDERED


def test_a_real_lock_reads_back() -> None:
    """The same with the lock of a sample service."""
    text = SAMPLE.read_text()

    assert model.render(model.parse(text)) == text


def test_problems_have_paths_and_come_together() -> None:
    """Everything that is wrong is listed with where it is."""
    data = json.loads(RENDERED)
    data["debs"][0]["sha256"] = "abc"
    data["debs"][0]["platforms"] = ["mips-linux"]
    data["distributions"][1]["kind"] = "egg"
    data["distributions"][0]["size"] = "20"
    del data["python"]
    data["layers"] = [3]
    data["extra"] = 1
    with pytest.raises(LockFormatError) as caught:
        model.parse(json.dumps(data))

    assert caught.value.message == (
        "estiba.lock cannot be used:"
        "\n  - unknown key 'extra'"
        "\n  - python is missing"
        "\n  - debs[0].sha256: not a SHA-256 digest: 'abc'"
        "\n  - debs[0].platforms: unknown 'mips-linux'"
        "\n  - distributions[0].size must be a number of bytes"
        "\n  - distributions[1].kind must be wheel, sdist or local, not 'egg'"
        "\n  - layers[0] must be an object"
    )


@pytest.mark.parametrize("version", [2, None, "1"], ids=str)
def test_other_versions_are_refused(version: object) -> None:
    """A lock of another format version is not half understood."""
    with pytest.raises(LockFormatError, match="this Estiba reads version 1"):
        model.parse(json.dumps({"version": version}))


def test_unresolved_merge_is_recognised() -> None:
    """Conflict markers get their own advice."""
    with pytest.raises(LockFormatError, match="an unresolved merge"):
        model.parse(RENDERED.replace('"python"', "<<<<<<< HEAD\n" + '"python"'))


@pytest.mark.parametrize("value", [[], "x", None, 3], ids=str)
def test_no_object_at_all(value: object) -> None:
    """Any other JSON is refused without a traceback."""
    with pytest.raises(LockFormatError):
        model.parse(json.dumps(value))


def test_lock_that_is_nested_without_end_is_refused() -> None:
    """A hint that would fail the same way helps nobody."""
    with pytest.raises(LockFormatError, match="nested too deeply") as caught:
        model.parse("[" * 200_000)

    assert "delete it" in caught.value.hint
