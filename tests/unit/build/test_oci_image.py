from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest
from tests.recording import RecordingRunner
from tests.unit.lock.test_model import DJANGO, LOCK

from estiba import config
from estiba.build import explain, flake, oci_image, untracked
from estiba.errors import ArtifactError, BuildError, CommandError, ConfigError, StaleLockError
from estiba.lock import model
from estiba.process import Completed

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

RECORDED = Path(__file__).parents[2] / "fixtures" / "nixlog"
OLD, NEW = "2.26.3", "2.34.8"
BROKEN = "/nix/store/2bhjccp913gis593144pj51rzk5s8icb-static-files.drv"


LIBRARY = "/nix/store/x-source"


class Replay:
    """Stands in for Nix: notes the command, says what was recorded, and ends as it did."""

    def __init__(self, recording: str, result: Path | None = None) -> None:
        self.calls: list[list[str]] = []
        self._log = (RECORDED / recording).read_text()
        self._result = result

    def __call__(
        self,
        argv: Sequence[str],
        *,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        stdin: str | None = None,
        check: bool = True,
        on_line: Callable[[str], None] | None = None,
    ) -> Completed:
        """Play the recording; a question for the flake's inputs is answered before it."""
        del env, cwd, stdin, check
        self.calls.append(list(argv))
        if on_line is None:
            return Completed(argv=tuple(argv), code=0, stdout='{"locks": {"version": 7}}', tail="")
        for line in self._log.splitlines():
            on_line(line)
        if self._result is None:
            raise CommandError(argv, 1, "the tail")
        stdout = json.dumps([{"drvPath": "/nix/store/x.drv", "outputs": {"out": str(self._result)}}])
        return Completed(argv=tuple(argv), code=0, stdout=stdout, tail="")


def settings(tmp_path: Path, flake: str = LIBRARY) -> config.Config:
    """Return a configuration, by default that of the development shell."""
    return config.Config(
        flake=flake,
        cache_dir=tmp_path / "cache",
        state_dir=tmp_path / "state",
        apt_sources=None,
        docker_config=tmp_path / "config.json",
        cache_key=tmp_path / "cache.key",
        nix_conf=tmp_path / "nix.conf",
        store=Path("/"),
        color=False,
        interactive=False,
    )


@pytest.fixture
def service(tmp_path: Path) -> Path:
    """Make the folder of a service with a flake and a lock."""
    folder = tmp_path / "shop"
    folder.mkdir()
    (folder / "flake.nix").write_text("{ }")
    (folder / "estiba.lock").write_text("{}")
    return folder


def image(folder: Path, *digests: str) -> Path:
    """Write what `estiba.json` of an image with these layers holds and return the image's folder."""
    layers: list[dict[str, Any]] = [
        {"digest": f"sha256:{digest}", "size": 5, "contents": [digest], "name": digest, "platform": "x86_64-linux"}
        for digest in digests
    ]
    folder.mkdir(exist_ok=True)
    summary = {"digest": "sha256:index", "layers": layers, "platforms": ["x86_64-linux"]}
    (folder / "estiba.json").write_text(json.dumps(summary))
    return folder


def test_build_takes_the_library_at_hand(service: Path, tmp_path: Path) -> None:
    """Nix is asked for the flake's inputs with this library, and then builds with those; a link keeps the result."""
    runner = Replay(f"success-{OLD}.log", image(tmp_path / "image", "a"))

    built = oci_image.build(service, settings(tmp_path), runner=runner)

    (lock,) = (service / ".estiba").glob("flake-*.lock")
    override = ["--override-input", "estiba", LIBRARY, "--no-write-lock-file"]
    link = ["--out-link", str(service / ".estiba/image")]
    inputs = ["--reference-lock-file", str(lock), "--no-write-lock-file", "--option", "allow-dirty-locks", "true"]
    log = ["--log-format", "internal-json", "-v"]
    assert runner.calls == [
        ["nix", "flake", "metadata", str(service), "--json", *override],
        ["nix", "build", f"{service}#image", "--json", *link, *inputs, *log],
    ]
    assert json.loads(lock.read_text()) == {"version": 7}
    assert (built.digest, built.path, built.platforms) == ("sha256:index", tmp_path / "image", ("x86_64-linux",))


