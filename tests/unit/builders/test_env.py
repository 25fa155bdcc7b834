from __future__ import annotations

import os
from pathlib import Path

import pytest

import env


def make(top: Path, trees: dict[str, list[str]]) -> list[Path]:
    """Write trees of files, each file with its tree's name in it, and return the trees."""
    for name, paths in trees.items():
        (top / name).mkdir(parents=True)
        for path in paths:
            (top / name / path).parent.mkdir(parents=True, exist_ok=True)
            (top / name / path).write_text(name)
    return [top / name for name in trees]


def content(top: Path) -> dict[str, str]:
    """Return all files below a folder, through links."""
    files = [Path(where, name) for where, _, names in os.walk(top, followlinks=True) for name in names]
    return {str(file.relative_to(top)): file.read_text() for file in files}


def test_folder_of_one_wheel_is_one_link(tmp_path: Path) -> None:
    """What only one wheel has is not descended into."""
    sources = make(tmp_path, {"django": ["django/a.py", "django/b/c.py"], "redis": ["redis/a.py"]})
    env.merge(sources, tmp_path / "out")

    assert {path.name: path.readlink() for path in (tmp_path / "out").iterdir()} == {
        "django": sources[0] / "django",
        "redis": sources[1] / "redis",
    }


def test_namespace_packages_are_joined(tmp_path: Path) -> None:
    """A folder that several wheels have is a real one with the files of all, at any depth."""
    sources = make(tmp_path, {"one": ["ns/deep/a/x.py"], "two": ["ns/deep/b/y.py"], "three": ["ns/z.py"]})
    env.merge(sources, tmp_path / "out")

    assert content(tmp_path / "out") == {"ns/deep/a/x.py": "one", "ns/deep/b/y.py": "two", "ns/z.py": "three"}


def test_later_file_wins(tmp_path: Path) -> None:
    """Of two files with one path the later source's is there."""
    sources = make(tmp_path, {"one": ["ns/x.py", "ns/y.py"], "two": ["ns/x.py"]})
    env.merge(sources, tmp_path / "out")

    assert content(tmp_path / "out") == {"ns/x.py": "two", "ns/y.py": "one"}


def test_later_kind_wins(tmp_path: Path) -> None:
    """A file in place of an earlier folder, and a folder in place of an earlier file, are as the later source says."""
    sources = make(tmp_path, {"one": ["a/x.py", "b"], "two": ["a", "b/y.py"]})
    env.merge(sources, tmp_path / "out")

    assert content(tmp_path / "out") == {"a": "two", "b/y.py": "two"}


def test_dangling_links_are_kept(tmp_path: Path) -> None:
    """A link that leads into the image, such as the interpreter, is taken over though nothing is there yet."""
    (frame,) = make(tmp_path, {"frame": []})
    (frame / "python").symlink_to("/usr/bin/no-such-python")
    env.merge([frame], tmp_path / "out")

    assert (tmp_path / "out/python").readlink() == frame / "python"


def unpacked(top: Path, name: str, files: dict[str, str]) -> Path:
    """Write an unpacked wheel, and return the folder that is merged."""
    place = top / name / "root" / env.VENV
    for path, text in {**files, f"lib/python3.13/site-packages/{name}.dist-info/METADATA": name}.items():
        (place / path).parent.mkdir(parents=True, exist_ok=True)
        (place / path).write_text(text)
    return place


@pytest.mark.parametrize(
    "path", ["lib/python3.13/site-packages/django/__init__.py", "lib/python3.13/site-packages/six.py", "bin/gunicorn"]
)
def test_code_of_another_distribution_is_not_replaced(tmp_path: Path, path: str) -> None:
    """A wheel could bring a whole Django of its own; both are named."""
    sources = [
        unpacked(tmp_path, "django-5.2", {path: "Django's"}),
        unpacked(tmp_path, "evil_helper-1.0", {path: "another"}),
    ]

    with pytest.raises(SystemExit) as caught:
        env.merge(sources, tmp_path / "out")

    assert str(caught.value).startswith("django 5.2 and evil_helper 1.0 hold another ")


@pytest.mark.parametrize(
    ("path", "texts"),
    [
        pytest.param("lib/python3.13/site-packages/ns/__init__.py", ("same", "same"), id="namespace"),
        pytest.param("lib/python3.13/site-packages/tests/conftest.py", ("one", "two"), id="tests"),
        pytest.param("lib/python3.13/site-packages/README.md", ("one", "two"), id="text"),
    ],
)
def test_files_that_no_program_takes_for_others_may_meet(tmp_path: Path, path: str, texts: tuple[str, str]) -> None:
    """Old namespace packages share a file, and some wheels install their tests by mistake."""
    sources = [unpacked(tmp_path, f"part{number}-1", {path: text}) for number, text in enumerate(texts)]

    env.merge(sources, tmp_path / "out")

    assert (tmp_path / "out" / path).read_text() == texts[-1]
