"""Binary caches in nix.conf(5): a block between two marker lines, which alone is changed."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from estiba import files
from estiba.cache.keys import PublicKey
from estiba.errors import CacheError

if TYPE_CHECKING:
    from estiba.cache.address import Address

_READABLE: Final = 0o644
_BEGIN: Final = "# begin of what invoke cache.use writes"
_END: Final = "# end of what invoke cache.use writes"
_URL: Final = "extra-substituters"
_KEY: Final = "extra-trusted-public-keys"

_BEHAVIOUR: Final = (
    ("fallback", "true"),  # an unreachable or damaged cache must not stop a build
    # An unreachable cache costs a build these seconds, once per attempt; the defaults are minutes.
    ("connect-timeout", "4"),
    ("stalled-download-timeout", "4"),
    ("download-attempts", "3"),
    # For so many seconds a path that a cache lacked is not looked up again; with the default of an hour, a machine that
    # has looked too early would not see what was pushed since.
    ("narinfo-cache-negative-ttl", "60"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Text of a Nix configuration file, split at Estiba's block.

    Attributes:
        caches: URL and public key of each cache in the block.
        before: Text before the block.
        after: Text after the block.
    """

    caches: tuple[tuple[str, PublicKey], ...]
    before: str = ""
    after: str = ""

    @classmethod
    def parse(cls, text: str) -> Settings:
        """Parse a configuration file.

        Raises:
            CacheError: The block has no end, or was edited.
        """
        before, begin, rest = text.partition(f"{_BEGIN}\n")
        if not begin:
            return cls(caches=(), before=text)
        block, end, after = rest.partition(f"{_END}\n")
        pairs = [line.partition(" = ")[::2] for line in block.splitlines()]
        urls = [value for name, value in pairs if name == _URL]
        keys = [value for name, value in pairs if name == _KEY]
        if not end or len(urls) != len(keys):
            message = f"the lines after {_BEGIN!r} are not as they were written"
            raise CacheError(message, hint="remove them, then run the command again")
        caches = tuple((url, PublicKey(key)) for url, key in zip(urls, keys, strict=True))
        return cls(caches=caches, before=before, after=after)

    def add(self, address: Address, key: PublicKey) -> Settings:
        """Return the settings with a cache added, or with another key for a cache that they have."""
        kept = self.remove(address)
        return Settings(caches=(*kept.caches, (address.url, key)), before=self.before, after=self.after)

    def remove(self, address: Address) -> Settings:
        """Return the settings without a cache."""
        kept = tuple((url, key) for url, key in self.caches if url != address.url)
        return Settings(caches=kept, before=self.before, after=self.after)

    def block(self) -> str:
        """Return the lines of the block without its markers."""
        lines = [line for url, key in self.caches for line in (f"{_URL} = {url}", f"{_KEY} = {key}")]
        return "".join(f"{line}\n" for line in [*lines, *(f"{name} = {value}" for name, value in _BEHAVIOUR)])

    def render(self) -> str:
        """Return the text of the file."""
        if not self.caches:
            return self.before + self.after
        gap = "" if not self.before or self.before.endswith("\n") else "\n"
        return f"{self.before}{gap}{_BEGIN}\n{self.block()}{_END}\n{self.after}"


def load(file: Path) -> Settings:
    """Read a configuration file, which need not exist.

    Raises:
        CacheError: The file cannot be read, or the block in it was edited.
    """
    try:
        return Settings.parse(file.read_text(encoding="utf-8") if file.exists() else "")
    except OSError as error:
        message = f"cannot read {file}: {error.strerror}"
        raise CacheError(message, hint="print the lines instead: --print") from error


def save(file: Path, settings: Settings) -> bool:
    """Write a configuration file if it differs, with a backup named `.before-estiba`; return whether it was written.

    Raises:
        CacheError: The file cannot be written.
    """
    text = settings.render()
    if text == (file.read_text(encoding="utf-8") if file.exists() else ""):
        return False
    # Replacing a symbolic link, as dotfile managers make them, would cut the file off from its source.
    real = Path(file.resolve())
    try:
        real.parent.mkdir(parents=True, exist_ok=True)
        if real.exists():
            shutil.copy2(real, real.with_name(f"{real.name}.before-estiba"))
        files.write(real, text, mode=real.stat().st_mode & 0o7777 if real.exists() else _READABLE)
    except OSError as error:
        message = f"cannot write {real}: {error.strerror}"
        raise CacheError(message, hint="print the lines instead: --print") from error
    return True
