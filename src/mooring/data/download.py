"""Downloads that resume, verify and land whole, or end with one clear complaint.

A file is fetched into NAME.part, with what tells it apart (its URL and ETag) in NAME.part.json, and takes its name only
when its size and checksum are right. Its SHA-256 is then recorded in NAME.sha256, in the form that `sha256sum -c`
reads: where nobody published a checksum, the first download is trusted, and later ones and loads are held to it.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from typing import BinaryIO
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

from mooring import __version__
from mooring.data.landing import landing, sync
from mooring.errors import BadInput

BLOCK = 2**20
PASSING = (408, 425, 429, 500, 502, 503, 504)  # statuses that may be gone at the next attempt
RESUMES = "run the same command again: it goes on from there"

Told = Callable[[int, int | None], None]
"""Is told how many bytes are there, and of how many, where that is known."""


@dataclass(frozen=True)
class Limits:
    """How long to wait for the next byte, how many attempts in a row may bring nothing, and seconds between them.

    The pause doubles with each attempt in vain.
    """

    stall: float = 30.0
    retries: int = 4
    pause: float = 0.5


@dataclass(frozen=True)
class Wanted:
    """A file to be had: where it will lie, and what was published of it."""

    path: Path
    size: int | None = None
    checksum: str | None = None  # as in "sha256:..." or "md5:..."


@dataclass
class Part:
    """What there is of a file so far; this process alone writes to it."""

    path: Path
    file: BinaryIO
    origin: Path

    @property
    def size(self) -> int:
        return self.file.tell()

    def write(self, block: bytes) -> None:
        try:
            self.file.write(block)
        except OSError as error:
            raise BadInput(str(self.path), f"could not be written ({error})", fix=RESUMES) from error

    def clear(self) -> None:
        self.file.seek(0)
        self.file.truncate()

    def discard(self) -> None:
        self.path.unlink()
        self.origin.unlink(missing_ok=True)


def download(url: str, wanted: Wanted, limits: Limits = Limits(), told: Told = lambda have, total: None) -> str:
    """Brings what lies at a URL (http or https) to its place, and returns its SHA-256 in hex.

    It goes on from what an earlier attempt left where the server (by ETag or date) or a published checksum can tell
    that it is still the same file. Raises BadInput where the server refuses, stalls or breaks off time and again, says
    another size, or sends other bytes; where the disk is too small; and where another process is downloading the file.
    """
    if urlsplit(url).scheme not in ("http", "https"):
        raise BadInput(url, "is not a URL", "one that begins with http:// or https://")
    with _part(wanted.path) as part:
        _fetch(url, part, wanted, limits, told)
        return _land(part, wanted, url)


def copy(source: Path, wanted: Wanted, told: Told = lambda have, total: None) -> str:
    """Brings a local file to its place as `download` does; returns its SHA-256 in hex."""
    total = source.stat().st_size
    with _part(wanted.path) as part, source.open("rb") as file:
        part.clear()
        _check_space(part, total)
        while block := file.read(BLOCK):
            part.write(block)
            told(part.size, total)
        return _land(part, wanted, str(source))


def record(path: Path) -> Path:
    """Where the SHA-256 that a download saw is kept."""
    return path.with_name(f"{path.name}.sha256")


def recorded(path: Path) -> str | None:
    """The SHA-256, in hex, that a download of this file saw; None where none was recorded."""
    try:
        return record(path).read_text(encoding="utf-8").split()[0]
    except (FileNotFoundError, IndexError):
        return None


def check(path: Path) -> None:
    """Raises BadInput where a file is not the one that was downloaded. A file that was put there by hand passes."""
    expected = recorded(path)
    if expected and (found := digest(path)) != expected:
        fix = f"download it again, or remove {record(path).name} if this file is the right one"
        raise BadInput(str(path), f"its SHA-256 is {found}", f"{expected}, as when it was downloaded", fix)


def digest(path: Path, algorithm: str = "sha256") -> str:
    """The checksum of a file in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, algorithm).hexdigest()


