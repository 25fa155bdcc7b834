"""Formats: the vectors of the Nix manual, and what has to be refused."""

from __future__ import annotations

import bz2
import gzip
import hashlib
import io
import lzma
import secrets

import pytest
import zstandard

from protocol import compression, nar, narinfo, nix32, signature
from protocol.narinfo import FormatError
from tests import nars

RUBY = """StorePath: /nix/store/p4pclmv1gyja5kzc26npqpia1qqxrf0l-ruby-2.7.3
URL: nar/1w1fff338fvdw53sqgamddn1b2xgds473pv6y13gizdbqjv4i5p3.nar.xz
Compression: xz
FileHash: sha256:1w1fff338fvdw53sqgamddn1b2xgds473pv6y13gizdbqjv4i5p3
FileSize: 4029176
NarHash: sha256:1impfw8zdgisxkghq9a3q7cn7jb9zyzgxdydiamp8z2nlyyl0h5h
NarSize: 18735072
References: 0d71ygfwbmy1xjlbj1v027dfmy9cqavy-libffi-3.3 0dbbrvlw2rahvzi69bmpqy1z9mvzg62s-gdbm-1.19 \
0i6vphc3vnr8mg0gxjr61564hnp0s2md-gnugrep-3.6 0vkw1m51q34dr64z5i87dy99an4hfmyg-coreutils-8.32 \
64ylsrpd025kcyi608w3dqckzyz57mdc-libyaml-0.2.5 65ys3k6gn2s27apky0a0la7wryg3az9q-zlib-1.2.11 \
9m4hy7cy70w6v2rqjmhvd7ympqkj6yxk-ncurses-6.2 a4yw1svqqk4d8lhwinn9xp847zz9gfma-bash-4.4-p23 \
hbm0951q7xrl4qd0ccradp6bhjayfi4b-openssl-1.1.1k hjwjf3bj86gswmxva9k40nqx6jrb5qvl-readline-6.3p08 \
p4pclmv1gyja5kzc26npqpia1qqxrf0l-ruby-2.7.3 sbbifs2ykc05inws26203h0xwcadnf0l-glibc-2.32-46
Deriver: bidkcs01mww363s4s7akdhbl6ws66b0z-ruby-2.7.3.drv
Sig: cache.nixos.org-1:GrGV/Ls10TzoOaCnrcAqmPbKXFLLSBDeGNh5EQGKyuGA4K1wv1LcRVb6/sU+NAPK8lDiam8XcdJzUngmdhfTBQ==
"""
NIXOS = "cache.nixos.org-1:6NCHdD59X431o0gWypbMrAURkbJ16ZPMQFGspcDShjY="
HELLO = nars.nar(nars.regular(b"hello\n"))
BASE = nars.make(1, nars.name_of(7)).info.render()


def test_hash_vectors() -> None:
    """Hashes of the Nix manual, in each notation."""
    empty = hashlib.sha256(b"").digest()
    other = "FePFYIlMuycIXPZbWi7LGEiMmZSX9FMbaQenWBzm1Sc="

    assert nix32.encode(empty) == "0mdqa9w1p6cmli6976v4wi0sw9r4p5prkj7lzfd1877wk11c9c73"
    assert nix32.parse_hash("sha256:09ymwqf5i9q7d4dm7x4pjjcqqj0qrcp5lnznbh42gfsci5hcbqqm") == nix32.parse_hash(
        f"sha256-{other}"
    )
    assert nix32.parse_hash(f"sha256:{empty.hex()}") == empty


def test_base_32_comes_back() -> None:
    """What is written is read."""
    for _ in range(200):
        data = secrets.token_bytes(32)
        assert nix32.decode(nix32.encode(data), 32) == data


@pytest.mark.parametrize("text", ["", "e" * 52, "z" * 52, "0" * 51, "sha1:" + "0" * 52, "sha256:?"])
def test_other_texts_are_no_hashes(text: str) -> None:
    """A hash has one form in each notation."""
    with pytest.raises(ValueError, match="not"):
        nix32.parse_hash(text if ":" in text else f"sha256:{text}")


