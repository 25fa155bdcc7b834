"""Debian packages: resolved by apt, chosen for each platform, downloaded, looked into."""
