"""Take docs/images/: every page, light and dark, from a running product (`make screenshots`).

Usage: python docs/screenshots.py [URL]; without a URL the product is started on the default workspace.
"""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

IMAGES = Path(__file__).resolve().parent / "images"
READY = '[data-testid="stApp"][data-test-script-state="notRunning"]'
PAGES = {
    "overview": "",
    "lifecycle": "lifecycle",
    "stages": "stages",
    "funnel": "funnel",
    "retention": "retention",
    "churn": "churn",
    "value": "value",
    "cohorts": "cohorts",
    "user": "user",
    "training": "training",
    "data": "data",
    "data-quality": "data?section=quality",
}
LARGEST_HEIGHT = 2400


@contextmanager
def running_product() -> Iterator[str]:
    """Start the product as `make run` does; yield its address."""
    process = subprocess.Popen([sys.executable, "-m", "ulm_core", "start"], stdout=subprocess.PIPE, text=True)
    try:
        lines = process.stdout or []
        yield next(line.split("is open at")[1].strip() for line in lines if "is open at" in line)
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(60)


def take(browser: Browser, url: str, name: str, theme: str, language: str = "en") -> None:
    """Take one picture of one page, as high as the page is."""
    scheme = "dark" if theme == "dark" else "light"
    page = browser.new_page(viewport={"width": 1440, "height": 1000}, color_scheme=scheme, locale="en-US")
    path = PAGES[name]
    page.goto(f"{url}/{path}{'&' if '?' in path else '?'}lang={language}")
    page.wait_for_selector(READY, timeout=120_000)
    page.wait_for_timeout(2_500)
    page.wait_for_selector(READY, timeout=120_000)
    height = page.evaluate("document.querySelector('[data-testid=\"stMain\"]').scrollHeight")
    page.set_viewport_size({"width": 1440, "height": min(int(height), LARGEST_HEIGHT)})
    page.wait_for_timeout(1_500)
    suffix = "" if language == "en" else f"-{language}"
    page.screenshot(path=IMAGES / f"{name}-{theme}{suffix}.png")
    page.close()


def take_all(url: str) -> None:
    """Take every page in both themes, and the overview in Chinese."""
    IMAGES.mkdir(exist_ok=True)
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=chromium, args=["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"]
        )
        for name in PAGES:
            for theme in ("light", "dark"):
                take(browser, url, name, theme)
                print(f"docs/images/{name}-{theme}.png")
        take(browser, url, "overview", "light", "zh")
        browser.close()


if __name__ == "__main__":
    if len(sys.argv) > 1:
        take_all(sys.argv[1])
    else:
        with running_product() as address:
            take_all(address)