def test_inputs_are_asked_for_once(service: Path, tmp_path: Path) -> None:
    """With a library that cannot change the answer is kept, until the service's flake is another one."""
    runner = Replay(f"success-{OLD}.log", image(tmp_path / "image", "a"))
    for text in ("{ }", "{ }", "{ outputs = _: { }; }"):
        (service / "flake.nix").write_text(text)
        oci_image.build(service, settings(tmp_path), runner=runner)

    assert [call[1] for call in runner.calls] == ["flake", "build", "build", "flake", "build"]


def test_library_that_changes_is_asked_for_each_time(service: Path, tmp_path: Path) -> None:
    """A folder that somebody works in is another library at each build."""
    runner = Replay(f"success-{OLD}.log", image(tmp_path / "image", "a"))
    for _ in range(2):
        oci_image.build(service, settings(tmp_path, flake="/srv/estiba"), runner=runner)

    assert [call[1] for call in runner.calls] == ["flake", "build", "flake", "build"]


def test_flake_that_cannot_be_read(service: Path, tmp_path: Path) -> None:
    """A mistake in flake.nix is an error of the build, with Nix's own words."""
    with pytest.raises(BuildError) as caught:
        flake.lock_inputs(service, settings(tmp_path), runner=RecordingRunner(1))

    assert caught.value.hint == "look at flake.nix"


def test_build_of_one_platform(service: Path, tmp_path: Path) -> None:
    """One platform is an output of its own."""
    runner = Replay(f"success-{OLD}.log", image(tmp_path / "image", "a"))

    oci_image.build(service, settings(tmp_path), platform="aarch64-linux", runner=runner)

    assert runner.calls[-1][2] == f"{service}#image-aarch64-linux"


def test_folder_without_a_flake_is_read_by_the_library(service: Path, tmp_path: Path) -> None:
    """A service need not have a flake; the library then reads its folder, and there are no inputs."""
    (service / "flake.nix").unlink()
    runner = Replay(f"success-{OLD}.log", image(tmp_path / "image", "a"))

    oci_image.build(service, settings(tmp_path, flake=f"path:{LIBRARY}"), runner=runner)

    (argv,) = runner.calls
    file = ["--impure", "--file", f"{LIBRARY}/nix/folder.nix", "--argstr", "folder", str(service)]
    assert argv[:10] == ["nix", "build", "image", *file, "--json"]
    assert "--reference-lock-file" not in argv


def test_folder_without_a_flake_needs_the_library(service: Path, tmp_path: Path) -> None:
    """Outside the development shell there is nothing to read the folder with."""
    (service / "flake.nix").unlink()

    with pytest.raises(ConfigError) as caught:
        oci_image.build(service, settings(tmp_path, flake=""))

    assert str(caught.value) == (
        f"{service}: no flake.nix, and ESTIBA_FLAKE is not set"
        "\n  hint: enter the development shell first: ./nixw develop"
    )


def test_flake_on_its_own(service: Path, tmp_path: Path) -> None:
    """Outside the development shell a service builds with the library that its own lock file names."""
    assert flake.lock_inputs(service, settings(tmp_path, flake="")) is None


def test_nothing_is_built_without_a_lock(service: Path, tmp_path: Path) -> None:
    """A missing lock is found before Nix is asked."""
    (service / "estiba.lock").unlink()

    with pytest.raises(StaleLockError) as caught:
        oci_image.build(service, settings(tmp_path))

    assert str(caught.value) == f"no estiba.lock in {service}\n  hint: invoke lock"