@contextmanager
def _part(path: Path) -> Iterator[Part]:
    """The part of a file, at its end; none is left that is empty. Raises BadInput where another process holds it."""
    import fcntl  # of POSIX alone; reading data does not need it

    place = path.with_name(f"{path.name}.part")
    while True:
        with _opened(place) as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise BadInput(str(path), "is being downloaded by another process", fix="wait for it") from error
            if _is_at(file, place):  # else its last holder has just renamed it
                part = Part(place, file, path.with_name(f"{path.name}.part.json"))
                try:
                    yield part
                finally:
                    if not part.size and _is_at(file, place):
                        part.discard()
                return


def _opened(place: Path) -> BinaryIO:
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        return place.open("ab")
    except OSError as error:
        raise BadInput(
            str(place.parent), f"can not be written to ({error.strerror})", fix="name another folder"
        ) from error


def _is_at(file: BinaryIO, place: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(file.fileno()), place.stat())
    except FileNotFoundError:
        return False


def _fetch(url: str, part: Part, wanted: Wanted, limits: Limits, told: Told) -> None:
    """Attempts until the part is whole, or until several in a row brought nothing new."""
    if _origin(part).get("url") != url:
        part.clear()
    in_vain, furthest = 0, part.size
    while True:
        try:
            if _attempt(url, part, wanted, limits, told):
                return
            trouble = f"the connection ended early, at {part.size:,} bytes"
        except (OSError, HTTPException) as error:
            trouble = _described(error, limits)
        in_vain = 0 if part.size > furthest else in_vain + 1
        furthest = max(furthest, part.size)
        if in_vain > limits.retries:
            _forget_unknown(part, wanted)
            kept, fix = (
                (f"; {part.size:,} bytes are kept", RESUMES) if part.size else ("", "try later, or name a mirror")
            )
            raise BadInput(url, f"{trouble}, {in_vain} times in a row{kept}", fix=fix)
        time.sleep(limits.pause * 2**in_vain)


def _described(error: Exception, limits: Limits) -> str:
    reason = getattr(error, "reason", error)
    if isinstance(reason, TimeoutError):
        return f"nothing came for {limits.stall:g} s"
    return f"failed ({reason or type(error).__name__})"


def _attempt(url: str, part: Part, wanted: Wanted, limits: Limits, told: Told) -> bool:
    """One request, for what is still missing. Whether the part is whole now."""
    if wanted.size is not None and part.size >= wanted.size:
        if part.size == wanted.size:
            return True
        part.clear()
    _forget_unknown(part, wanted)
    headers, validator = {"User-Agent": f"mooring/{__version__}"}, _origin(part).get("validator")
    if part.size:
        headers["Range"] = f"bytes={part.size}-"
        headers |= {"If-Range": validator} if validator else {}
    try:
        with urlopen(Request(url, headers=headers), timeout=limits.stall) as response:
            return _receive(url, response, part, wanted, told)
    except HTTPError as error:
        with error:
            return _refused(url, error, part)


def _forget_unknown(part: Part, wanted: Wanted) -> None:
    """Clears a part of which nothing could tell whether the rest is of the same file."""
    if not _origin(part).get("validator") and not wanted.checksum:
        part.clear()


def _receive(url: str, response: HTTPResponse, part: Part, wanted: Wanted, told: Told) -> bool:
    validator = _validator(response)
    start, total = _span(response)
    known = _origin(part).get("validator")
    if start and (start != part.size or (validator and known and validator != known)):
        part.clear()
        raise HTTPException("the server sent another part than was asked for")
    if start == 0:
        part.clear()
    if total is not None and wanted.size is not None and total != wanted.size:
        raise BadInput(url, f"the server has {total:,} bytes", f"{wanted.size:,}, as published", "name a mirror")
    if total is None and wanted.size is None and not wanted.checksum and "chunked" not in _encoding(response):
        raise BadInput(url, "the server does not say how long the file is, so it can not be told when it is whole")
    total = wanted.size if total is None else total
    _check_space(part, total)
    part.origin.write_text(json.dumps({"url": url, "validator": validator}))
    while block := response.read1(BLOCK):
        part.write(block)
        told(part.size, total)
    return total is None or part.size >= total


