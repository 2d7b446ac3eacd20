"""Drive a headless Chromium or Firefox that can reach no network, over the protocol that each brings along.

Chromium speaks its DevTools protocol, Firefox WebDriver BiDi: both are JSON over a WebSocket, so neither
needs a driver.
"""

import base64
import json
import re
import shutil
import subprocess
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, Literal

import websocket

__all__ = ["PROGRAMS", "BrowserError", "Page", "browse", "program_of"]

Name = Literal["chromium", "firefox"]

PROGRAMS: Final[Mapping[Name, tuple[str, ...]]] = {
    "chromium": ("chromium", "chromium-browser", "google-chrome", "chrome"),
    "firefox": ("firefox-esr", "firefox"),
}
"""The names under which a system may have each browser."""

_WAIT_S: Final = 60.0
# Every name fails to resolve, and a proxy that does not exist refuses every address.
_NO_PROXY: Final = 9
_CHROMIUM: Final = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars"),
    *("--remote-debugging-port=0", "--remote-allow-origins=*", "--no-first-run"),
    *("--host-resolver-rules=MAP * ~NOTFOUND", f"--proxy-server=127.0.0.1:{_NO_PROXY}"),
)
_FIREFOX: Final = ("--headless", "--new-instance", "--remote-debugging-port=0")
_FIREFOX_SETTINGS: Final[Mapping[str, object]] = {
    "network.proxy.type": 1,
    "network.proxy.http": "127.0.0.1",
    "network.proxy.http_port": _NO_PROXY,
    "network.proxy.ssl": "127.0.0.1",
    "network.proxy.ssl_port": _NO_PROXY,
    "network.proxy.no_proxies_on": "",
    "browser.shell.checkDefaultBrowser": False,
    "datareporting.policy.dataSubmissionEnabled": False,
    "toolkit.telemetry.reportingpolicy.firstRun": False,
}


class BrowserError(RuntimeError):
    """The browser did not start, or refused a command."""


def program_of(name: Name) -> str | None:
    """Where this system has the browser; None without it."""
    return next(filter(None, map(shutil.which, PROGRAMS[name])), None)


class Page(ABC):
    """One page of a running browser.

    Attributes:
        complaints: What the page's console printed, and errors that its scripts did not catch.
    """

    def __init__(self, socket: websocket.WebSocket) -> None:
        self._socket = socket
        self._last = 0
        self.complaints: list[str] = []

    @abstractmethod
    def open(self, path: Path) -> None:
        """Load a file, and wait until it is loaded."""

    @abstractmethod
    def before_load(self, script: str) -> None:
        """Run a script in every page that is opened from now on, before the page's own scripts."""

    @abstractmethod
    def resize(self, width: int, height: int) -> None:
        """Make the window's content so large, in CSS pixels."""

    @abstractmethod
    def pdf(self) -> bytes:
        """The page as printed."""

    @abstractmethod
    def screenshot(self) -> bytes:
        """What the window shows, as PNG."""

    @abstractmethod
    def _evaluate(self, expression: str) -> str:
        """The string that a promise of the page gives."""

    def evaluate(self, expression: str) -> Any:
        """The value of a JavaScript expression as JSON has it; a promise's once it is kept.

        Raises:
            BrowserError: It throws.
        """
        return json.loads(self._evaluate(f"(async () => JSON.stringify((await ({expression})) ?? null))()"))

    def wait_for(self, expression: str, seconds: float = _WAIT_S) -> Any:
        """The value of an expression once it is true.

        Raises:
            BrowserError: It never is.
        """
        until = time.monotonic() + seconds
        while not (value := self.evaluate(expression)):
            if time.monotonic() > until:
                raise BrowserError(f"never true within {seconds:.0f} s: {expression}")
            time.sleep(0.02)
        return value

    @abstractmethod
    def _heed(self, event: Mapping[str, Any]) -> None:
        """Note what an event complains of."""

    def _call(self, method: str, parameters: Mapping[str, Any], **more: Any) -> Any:
        self._last += 1
        self._socket.send(json.dumps({"id": self._last, "method": method, "params": parameters, **more}))
        return self._receive(lambda message: message.get("id") == self._last, method)

    def _receive(self, is_it: Callable[[Mapping[str, Any]], bool], what: str) -> Any:
        while True:
            try:
                message = json.loads(self._socket.recv())
            except (websocket.WebSocketException, OSError) as error:
                raise BrowserError(f"{what}: {error}") from error
            if "id" not in message:
                self._heed(message)
            elif "error" in message:
                raise BrowserError(f"{what}: {message['error']} {message.get('message', '')}")
            if is_it(message):
                return message.get("result")