def test_changed_layers_are_marked(service: Path, tmp_path: Path) -> None:
    """A layer is new where the image built before lacks it; the first image is all new."""
    first = oci_image.build(
        service, settings(tmp_path), runner=Replay(f"success-{OLD}.log", image(tmp_path / "one", "a", "b"))
    )
    (service / ".estiba/image").symlink_to(tmp_path / "one")
    second = oci_image.build(
        service, settings(tmp_path), runner=Replay(f"success-{OLD}.log", image(tmp_path / "two", "a", "c"))
    )

    assert [layer.changed for layer in first.layers] == [True, True]
    assert [layer.changed for layer in second.layers] == [False, True]


def test_result_of_another_format_does_not_matter(service: Path, tmp_path: Path) -> None:
    """Where the link leads to something unreadable, all layers count as new."""
    (service / ".estiba/image").mkdir(parents=True)
    (service / ".estiba/image/estiba.json").write_text("{")

    built = oci_image.build(
        service, settings(tmp_path), runner=Replay(f"success-{OLD}.log", image(tmp_path / "one", "a"))
    )

    assert built.layers[0].changed


def test_result_for_programs(tmp_path: Path) -> None:
    """`--json` prints digest, path, platforms and layers."""
    assert oci_image.load(image(tmp_path / "one", "a"), frozenset({"sha256:a"})).to_dict() == {
        "digest": "sha256:index",
        "layers": [
            {
                "changed": False,
                "contents": ("a",),
                "digest": "sha256:a",
                "name": "a",
                "platform": "x86_64-linux",
                "size": 5,
            }
        ],
        "path": str(tmp_path / "one"),
        "platforms": ["x86_64-linux"],
    }


def test_status_is_told(service: Path, tmp_path: Path) -> None:
    """Whoever asks hears what is being built."""
    said: list[str] = []
    runner = Replay(f"success-{NEW}.log", image(tmp_path / "image", "a"))

    oci_image.build(service, settings(tmp_path), on_status=said.append, runner=runner)

    assert "1 of 2: image" in said


@pytest.mark.parametrize("version", [OLD, NEW])
def test_missing_artifact_names_the_command(service: Path, tmp_path: Path, version: str) -> None:
    """What is not in the store is named, with the command that fetches it."""
    with pytest.raises(ArtifactError) as caught:
        oci_image.build(service, settings(tmp_path), runner=Replay(f"missing-{version}.log"))

    assert str(caught.value) == "not in the store: django-5.2.1-py3-none-any.whl\n  hint: invoke fetch"


def test_refused_namespaces_name_what_allows_them(service: Path, tmp_path: Path) -> None:
    """Where the sandbox cannot be made the error names the options of a container, not the way around the sandbox."""
    with pytest.raises(BuildError) as caught:
        oci_image.build(service, settings(tmp_path), runner=Replay(f"namespaces-{OLD}.log"))

    assert caught.value.message == "this machine does not let Nix make its sandbox"
    assert "--security-opt seccomp=unconfined --security-opt systempaths=unconfined" in str(caught.value)
    assert "procMount: Unmasked" in str(caught.value)


def test_all_missing_artifacts_are_named(service: Path, tmp_path: Path) -> None:
    """Nix stops at the first one; the others are those of the lock that it wanted to build."""
    files = ["django-5.2.1", "django-5.2.1-py3-none-any.whl", "sqlparse-0.5.3-py3-none-any.whl"]
    wanted = tuple(dataclasses.replace(DJANGO, name=f"d{number}", file=file) for number, file in enumerate(files))
    (service / "estiba.lock").write_text(model.render(dataclasses.replace(LOCK, distributions=wanted)))

    with pytest.raises(ArtifactError) as caught:
        oci_image.build(service, settings(tmp_path), runner=Replay(f"missing-{NEW}.log"))

    assert caught.value.message == "not in the store:\n  - django-5.2.1\n  - django-5.2.1-py3-none-any.whl"


