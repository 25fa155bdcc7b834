"""What to do about a command of the service that failed in the build, by the exception that ended it."""

import re
from pathlib import Path

_TRACEBACK = "Traceback (most recent call last):"
_RAISED = re.compile(r"^(?:[A-Za-z_]\w*\.)*([A-Z]\w*|gaierror)(?:: (.*))?$")
_FRAME = re.compile(r'^ +File "/app/([^"]+)", line (\d+)')
_OTHERS = re.compile(r"(^|/)site-packages/")
_MODULE = re.compile(r"No module named '([^']+)'")
_LIBRARY = re.compile(r"(lib[^ :]+\.so[^ :]*): cannot open shared object file")
_NAMED = re.compile(
    r"cannot load library '(?:lib)?([^']+)'|failed to find lib(magic)\b|[Cc]ould not find the (GDAL|GEOS|PROJ)\b"
)
"""Libraries that Python code looks for by itself: cffi, python-magic, GeoDjango."""

_NETWORK = re.compile(
    r"urlopen error|Max retries exceeded|Network is unreachable|Could not connect to the endpoint URL"
)
_RENAMED = re.compile(r"cannot import name '(\w+)' from '([\w.]+)'")
_PLACE = re.compile(r"'/app/([^/']+)|unable to open database file|Read-only file system")
_FILE = re.compile(r"The file '([^']+)' could not be found with ")
_GONE = re.compile(
    "aifc|asynchat|asyncore|audioop|cgi|cgitb|chunk|crypt|distutils|imghdr|imp|lib2to3|mailcap|msilib|nis|nntplib"
    "|ossaudiodev|pipes|smtpd|sndhdr|spwd|sunau|telnetlib|uu|xdrlib"
)
"""Modules of Python 3.11 that 3.13 has no more (PEP 594, PEP 632)."""

_DEFAULT = (
    "settings must load with build-time values ([tool.estiba] env), or set [tool.estiba] static = false, which "
    "collects no files"
)
_BY_NAME = {
    "ConnectionError": "database",
    "ConnectionRefusedError": "database",
    "OperationalError": "database",
    "PackageNotFoundError": "metadata",
    "PermissionError": "writing",
    "ProgrammingError": "database",
    "gaierror": "network",
    "UnknownTimeZoneError": "zone",
    "ZoneInfoNotFoundError": "zone",
}
_WRITING = {"FileNotFoundError", "OSError", "OperationalError"}
"""Exceptions that what cannot be written to raises too: a log's folder that is not there, a database in a file."""

_ADVICE = {
    "database": "a query runs while the apps are loaded, and a build has no database: move it to where it is needed",
    "metadata": "the service itself is no installed distribution; of other ones only the requirements have metadata",
    "network": "a build has no network: ask others where the answer is needed, or keep it as a file in git",
    "writing": "a build has the service's files read-only, as an image has: name a folder of data in [tool.estiba] "
    "persist, write to a temporary one, or not before a request",
    "zone": 'zones such as US/Pacific are in a package of their own: add "tzdata-legacy" to [tool.estiba] debian',
}


def explain(log: str, application: Path) -> str:
    """Return the exception, where in the service it came from, and what to do.

    Args:
        log: All that the command has printed.
        application: The service's files.
    """
    lines = log.partition(_TRACEBACK)[2].splitlines()
    raised = [found for line in lines if (found := _RAISED.match(line))]
    frames = [found for line in lines if (found := _FRAME.match(line)) and not _OTHERS.search(found[1])]
    if not raised:
        return _DEFAULT
    name, text = raised[-1][1], raised[-1][2] or ""
    where = f", at {frames[-1][1]}:{frames[-1][2]}" if frames else ""
    return f"{name}: {text}{where}\n{choose(name, text, application)}"


def choose(name: str, text: str, application: Path) -> str:
    """Return what to do about an exception.

    Args:
        name: Name of its class.
        text: Its message.
        application: The service's files.
    """
    if found := _MODULE.search(text):
        return _find_module(found[1], application)
    if found := _LIBRARY.search(text):
        return f"add the Debian package that has {found[1]} to [tool.estiba] debian; apt-file finds it"
    if found := _NAMED.search(text):
        library = found[1] or found[2] or found[3]
        return f"add the Debian package of lib{library} to [tool.estiba] debian; apt-file finds it"
    if found := _RENAMED.search(text):
        return f"{found[2]} has {found[1]} no more, or not yet: update what imports it, or require another version"
    if name != "OperationalError" and _NETWORK.search(text):
        return _ADVICE["network"]
    if found := _FILE.search(text):
        return f"a style sheet or a script names {found[1]}: add that file, or what it should be, to git"
    if name in _WRITING and _PLACE.search(text):
        return _ADVICE["writing"]
    return _ADVICE[_BY_NAME[name]] if name in _BY_NAME else _DEFAULT


def _find_module(module: str, application: Path) -> str:
    top = module.partition(".")[0]
    if top == "pkg_resources":
        return 'setuptools has it no more: add "setuptools<81" to the dependencies, or update what imports it'
    if (application / top).is_dir() or (application / f"{top}.py").is_file():
        return f"the build has {top} without it: git add what is new; [tool.estiba] include brings what is left out"
    if _GONE.fullmatch(top):
        return f'Python has {top} no more: what imports it needs an update, or [tool.estiba] python = "3.11"'
    return f"add what has {top} to the dependencies; if it is the service's own, git add it"