def test_narinfo_of_nixos_is_read_written_and_verified() -> None:
    """A narinfo of a real cache comes back byte for byte, and its signature is valid, unless something is changed."""
    found = narinfo.parse(RUBY)

    assert found.render() == RUBY
    assert signature.verify(found.fingerprint, found.signatures[0], NIXOS)
    assert not signature.verify(found.fingerprint.replace(";18735072;", ";18735073;"), found.signatures[0], NIXOS)
    assert not signature.verify(found.fingerprint, found.signatures[0], NIXOS.replace("-1:", "-2:"))


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("thing\n", "thing", "does not end"),
        ("StorePath: /nix/store/", "StorePath: /home/", "not a path in /nix/store"),
        ("References: ", "References:", "not `Name: value`"),
        ("-thing\n", "-..\n", "not the name of a store path"),
        ("-thing\n", "-a/b\n", "not a path in"),
        ("NarSize: ", "NarSize: -", "not a number of bytes"),
        ("NarSize: ", "NarSize: 9999999999999", "not a number of bytes"),
        ("NarHash: sha256:", "NarHash: sha512:", "not a SHA-256 hash"),
        ("NarHash", "Nothing", "has no NarHash"),
        ("URL: ", "Nothing: ", "has no URL"),
        ("Compression", "NarHash: sha256:0\nCompression", "NarHash twice"),
        ("References", "Sig: me:AAAA\nReferences", "not a signature"),
        ("References", "CA: fixed:sha256\nReferences", "not a content address"),
        ("References", "Deriver: x.drv\nReferences", "not the name of a store path"),
        ("Compression", "\x1b[31m: x\nCompression", "line 3 of the narinfo"),
    ],
)
def test_wrong_narinfo_is_refused(old: str, new: str, problem: str) -> None:
    """What some version of Nix would not read is not taken."""
    text = BASE[:-1] if old == "thing\n" and new == "thing" else BASE.replace(old, new, 1)
    with pytest.raises(FormatError, match=problem):
        narinfo.parse(text)


def test_key_signs_what_nix_verifies() -> None:
    """A key signs, tells its public half, and does not show its secret by accident."""
    key = signature.SecretKey.generate("team-1")
    made = key.sign("something")

    assert signature.verify("something", made, key.public)
    assert not signature.verify("something", made, signature.SecretKey.generate("team-1").public)
    assert signature.is_public_key(key.public)
    assert repr(key) == "SecretKey('team-1')"


def test_nar_vector() -> None:
    """The NAR of a file has the hash that Nix says."""
    found = nar.verify([HELLO], limit=len(HELLO))

    assert (found.size, nix32.encode(found.digest)) == (120, "04zwf782yjwnh3q6hz5izfd6jyip8kgw6g6yj43fiqhbyhdd0dqw")


@pytest.mark.parametrize("step", [1, 7, 8, 64, 10_000])
def test_nar_comes_in_any_parts(step: int) -> None:
    """Where parts end makes no difference, also not to the references that are looked for."""
    name = nars.name_of(1234)
    tree = nars.directory(
        (b"a", nars.regular(b"", executable=True)),
        (b"b", nars.symlink(f"/nix/store/{name}/bin".encode())),
        (b"c", nars.directory((b"d", nars.regular(b"x" * 1000)))),
    )
    data = nars.nar(tree)
    parts = [data[start : start + step] for start in range(0, len(data), step)]

    found = nar.verify(parts, limit=len(data), wanted=[name[:32], "0" * 32])

    assert (found.size, found.digest) == (len(data), hashlib.sha256(data).digest())
    assert found.found == {name[:32]}


def deep(levels: int) -> bytes:
    """Return a node with folders in one another."""
    node = nars.regular(b"")
    for _ in range(levels - 1):
        node = nars.directory((b"a", node))
    return node