@pytest.mark.parametrize("version", [OLD, NEW])
def test_failed_build_has_its_last_lines(service: Path, tmp_path: Path, version: str) -> None:
    """The error ends with the build's last lines and the command that shows all."""
    with pytest.raises(BuildError) as caught:
        oci_image.build(service, settings(tmp_path), runner=Replay(f"failure-{version}.log"))

    assert str(caught.value).endswith(f"\n  | line 3\n  | no such module: shop\n  hint: nix log {BROKEN}")


@pytest.mark.parametrize("version", [OLD, NEW])
def test_failed_evaluation_is_the_librarys_message(service: Path, tmp_path: Path, version: str) -> None:
    """What the library throws arrives as it was written."""
    with pytest.raises(BuildError) as caught:
        oci_image.build(service, settings(tmp_path), runner=Replay(f"evaluation-{version}.log"))

    assert str(caught.value) == "no estiba.lock beside pyproject.toml; run: invoke lock"


@pytest.mark.parametrize(
    ("name", "reference"),
    [
        ("plain", "{}"),
        ("a#b? c%", "path:{}"),
        ("a#b? c%/.git", "git+file://{}"),
        ("a#b/.git/shallow", "git+file://{}?shallow=1"),
        # What follows it would be the outputs of a derivation.
        ("a^b/.git", "git+file://{}"),
    ],
)
def test_folder_with_any_name_is_a_flake(tmp_path: Path, name: str, reference: str) -> None:
    """A character that a flake reference has for itself is escaped."""
    (tmp_path / name).mkdir(parents=True)
    folder = tmp_path / name.partition("/")[0]
    shown = quote(str(folder))

    assert flake.refer(folder) == reference.format(shown)


def test_service_below_the_top_of_a_repository(tmp_path: Path) -> None:
    """The folder in the repository is a parameter."""
    (tmp_path / "a#b" / ".git").mkdir(parents=True)
    (tmp_path / "a#b" / "apps" / "c&d").mkdir(parents=True)

    assert flake.refer(tmp_path / "a#b" / "apps" / "c&d") == f"git+file://{tmp_path}/a%23b?dir=apps%2Fc%26d"


def test_files_that_git_does_not_know_are_named(tmp_path: Path) -> None:
    """A new lock or flake stops a build before Nix says that there is none; other new files are told."""
    (tmp_path / ".git").mkdir()
    runner = RecordingRunner("flake.nix\0estiba.lock\0notes\0")
    with pytest.raises(BuildError) as caught:
        flake.realise(tmp_path, "image", settings(tmp_path), runner=runner)

    assert str(caught.value) == (
        "estiba.lock and flake.nix are not in git, and a build sees only what is\n  hint: git add estiba.lock flake.nix"
    )
    argv = ["git", "-C", str(tmp_path), "ls-files", "--others", "--exclude-standard", "-z"]
    assert runner.calls == [argv]
    assert untracked.describe(list("abcdefg")).endswith("have: a, b, c, d, e and 2 more (git add)")


def test_results_are_ignored_by_git(tmp_path: Path) -> None:
    """`git add .` does not commit a link into the store."""
    link = tmp_path / ".estiba" / "image"
    flake.realise(tmp_path, "image", settings(tmp_path), out_link=link, runner=Replay(f"success-{OLD}.log", tmp_path))

    assert (tmp_path / ".estiba" / ".gitignore").read_text() == "*\n"


def test_repository_of_another_user_is_told(tmp_path: Path) -> None:
    """Nix reads none, and the command that allows it is named."""
    error = CommandError(["nix"], 1, f"error: repository path '{tmp_path}' is not owned by current user")

    assert explain.explain_flake(tmp_path, error).hint == (
        f"if you trust it: git config --global --add safe.directory {tmp_path}"
    )
