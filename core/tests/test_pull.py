"""`vitrail pull` against a server on this machine that misbehaves in every way that servers do."""

from __future__ import annotations

import hashlib
import io
import re
import signal
import socket
import subprocess
import sys
import threading
import time
import zipfile
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from vitrail import cache, loading, pulling
from vitrail.component import write_config
from vitrail.errors import BrokenError, NotInstalledError, UsageError
from vitrail.specs import ComponentSpec, Weights

FAKE = "vitrail.testing.fake_components"


@dataclass
class Shop:
    """What the server gives, and what it was asked for.

    cuts: for each request in turn, how many bytes are sent before the line goes dead; None for all of them.
    asked: the Range header of each request, "" where there was none. sent: bytes of each answer.
    """

    content: bytes = b""
    ranges: bool = True
    status: list[int] = field(default_factory=list)
    cuts: list[int | None] = field(default_factory=list)
    stall: bool = False
    asked: list[str] = field(default_factory=list)
    sent: list[int] = field(default_factory=list)
    url: str = ""


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        shop: Shop = self.server.shop
        wanted = self.headers.get("Range", "")
        shop.asked.append(wanted)
        shop.sent.append(0)
        turn = len(shop.sent) - 1
        if shop.status:
            self.send_error(shop.status.pop(0))
            return
        start = int(re.fullmatch(r"bytes=(\d+)-", wanted)[1]) if wanted and shop.ranges else 0
        if start >= len(shop.content):
            self.send_error(416)
            return
        body = shop.content[start:]
        self.send_response(206 if wanted and shop.ranges else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        cut = shop.cuts.pop(0) if shop.cuts else None
        self.wfile.write(body[:cut])
        self.wfile.flush()
        shop.sent[turn] = len(body[:cut])
        while shop.stall and cut is not None and not self.server.closing.wait(0.05):
            pass
        if cut is not None:
            self.connection.shutdown(socket.SHUT_RDWR)

    def log_message(self, *_: object) -> None: ...


@pytest.fixture
def shop():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    server.closing = threading.Event()
    server.shop = Shop(url=f"http://127.0.0.1:{server.server_port}/weights.zip")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server.shop
    server.closing.set()
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("VITRAIL_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(pulling, "PAUSE", 0.001)
    monkeypatch.setattr(sys, "stdin", io.StringIO())


def archive(**files: str) -> bytes:
    """A zip archive; the padding makes it larger than the blocks in which it is read."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as written:
        for name, text in files.items():
            written.writestr(name, text)
        written.writestr("padding", bytes(2 * pulling.CHUNK + 12_345))
    return buffer.getvalue()


@pytest.fixture
def spec(shop, tmp_path, plugin, use):
    """A component whose weights are a zip archive of a folder that save_pretrained wrote."""
    plain = ComponentSpec(id="remote/one", kind="segmenter", target=f"{FAKE}:FakeSegmenter", summary="one")
    (tmp_path / "saved").mkdir()
    from vitrail.testing.fake_components import FakeConfig

    config = write_config(tmp_path / "saved", FakeConfig(thresholds=(10, 20)), plain)
    shop.content = archive(**{"config.json": config.read_text()})
    return offer(shop, plain, plugin, use)


def offer(shop, spec, plugin, use, **changes):
    weights = Weights(
        url=shop.url,
        sha256=hashlib.sha256(shop.content).hexdigest(),
        size=len(shop.content),
        licence="for research only",
    )
    offered = replace(spec, weights=replace(weights, **changes))
    use(plugin("remote", components=[offered]))
    return offered


def pull(spec):
    return pulling.pull_weights(spec, accept_licence=True)


def leftovers():
    """Everything in the cache except finished weights, by name."""
    folder = cache.cache_folder()
    finished = {p.parent for p in folder.rglob("config.json")}
    files = (p for p in folder.rglob("*") if p.is_file())
    return sorted(p.name for p in files if not finished & set(p.parents))


def test_a_complete_download_is_kept_and_loaded(shop, spec, cli):
    with pytest.raises(NotInstalledError, match="Get them: vitrail pull remote/one"):
        loading.load("remote/one")
    folder = pull(spec)
    assert (folder / "config.json").is_file()
    assert loading.load("remote/one").config.thresholds == (10, 20)
    assert shop.asked == [""]
    assert shop.sent == [len(shop.content)]
    assert leftovers() == []


def test_a_second_pull_asks_for_nothing(shop, spec):
    first = pull(spec)
    assert pulling.pull_weights(spec, accept_licence=False) == first
    assert len(shop.asked) == 1


def test_other_weights_of_the_same_component_are_kept_apart(shop, spec, plugin, use):
    first = pull(spec)
    shop.content += b"more"
    changed = offer(shop, spec, plugin, use)
    second = cache.weights_folder(changed)
    assert second != first
    assert cache.cached_weights(changed) is None


def test_a_line_that_goes_dead_is_resumed_where_it_broke_off(shop, spec):
    half = len(shop.content) // 2
    shop.cuts = [half, 1000, None]
    pull(spec)
    assert shop.asked == ["", f"bytes={half}-", f"bytes={half + 1000}-"]
    assert sum(shop.sent) == len(shop.content)  # nothing was sent twice
    assert leftovers() == []


def test_what_came_is_kept_for_the_next_call(shop, spec):
    shop.cuts = [100_000] * pulling.ATTEMPTS
    with pytest.raises(NotInstalledError, match=f"broke off after 400000 of {len(shop.content)} bytes"):
        pull(spec)
    assert leftovers() == [f"{spec.weights.sha256[:16]}.part.zip"]
    assert cache.cached_weights(spec) is None
    pull(spec)
    assert shop.asked[-1] == "bytes=400000-"
    assert sum(shop.sent) == len(shop.content)
    assert leftovers() == []


def test_a_server_without_ranges_starts_again(shop, spec):
    shop.ranges = False
    shop.cuts = [100_000, None]
    pull(spec)
    assert shop.asked == ["", "bytes=100000-"]
    assert shop.sent == [100_000, len(shop.content)]
    assert loading.load("remote/one").config.thresholds == (10, 20)


def test_a_server_that_is_busy_is_asked_again(shop, spec):
    shop.status = [503, 500]
    pull(spec)
    assert len(shop.asked) == 3


def test_a_file_with_another_hash_is_removed(shop, spec):
    shop.content = shop.content[:-1] + b"!"
    with pytest.raises(
        BrokenError, match=r"is not the file that was promised.*SHA-256.*tell the plugin's authors"
    ):
        pull(spec)
    assert leftovers() == []
    assert cache.cached_weights(spec) is None


def test_a_file_of_another_size_is_not_downloaded_at_all(shop, spec):
    shop.content += b"more"
    with pytest.raises(
        BrokenError, match=f"it has {len(shop.content)} bytes; wanted are {len(shop.content) - 4}"
    ):
        pull(spec)
    assert leftovers() == []


def test_a_file_that_shrank_while_half_of_it_was_here(shop, spec):
    shop.cuts = [100_000] * pulling.ATTEMPTS
    with pytest.raises(NotInstalledError):
        pull(spec)
    shop.content = shop.content[:1000]
    with pytest.raises(BrokenError, match="it ends before byte 400000"):
        pull(spec)
    assert leftovers() == []


def test_a_part_that_is_longer_than_the_file_is_removed(shop, spec):
    part = cache.weights_folder(spec).parent / f"{spec.weights.sha256[:16]}.part.zip"
    part.parent.mkdir(parents=True)
    part.write_bytes(shop.content + b"rubbish")
    with pytest.raises(BrokenError, match="not the file that was promised"):
        pull(spec)
    assert leftovers() == []


def test_not_found(shop, spec):
    shop.status = [404]
    with pytest.raises(NotInstalledError, match=r"answered 404 Not Found\. It may have moved"):
        pull(spec)
    assert len(shop.asked) == 1
    assert leftovers() == []


def test_offline(spec, plugin, use, shop):
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))  # bound and not listening: nobody answers, and nobody else can take it
        port = closed.getsockname()[1]
        away = offer(shop, spec, plugin, use, url=f"http://127.0.0.1:{port}/weights.zip")
        with pytest.raises(NotInstalledError, match=r"cannot be reached \(.*refused\)\. .* try again later"):
            pull(away)
    assert leftovers() == []


def test_the_licence_must_be_accepted(shop, spec, cli):
    code, _, said = cli("pull", "remote/one")
    assert code == 2
    assert (
        "The weights of remote/one are under: for research only. If you agree, add --accept-license." in said
    )
    assert shop.asked == []


@pytest.mark.parametrize("flag", ["--accept-license", "--accept-licence"])
def test_accepting_the_licence_still_shows_it(spec, cli, flag):
    code, _, said = cli("pull", "remote/one", flag)
    assert code == 0
    assert "are under: for research only" in said
    assert f"The weights of remote/one are in {cache.weights_folder(spec)}." in said


@pytest.mark.parametrize(("answer", "agreed"), [("y\n", True), ("Yes\n", True), ("n\n", False), ("", False)])
def test_on_a_terminal_the_licence_is_asked_for(shop, spec, cli, monkeypatch, answer, agreed):
    terminal = io.StringIO(answer)
    terminal.isatty = lambda: True
    monkeypatch.setattr(sys, "stdin", terminal)
    code, _, said = cli("pull", "remote/one")
    assert "Do you agree? [y/N]" in said
    assert code == (0 if agreed else 2)
    assert len(shop.asked) == int(agreed)
    assert ("nothing was downloaded" in said) is not agreed


def test_the_converter_gets_the_file_with_its_ending(shop, spec, plugin, use):
    shop.url = shop.url.replace(".zip", ".json") + "?version=2"
    shop.content = b'{"thresholds": [30, 40]}'
    other = offer(shop, spec, plugin, use, converter=f"{FAKE}:convert")
    pull(other)
    assert loading.load("remote/one").config.thresholds == (30, 40)
    assert leftovers() == []


def test_a_converter_that_fails_leaves_no_half_written_folder(shop, spec, plugin, use, cli):
    shop.content = b"not what it wants"
    other = offer(shop, spec, plugin, use, converter=f"{FAKE}:convert")
    code, _, said = cli("pull", "remote/one", "--accept-license")
    assert code == 2
    assert "is not a checkpoint of remote/one" in said
    assert cache.cached_weights(other) is None
    assert [p.name for p in cache.weights_folder(other).parent.iterdir()] == leftovers()


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (b"no archive at all", "is not a zip archive"),
        (archive(**{"model.txt": "x"}), "unpacked to no config.json"),
    ],
)
def test_an_archive_that_holds_no_component(shop, spec, plugin, use, content, text):
    shop.content = content
    with pytest.raises(BrokenError, match=text):
        pull(offer(shop, spec, plugin, use))
    folder = cache.weights_folder(spec).parent
    assert [p.suffix for p in folder.iterdir()] == [".zip"]


def test_names_that_lead_out_of_the_archive_are_harmless(shop, spec, plugin, use, tmp_path):
    absolute = str(tmp_path / "absolute")
    files = {"config.json": "{}", "../../../outside": "x", absolute: "x", "deep/../../sideways": "x"}
    shop.content = archive(**files)
    folder = pull(offer(shop, spec, plugin, use))
    written = {p for p in tmp_path.rglob("*") if p.is_file()} - set((tmp_path / "saved").rglob("*"))
    assert all(folder in p.parents for p in written), written
    assert {"outside", "sideways", "absolute"} <= {p.name for p in written}


def test_a_pull_that_was_killed_goes_on_where_it_was(shop, spec, install, environment):
    half = len(shop.content) // 2
    shop.cuts, shop.stall = [half], True
    variables = environment(
        install("remote"),
        REMOTE_URL=shop.url,
        REMOTE_SHA256=spec.weights.sha256,
        REMOTE_SIZE=str(spec.weights.size),
        VITRAIL_CACHE=str(cache.cache_folder()),
    )
    command = [sys.executable, "-m", "vitrail", "pull", "remote/one", "--accept-license"]
    running = subprocess.Popen(command, env=variables, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL)
    try:
        part = cache.weights_folder(spec).parent / f"{spec.weights.sha256[:16]}.part.zip"
        give_up = time.monotonic() + 60
        while not (part.exists() and part.stat().st_size >= pulling.CHUNK) and time.monotonic() < give_up:
            time.sleep(0.01)
    finally:
        running.send_signal(signal.SIGKILL)
        running.wait()
    have = part.stat().st_size
    assert pulling.CHUNK <= have <= half
    assert cache.cached_weights(spec) is None

    shop.stall = False
    done = subprocess.run(command, env=variables, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    assert done.returncode == 0, done.stderr
    assert shop.asked == ["", f"bytes={have}-"]
    assert loading.load("remote/one").config.thresholds == (10, 20)
    assert leftovers() == []


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"weights": None}, "remote/one needs no weights."),
        ({"embedded": "vitrail:weights"}, "remote/one brings its weights in its own package"),
        (
            {"weights": Weights(homepage="https://example.org/paper")},
            "No address is known for weights of remote/one; the authors' page is https://example.org/paper.",
        ),
    ],
)
def test_where_there_is_nothing_to_pull(spec, changes, text):
    with pytest.raises(UsageError) as caught:
        pull(replace(spec, **changes))
    assert text in str(caught.value)


def test_a_cache_that_cannot_be_made(spec, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("VITRAIL_CACHE", str(tmp_path / "file"))
    with pytest.raises(UsageError, match=r"cannot be made .* Set VITRAIL_CACHE"):
        pull(spec)


def test_a_component_that_nobody_knows(cli, spec):
    code, _, said = cli("pull", "remote/two")
    assert code == 2
    assert "it offers remote/one." in said
