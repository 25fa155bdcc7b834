"""Ask a service for pages; arguments: its address, a host name or an empty string, and the paths."""

import sys
import time
import urllib.error
import urllib.request

REFUSAL = 400
"""The first HTTP status that is no success."""
PATIENCE = 15
"""Seconds in all for pages that nobody answers: nodes learn a moment later which pods serve, also after a rollback."""


class Staying(urllib.request.HTTPRedirectHandler):
    """Takes a redirection for the answer that it is."""

    def redirect_request(self, *_: object) -> None:
        """Follow none."""


address, host, *paths = sys.argv[1:]
opener = urllib.request.build_opener(Staying, urllib.request.ProxyHandler({}))
failed = False
end = time.monotonic() + PATIENCE


def ask(path: str, **headers: str) -> tuple[int | str, bool]:
    """Return the status of a page, or why nobody answers, and whether it only redirects to itself by HTTPS."""
    while isinstance((answer := ask_once(path, **headers))[0], str) and time.monotonic() < end:
        time.sleep(0.5)
    return answer


def ask_once(path: str, **headers: str) -> tuple[int | str, bool]:
    """Ask, as `ask` does."""
    headers |= {"Host": host} if host else {}
    request = urllib.request.Request(address + path, headers=headers)  # noqa: S310 - http alone
    try:
        return opener.open(request, timeout=10).status, False
    except urllib.error.HTTPError as error:
        own = f"https://{host or address.partition('//')[2]}{path}"
        return error.code, error.headers.get("Location", "").partition("?")[0] == own
    except OSError as error:
        return str(error), False


for path in paths:
    status, is_itself = ask(path)
    if is_itself:
        # As the ingress asks, where TLS ends; a service that does not believe that redirects for ever.
        status, is_itself = ask(path, **{"X-Forwarded-Proto": "https"})
    print(path, "redirects to itself by HTTPS for ever" if is_itself else status, flush=True)
    failed |= is_itself or not isinstance(status, int) or status >= REFUSAL
sys.exit(failed)
