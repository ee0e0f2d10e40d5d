"""The app in a real browser: a server of its own over a warehouse, and Chromium that reports what leaves the machine."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

REPO = Path(__file__).parents[2]
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--disable-quic",
)


def chromium() -> str | None:
    """Where Chromium is, if anywhere."""
    named = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    return named if named and Path(named).exists() else None


@contextmanager
def server(root: Path, folder: Path, reports: str = 'time_zone = "Europe/Rome"') -> Iterator[str]:
    """`streamlit run app` over a data root, from another working directory; its address."""
    config = folder / "callfacts.toml"
    config.write_text(f"[storage]\nroot = '{root}'\n[reports]\n{reports}\n")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("CALLFACTS_", "STREAMLIT_"))}
    with (folder / "server.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "streamlit", "run", str(REPO / "app"), "--server.port", str(port)],
            cwd=folder,
            env=environ | {"CALLFACTS_CONFIG": str(config), "PYTHONFAULTHANDLER": "1"},
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    try:
        address = f"http://127.0.0.1:{port}"
        _wait_until_healthy(address, process, folder / "server.log")
        yield address
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGABRT)  # its log then says where each thread hung
            process.wait(10)
            print((folder / "server.log").read_text(errors="replace")[-6000:])


def _wait_until_healthy(address: str, process: "subprocess.Popen[bytes]", log: Path) -> None:
    for _ in range(300):
        if process.poll() is not None:
            raise RuntimeError(f"the app ended at once: {log.read_text(errors='replace')}")
        try:
            with urllib.request.urlopen(f"{address}/_stcore/health", timeout=2) as reply:
                if reply.status == 200:
                    return
        except OSError:
            time.sleep(0.1)
    raise RuntimeError(f"the app did not come up: {log.read_text(errors='replace')}")


class Watched:
    """A browser page and what it did: errors, and requests that left the machine."""

    def __init__(self, context, address):
        self.address = address
        self.page = context.new_page()
        self.errors = []
        self.outside = []
        self.page.on("console", self._said)
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("request", lambda request: self._asked(request.url))
        self.page.on("websocket", lambda socket: self._asked(socket.url))

    def _said(self, message):
        # under a page's own address Streamlit looks for its server there first
        if message.type == "error" and "/_stcore/" not in str(message.location):
            self.errors.append(message.text)

    def _asked(self, url):
        if not url.startswith((self.address, self.address.replace("http", "ws", 1), "data:", "blob:", "about:")):
            self.outside.append(url)

    def open(self, path="/"):
        self.page.goto(self.address + path)
        self.settle()
        return self

    def settle(self):
        """Wait until the script has run and everything stands."""
        self.page.wait_for_selector('[data-testid="stMain"] h1', timeout=60_000)
        self.page.wait_for_selector('[data-testid="stApp"][data-test-script-state="notRunning"]', timeout=60_000)
        self.page.wait_for_timeout(250)
        self.page.wait_for_selector('[data-testid="stApp"][data-test-script-state="notRunning"]', timeout=60_000)
        self.page.wait_for_function("() => !document.querySelector('[data-testid=\"stSkeleton\"]')", timeout=60_000)

    def figure(self, label, after=None):
        """The value of the tile with that label; with `after`, once it is another, or after half a minute."""
        tile = self.page.locator('[data-testid="stMetric"]').filter(has=self.page.get_by_text(label, exact=True)).first
        value = tile.locator('[data-testid="stMetricValue"]')
        give_up = time.monotonic() + 30
        while (found := value.inner_text().strip()) == after and time.monotonic() < give_up:
            self.page.wait_for_timeout(100)
        return found