def test_nar_may_be_as_deep_as_nix_allows() -> None:
    """Nix reads 64 levels."""
    assert nar.verify([nars.nar(deep(64))], limit=1 << 20).size


EMPTY = nars.regular(b"")


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"", "too early"),
        (HELLO[:-1], "too early"),
        (HELLO + b"\0", "after its end"),
        (HELLO[:-1] + b"\1", "padding"),
        (nars.word(b"nix-archive-2") + EMPTY, "should be"),
        (nars.nar(deep(65)), "64 levels"),
        (nars.nar(nars.directory((b"b", EMPTY), (b"a", EMPTY))), "not in order"),
        (nars.nar(nars.directory((b"a", EMPTY), (b"a", EMPTY))), "not in order"),
        (nars.nar(nars.directory((b"..", EMPTY))), "with the name"),
        (nars.nar(nars.directory((b"a/b", EMPTY))), "with the name"),
        (nars.nar(nars.directory((b"", EMPTY))), "with the name"),
        (nars.nar(nars.directory((b"a\0", EMPTY))), "with the name"),
        (nars.nar(nars.directory((b"a" * 256, EMPTY))), "more than 255"),
        (nars.nar(nars.symlink(b"")), "empty target"),
        (nars.nar(nars.symlink(b"a" * 4096)), "more than 4095"),
        (nars.nar(nars.words(b"(", b"type", b"device", b")")), "of the type"),
        (nars.nar(nars.words(b"(", b"type", b"regular", b"oops", b")")), "should end"),
        (nars.word(b"nix-archive-1") + (1 << 60).to_bytes(8, "little"), "more than 32"),
        (nars.nar(nars.words(b"(", b"type", b"regular", b"contents") + (1 << 60).to_bytes(8, "little")), "too early"),
    ],
)
def test_wrong_nar_is_refused(data: bytes, problem: str) -> None:
    """What Nix would not unpack is not taken."""
    with pytest.raises(FormatError, match=problem):
        nar.verify([data], limit=1 << 20)


def test_bomb_is_read_no_further_than_it_says() -> None:
    """A gigabyte of zeros, which is 33 kB of zstd, is not read beyond the size that is stated."""
    read = 0

    def parts() -> object:
        nonlocal read
        for part in compression.decompress(io.BytesIO(zstandard.compress(bytes(1 << 28))), "zstd"):
            read += len(part)
            yield part

    with pytest.raises(FormatError):
        nar.verify(parts(), limit=1 << 20)
    assert read <= 1 << 21


PACKERS = {
    "none": bytes,
    "zstd": zstandard.compress,
    "xz": lzma.compress,
    "bzip2": bz2.compress,
    "gzip": gzip.compress,
}


@pytest.mark.parametrize("kind", sorted(compression.ENDS))
def test_every_frame_is_read(kind: str) -> None:
    """Compressed files of several frames or streams are read to their end."""
    big = secrets.token_bytes((1 << 20) + 5)
    file = PACKERS[kind](big) + PACKERS[kind](b"the end")

    assert b"".join(compression.decompress(io.BytesIO(file), kind)) == big + b"the end"


@pytest.mark.parametrize("kind", sorted({*compression.ENDS} - {"none"}))
def test_damaged_file_is_refused(kind: str) -> None:
    """Neither a file that ends early nor one with other bytes passes for a whole one."""
    file = PACKERS[kind](HELLO)
    flipped = bytes([*file[:12], file[12] ^ 255, *file[13:]])
    for wrong in (file[: len(file) // 2], flipped, b"", b"not compressed at all"):
        with pytest.raises(FormatError):
            nar.verify(compression.decompress(io.BytesIO(wrong), kind), limit=1000)


def test_other_compression_is_refused() -> None:
    """What cannot be verified is not taken."""
    with pytest.raises(FormatError, match="'br' is not one of none, zstd"):
        list(compression.decompress(io.BytesIO(b""), "br"))
