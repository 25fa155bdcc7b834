from __future__ import annotations

import re
from pathlib import Path

import pytest

from estiba.errors import ConfigError
from estiba.service import project

MANAGE = 'import os\nos.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")\n'
_COMMANDS = "'prepare' must be a list of commands such as [['compilescss']], each a list of words, not {}"
SHOP = Path(__file__).parents[2] / "fixtures" / "services" / "shop"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Make the smallest Django project that there is."""
    root = tmp_path / "My_Shop"
    (root / "config").mkdir(parents=True)
    (root / "manage.py").write_text(MANAGE)
    (root / "config" / "settings.py").write_text('WSGI_APPLICATION = "config.wsgi.application"\n')
    (root / "requirements.txt").write_text("django\n")
    return root


def write(folder: Path, table: str, project_table: str = "") -> None:
    """Write a pyproject.toml."""
    (folder / "pyproject.toml").write_text(
        f"[project]\ndependencies = ['django']\n{project_table}\n[tool.estiba]\n{table}\n"
    )


def test_everything_has_a_default(folder: Path) -> None:
    """A project without pyproject.toml is named by its folder and locked for the newest Debian."""
    found = project.load(folder)

    assert (found.name, found.version, found.python, found.suite) == ("my-shop", "0", "3.13", "trixie")
    assert found.platforms == ("aarch64-linux", "x86_64-linux")
    assert found.pockets == ("main", "updates", "security")
    assert (found.settings, found.wsgi, found.manage) == ("config.settings", "config.wsgi:application", "manage.py")
    assert (found.static, found.compression, found.test_command) == (True, "zstd", ("pytest",))
    assert found.prepare == ()


def test_settings_are_taken_over(folder: Path) -> None:
    """What `[tool.estiba]` says goes before every default."""
    write(folder, 'python = "3.11"\nplatforms = ["x86_64-linux"]\ndebian = ["libpq5", "gettext"]\nenv = {A = "b"}')
    found = project.load(folder)

    assert (found.python, found.suite, found.platforms) == ("3.11", "bookworm", ("x86_64-linux",))
    assert (found.debian, found.env) == (("gettext", "libpq5"), {"A": "b"})


def test_build_constraints_are_requirements(folder: Path) -> None:
    """They are names with versions, as in pip's files of constraints."""
    write(folder, 'build-constraints = ["setuptools<81", "cython<3"]')
    assert project.load(folder).build_constraints == ("cython<3", "setuptools<81")

    write(folder, 'build-constraints = ["setuptools <", "git+https://host.example/cython"]')
    with pytest.raises(ConfigError) as caught:
        project.load(folder)
    assert len(caught.value.problems) == 2
    assert caught.value.problems[0].startswith("'build-constraints': 'setuptools <' is not a requirement")


def test_commands_keep_their_order(folder: Path) -> None:
    """What prepares the service runs in the order in which it is written."""
    write(folder, 'prepare = [["compilescss", "--force"], ["compilemessages"]]')

    assert project.load(folder).prepare == (("compilescss", "--force"), ("compilemessages",))


def test_tools_need_no_django(tmp_path: Path) -> None:
    """A folder that has only programs to lock says so with an empty `manage`."""
    write(tmp_path, 'manage = ""')
    found = project.load(tmp_path)

    assert (found.manage, found.settings, found.wsgi) == ("", "", "")


def test_all_problems_are_listed_at_once(folder: Path) -> None:
    """Unknown keys come with the key that was probably meant, wrong types with the right one."""
    write(folder, 'platform = ["x86_64-linux"]\nstatic = "yes"\nzzz = 1')
    with pytest.raises(ConfigError) as caught:
        project.load(folder)

    assert caught.value.problems[0] == "unknown key 'platform', did you mean 'platforms'?"
    assert caught.value.problems[1].startswith(
        "unknown key 'zzz'; known: asgi, build-constraints, chart, check-level, ci, compression, "
    )
    assert caught.value.problems[2] == "'static' must be true or false, not 'yes'"


