"""A failure of collectstatic is told with its cause, its place, and what to do about that."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

import advice

if TYPE_CHECKING:
    from pathlib import Path

LOG = """\
Traceback (most recent call last):
  File "/collect_static.py", line 44, in <module>
    main(Path(sys.argv[1]))
  File "/app/shop/apps.py", line 7, in ready
    from shop import signals
  File "/opt/venv/lib/python3.13/site-packages/x.py", line 1, in <module>
    raise x
{raised}
"""


@pytest.mark.parametrize(
    ("raised", "said"),
    [
        ("KeyError: 'SECRET_KEY'", "settings must load with build-time values"),
        ("django.core.exceptions.ImproperlyConfigured: Set the KEY variable", "settings must load with build-time"),
        ("ModuleNotFoundError: No module named 'pkg_resources'", 'add "setuptools<81"'),
        ("ModuleNotFoundError: No module named 'shop.signals'", "the build has shop without it: git add"),
        ("ModuleNotFoundError: No module named 'boto3'", "add what has boto3 to the dependencies"),
        ("ImportError: libGL.so.1: cannot open shared object file: No such file", "package that has libGL.so.1"),
        ("zoneinfo._common.ZoneInfoNotFoundError: 'No time zone found with key US/Pacific'", "tzdata-legacy"),
        (
            "importlib.metadata.PackageNotFoundError: No metadata for shop",
            "no installed distribution",
        ),
        ("django.db.utils.OperationalError: could not connect to server", "a query runs while the apps are loaded"),
        (
            "whitenoise.storage.MissingFileError: The file 'css/a.png' could not be found with <x object at 0x7f>.",
            "names css/a.png: add that file",
        ),
        (
            "PermissionError: [Errno 13] Permission denied: '/app/logs'",
            "name a folder of data in [tool.estiba] persist",
        ),
        ("FileNotFoundError: [Errno 2] No such file or directory: '/app/logs/site.log'", "name a folder of data"),
        ("OSError: [Errno 30] Read-only file system: '/app/logs'", "name a folder of data"),
        ("ModuleNotFoundError: No module named 'distutils.util'", 'or [tool.estiba] python = "3.11"'),
        ("ModuleNotFoundError: No module named 'imp'", "Python has imp no more"),
        ("OSError: cannot load library 'libgobject-2.0-0': error 0x7e", "Debian package of libgobject-2.0-0"),
        ("ImportError: failed to find libmagic.  Check your installation", "Debian package of libmagic"),
        (
            "django.core.exceptions.ImproperlyConfigured: Could not find the GDAL library (tried gdal)",
            "Debian package of libGDAL",
        ),
        (
            "ImportError: cannot import name 'ugettext' from 'django.utils.translation' (/opt/venv/x.py)",
            "django.utils.translation has ugettext no more, or not yet",
        ),
        ("urllib.error.URLError: <urlopen error [Errno -3] Temporary failure in name resolution>", "has no network"),
        ("socket.gaierror: [Errno -2] Name or service not known", "has no network"),
        (
            "requests.exceptions.ConnectionError: HTTPSConnectionPool(host='x'): Max retries exceeded",
            "has no network",
        ),
        ("django.db.utils.OperationalError: [Errno -2] Network is unreachable", "a query runs while"),
        ("sqlite3.OperationalError: unable to open database file", "name a folder of data"),
    ],
)
def test_exception_decides(tmp_path: Path, raised: str, said: str) -> None:
    """The first line has the exception and the last frame of the service, the second the advice for its kind."""
    (tmp_path / "shop").mkdir()

    first, second = advice.explain(LOG.format(raised=raised), tmp_path).splitlines()

    assert first == f"{raised.partition(': ')[0].rpartition('.')[2]}: {raised.partition(': ')[2]}, at shop/apps.py:7"
    assert said in second


def test_failure_without_an_exception(tmp_path: Path) -> None:
    """A process that was killed has none."""
    assert advice.explain("Killed\n", tmp_path).startswith("settings must load")
