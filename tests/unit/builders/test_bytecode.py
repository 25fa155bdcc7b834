from __future__ import annotations

import hashlib
import importlib.util
import marshal
import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import CodeType

import pytest

import bytecode
import compiler
import interpreter

UNCHECKED_HASH = 0b01
TAG = sys.implementation.cache_tag


def compile_folder(top: Path, *left: str) -> dict[str, bytes]:
    """Compile a folder in a process of its own and return the bytecode by path."""
    script = str(Path(bytecode.__file__))
    subprocess.run([sys.executable, "-sSP", script, str(top), "/opt/x", *left], check=True, env={"PYTHONHASHSEED": "0"})
    return {str(path.relative_to(top)): path.read_bytes() for path in sorted(top.rglob("*.pyc"))}


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """Write sources, among them the shared strings and tables on which bytecode is known to depend."""
    top = tmp_path / "package"
    (top / "sub").mkdir(parents=True)
    tables = "\n".join(f"_t{n} = {{'a': ('shift', {n}), 'b': ('reduce', 'name{n % 7}')}}" for n in range(200))
    (top / "tables.py").write_text(f"{tables}\n")
    (top / "sub/z.py").write_text("def f(name):\n    return {'shift': name, 'reduce': 'name3'}\n")
    (top / "a.py").write_text("from package.tables import _t1\nNAMES = ('shift', 'reduce', 'name3')\n")
    return top


def test_sources_are_sorted_and_links_left_out(package: Path) -> None:
    """The order is that of the paths, whatever the file system says; a link's target is compiled where it is."""
    (package / "link.py").symlink_to("a.py")
    (package / "data.txt").write_text("")

    assert bytecode.sources(str(package)) == ["a.py", "sub/z.py", "tables.py"]


def test_two_places_give_the_same_bytecode(package: Path, tmp_path: Path) -> None:
    """Bytecode depends on the sources and on the path in the image, not on where they were compiled."""
    shutil.copytree(package, tmp_path / "elsewhere/package")

    compiled = compile_folder(package)

    assert compiled == compile_folder(tmp_path / "elsewhere/package")
    assert set(compiled) == {f"__pycache__/{name}.{TAG}.pyc" for name in ("a", "tables")} | {
        f"sub/__pycache__/z.{TAG}.pyc"
    }


def test_bytecode_is_valid_without_a_look_at_the_source(package: Path) -> None:
    """Validity is a hash that is not checked (PEP 552), and tracebacks name the path in the image."""
    data = compile_folder(package)[f"__pycache__/a.{TAG}.pyc"]
    code = marshal.loads(data[16:])  # noqa: S302 - written by this test

    assert data[:4] == importlib.util.MAGIC_NUMBER
    assert int.from_bytes(data[4:8], "little") == UNCHECKED_HASH
    assert data[8:16] == importlib.util.source_hash((package / "a.py").read_bytes())
    assert isinstance(code, CodeType)
    assert code.co_filename == "/opt/x/a.py"


@pytest.mark.parametrize(
    "content",
    [b"print 'two'\n", b"\x00", b"# coding: utf-8\nx = '\xe9'\n", b"class {{ name }}: pass\n", b"# coding: no-such\n"],
    ids=["other Python", "null byte", "not UTF-8", "template", "unknown encoding"],
)
def test_what_does_not_parse_is_left_alone(package: Path, content: bytes) -> None:
    """Templates and files for other Pythons stay without bytecode, and the rest is compiled."""
    (package / "b.py").write_bytes(content)

    compiled = compile_folder(package)

    assert f"__pycache__/b.{TAG}.pyc" not in compiled
    assert f"__pycache__/a.{TAG}.pyc" in compiled


def test_what_is_to_be_left_alone(package: Path) -> None:
    """Files and folders by the beginning of their paths."""
    assert list(compile_folder(package, "a.py", "sub/")) == [f"__pycache__/tables.{TAG}.pyc"]


def test_a_process_set_aside_compiles_the_same(package: Path, tmp_path: Path) -> None:
    """What the builder itself does in the meantime leaves no trace in the bytecode, nor does another folder."""
    other, again = shutil.copytree(package, tmp_path / "other"), shutil.copytree(package, tmp_path / "again")
    script = (
        "import sys, bytecode; aside = bytecode.Aside(); import ast, package.tables\n"
        "for top in sys.argv[1:]: aside.compile(top, '/opt/x')\n"
        "aside.finish()"
    )
    path = os.pathsep.join([str(Path(bytecode.__file__).parent), str(tmp_path)])
    argv = [sys.executable, "-sS", "-c", script, str(other), str(again)]
    subprocess.run(argv, check=True, env={"PYTHONHASHSEED": "0", "PYTHONPATH": path})

    for folder in (other, again):
        compiled = {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*.pyc")}
        assert compiled == compile_folder(package)


def test_a_failure_aside_is_the_builders_own(tmp_path: Path) -> None:
    """Where bytecode of one folder cannot be written, the builder fails."""
    for name in ("bad", "good"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a.py").write_text("x = 1\n")
    (tmp_path / "bad/__pycache__").write_text("in the way")
    script = (
        "import sys, bytecode; aside = bytecode.Aside()\n"
        "for top in sys.argv[1:]: aside.compile(top, '/opt/x')\n"
        "aside.finish()"
    )
    argv = [sys.executable, "-sS", "-c", script, str(tmp_path / "bad"), str(tmp_path / "good")]
    env = {"PYTHONPATH": str(Path(bytecode.__file__).parent)}
    done = subprocess.run(argv, check=False, stderr=subprocess.PIPE, env=env)

    assert done.returncode == 1
    assert b"__pycache__" in done.stderr


def test_interpreter_runs_through_its_own_loader() -> None:
    """The service's interpreter runs from where it was unpacked, with its own C library."""
    given = {"tree": "/nix/store/x-tree", "loader": "usr/lib/ld.so", "triplet": "x86_64-linux-gnu", "python": "3.13"}

    assert compiler.argv(given) == [
        "/nix/store/x-tree/usr/lib/ld.so",
        "--library-path",
        "/nix/store/x-tree/usr/lib/x86_64-linux-gnu",
        "/nix/store/x-tree/usr/bin/python3.13",
    ]


def test_index_of_compiled_sources(package: Path) -> None:
    """Each source that was compiled is listed with its hash and its bytecode."""
    (package / "bad.py").write_text("print 'two'\n")
    compile_folder(package)

    assert interpreter.index(package, str(TAG)) == {
        source: (hashlib.sha256((package / source).read_bytes()).hexdigest(), compiled)
        for source, compiled in (
            ("a.py", f"__pycache__/a.{TAG}.pyc"),
            ("sub/z.py", f"sub/__pycache__/z.{TAG}.pyc"),
            ("tables.py", f"__pycache__/tables.{TAG}.pyc"),
        )
    }
