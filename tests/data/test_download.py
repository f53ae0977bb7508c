"""Downloads from a real server on this machine that stalls, truncates, lies, refuses and changes its mind."""

import hashlib
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest

from mooring.data import download, store
from mooring.data.download import Limits, Wanted
from mooring.errors import BadInput

CONTENT = np.random.default_rng(0).bytes(3 * 2**20 + 17)
OTHER = np.random.default_rng(1).bytes(len(CONTENT))
SHA256 = "sha256:" + hashlib.sha256(CONTENT).hexdigest()
QUICK = Limits(stall=0.2, retries=2, pause=0.001)
HALF = len(CONTENT) // 2


class Site:
    """A server whose answers, one for each request, are functions of the request; the last one goes on."""

    def __init__(self):
        self.answers, self.ranges = [], []
        site = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                site.ranges.append(self.headers.get("Range"))
                (site.answers.pop(0) if len(site.answers) > 1 else site.answers[0])(self)

            def log_message(self, *words):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.handle_error = lambda *_: None  # clients that hang up are part of the game
        self.url = f"http://127.0.0.1:{self.server.server_port}/data.hdf5"
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()


@pytest.fixture
def site():
    site = Site()
    yield site
    site.server.shutdown()
    site.server.server_close()


def answer(content=CONTENT, *, upto=None, claims=None, tag='"a"', ranges=True, then=None, length=True):
    """Sends `content`, or the part that was asked for, as long as `tag` still is the file's; all or `upto` a byte."""

    def send(request):
        start, asked = 0, request.headers.get("Range")
        if asked and ranges and request.headers.get("If-Range", tag) == tag:
            start = int(asked.removeprefix("bytes=").removesuffix("-"))
            if start >= len(content):
                request.send_response(416)
                request.send_header("Content-Range", f"bytes */{len(content)}")
                return request.end_headers()
            request.send_response(206)
            request.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        else:
            request.send_response(200)
        if tag:
            request.send_header("ETag", tag)
        if length:
            request.send_header("Content-Length", str(claims or len(content) - start))
        request.end_headers()
        request.wfile.write(content[start : len(content) if upto is None else upto])
        return then() if then else None

    return send


def chunked(upto):
    """Sends the content in chunks, without a length; the last one, which is empty, only if all was sent."""

    def send(request):
        request.send_response(200)
        request.send_header("Transfer-Encoding", "chunked")
        request.end_headers()
        for start in range(0, upto, 2**20):
            block = CONTENT[start : min(start + 2**20, upto)]
            request.wfile.write(b"%x\r\n%b\r\n" % (len(block), block))
        if upto == len(CONTENT):
            request.wfile.write(b"0\r\n\r\n")

    return send


def status(code, location=None):
    def send(request):
        request.send_response(code)
        if location:
            request.send_header("Location", location)
        request.send_header("Content-Length", "0")
        request.end_headers()

    return send


def get(site, path, answers, size=None, checksum=None, limits=QUICK):
    site.answers = answers
    return download.download(site.url, Wanted(path, size, checksum), limits)


def stays_absent(path, part=None):
    """Nothing lies at the path, and of its part what is expected."""
    assert not path.exists()
    assert not download.record(path).exists()
    if part is None:
        assert not path.parent.exists() or not list(path.parent.glob(f"{path.name}*"))
    else:
        assert path.with_name(f"{path.name}.part").read_bytes() == part


def landed(path, content=CONTENT):
    assert path.read_bytes() == content
    assert sorted(each.name for each in path.parent.iterdir()) == [path.name, f"{path.name}.sha256"]
    assert download.recorded(path) == hashlib.sha256(content).hexdigest()


@pytest.mark.parametrize(
    "answers",
    [
        [answer()],
        [answer(upto=HALF), answer()],
        [answer(upto=HALF), answer(upto=HALF + 5), answer(upto=HALF + 5), answer()],
        [status(500), status(503), answer()],
        [answer(upto=HALF, ranges=False), answer(ranges=False)],
        [answer(upto=HALF, tag=None), answer(tag=None)],
        [answer(OTHER, upto=HALF, tag='"old"'), answer()],
        [status(302, "/moved"), answer()],
        [status(301, "/moved"), answer(upto=HALF), status(301, "/moved"), answer()],
        [answer(upto=HALF), status(429), answer()],
        [chunked(len(CONTENT))],
        [chunked(HALF), chunked(len(CONTENT))],
    ],
    ids=[
        "at once",
        "breaks off",
        "breaks off often",
        "500, 503, then well",
        "ignores ranges",
        "no ETag",
        "changes between attempts",
        "redirects",
        "redirects, breaks off",
        "asks for patience",
        "sends chunks",
        "sends chunks, breaks off",
    ],
)
@pytest.mark.parametrize("published", [True, False])
def test_what_arrives_in_the_end(site, tmp_path, answers, published):
    known = {"size": len(CONTENT), "checksum": SHA256} if published else {}
    assert get(site, tmp_path / "a" / "data.hdf5", list(answers), **known) == SHA256.removeprefix("sha256:")
    landed(tmp_path / "a" / "data.hdf5")


