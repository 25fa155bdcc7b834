from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from estiba.cache import settings
from estiba.cache.address import Address
from estiba.cache.keys import PublicKey
from estiba.cache.settings import Settings
from estiba.errors import CacheError

if TYPE_CHECKING:
    from pathlib import Path

FIRST = Address.parse("/srv/cache")
SECOND = Address.parse("https://example.org")
KEY = PublicKey("team-1:9tmfUiytADPurhDpm7wwN7hux8pNJCWLlSgYBo9B1go=")
OTHER = PublicKey("team-2:AyfIk8VeEDrb5SmWRPcXH/vn9wh/wjaM5E0KRz4snZo=")

EXPECTED = """\
max-jobs = 4
# begin of what invoke cache.use writes
extra-substituters = file:///srv/cache
extra-trusted-public-keys = team-1:9tmfUiytADPurhDpm7wwN7hux8pNJCWLlSgYBo9B1go=
fallback = true
connect-timeout = 4
stalled-download-timeout = 4
download-attempts = 3
narinfo-cache-negative-ttl = 60
# end of what invoke cache.use writes
"""


def test_block_goes_after_what_is_there() -> None:
    """The user's own lines stay as they are."""
    assert Settings.parse("max-jobs = 4").add(FIRST, KEY).render() == EXPECTED


def test_adding_twice_changes_nothing() -> None:
    """The same cache and key give the same file."""
    assert Settings.parse(EXPECTED).add(FIRST, KEY).render() == EXPECTED


def test_cache_has_one_key_of_ours() -> None:
    """Another key for the same cache takes the place of the first."""
    changed = Settings.parse(EXPECTED).add(FIRST, OTHER)

    assert changed.caches == ((FIRST.url, OTHER),)


def test_removing_the_last_cache_removes_the_block() -> None:
    """Nothing of ours is left then, and everything else is."""
    text = f"{EXPECTED}cores = 2\n"
    both = Settings.parse(text).add(SECOND, OTHER)

    assert Settings.parse(both.render()).remove(FIRST).caches == ((SECOND.url, OTHER),)
    assert both.remove(FIRST).remove(SECOND).render() == "max-jobs = 4\ncores = 2\n"


@pytest.mark.parametrize(
    "text",
    [EXPECTED.replace("# end", "# END"), EXPECTED.replace("extra-substituters", "substituters")],
    ids=["no end", "changed by hand"],
)
def test_changed_block_is_refused(text: str) -> None:
    """What was edited by hand is not overwritten."""
    with pytest.raises(CacheError, match="are not as they were written") as caught:
        Settings.parse(text)

    assert caught.value.hint == "remove them, then run the command again"


def test_save_keeps_the_file_before(tmp_path: Path) -> None:
    """The file that was there stays beside the new one, and nothing is written twice."""
    file = tmp_path / "nix.conf"
    file.write_text("max-jobs = 4\n")
    wanted = settings.load(file).add(FIRST, KEY)

    assert [settings.save(file, wanted), settings.save(file, wanted)] == [True, False]
    assert (tmp_path / "nix.conf.before-estiba").read_text() == "max-jobs = 4\n"
    assert file.read_text() == EXPECTED


def test_save_makes_the_folder(tmp_path: Path) -> None:
    """A user without any configuration gets one."""
    file = tmp_path / "home" / "nix" / "nix.conf"

    assert settings.save(file, settings.load(file).add(FIRST, KEY))
    assert [one.name for one in file.parent.iterdir()] == ["nix.conf"]


def test_save_follows_a_link(tmp_path: Path) -> None:
    """A configuration that is a link into somebody's dotfiles stays one."""
    real, link = tmp_path / "dotfiles.conf", tmp_path / "nix.conf"
    real.write_text("")
    link.symlink_to(real)

    settings.save(link, settings.load(link).add(FIRST, KEY))

    assert link.is_symlink()
    assert "file:///srv/cache" in real.read_text()


def test_unwritable_file_offers_to_print(tmp_path: Path) -> None:
    """A folder that is a file cannot be written into; the lines can still be had."""
    (tmp_path / "nix").write_text("")

    with pytest.raises(CacheError, match="cannot write") as caught:
        settings.save(tmp_path / "nix" / "nix.conf", Settings(caches=((FIRST.url, KEY),)))

    assert caught.value.hint == "print the lines instead: --print"


def test_unreadable_file_offers_to_print(tmp_path: Path) -> None:
    """A folder in the place of the file is told, not written to."""
    with pytest.raises(CacheError, match=f"cannot read {tmp_path}: Is a directory"):
        settings.load(tmp_path)
