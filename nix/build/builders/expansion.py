"""How much may come out of an archive: a few kilobytes of zeros can fill the disk of whoever unpacks them."""

# What compresses best among the packages and wheels of real services becomes some thirty times as large.
_RATIO = 100
ALWAYS = 256 << 20
"""What an archive of any size may hold, in bytes."""


def limit(packed: int) -> int:
    """Return how many bytes an archive of `packed` bytes may hold."""
    return max(ALWAYS, _RATIO * packed)


def check(name: str, *, packed: int, unpacked: int) -> None:
    """Refuse an archive that holds far more than any real one of its size.

    Args:
        name: The archive, for the message.
        packed: Its size in bytes.
        unpacked: Size in bytes of what it says that it holds, or of what has come out of it so far.

    Raises:
        ValueError: It is more than `limit` allows.
    """
    if unpacked > limit(packed):
        msg = f"{name} has {packed:,} bytes and unpacks to more than {limit(packed):,}, as only an attack does"
        raise ValueError(msg)