def test_a_stall_costs_no_bytes(site, tmp_path):
    waits = threading.Event()
    answers = [answer(upto=HALF, then=lambda: waits.wait(5)), answer()]
    get(site, tmp_path / "data.hdf5", answers)
    waits.set()
    landed(tmp_path / "data.hdf5")
    assert site.ranges == [None, f"bytes={HALF}-"]


@pytest.mark.parametrize(
    ("answers", "known", "complaint"),
    [
        ([status(404)], {}, "answered 404 Not Found; name a mirror"),
        ([status(403)], {}, "answered 403"),
        ([status(500)], {}, "answered 500 .*3 times in a row; try later, or name a mirror"),
        ([answer(OTHER)], {"checksum": SHA256}, "its sha256 is .*; expected .*, as published"),
        (
            [answer(OTHER)],
            {"size": len(CONTENT) + 1},
            "the server has 3,145,745 bytes; expected 3,145,746, as published",
        ),
        ([answer(length=False)], {}, "does not say how long"),
        ([answer(length=False, upto=HALF)], {"checksum": SHA256}, "its sha256 is"),
        ([answer(claims=HALF)], {"checksum": SHA256}, "its sha256 is"),
        ([answer(claims=HALF)], {"size": len(CONTENT)}, "the server has"),
        ([status(302, "/again")], {}, "answered 302"),
        ([chunked(HALF)], {}, "IncompleteRead.*3 times in a row; try later"),
    ],
    ids=[
        "404",
        "403",
        "500",
        "wrong bytes",
        "another size",
        "no length",
        "no length, and breaks off",
        "claims less",
        "claims less than is published",
        "redirects in a circle",
        "breaks off its chunks",
    ],
)
def test_what_leaves_nothing(site, tmp_path, answers, known, complaint):
    with pytest.raises(BadInput, match=complaint):
        get(site, tmp_path / "data.hdf5", answers, **known)
    stays_absent(tmp_path / "data.hdf5")


@pytest.mark.parametrize("answers", [[answer(upto=HALF, claims=len(CONTENT)), answer(upto=0)], [answer(upto=HALF)]])
def test_what_breaks_off_for_good_is_kept_and_goes_on_later(site, tmp_path, answers):
    path = tmp_path / "data.hdf5"
    with pytest.raises(
        BadInput, match=r"ended early.*3 times in a row; 1,572,872 bytes are kept; run the same command"
    ):
        get(site, path, answers)
    stays_absent(path, CONTENT[:HALF])
    get(site, path, [answer()])
    landed(path)
    assert site.ranges[-1] == f"bytes={HALF}-"


def test_an_interrupt_leaves_what_can_be_resumed(site, tmp_path):
    def interrupt(have, total):
        if have > HALF:
            raise KeyboardInterrupt

    path, site.answers = tmp_path / "data.hdf5", [answer()]
    with pytest.raises(KeyboardInterrupt):
        download.download(site.url, Wanted(path), QUICK, interrupt)
    left = path.with_name("data.hdf5.part").read_bytes()
    assert HALF < len(left) <= len(CONTENT)
    stays_absent(path, left)
    get(site, path, [answer()])
    landed(path)


def test_a_whole_part_needs_no_more_bytes(site, tmp_path):
    path = tmp_path / "data.hdf5"
    site.answers = [answer()]
    with pytest.raises(KeyboardInterrupt):
        download.download(site.url, Wanted(path), QUICK, lambda have, total: _interrupt_at_end(have))
    get(site, path, [answer()])  # the server answers 416: nothing is left to send
    landed(path)


def _interrupt_at_end(have):
    if have == len(CONTENT):
        raise KeyboardInterrupt


def test_the_first_download_is_trusted_and_later_ones_are_held_to_it(site, tmp_path):
    path = tmp_path / "data.hdf5"
    get(site, path, [answer()])
    get(site, path, [answer()])
    with pytest.raises(BadInput, match=r"as in an earlier download; remove .*data.hdf5.sha256 if you trust"):
        get(site, path, [answer(OTHER, tag='"new"')])
    landed(path)
    download.check(path)
    path.write_bytes(OTHER)
    with pytest.raises(BadInput, match="as when it was downloaded"):
        download.check(path)
    download.record(path).unlink()
    download.check(path)  # put there by hand


