from __future__ import annotations

import json
import zipfile
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from tests.recording import RecordingRunner

from estiba import config
from estiba.digest import Digest
from estiba.errors import ArtifactError
from estiba.lock.artifacts import Artifacts
from estiba.lock.python import pip, uv
from estiba.lock.python.interpreter import Interpreter
from estiba.lock.python.pins import Pin
from estiba.lock.python.pip import Choice, ResolverContext, Upgrade

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from estiba.process import Completed

CONFIGURATION = {
    "cert": "/etc/own.crt",
    "client_cert": None,
    "extra_index_urls": ["https://one.example/simple", "https://two.example/simple"],
    "find_links": ["/srv/wheels"],
    "index_url": "https://user:secret@index.example/simple",
    "no_index": False,
    "proxy": "",
    "timeout": 15.0,
    "trusted_hosts": [],
}
HASH = "ab" * 32
KEEP = Upgrade()
LIB = Choice(name="lib", version="1", file="lib.zip", sha256=Digest(HASH), size=1)


class Recorded(RecordingRunner):
    """Answers the driver from a list; as uv it notes the environment and writes the pins."""

    def __init__(self, *answers: str | int, pinned: str = "", said: str = "") -> None:
        super().__init__(*answers)
        self._pinned = pinned
        self._said = said
        self.environment: Mapping[str, str] = {}

    def __call__(self, argv: Sequence[str], **options: Any) -> Completed:  # noqa: ANN401 - those of the runner
        """Note the command."""
        done = super().__call__(argv, **options)
        if argv[1] == "pip":
            self.environment = options["env"]
            (options["cwd"] / "pinned.txt").write_text(self._pinned)
            options["on_line"](self._said)
        return done


def prepare(
    tmp_path: Path, runner: RecordingRunner, offered: Mapping[str, Choice | None] | None = None
) -> ResolverContext:
    """Make a context of a machine that has uv."""
    variables = {"UV_INDEX_URL": "https://users.example", "HOME": "/home/ana"}
    _, sha256 = uv._WHEELS[pip.host_platform()]
    (tmp_path / f"uv-{uv.VERSION}-{sha256.hex[:16]}").touch()
    return ResolverContext(
        config=replace(config.load(), cache_dir=tmp_path, variables=variables),
        interpreter=Interpreter(version="3.13.5", python=tmp_path / "python", tools=tmp_path / "tools"),
        sdists=tmp_path / "sdists",
        artifacts=Artifacts(tmp_path / "artifacts"),
        call_hook_in_sandbox=lambda _choice, _call: {},
        runner=runner,
        offered=offered or {},
    )


def compile_pins(
    resolver: ResolverContext,
    platform: str = "x86_64-linux",
    wanted: Sequence[str] = ("six",),
    upgrade: Upgrade = KEEP,
    *,
    seeds: Sequence[Pin] = (),
) -> list[Pin] | None:
    """Resolve requirements."""
    files = {"development requirements": wanted}
    return uv.compile_pins(resolver, platform, wanted=files, constraints=[], seeds=seeds, upgrade=upgrade)


def test_pins_of_a_platform(tmp_path: Path) -> None:
    """The command is exactly this; direct requirements keep their marker, as pip-compile writes it."""
    runner = Recorded(json.dumps(CONFIGURATION), "", pinned=f"six==1.17.0 --hash=sha256:{HASH}\n")
    resolver = prepare(tmp_path, runner)

    found = compile_pins(resolver, "aarch64-linux", ["six; python_version < '4'"], Upgrade(names=("six",)))

    assert found == [Pin(name="six", version="1.17.0", marker='python_version < "4"', hashes=(HASH,))]
    assert runner.calls[1][1:] == [
        *("pip", "compile", "--generate-hashes", "--index-strategy=unsafe-best-match", "--no-annotate", "--no-build"),
        *("--no-config", "--no-header", "--no-python-downloads", "--quiet", "--output-file", "pinned.txt"),
        *("--upgrade-package", "six", "--python", str(tmp_path / "tools"), "--python-version", "3.13.5"),
        *("--python-platform", "aarch64-manylinux_2_36", "--constraints", "constraints.txt", "0.in"),
    ]


def test_indexes_are_those_of_pip(tmp_path: Path) -> None:
    """Uv gets what pip is configured with, passwords in no argument, and nothing that the user has set for uv."""
    runner = Recorded(json.dumps(CONFIGURATION), "")
    compile_pins(prepare(tmp_path, runner))

    assert not any("secret" in word for call in runner.calls for word in call)
    assert runner.environment == {
        "HOME": "/home/ana",
        "RUST_LOG": "uv_resolver::candidate_selector=trace",
        "SSL_CERT_FILE": "/etc/own.crt",
        "UV_CACHE_DIR": str(tmp_path / "uv"),
        "UV_DEFAULT_INDEX": "https://user:secret@index.example/simple",
        "UV_FIND_LINKS": "/srv/wheels",
        "UV_HTTP_TIMEOUT": "15",
        "UV_INDEX": "https://one.example/simple https://two.example/simple",
    }


