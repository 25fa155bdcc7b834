from __future__ import annotations

from pathlib import Path

import pytest

from estiba import config


@pytest.fixture(autouse=True)
def _clean(monkeypatch: pytest.MonkeyPatch) -> None:
    own = (config.ENV_FLAKE, config.ENV_CACHE, config.ENV_CACHE_KEY, config.ENV_NO_COLOR, config.ENV_SANDBOX)
    for name in (*own, "XDG_CACHE_HOME", "XDG_CONFIG_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", "/home/grace")


def test_cache_is_in_the_home_folder() -> None:
    """Without settings, downloads go to the user's cache folder."""
    assert config.load().cache_dir == Path("/home/grace/.cache/estiba")


def test_cache_follows_the_desktop_standard(monkeypatch: pytest.MonkeyPatch) -> None:
    """`XDG_CACHE_HOME` moves the cache."""
    monkeypatch.setenv("XDG_CACHE_HOME", "/var/tmp/cache")

    assert config.load().cache_dir == Path("/var/tmp/cache/estiba")


def test_own_variable_wins(monkeypatch: pytest.MonkeyPatch) -> None:
    """`ESTIBA_CACHE_DIR` names the folder itself."""
    monkeypatch.setenv("XDG_CACHE_HOME", "/var/tmp/cache")
    monkeypatch.setenv(config.ENV_CACHE, "/srv/estiba")

    assert config.load().cache_dir == Path("/srv/estiba")


@pytest.mark.parametrize(("terminal", "expected"), [(True, True), (False, False)], ids=["terminal", "pipe"])
def test_colours_need_a_terminal(monkeypatch: pytest.MonkeyPatch, *, terminal: bool, expected: bool) -> None:
    """Colours appear only where a person looks."""
    monkeypatch.setattr("os.isatty", lambda _: terminal)

    assert config.load().color is expected


@pytest.mark.parametrize(("value", "expected"), [("1", False), ("0", False), ("", True)])
def test_no_color_is_honoured(monkeypatch: pytest.MonkeyPatch, value: str, *, expected: bool) -> None:
    """`NO_COLOR` turns colours off on a terminal too, unless it is empty, as its standard has it."""
    monkeypatch.setattr("os.isatty", lambda _: True)
    monkeypatch.setenv(config.ENV_NO_COLOR, value)

    assert config.load().color is expected


def test_child_environment_keeps_and_adds(monkeypatch: pytest.MonkeyPatch) -> None:
    """A child sees this process's environment and what is added."""
    monkeypatch.setenv("LANG", "es_ES.UTF-8")

    child = config.load().environment(LC_ALL="C")

    assert (child["LANG"], child["LC_ALL"]) == ("es_ES.UTF-8", "C")


def test_keys_and_nix_settings_follow_the_desktop_standard(monkeypatch: pytest.MonkeyPatch) -> None:
    """Both are in the user's configuration folder; the key may be elsewhere, for example in CI."""
    assert config.load().cache_key == Path("/home/grace/.config/estiba/cache.key")
    monkeypatch.setenv("XDG_CONFIG_HOME", "/etc/grace")
    monkeypatch.setenv(config.ENV_CACHE_KEY, "/run/secrets/key")

    assert config.load().nix_conf == Path("/etc/grace/nix/nix.conf")
    assert config.load().cache_key == Path("/run/secrets/key")


def test_container_takes_the_sandbox_from_every_nix(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever is started builds without the sandbox then, and keeps its other settings."""
    monkeypatch.setenv(config.ENV_NIX, "max-jobs = 2")
    assert (config.load().sandbox, config.variables()[config.ENV_NIX]) == ("", "max-jobs = 2")

    monkeypatch.setenv(config.ENV_SANDBOX, config.CONTAINER)
    assert config.load().sandbox == config.CONTAINER
    assert config.load().environment()[config.ENV_NIX] == "max-jobs = 2\nsandbox = false\nbuild-users-group ="


def test_repository_of_a_hook_is_not_that_of_the_service(monkeypatch: pytest.MonkeyPatch) -> None:
    """Git tells its hooks a folder relative to theirs, which is none where a command names another one."""
    monkeypatch.setenv("GIT_DIR", ".git")
    monkeypatch.setenv("GIT_INDEX_FILE", ".git/index.lock")
    monkeypatch.setenv("GIT_SSH_COMMAND", "ssh -v")

    assert {name for name in config.load().variables if name.startswith("GIT_")} >= {"GIT_SSH_COMMAND"}
    assert not {"GIT_DIR", "GIT_INDEX_FILE"} & config.variables().keys()
