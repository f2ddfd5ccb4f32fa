"""Downloads from a server on this machine: verified, whole or not at all."""

import gzip
import hashlib
import http.server
import os
import threading
import zipfile

import pytest

from rushlight.vision.datasets import MNIST, utils
from rushlight.vision.datasets.utils import download_url, extract_archive

from .test_mnist import write


@pytest.fixture
def server(tmp_path):
    """A web server for a folder; ``requests`` lists the paths, ``short`` cuts answers short."""
    folder = tmp_path / "www"
    folder.mkdir()

    class Handler(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *args):
            super().__init__(*args, directory=str(folder))

        def log_message(self, *args):
            pass

        def do_GET(self):
            running.requests.append(self.path)
            if running.short > 0:
                running.short -= 1
                self.send_response(200)
                self.send_header("Content-Length", "1000")
                self.end_headers()
                self.wfile.write(b"cut")
                return
            super().do_GET()

    running = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    running.requests, running.short, running.folder = [], 0, folder
    running.url = f"http://127.0.0.1:{running.server_port}/"
    threading.Thread(target=running.serve_forever, daemon=True).start()
    yield running
    running.shutdown()
    running.server_close()


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch):
    monkeypatch.setattr(utils.time, "sleep", lambda s: None)
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.delenv(name, raising=False)


def md5(data):
    return hashlib.md5(data).hexdigest()


def test_download_is_verified(server, tmp_path):
    (server.folder / "a.bin").write_bytes(b"content")
    target = tmp_path / "out"
    download_url(server.url + "a.bin", target, md5=md5(b"content"))
    assert (target / "a.bin").read_bytes() == b"content"
    download_url(server.url + "a.bin", target, md5=md5(b"content"))
    assert len(server.requests) == 1  # the second time it is there
    with pytest.raises(RuntimeError, match="File not found or corrupted."):
        download_url(server.url + "a.bin", target, filename="b.bin", md5=md5(b"other"))
    assert os.listdir(target) == ["a.bin"]


def test_cut_answer_is_tried_again(server, tmp_path):
    (server.folder / "a.bin").write_bytes(b"content")
    server.short = 2
    download_url(server.url + "a.bin", tmp_path / "out")
    assert (tmp_path / "out" / "a.bin").read_bytes() == b"content"
    assert len(server.requests) == 3


def test_full_disk_keeps_the_old_file(server, tmp_path, monkeypatch):
    (server.folder / "a.bin").write_bytes(b"new content")
    target = tmp_path / "a.bin"
    target.write_bytes(b"old")

    def full(descriptor):
        raise OSError(28, "No space left on device", str(target))

    monkeypatch.setattr(utils.os, "fsync", full)
    with pytest.raises(OSError, match="No space left on device"):
        download_url(server.url + "a.bin", tmp_path, md5=md5(b"new content"))
    assert target.read_bytes() == b"old"
    assert sorted(os.listdir(tmp_path)) == ["a.bin", "www"]
    assert len(server.requests) == 1  # trying again would not help


def test_mnist_from_the_second_mirror(server, tmp_path, monkeypatch, capsys):
    folder = write(server.folder / "good", packed=True)
    resources = [(p.name, md5(p.read_bytes())) for p in sorted(folder.iterdir())]
    monkeypatch.setattr(MNIST, "resources", resources)
    monkeypatch.setattr(MNIST, "mirrors", [server.url + "missing/", server.url + "good/"])
    data = MNIST(tmp_path / "root", download=True)
    assert len(data) == 20
    assert sorted(os.listdir(data.raw_folder))[:2] == [
        "t10k-images-idx3-ubyte", "t10k-images-idx3-ubyte.gz",
    ]  # fmt: skip
    printed = capsys.readouterr().out
    assert "Failed to download (trying next):\nHTTP Error 404" in printed
    count = len(server.requests)
    MNIST(tmp_path / "root", download=True)
    assert len(server.requests) == count
    monkeypatch.setattr(MNIST, "mirrors", [server.url + "missing/"])
    with pytest.raises(RuntimeError, match="Error downloading t10k-images-idx3-ubyte.gz"):
        MNIST(tmp_path / "other", download=True)


def test_archives(tmp_path):
    packed = tmp_path / "a.txt.gz"
    packed.write_bytes(gzip.compress(b"text"))
    assert extract_archive(packed) == str(tmp_path / "a.txt")
    assert (tmp_path / "a.txt").read_bytes() == b"text"
    with zipfile.ZipFile(tmp_path / "b.zip", "w") as archive:
        archive.writestr("folder/b.txt", "zipped")
    extract_archive(tmp_path / "b.zip", tmp_path / "z", remove_finished=True)
    assert (tmp_path / "z" / "folder" / "b.txt").read_text() == "zipped"
    assert not (tmp_path / "b.zip").exists()
    with pytest.raises(RuntimeError, match="Unknown compression or archive type: '.rar'"):
        extract_archive(tmp_path / "c.rar")


def test_verify_str_arg():
    assert utils.verify_str_arg("a", "x", ("a", "b")) == "a"
    with pytest.raises(ValueError, match="Expected type str for argument x, but got type <class"):
        utils.verify_str_arg(1, "x", ("a",))


def test_unknown_host_is_not_asked_again(tmp_path, monkeypatch):
    asked = []

    def urlopen(message, timeout):
        asked.append(message.full_url)
        raise utils.urllib.error.URLError(utils.socket.gaierror(-2, "Name or service not known"))

    monkeypatch.setattr(utils.urllib.request, "urlopen", urlopen)
    with pytest.raises(RuntimeError, match="Error downloading train-images-idx3-ubyte.gz"):
        MNIST(tmp_path, download=True)
    assert len(asked) == len(MNIST.mirrors)
