"""Ask a service for pages; arguments: its address, a host name or an empty string, and the paths."""

import sys
import urllib.error
import urllib.request

REFUSAL = 400
"""The first HTTP status that is no success."""


class Staying(urllib.request.HTTPRedirectHandler):
    """Takes a redirection for the answer that it is."""

    def redirect_request(self, *_: object) -> None:
        """Follow none."""


address, host, *paths = sys.argv[1:]
opener = urllib.request.build_opener(Staying, urllib.request.ProxyHandler({}))
failed = False
for path in paths:
    request = urllib.request.Request(address + path, headers={"Host": host} if host else {})  # noqa: S310 - http alone
    try:
        status: int | str = opener.open(request, timeout=10).status
    except urllib.error.HTTPError as error:
        status = error.code
    except OSError as error:
        status = str(error)
    print(path, status, flush=True)
    failed |= not isinstance(status, int) or status >= REFUSAL
sys.exit(failed)