def _encoding(response: HTTPResponse) -> str:
    return response.headers.get("Transfer-Encoding", "").lower()


def _span(response: HTTPResponse) -> tuple[int, int | None]:
    """Which byte the response begins with, and how long the whole file is."""
    length = response.headers.get("Content-Length", "")
    if response.status != 206:
        return 0, int(length) if length.isdigit() else None
    span = re.fullmatch(r"bytes (\d+)-(\d+)/(\d+|\*)", response.headers.get("Content-Range", ""))
    if not span:
        raise HTTPException("the server sent a part, and does not say which")
    return int(span[1]), int(span[2]) + 1 if span[3] == "*" else int(span[3])


def _validator(response: HTTPResponse) -> str | None:
    """What tells this file from another at the same URL: a strong ETag, else its date."""
    tag = response.headers.get("ETag")
    return tag if tag and not tag.startswith("W/") else response.headers.get("Last-Modified")


def _refused(url: str, error: HTTPError, part: Part) -> bool:
    """What a status of 400 and above means: the part is whole already, or the attempt failed, or all will."""
    if error.code == 416:
        total = re.fullmatch(r"bytes \*/(\d+)", error.headers.get("Content-Range", ""))
        if total and int(total[1]) == part.size:
            return True
        part.clear()
    elif error.code not in PASSING:
        fix = "name a mirror: a folder or another URL" if error.code in (404, 410) else ""
        raise BadInput(url, f"the server answered {error.code} {error.reason}", fix=fix) from error
    raise HTTPException(f"the server answered {error.code} {error.reason}")


def _origin(part: Part) -> dict[str, str | None]:
    """Where the part is from: its url, and the validator of its file."""
    try:
        return dict(json.loads(part.origin.read_text()))
    except (FileNotFoundError, ValueError):
        return {}


def _check_space(part: Part, total: int | None) -> None:
    free = shutil.disk_usage(part.path.parent).free
    if total is not None and total - part.size > free:
        found = f"{total - part.size:,} bytes are missing, and {free:,} are free on the disk"
        raise BadInput(str(part.path.parent), found, fix="make room, or name another folder")


def _land(part: Part, wanted: Wanted, source: str) -> str:
    """Gives a part that is right its name; removes one that is not."""
    part.file.flush()
    os.fsync(part.file.fileno())
    found = digest(part.path)
    if wrong := _difference(part, wanted, found):
        part.discard()
        raise BadInput(source, *wrong)
    with landing(record(wanted.path)) as seen:
        seen.write_text(f"{found}  {wanted.path.name}\n", encoding="utf-8")
    part.path.replace(wanted.path)
    part.origin.unlink(missing_ok=True)
    sync(wanted.path.parent)
    return found


def _difference(part: Part, wanted: Wanted, found: str) -> tuple[str, str, str] | None:
    """How a whole part differs from what is known of its file: found, expected, fix."""
    if wanted.size is not None and part.size != wanted.size:
        return f"sent {part.size:,} bytes", f"{wanted.size:,}, as published", "name a mirror"
    if wanted.checksum:
        algorithm, _, expected = wanted.checksum.partition(":")
        own = digest(part.path, algorithm)
        if own != expected:
            return f"its {algorithm} is {own}", f"{expected}, as published", "try again, or name a mirror"
    earlier = recorded(wanted.path)
    if earlier and earlier != found:
        fix = f"remove {record(wanted.path)} if you trust the new file"
        return f"its sha256 is {found}", f"{earlier}, as in an earlier download", fix
    return None
