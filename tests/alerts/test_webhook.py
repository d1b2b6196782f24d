"""Webhooks: which addresses are allowed, and what is sent where."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

from ulm_core.alerts import webhook
from ulm_core.errors import InputError, UlmError
from ulm_core.settings import get_settings


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "127.8.8.8", "0.0.0.0", "10.0.0.1", "172.16.5.5", "192.168.1.1", "169.254.169.254", "100.64.0.1",
        "224.0.0.1", "255.255.255.255", "::1", "::", "fe80::1", "fe80::1%eth0", "fc00::1", "ff02::1",
        "::ffff:127.0.0.1", "::ffff:10.0.0.1", "64:ff9b::7f00:1", "2002:7f00:1::", "192.0.2.1", "198.18.0.1",
    ],
)  # fmt: skip
def test_addresses_that_are_not_for_everybody(address: str) -> None:
    assert not webhook.is_public(address)


@pytest.mark.parametrize("address", ["8.8.8.8", "1.1.1.1", "2606:4700:4700::1111", "::ffff:8.8.8.8"])
def test_public_addresses(address: str) -> None:
    assert webhook.is_public(address)


@pytest.mark.parametrize(
    "url",
    [
        "", "example.org", "ftp://example.org/x", "file:///etc/passwd", "gopher://example.org", "https://",
        "https://user@example.org", "https://user:pass@example.org/", "http://example.org:99999/", "http://[::1",
        "http://example.org/a b", "http://example.org/\r\nHost: x", "javascript:alert(1)", "http://example.org:0/",
    ],
)  # fmt: skip
def test_what_is_no_webhook(url: str) -> None:
    with pytest.raises(InputError):
        webhook.split_address(url)


@pytest.mark.parametrize(
    "url",
    ["http://127.0.0.1/x", "http://localhost:8501", "http://[::1]/", "http://2130706433/", "http://0x7f.1/",
     "http://169.254.169.254/latest/meta-data", "https://[::ffff:127.0.0.1]/"],
)  # fmt: skip
def test_private_addresses_are_refused_in_every_spelling(url: str) -> None:
    with pytest.raises(InputError) as caught:
        webhook.post(url, {})
    assert "private" in str(caught.value) or "not known" in str(caught.value)


def test_one_private_address_among_many_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    def two(*_: object, **__: object) -> list[tuple[Any, ...]]:
        return [(2, 1, 6, "", ("8.8.8.8", 443)), (2, 1, 6, "", ("10.0.0.7", 443))]

    monkeypatch.setattr(socket, "getaddrinfo", two)
    with pytest.raises(InputError, match="private"):
        webhook.resolve(webhook.split_address("https://example.org/hook"))


@pytest.fixture
def receiver(settings_environment: pytest.MonkeyPatch) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """Return the address of a server on this machine, which the setting allows, and what it received."""
    settings_environment.setenv("ULM_WEBHOOK_PRIVATE_ADDRESSES", "true")
    settings_environment.setenv("ULM_WEBHOOK_TIMEOUT_SECONDS", "2")
    get_settings.cache_clear()
    received: list[dict[str, Any]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            received.append({"path": self.path, "host": self.headers["Host"], "body": json.loads(body)})
            self.send_response(302 if self.path.startswith("/moved") else 204)
            self.send_header("Location", "http://127.0.0.1:9/")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            return None

    server = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", received
    server.shutdown()
    server.server_close()


def test_a_message_arrives_and_a_redirect_is_not_followed(receiver: tuple[str, list[dict[str, Any]]]) -> None:
    url, received = receiver
    assert webhook.post(f"{url}/hook?token=1", {"alert": "多"}) == 204
    assert webhook.post(f"{url}/moved", {}) == 302
    assert received[0]["path"] == "/hook?token=1"
    assert received[0]["body"] == {"alert": "多"}
    assert len(received) == 2


def test_a_dead_host_is_named_without_the_rest_of_the_address(receiver: tuple[str, list[dict[str, Any]]]) -> None:
    with pytest.raises(UlmError) as caught:
        webhook.post("http://127.0.0.1:9/secret-token", {})
    assert "127.0.0.1" in str(caught.value)
    assert "secret-token" not in str(caught.value)


def test_the_secret_part_is_never_shown() -> None:
    assert webhook.masked("https://hooks.example.org/T0/secret") == "https://hooks.example.org/…"
    assert webhook.masked("") == ""
