"""Files that programs of Debian's packages would write, as those programs write them."""

from __future__ import annotations

import base64
import hashlib
import struct

import caches
import keystore
import mime
import pixbuf
from entries import MTIME, Entries, file, link

PEM = b"-----BEGIN CERTIFICATE-----\n%s\n-----END CERTIFICATE-----\n"
AUTHORITIES = "usr/share/ca-certificates/mozilla"
LOADERS = "usr/lib/x/gdk-pixbuf-2.0/2.10.0"
# Of freedesktop.org.xml; what update-mime-database of shared-mime-info 2.4 writes for it is below.
DESCRIPTIONS = b"""<?xml version="1.0"?>
<mime-info xmlns="http://www.freedesktop.org/standards/shared-mime-info">
  <mime-type type="application/x-core"><glob pattern="core" case-sensitive="true"/>
    <magic priority="50"><match type="string" value="\\177ELF" offset="0">
      <match type="byte" value="1" offset="5"><match type="little16" value="4" offset="16"/></match></match></magic>
  </mime-type>
  <mime-type type="text/x-readme"><alias type="text/readme"/><sub-class-of type="text/plain"/>
    <glob pattern="README*" weight="10"/></mime-type>
  <mime-type type="image/x-dds"><magic priority="90">
    <match type="host16" value="0x0143" offset="0:4"/><match type="string" value="ab" mask="0xffdf" offset="8:8"/>
    <match type="big32" value="0432" offset="7"/></magic></mime-type>
</mime-info>
"""


def test_kinds_of_files_are_listed() -> None:
    """Globs, magic numbers, aliases and parents are in lists that GLib reads."""
    made = mime.index(Entries({"usr/share/mime/packages/freedesktop.org.xml": file(DESCRIPTIONS)}))
    read = {path.rpartition("/")[2]: entry.read() for path, entry in made.items.items()}

    assert read.pop("globs2").splitlines()[1:] == [
        b"50:application/x-core:core",
        b"50:application/x-core:core:cs",
        b"10:text/x-readme:readme*",
    ]
    assert read == {
        "aliases": b"text/readme text/x-readme\n",
        "magic": (
            b"MIME-Magic\0\n[90:image/x-dds]\n>0=\0\x02\x01\x43~2+5\n>8=\0\x02ab&\xff\xdf\n>7=\0\x04\0\0\x01\x1a\n"
            b"[50:application/x-core]\n>0=\0\x04\x7fELF\n1>5=\0\x01\x01\n2>16=\0\x02\x04\0\n"
        ),
        "subclasses": b"text/x-readme text/plain\n",
    }


def test_loaders_of_pictures_are_listed() -> None:
    """Those that are there and known, by their whole path."""
    root = Entries(
        {
            f"{LOADERS}/loaders/libpixbufloader-bmp.so": file(b""),
            f"{LOADERS}/loaders/libpixbufloader_svg.so": file(b""),
            f"{LOADERS}/loaders/libpixbufloader-unknown.so": file(b""),
            f"{LOADERS}/loaders/libpixbufloader-gif.so": link("nowhere"),
        }
    )
    made = pixbuf.list_loaders(root)

    assert list(made.items) == [f"{LOADERS}/loaders.cache"]
    first, second, *_ = made.items[f"{LOADERS}/loaders.cache"].read().decode().split("\n\n")
    assert first.splitlines() == [
        f'"/{LOADERS}/loaders/libpixbufloader-bmp.so"',
        '"bmp" 5 "gdk-pixbuf" "BMP" "LGPL"',
        '"image/bmp" "image/x-bmp" "image/x-MS-bmp" ""',
        '"bmp" ""',
        '"BM" "" 100',
    ]
    assert second.startswith(f'"/{LOADERS}/loaders/libpixbufloader_svg.so"\n"svg" 6')


def test_java_trusts_the_authorities_of_the_root() -> None:
    """They are in the store that a Java's link leads to, signed with the password that everybody knows."""
    java = "usr/lib/jvm/java-21-openjdk-amd64/lib/security/cacerts"
    certificate = file(PEM % base64.encodebytes(b"DER"))
    root = Entries({f"{AUTHORITIES}/Fő.crt": certificate, java: link("/etc/ssl/certs/java/cacerts")})
    data = keystore.bundle(root).items["etc/ssl/certs/java/cacerts"].read()

    alias = "debian:fő.pem".encode()
    entry = struct.pack(">IH", 2, len(alias)) + alias + struct.pack(">QH", MTIME * 1000, 5) + b"X.509\0\0\0\x03DER"
    assert data[:-20] == struct.pack(">III", 0xFEEDFEED, 2, 1) + entry
    assert data[-20:] == hashlib.sha1("changeit".encode("utf-16-be") + b"Mighty Aphrodite" + data[:-20]).digest()  # noqa: S324 - the format's


def test_root_without_their_readers_gets_none() -> None:
    """Most images have neither Java nor GLib."""
    assert caches.make(Entries({f"{AUTHORITIES}/a.crt": file(b""), "usr/lib/x/libc.so.6": file(b"")})).items == {}
