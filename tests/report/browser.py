"""A headless Chromium that tests drive through a pipe, by the DevTools protocol: no package is needed for that."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import subprocess
import sys
from base64 import b64decode
from pathlib import Path
from typing import Any

FOUND = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
FLAGS = ("--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--remote-debugging-pipe")
WIRED = (
    "import os, sys; os.dup2(int(sys.argv[1]), 3); os.dup2(int(sys.argv[2]), 4); os.execv(sys.argv[3], sys.argv[3:])"
)
"""A browser reads its commands from file 3, and answers on file 4."""


class Browser:
    """One page of a browser. `complaints` holds all that it logged as error or warning. A context manager."""

    def __init__(self, profile: Path) -> None:
        assert FOUND
        to_browser, self._out = os.pipe()
        self._in, from_browser = os.pipe()
        ends = [fcntl.fcntl(end, fcntl.F_DUPFD, 10) for end in (to_browser, from_browser)]
        browser = [FOUND, *FLAGS, f"--user-data-dir={profile}", "about:blank"]
        words = [sys.executable, "-c", WIRED, *map(str, ends), *browser]
        quiet = subprocess.DEVNULL
        self._process = subprocess.Popen(words, pass_fds=ends, stderr=quiet, stdout=quiet)
        for end in (to_browser, from_browser, *ends):
            os.close(end)
        self._count, self._unread, self._session = 0, b"", None
        self.complaints: list[str] = []
        self.requests: list[str] = []
        (page,) = [each for each in self("Target.getTargets")["targetInfos"] if each["type"] == "page"]
        self._session = self("Target.attachToTarget", targetId=page["targetId"], flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self(f"{domain}.enable")

    def __enter__(self) -> Browser:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait(10)
        os.close(self._in)
        os.close(self._out)

    def __call__(self, method: str, **parameters: Any) -> dict[str, Any]:
        """One command of the protocol, and its result."""
        self._count += 1
        message = {"id": self._count, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._out, json.dumps(message).encode() + b"\0")
        while (answer := self._read()).get("id") != self._count:
            self._note(answer)
        assert "error" not in answer, answer
        return answer["result"]

    def open(self, file: Path, width: int = 1200, height: int = 900, dark: bool = False) -> None:
        """Shows a file, on a screen of that size."""
        self("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 600)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self("Emulation.setEmulatedMedia", features=[scheme])
        self("Page.navigate", url=file.resolve().as_uri())
        while (event := self._read()).get("method") != "Page.loadEventFired":
            self._note(event)

    def ask(self, expression: str) -> Any:
        """What an expression of JavaScript is on the page."""
        answer = self("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def press(self, key: str) -> None:
        code = {"Tab": 9, "Enter": 13, " ": 32}.get(key, 0)
        text = {"text": {"Enter": "\r"}.get(key, key)} if key in ("Enter", " ") else {}
        self("Input.dispatchKeyEvent", type="keyDown", key=key, windowsVirtualKeyCode=code, **text)
        self("Input.dispatchKeyEvent", type="keyUp", key=key, windowsVirtualKeyCode=code)

    def point(self, selector: str, across: float = 0.5, down: float = 0.5, how: str = "mouse") -> None:
        """Moves the mouse over an element, clicks it ("click"), or touches it ("touch"), at a share of its size."""
        box = f"document.querySelector({selector!r})"
        self.ask(f"{box}.scrollIntoView({{block: 'center', behavior: 'instant'}})")
        x, y, width, height = self.ask(f"(b => [b.x, b.y, b.width, b.height])({box}.getBoundingClientRect())")
        place = {"x": x + across * width, "y": y + down * height}
        if how == "touch":
            self("Input.dispatchTouchEvent", type="touchStart", touchPoints=[place])
            self("Input.dispatchTouchEvent", type="touchEnd", touchPoints=[])
            return
        self("Input.dispatchMouseEvent", type="mouseMoved", **place)
        for kind in ("mousePressed", "mouseReleased") if how == "click" else ():
            self("Input.dispatchMouseEvent", type=kind, button="left", clickCount=1, **place)

    def screenshot(self, file: Path) -> None:
        file.write_bytes(b64decode(self("Page.captureScreenshot")["data"]))

    def _read(self) -> dict[str, Any]:
        while b"\0" not in self._unread:
            part = os.read(self._in, 2**16)
            assert part, "the browser has gone"
            self._unread += part
        message, _, self._unread = self._unread.partition(b"\0")
        return json.loads(message)

    def _note(self, event: dict[str, Any]) -> None:
        method, parameters = event.get("method"), event.get("params", {})
        if method == "Runtime.exceptionThrown":
            self.complaints.append(parameters["exceptionDetails"]["text"])
        if method == "Log.entryAdded":
            self.complaints.append(parameters["entry"]["text"])
        if method == "Runtime.consoleAPICalled":
            self.complaints.append(f"console.{parameters['type']}")
        if method == "Network.requestWillBeSent":
            self.requests.append(parameters["request"]["url"])