@pytest.mark.parametrize(
    ("table", "problem"),
    [
        (
            'platforms = ["riscv64-linux"]',
            "'platforms' cannot be 'riscv64-linux', only 'aarch64-linux' or 'x86_64-linux'",
        ),
        ("platforms = []", "'platforms' must name at least one"),
        ('pockets = ["security"]', "'pockets' must contain 'main'"),
        ('compression = "xz"', "'compression' cannot be 'xz', only 'zstd' or 'gzip'"),
        ('resolver = "poetry"', "'resolver' cannot be 'poetry', only 'pip-tools' or 'uv'"),
        (
            'missing-libraries = {torch = "perhaps"}',
            "'missing-libraries.torch' cannot be 'perhaps', only 'allow' or 'refuse'",
        ),
        ('persist = ["../x"]', "'persist' has '../x', not a folder such as 'data' or '/var/lib/site'"),
        ('persist = ["/var"]', "'persist' has '/var', not a folder such as 'data' or '/var/lib/site'"),
        ('persist = ["/app/data", "data/more"]', "'persist' has 'data/more', which is in '/app/data' already"),
        ("processes = {web = {grace = 0}}", "'processes.web.grace' must be a number of seconds above 0, not 0"),
        ("groups = {docs = []}", "unknown group 'docs' in 'groups', only 'dev' and 'runtime' are locked"),
        ('prepare = "compilescss"', _COMMANDS.format("'compilescss'")),
        ('prepare = ["compilescss"]', _COMMANDS.format("['compilescss']")),
        ("prepare = [[]]", _COMMANDS.format("[[]]")),
        ('prepare = [["compilescss", ""]]', _COMMANDS.format("[['compilescss', '']]")),
        ('prepare = [["compilescss", 1]]', _COMMANDS.format("[['compilescss', 1]]")),
        (
            "debian = [1]",
            "'debian' must be a list of strings, or a table such as {release = 'forky', packages = ['git']}, not [1]",
        ),
        ("shell-env = {DEBUG = true}", "'shell-env' must be a table of strings, not {'DEBUG': True}"),
    ],
)
def test_wrong_values_are_named(folder: Path, table: str, problem: str) -> None:
    """Each wrong value is told with what it may be."""
    write(folder, table)
    with pytest.raises(ConfigError) as caught:
        project.load(folder)

    assert caught.value.problems == (problem,)


def test_python_must_fit_requires_python(folder: Path) -> None:
    """A Python that the project itself refuses is an error before anything is resolved."""
    write(folder, 'python = "3.11"', 'requires-python = ">=3.12"')
    with pytest.raises(ConfigError, match=r"'python' is '3\.11', but"):
        project.load(folder)


def test_no_manage_py_is_one_clear_error(tmp_path: Path) -> None:
    """A folder that is no Django project is told so, with what to do."""
    with pytest.raises(ConfigError) as caught:
        project.load(tmp_path)

    assert str(caught.value) == (
        f"manage.py: no such file in {tmp_path.name}, so this is not a Django project's folder\n"
        "  hint: run this in the folder that holds manage.py, or set manage in [tool.estiba]"
    )


def test_broken_toml_names_the_line(folder: Path) -> None:
    """A syntax error in pyproject.toml is reported with its place."""
    (folder / "pyproject.toml").write_text("[project\n")
    with pytest.raises(ConfigError, match=r"pyproject.toml: .*line 1"):
        project.load(folder)


def test_missing_folder(tmp_path: Path) -> None:
    """A folder that does not exist is named."""
    with pytest.raises(ConfigError, match="no such folder"):
        project.load(tmp_path / "nowhere")


def test_sample_service() -> None:
    """The sample shop is read whole: name, version, development group and build environment."""
    found = project.load(SHOP)

    assert (found.name, found.version, found.debian) == ("shop", "1.4.0", ("libpq5",))
    assert found.requirements.dev == ("pytest", "pytest-cov", "pytest-django")
    assert found.env == {"SHOP_SECRET_KEY": "only-for-building-and-testing-0123456789-abcdefghijklmnop"}


def test_nix_knows_the_same_settings() -> None:
    """A key that Python takes and Nix does not would pass every command but the build."""
    text = (Path(__file__).parents[3] / "nix/lib/service.nix").read_text()
    block = re.search(r"defaults = \{\n(.*?)\n  \};", text, re.DOTALL)

    assert block
    assert sorted(re.findall(r"^    ([a-z-]+) =", block[1], re.MULTILINE)) == sorted(project._KEYS)


@pytest.mark.parametrize("name", ["/x", "a/b", "..", "", "a\\nb", "ü", "-a"])
def test_name_is_a_name(folder: Path, name: str) -> None:
    """It becomes a part of paths, of store paths and of names in a cluster."""
    write(folder, "", f'name = "{name}"')

    with pytest.raises(ConfigError, match=r"\[project\] name .* is not a name"):
        project.load(folder)


@pytest.mark.parametrize("version", ["/x", "..", "1\\n2", "1.0 final", "one"])
def test_version_is_a_version(folder: Path, version: str) -> None:
    """It becomes a tag, and the name of a release."""
    write(folder, "", f'version = "{version}"')

    with pytest.raises(ConfigError, match=r"\[project\] version .* is not a version"):
        project.load(folder)


@pytest.mark.parametrize(
    "content", [pytest.param(b"\xff\xfe[project]", id="encoding"), pytest.param(b"a = " + b"[" * 9999, id="depth")]
)
def test_unreadable_settings_are_one_clear_error(folder: Path, content: bytes) -> None:
    """Whatever the file holds, its name is told."""
    (folder / "pyproject.toml").write_bytes(content)

    with pytest.raises(ConfigError, match=r"^pyproject\.toml: "):
        project.load(folder)
