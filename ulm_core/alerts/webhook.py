"""Posting a message to an address a reader chose, without letting it reach what only this machine can.

The host is looked up once, every address it has must be public, and the connection goes to one of exactly those: a
name that changes its address in between (DNS rebinding) gains nothing. Redirects are not followed, what the
server answers is not read, and no proxy of the environment is used.
"""

from __future__ import annotations

import http.client
import ipaddress
import json
import socket
import ssl
from collections.abc import Mapping
from typing import Any
from urllib.parse import SplitResult, urlsplit

from ulm_core.errors import InputError, UlmError
from ulm_core.messages import N_
from ulm_core.settings import get_settings

PORTS = {"http": 80, "https": 443}
_TRANSLATED = ipaddress.ip_network("64:ff9b::/96")  # an IPv4 address in the clothes of IPv6 (NAT64)


def is_public(address: str) -> bool:
    """Whether an IP address can be reached by anybody: not private, loopback, link-local, multicast or reserved."""
    ip = ipaddress.ip_address(address.split("%")[0])
    if isinstance(ip, ipaddress.IPv6Address):
        inner = ip.ipv4_mapped or ip.sixtofour or (ip.teredo[1] if ip.teredo else None)
        if inner is not None or ip in _TRANSLATED:
            return inner is not None and is_public(str(inner))
    return ip.is_global and not ip.is_multicast


def split_address(url: str) -> SplitResult:
    """Return the parts of a webhook's address.

    Raises
    ------
    InputError
        When it is not ``http://`` or ``https://`` with a host, or carries a user name or password.
    """
    try:
        parts = urlsplit(url.strip())
        port = parts.port
    except ValueError as error:
        raise InputError(N_("This is not a web address.")) from error
    if parts.scheme not in PORTS or not parts.hostname:
        raise InputError(N_("A webhook begins with https:// or http:// and names a host."))
    if parts.username is not None or parts.password is not None or any(sign in url for sign in "\r\n\t "):
        raise InputError(N_("A webhook holds no user name, password or blank."))
    return parts if port != 0 else _no_port()


def _no_port() -> SplitResult:
    raise InputError(N_("This is not a web address."))


def resolve(parts: SplitResult) -> list[str]:
    """Return the addresses of a host, all of them allowed.

    Raises
    ------
    InputError
        When the host is unknown or any of its addresses is not public.
    """
    port = parts.port or PORTS[parts.scheme]
    try:
        found = socket.getaddrinfo(parts.hostname, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise InputError(N_("The host {host} is not known."), host=parts.hostname) from error
    addresses = list(dict.fromkeys(str(entry[4][0]) for entry in found))
    if not get_settings().webhook_private_addresses and not all(map(is_public, addresses)):
        raise InputError(
            N_("{host} is a private address. An administrator can allow those (webhook_private_addresses)."),
            code="private_address",
            host=parts.hostname,
        )
    return addresses


def masked(url: str) -> str:
    """Return scheme and host of an address: the rest may be a secret of the receiving service."""
    try:
        parts = split_address(url)
    except InputError:
        return ""
    return f"{parts.scheme}://{parts.hostname}/…"


def _connection(parts: SplitResult, address: str, timeout: float) -> http.client.HTTPConnection:
    port = parts.port or PORTS[parts.scheme]
    raw = socket.create_connection((address, port), timeout)
    connection = http.client.HTTPConnection(str(parts.hostname), port, timeout=timeout)
    if parts.scheme == "https":
        raw = ssl.create_default_context().wrap_socket(raw, server_hostname=parts.hostname)
    connection.sock = raw
    return connection


def post(url: str, message: Mapping[str, Any]) -> int:
    """Post a message as JSON and return the status the server answered.

    Raises
    ------
    InputError
        When the address is not allowed.
    UlmError
        When the host cannot be reached in time.
    """
    parts = split_address(url)
    address, timeout = resolve(parts)[0], get_settings().webhook_timeout_seconds
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    body = json.dumps(message, ensure_ascii=False).encode()
    headers = {"Content-Type": "application/json; charset=utf-8", "User-Agent": "ULM-Studio"}
    try:
        connection = _connection(parts, address, timeout)
        try:
            connection.request("POST", path, body, headers)
            return connection.getresponse().status
        finally:
            connection.close()
    except (OSError, http.client.HTTPException, ValueError) as error:
        # The reason only: the text of some errors repeats the address.
        raise UlmError(
            N_("{host} could not be reached: {reason}."), code="webhook", host=parts.hostname,
            reason=type(error).__name__,
        ) from error  # fmt: skip