class _Chromium(Page):
    def __init__(self, socket: websocket.WebSocket) -> None:
        super().__init__(socket)
        self._session = ""
        target = self._send("Target.createTarget", url="about:blank")["targetId"]
        self._session = self._send("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log"):
            self._send(f"{domain}.enable")

    def _send(self, method: str, **parameters: Any) -> Any:
        session = {"sessionId": self._session} if self._session else {}
        return self._call(method, parameters, **session)

    def open(self, path: Path) -> None:
        self._send("Page.navigate", url=path.resolve().as_uri())
        self._receive(lambda message: message.get("method") == "Page.loadEventFired", f"loading {path}")

    def before_load(self, script: str) -> None:
        self._send("Page.addScriptToEvaluateOnNewDocument", source=script)

    def resize(self, width: int, height: int) -> None:
        size = {"width": width, "height": height}
        self._send("Emulation.setDeviceMetricsOverride", **size, deviceScaleFactor=1, mobile=False)

    def pdf(self) -> bytes:
        return base64.b64decode(self._send("Page.printToPDF", printBackground=True)["data"])

    def screenshot(self) -> bytes:
        return base64.b64decode(self._send("Page.captureScreenshot", format="png")["data"])

    def _evaluate(self, expression: str) -> str:
        options = {"awaitPromise": True, "returnByValue": True, "userGesture": True}
        said = self._send("Runtime.evaluate", expression=expression, **options)
        if "exceptionDetails" in said:
            raise BrowserError(f"{expression}: {said['exceptionDetails']}")
        return str(said["result"]["value"])

    def _heed(self, event: Mapping[str, Any]) -> None:
        parameters = event.get("params", {})
        if event["method"] == "Runtime.consoleAPICalled":
            self.complaints.append(" ".join(str(each.get("value", each)) for each in parameters["args"]))
        elif event["method"] == "Runtime.exceptionThrown":
            details = parameters["exceptionDetails"]
            self.complaints.append(details.get("exception", {}).get("description", details["text"]))
        elif event["method"] == "Log.entryAdded":
            self.complaints.append(parameters["entry"]["text"])


class _Firefox(Page):
    def __init__(self, socket: websocket.WebSocket) -> None:
        super().__init__(socket)
        self._send("session.new", capabilities={})
        self._send("session.subscribe", events=["log.entryAdded"])
        (context,) = self._send("browsingContext.getTree")["contexts"]
        self._context = {"context": context["context"]}

    def _send(self, method: str, **parameters: Any) -> Any:
        return self._call(method, parameters)

    def open(self, path: Path) -> None:
        url = path.resolve().as_uri()
        self._send("browsingContext.navigate", **self._context, url=url, wait="complete")

    def before_load(self, script: str) -> None:
        self._send("script.addPreloadScript", functionDeclaration=f"() => {{ {script} }}")

    def resize(self, width: int, height: int) -> None:
        size = {"width": width, "height": height}
        self._send("browsingContext.setViewport", **self._context, viewport=size)

    def pdf(self) -> bytes:
        return base64.b64decode(self._send("browsingContext.print", **self._context)["data"])

    def screenshot(self) -> bytes:
        return base64.b64decode(self._send("browsingContext.captureScreenshot", **self._context)["data"])

    def _evaluate(self, expression: str) -> str:
        said = self._send("script.evaluate", expression=expression, target=self._context, awaitPromise=True)
        if said["type"] != "success":
            raise BrowserError(f"{expression}: {said['exceptionDetails']['text']}")
        return str(said["result"]["value"])

    def _heed(self, event: Mapping[str, Any]) -> None:
        if event["method"] == "log.entryAdded":
            self.complaints.append(str(event["params"]["text"]))


@contextmanager
def browse(name: Name) -> Iterator[Page]:
    """A page of a browser that is started for it, with a profile of its own.

    Raises:
        BrowserError: This system has no such browser, or it does not start.
    """
    program = program_of(name)
    if program is None:
        raise BrowserError(f"no {name} here; as root: apt-get install {PROGRAMS[name][0]}")
    with tempfile.TemporaryDirectory(prefix=f"edgecut-{name}-", ignore_cleanup_errors=True) as folder:
        profile, log = Path(folder) / "profile", Path(folder) / "log"
        profile.mkdir()
        if name == "firefox":
            settings = (f"user_pref({json.dumps(k)}, {json.dumps(v)});" for k, v in _FIREFOX_SETTINGS.items())
            (profile / "user.js").write_text("\n".join(settings), encoding="utf-8")
            command = [program, *_FIREFOX, "--profile", str(profile)]
        else:
            command = [program, *_CHROMIUM, f"--user-data-dir={profile}"]
        with log.open("wb") as output:
            process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=output)
        try:
            address = _address(process, log)
            if name == "firefox":
                address += "/session"
            socket = websocket.create_connection(address, timeout=_WAIT_S, suppress_origin=True)
            try:
                yield (_Firefox if name == "firefox" else _Chromium)(socket)
            finally:
                socket.close()
        finally:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _address(process: "subprocess.Popen[bytes]", log: Path) -> str:
    """The WebSocket that the browser names once it listens."""
    until = time.monotonic() + _WAIT_S
    while process.poll() is None and time.monotonic() < until:
        if found := re.search(r"listening on (ws://\S+)", log.read_text(errors="replace")):
            return found[1]
        time.sleep(0.05)
    last = log.read_text(errors="replace").strip().splitlines()[-1:]
    raise BrowserError(f"{process.args!r} does not listen: {' '.join(last)}")
