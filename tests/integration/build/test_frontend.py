"""Front ends: Vite with Sass and Tailwind, and small ones from a private registry, to be broken."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import subprocess
import time
import uuid
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.services import harbour, npm_registry, rootfs
from tests.services import shop as shop_service

from estiba import config
from estiba.build.flake import realise
from estiba.nix.log import BuildLog
from estiba.nix.store_path import fixed_output

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.services.npm_registry import Registry
    from tests.services.rootfs import RootFs

SERVICES = Path(__file__).parents[2] / "fixtures" / "services"
TABLE = '\n[tool.estiba.frontend]\nfolder = "web"\noutput = ["tiny/static/made"]\n'
HOLA = f"export default '{uuid.uuid4()}'\n"
BUILD = 'require("fs").cpSync("node_modules/hola/hola.js", "../tiny/static/made/hola.js")\n'


def commit(folder: Path) -> Path:
    """Make a repository of a folder, or add what has changed."""
    if not (folder / ".git").exists():
        shop_service.git(folder, "init", "--quiet")
    shop_service.commit(folder, "Change")
    return folder


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Lock the service with Vite and fetch what it needs."""
    folder = shutil.copytree(SERVICES / "bundled", tmp_path_factory.mktemp("bundled") / "bundled")
    (folder / "tasks.py").write_text(shop_service.TASKS)
    (folder / ".gitignore").write_text(".estiba\nreports\n")
    for task in ("lock", "fetch"):
        harbour.invoke(folder, task)
    return commit(folder)


@pytest.fixture(scope="module")
def root(service: Path, tmp_path_factory: pytest.TempPathFactory) -> RootFs:
    """Build its image and unpack it."""
    image = Path(json.loads(harbour.invoke(service, "build", "--json").stdout)["path"])
    return rootfs.unpack(image, tmp_path_factory.mktemp("root") / "root")


@pytest.fixture(scope="module")
def registry() -> Iterator[Registry]:
    """Run a registry with two packages, which no store has yet."""
    install = 'require("fs").appendFileSync("hola.js", "// installed\\n")\n'
    packages = {
        "hola": npm_registry.pack("hola", {"hola.js": HOLA, "i.js": install}, scripts={"postinstall": "node i.js"}),
        "adios": npm_registry.pack("adios", {"adios.js": HOLA}),
    }
    with npm_registry.run(packages) as running:
        yield running


