"""A root file system from Debian packages, without running any of their scripts."""

import hashlib
import json
import posixpath
import re
import tarfile
from pathlib import Path

import deb
import expansion
from entries import Entries, Entry, file, folder, link

_MERGED = re.compile(r"^(bin|sbin|lib|lib32|lib64|libx32)(/|$)")
_LIBRARIES = re.compile(r"usr/lib/([a-z0-9_]+-linux-gnu)/")
# What Debian's own slim images leave out; licences stay. libc-bin's ldconfig reads a cache that no image has, and the
# skeleton's own does without. Of iconv's character sets those stay that Fedora's base package has, since Python brings
# its own; and as in Docker's image of Python, the library's own tests go.
_UNWANTED = re.compile(
    r"^usr/share/(doc/(?!.*copyright$)|doc-base/|man/|info/|locale/|lintian/|bug/|menu/|bash-completion/|linda/)"
    r"|^usr/sbin/ldconfig$"
    r"|^usr/lib/[^/]+/gconv/(?!(ANSI_X3\.110|CP1252|ISO8859-1|ISO8859-15|UNICODE|UTF-7|UTF-16|UTF-32)\.so$|gconv-modules)"
    r"|^usr/lib/python3\.\d+/test/"
)
_CERTIFICATES = "usr/share/ca-certificates/mozilla/"
_BUNDLE = "etc/ssl/certs/ca-certificates.crt"
_DEFAULT_BUNDLE = "usr/lib/ssl/cert.pem"
_LDCONFIG = Path(__file__).with_name("ldconfig.py")
_SETTINGS = {
    "etc/group": b"root:x:0:\napp:x:10001:\n",
    "etc/hosts": b"127.0.0.1 localhost\n::1 localhost ip6-localhost ip6-loopback\n",
    "etc/nsswitch.conf": b"passwd: files\ngroup: files\nhosts: files dns\n",
    "etc/passwd": b"root:x:0:0:root:/root:/usr/sbin/nologin\napp:x:10001:10001:app:/tmp:/usr/sbin/nologin\n",
}


def entries(packages: list[Path]) -> Entries:
    """Merge packages into one root with merged-usr paths, package records and the certificate bundle.

    Args:
        packages: The `.deb` files, in the order in which they are unpacked.

    Raises:
        ValueError: A file is not a Debian package, or unpacks to far more than a real one of its size.
    """
    root = Entries()
    for path in packages:
        control, data = deb.tarballs(path)
        with control, data:
            _unpack(path, data, root)
            _record(deb.control(control), root)
    _bundle_certificates(root)
    if any(path.startswith("usr/lib64/") for path in root.items):
        root.add("lib64", link("usr/lib64"))
    return root


def skeleton() -> Entries:
    """Return what a base system has beyond its packages: merged-usr links, users, name service, folders to write to."""
    root = Entries()
    for name in ("bin", "sbin", "lib"):
        root.add(name, link(f"usr/{name}"))
    for name, content in _SETTINGS.items():
        root.add(name, file(content))
    root.add("etc/localtime", link("/usr/share/zoneinfo/Etc/UTC"))
    root.add("usr/sbin/ldconfig", file(_LDCONFIG, executable=True))
    root.add("tmp", folder(0o1777))
    root.add("var/tmp", folder(0o1777))
    for name in ("proc", "sys", "dev", "root", "run"):
        root.add(name, folder())
    return root


def list_authorities(root: Entries) -> list[str]:
    """Return the places of the certificates of authorities in a root, sorted."""
    return sorted(path for path in root.items if path.startswith(_CERTIFICATES) and path.endswith(".crt"))


def merge(path: str) -> str:
    """Return where a file of a package is in a merged-usr root, relative to it."""
    return _MERGED.sub(r"usr/\1\2", posixpath.normpath(path).lstrip("/"))


def triplet(root: Entries) -> str:
    """Return the name of the folder of a root's libraries, such as `x86_64-linux-gnu`."""
    return next((found[1] for path in root.items if (found := _LIBRARIES.match(path))), "")


def digests(root: Entries) -> dict[str, str]:
    """Map Python's sources in a root to their SHA-256, in hexadecimal."""
    return {
        path: hashlib.sha256(entry.read()).hexdigest()
        for path, entry in root.items.items()
        if path.endswith(".py") and entry.content is not None
    }


def bytecode(sources: dict[str, str], compiled: Path) -> Entries:
    """Return the bytecode of those files that are the same as the ones that were compiled.

    Args:
        sources: The files and their hashes, see `digests`.
        compiled: A folder with `index.json` (source path to `[sha256, bytecode path]`) and the bytecode.
    """
    index: dict[str, tuple[str, str]] = json.loads((compiled / "index.json").read_text())
    same = (path for source, (digest, path) in index.items() if sources.get(source) == digest)
    return Entries({path: file(compiled / path) for path in same})


def _unpack(package: Path, data: tarfile.TarFile, root: Entries) -> None:
    packed = package.stat().st_size
    unpacked = 0
    for member in data:
        unpacked += member.size
        expansion.check(package.name, packed=packed, unpacked=unpacked)
        path = merge(member.name)
        if path == "." or (_UNWANTED.match(path) and not _leads_to_licence(path, member)):
            continue
        if (entry := _entry(member, data, root)) and not _is_merge_link(path, entry):
            root.add(path, entry)


def _leads_to_licence(path: str, member: tarfile.TarInfo) -> bool:
    """Tell the link by which a package shares the documentation, and with it the licence, of another one."""
    return member.issym() and posixpath.dirname(path) == "usr/share/doc"


def _entry(member: tarfile.TarInfo, data: tarfile.TarFile, root: Entries) -> Entry | None:
    """Translate a member; set-user-id bits are dropped, since nothing in an image may gain privileges."""
    mode = member.mode & 0o1777
    if member.issym():
        return link(member.linkname)
    if member.isdir():
        return folder(mode)
    if member.islnk():
        return root.items.get(merge(member.linkname))
    content = data.extractfile(member)
    return Entry(mode=mode, content=content.read()) if content else None


def _is_merge_link(path: str, entry: Entry) -> bool:
    """Tell base-files' own `bin -> usr/bin`, which the renaming above has turned into a link to itself."""
    return entry.target is not None and posixpath.normpath(entry.target) == path


def _record(control: dict[str, bytes], root: Entries) -> None:
    """Leave the package's record where scanners look when there is no dpkg: /var/lib/dpkg/status.d (distroless)."""
    text = control["control"]
    found = re.search(rb"^Package: (\S+)", text, re.MULTILINE)
    if not found:
        msg = "a Debian package without a name"
        raise ValueError(msg)
    name = found[1].decode()
    root.add(f"var/lib/dpkg/status.d/{name}", file(text))
    if sums := control.get("md5sums"):
        root.add(f"var/lib/dpkg/status.d/{name}.md5sums", file(sums))


def _bundle_certificates(root: Entries) -> None:
    """Do what ca-certificates' script would do: one file with all authorities, and have OpenSSL find it.

    The script also makes a link named by its hash for each authority, the only thing that Debian's OpenSSL looks for.
    """
    if names := list_authorities(root):
        content = b"".join(root.items[name].read().rstrip(b"\n") + b"\n" for name in names)
        root.add(_BUNDLE, file(content))
        root.add(_DEFAULT_BUNDLE, link(f"/{_BUNDLE}"))