def test_a_part_from_another_place_is_not_mixed_in(site, tmp_path):
    path = tmp_path / "data.hdf5"
    with pytest.raises(BadInput):
        get(site, path, [answer(OTHER, upto=HALF)])
    stays_absent(path, OTHER[:HALF])
    site.answers = [answer()]
    download.download(f"{site.url}?mirror", Wanted(path), QUICK)
    landed(path)
    assert site.ranges[-1] is None


def test_two_at_once_do_not_mix(site, tmp_path):
    path, started, go_on = tmp_path / "data.hdf5", threading.Event(), threading.Event()

    def wait(have, total):
        started.set()
        go_on.wait(5)

    site.answers = [answer()]
    first = threading.Thread(target=download.download, args=(site.url, Wanted(path), QUICK, wait))
    first.start()
    started.wait(5)
    with pytest.raises(BadInput, match="is being downloaded by another process"):
        download.download(site.url, Wanted(path), QUICK)
    go_on.set()
    first.join()
    landed(path)


def test_nothing_is_fetched_that_does_not_fit(site, tmp_path):
    with pytest.raises(BadInput, match=r"1,000,000,000,000,000,000 bytes are missing, and .* are free on the disk"):
        get(site, tmp_path / "data.hdf5", [answer(claims=10**18)])
    stays_absent(tmp_path / "data.hdf5")


@pytest.mark.parametrize("url", ["ftp://127.0.0.1/data.hdf5", "file:///etc/hostname", "nowhere"])
def test_only_http_is_spoken(tmp_path, url):
    with pytest.raises(BadInput, match="is not a URL"):
        download.download(url, Wanted(tmp_path / "data.hdf5"))


def test_a_folder_that_can_not_be(site, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(BadInput, match=r"can not be written to .*; name another folder"):
        get(site, tmp_path / "file" / "data.hdf5", [answer()])


def test_nobody_there(site, tmp_path):
    site.server.shutdown()
    site.server.server_close()
    with pytest.raises(BadInput, match=r"Connection refused.*3 times in a row"):
        get(site, tmp_path / "data.hdf5", [answer()])
    stays_absent(tmp_path / "data.hdf5")


def test_a_local_file_is_copied_and_verified_in_the_same_way(tmp_path):
    (tmp_path / "mirror").mkdir()
    (tmp_path / "mirror" / "data.hdf5").write_bytes(CONTENT)
    download.copy(tmp_path / "mirror" / "data.hdf5", Wanted(tmp_path / "own" / "data.hdf5", len(CONTENT), SHA256))
    landed(tmp_path / "own" / "data.hdf5")
    with pytest.raises(BadInput, match="its sha256 is"):
        download.copy(tmp_path / "mirror" / "data.hdf5", Wanted(tmp_path / "data.hdf5", checksum="sha256:0"))
    stays_absent(tmp_path / "data.hdf5")


def test_a_known_name_comes_from_a_mirror(site, tmp_path):
    """NeoRL-2's MD5 is published, so that another file of that name is refused wherever it comes from."""
    site.answers = [answer()]
    with pytest.raises(BadInput, match="the server has 3,145,745 bytes; expected 4,117,923"):
        store.fetch("DMSD-train", tmp_path, site.url.removesuffix("/data.hdf5"), QUICK)
    with pytest.raises(BadInput, match=r"its md5 is .*; expected 6195a3634379f576958440b7e0c8fc53"):
        store.fetch("Simglucose-train", tmp_path, site.url.removesuffix("/data.hdf5"), QUICK)
    path = store.fetch("cube-single-play-v0-val", tmp_path / "own", site.url.removesuffix("/data.hdf5"), QUICK)
    landed(path)
    assert store.fetch("cube-single-play-v0-val", tmp_path / "other", str(path.parent)).name == path.name
    with pytest.raises(BadInput, match=r"has no cube-single-play-v0.npz"):
        store.fetch("cube-single-play-v0", tmp_path, str(tmp_path))


def test_real_data_has_the_published_checksum(real_data, tmp_path):
    """A file of NeoRL-2 passes the check of its published size and MD5."""
    (tmp_path / "DMSD-train.npz").symlink_to(real_data / "neorl2" / "DMSD-high-100000-train.npz")
    assert store.fetch("DMSD-train", tmp_path / "own", str(tmp_path)).stat().st_size == 4117923