@pytest.fixture(scope="module")
def locked(registry: Registry, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Lock and fetch a small service whose front end has one package of the private registry."""
    folder = shutil.copytree(SERVICES / "tiny", tmp_path_factory.mktemp("tiny") / "tiny")
    (folder / "tasks.py").write_text(shop_service.TASKS)
    (folder / "pyproject.toml").write_text((folder / "pyproject.toml").read_text() + TABLE)
    (folder / "web").mkdir()
    (folder / "web" / "build.js").write_text(BUILD)
    (folder / "web" / "package.json").write_text(
        json.dumps({"name": "web", "scripts": {"build": "node build.js"}, "dependencies": {"hola": "^1.0.0"}})
    )
    top = {"name": "web", "dependencies": {"hola": "^1.0.0"}}
    entry = registry.entry("hola", hasInstallScript=True)
    write_lock(folder, {"": top, "node_modules/hola": entry})
    harbour.invoke(folder, "lock")
    return commit(folder)


@pytest.fixture
def small(locked: Path, tmp_path: Path) -> Path:
    """Return a copy of the small service, to be changed."""
    return shop_service.copy(locked, tmp_path / "tiny")


@pytest.fixture
def user(registry: Registry, tmp_path: Path) -> Path:
    """Return the folder of a user who may read the private registry."""
    (tmp_path / "npmrc").write_text(registry.npmrc)
    return tmp_path


def write_lock(folder: Path, packages: dict[str, object]) -> None:
    """Write package-lock.json."""
    lock = {"name": "web", "lockfileVersion": 3, "requires": True, "packages": packages}
    (folder / "web" / "package-lock.json").write_text(json.dumps(lock, indent=2))


def fetch(folder: Path, user: Path, *, check: bool = True) -> subprocess.CompletedProcess[str]:
    """Fetch as a user, with an empty cache."""
    variables = {"npm_config_userconfig": str(user / "npmrc"), "ESTIBA_CACHE_DIR": str(user / "cache")}
    return harbour.invoke(folder, "fetch", check=check, inside=["env", *(f"{k}={v}" for k, v in variables.items())])


def refused(done: subprocess.CompletedProcess[str], code: int) -> str:
    """Return what a task said that must have failed with a code and without a traceback."""
    assert done.returncode == code, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return done.stderr


def refuse_build(folder: Path, code: int = 7) -> str:
    """Commit and build, which must fail, and return what was said."""
    return refused(harbour.invoke(commit(folder), "build", check=False), code)


def test_page_has_what_npm_has_built(service: Path, root: RootFs) -> None:
    """Its own test asks for the page and the script that it names, by the hash of its content."""
    found = json.loads(harbour.invoke(service, "check", "--json", check=False).stdout)
    (style,) = (root.top / "app/staticfiles/dist").glob("site.????????????.css")
    text = style.read_text()

    assert found["tests"] == {"errors": 0, "failures": 0, "skipped": 0, "tests": 1}
    assert re.search(r"body a ?\{ ?color: ?(teal|#008080)", text), "Sass"
    assert "padding:7px" in text, "Tailwind has read the template"


def test_neither_sources_nor_packages_are_in_the_image(root: RootFs) -> None:
    """What is excluded is there for the script alone."""
    names = {path.name for path in (root.top / "app").iterdir()}

    assert "assets" in names
    assert not {"frontend", "node_modules"} & names
    assert not list((root.top / "usr").glob("**/node"))


def test_the_same_comes_out_elsewhere(service: Path) -> None:
    """Another store, user, path and time."""
    harbour.invoke(service, "build.verify")


def test_changed_line_of_python_installs_nothing(service: Path, tmp_path: Path) -> None:
    """The script runs again, since it may read any file of the service."""
    folder = shop_service.copy(service, tmp_path / "bundled")
    harbour.build(folder, "image")
    with (folder / "bundled/urls.py").open("a") as file:
        file.write(f"# changed at {time.time_ns()}, which no store has built yet\n")
    log = BuildLog()
    realise(folder, "image", config.load(), log=log)

    assert "front-end" in log.lines
    assert "node-modules" not in log.lines


def test_private_registry_is_asked_once(locked: Path, user: Path, registry: Registry) -> None:
    """With the user's token, which is nowhere afterwards; what the store has is not fetched again."""
    cache = user / "cache"
    said = fetch(locked, user).stderr
    count = len(registry.asked)
    fetch(locked, user)

    assert count == len(registry.asked) > 0
    assert npm_registry.TOKEN not in said
    kept = (path for path in (cache / "npm").rglob("*") if path.is_file())
    assert [path for path in kept if npm_registry.TOKEN.encode() in path.read_bytes()] == []


def test_small_one_is_built(small: Path, user: Path, tmp_path: Path) -> None:
    """The install script of its package has run; a file in git at the same place gives way; a package may be output."""
    (small / "tiny/static/made").mkdir()
    (small / "tiny/static/made/hola.js").write_text("old")
    pyproject = (small / "pyproject.toml").read_text()
    (small / "pyproject.toml").write_text(pyproject.replace('made"]', 'made", "web/node_modules/hola/hola.js"]'))
    fetch(small, user)
    image = Path(json.loads(harbour.invoke(commit(small), "build", "--json").stdout)["path"])
    app = rootfs.unpack(image, tmp_path / "root").top / "app"
    made, modules = app / "tiny/static/made", app / "web/node_modules"

    assert {path.name: path.read_text() for path in made.iterdir()} == {"hola.js": f"{HOLA}// installed\n"}
    assert sorted(str(path.relative_to(modules)) for path in modules.rglob("*")) == ["hola", "hola/hola.js"]


def test_wrong_hash_is_refused(small: Path, user: Path, registry: Registry) -> None:
    """The package is named, by fetch and by a build without it."""
    entry = {**registry.entry("hola"), "integrity": npm_registry.integrity(b"other")}
    write_lock(small, {"": {"name": "web", "dependencies": {"hola": "^1.0.0"}}, "node_modules/hola": entry})

    assert "npm packages are missing:\n  - hola 1.0.0" in refused(fetch(small, user, check=False), 22)
    assert "hola-1.0.0.tgz" in refuse_build(small, 22)


def test_stranger_gets_nothing(small: Path, user: Path, registry: Registry) -> None:
    """Without the token npm's own reason is shown."""
    top = {"name": "web", "dependencies": {"adios": "^1.0.0"}}
    write_lock(small, {"": top, "node_modules/adios": registry.entry("adios")})
    (user / "npmrc").write_text(registry.npmrc.splitlines()[0])

    said = refused(fetch(small, user, check=False), 22)
    assert "  - adios 1.0.0" in said
    assert "401" in said


def test_lock_that_differs_is_told(small: Path, user: Path) -> None:
    """The reason is npm's, and the message how to mend it."""
    fetch(small, user)
    package = {"scripts": {"build": "node build.js"}, "dependencies": {"hola": "^2.0.0"}}
    (small / "web/package.json").write_text(json.dumps(package))

    assert "npm install --package-lock-only" in refuse_build(small)


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        (
            'require("fs").writeFileSync("made.js", "")\n',
            "npm run build did not write tiny/static/made; it wrote web/made.js: set [tool.estiba.frontend] output",
        ),
        ("process.exit(3)\n", "npm run build failed with exit code 3; it runs without a network"),
    ],
    ids=["elsewhere", "failure"],
)
def test_what_a_script_did_is_told(small: Path, user: Path, script: str, expected: str) -> None:
    """Where it failed, and where it wrote something else."""
    fetch(small, user)
    (small / "web/build.js").write_text(script)

    assert expected in refuse_build(small)


def test_build_has_no_network(small: Path, user: Path, registry: Registry) -> None:
    """Not even that of this machine alone."""
    fetch(small, user)
    connect = f'require("net").connect({registry.port}, "127.0.0.1").on("connect", () => process.exit(0))\n'
    (small / "web/build.js").write_text(connect)

    assert "ECONNREFUSED" in refuse_build(small)


def test_store_path_is_that_of_nix() -> None:
    """As `nix-store` itself computes it."""
    digits = hashlib.sha512(b"hola").hexdigest()
    argv = ["nix-store", "--print-fixed-path", "sha512", digits, "_a_hola-1.0.0.tgz"]
    printed = subprocess.run(argv, capture_output=True, text=True, check=True).stdout.strip()

    assert fixed_output("_a_hola-1.0.0.tgz", f"sha512:{digits}") == printed