def test_network_is_that_of_pip(tmp_path: Path) -> None:
    """No index is asked where pip asks none; pip's proxy wins over those of the user's environment, as with pip."""
    proxy = "http://proxy.example:3128"
    runner = Recorded(json.dumps({**CONFIGURATION, "no_index": True, "proxy": proxy}), "")
    compile_pins(prepare(tmp_path, runner))

    assert runner.calls[1][-1] == "--no-index"
    assert {name: value for name, value in runner.environment.items() if name.endswith("_PROXY")} == {
        "ALL_PROXY": proxy,
        "HTTPS_PROXY": proxy,
        "HTTP_PROXY": proxy,
    }


@pytest.mark.parametrize(
    ("wanted", "marker"),
    [
        (["six; sys_platform == 'linux'", "six<1; sys_platform == 'win32'"], 'sys_platform == "linux"'),
        (["six", "six<2; sys_platform == 'linux'"], ""),
        (["six; sys_platform == 'linux'", "six<2"], ""),
    ],
    ids=["another system's", "everywhere first", "everywhere last"],
)
def test_marker_is_one_that_applies(tmp_path: Path, wanted: list[str], marker: str) -> None:
    """A pin with that of another system would be left out."""
    runner = Recorded(json.dumps(CONFIGURATION), "", pinned=f"six==1.17.0 --hash=sha256:{HASH}\n")

    assert compile_pins(prepare(tmp_path, runner), wanted=wanted) == [
        Pin(name="six", version="1.17.0", marker=marker, hashes=(HASH,))
    ]


def test_newer_release_that_is_an_sdist_is_not_passed_over(tmp_path: Path) -> None:
    """Pip-tools takes it; the line is what uv has said where the older one has a wheel."""
    said = "TRACE Returning incompatible candidate for package six with range * after 2 steps"
    runner = Recorded(json.dumps(CONFIGURATION), "", pinned=f"six==1.17.0 --hash=sha256:{HASH}\n", said=said)

    assert compile_pins(prepare(tmp_path, runner)) is None


@pytest.mark.parametrize(
    ("locked", "upgrade", "is_kept"),
    [
        ("1.17.0", KEEP, True),
        ("1.18.0", KEEP, False),
        ("1.18.0", Upgrade(names=("Six",)), True),
        ("1.18.0", Upgrade(everything=True), True),
    ],
)
def test_locked_release_that_is_an_sdist_is_kept(
    tmp_path: Path, locked: str, upgrade: Upgrade, *, is_kept: bool
) -> None:
    """Uv replaces it without a word; pip-tools says whether it has to be."""
    runner = Recorded(json.dumps(CONFIGURATION), "", pinned=f"six==1.17.0 --hash=sha256:{HASH}\n")
    found = compile_pins(prepare(tmp_path, runner), seeds=[Pin(name="six", version=locked)], upgrade=upgrade)

    assert (found is not None) == is_kept


@pytest.mark.parametrize(
    ("answer", "pinned", "offered"),
    [
        pytest.param(1, "", {}, id="no solution"),
        pytest.param("", "shop==1\n", {"shop": None}, id="a name of the project's own"),
        pytest.param("", "", {"lib": LIB}, id="a package of a folder"),
    ],
)
def test_pip_tools_resolves_what_uv_cannot(
    tmp_path: Path, answer: str | int, pinned: str, offered: dict[str, Choice | None]
) -> None:
    """Conflicts are explained, sdists asked, and names withheld by pip-tools alone."""
    runner = Recorded(json.dumps(CONFIGURATION), answer, pinned=pinned)
    resolver = prepare(tmp_path, runner, offered=offered)

    assert compile_pins(resolver) is None


def test_program_is_taken_from_its_wheel(tmp_path: Path) -> None:
    """It is in the cache folder from then on, for everybody who may run it."""
    runner = Recorded(json.dumps(CONFIGURATION), "")
    resolver = prepare(tmp_path, runner)
    _, sha256 = uv._WHEELS[pip.host_platform()]
    program = tmp_path / f"uv-{uv.VERSION}-{sha256.hex[:16]}"
    program.unlink()
    resolver.artifacts.folder.mkdir()
    with zipfile.ZipFile(resolver.artifacts.path(sha256), "w") as wheel:
        wheel.writestr(f"uv-{uv.VERSION}.data/scripts/uv", "#!/bin/sh\n")

    compile_pins(resolver)

    assert runner.calls[1][0] == str(program)
    assert (program.read_text(), program.stat().st_mode & 0o777) == ("#!/bin/sh\n", 0o755)


def test_program_that_no_index_has(tmp_path: Path) -> None:
    """The error says what to do about it."""
    runner = Recorded(json.dumps([{"file": "uv.whl", "sha256": HASH, "error": "no index has it"}]))
    resolver = prepare(tmp_path, runner)
    next(tmp_path.glob("uv-*")).unlink()

    with pytest.raises(ArtifactError, match=rf"uv-{uv.VERSION}\S* cannot be downloaded: no index has it") as caught:
        compile_pins(resolver)

    assert caught.value.hint == 'check pip\'s configuration, or remove resolver = "uv"'
