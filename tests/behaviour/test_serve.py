"""`pitboss serve` answers those who have its address, and only them; what they send cannot hurt it (SPEC 10)."""

from __future__ import annotations

import signal
import socket
from typing import TYPE_CHECKING

import pytest

from tests.support.cli import Project, finish
from tests.support.web import serving

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.web import Server

SECURITY = {
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cache-control": "no-store",
    "cross-origin-resource-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    return Project.create(tmp_path_factory.mktemp("serve") / "repo")


@pytest.fixture(scope="module")
def server(project: Project) -> Iterator[Server]:
    with serving(project) as server:
        yield server


def test_the_first_line_is_an_address_that_opens_the_page(server: Server) -> None:
    assert server.address == f"http://127.0.0.1:{server.port}/?token={server.token}"
    assert len(server.token) >= 32
    answer = server.ask("GET", f"/?token={server.token}")
    assert answer.status == 200
    assert "No run yet" in answer.text
    assert answer.headers["set-cookie"] == f"{server.cookie}; Path=/; HttpOnly; SameSite=Strict"


def test_the_cookie_then_stands_for_the_token(server: Server) -> None:
    answer = server.get("/")
    assert (answer.status, answer.headers.get("set-cookie")) == (200, None)


@pytest.mark.parametrize("path", ["/", "/events", "/static/pitboss.js", "/nothing", "/runs/x"])
def test_nobody_gets_anything_without_the_token(server: Server, path: str) -> None:
    assert server.ask("GET", path).status == 401
    assert server.ask("GET", f"{path}?token=wrong").status == 403
    assert server.ask("GET", path, Cookie=f"pitboss_{server.port}=wrong").status == 403
    assert server.ask("GET", path, Cookie=f"pitboss_1={server.token}").status == 401


def test_the_token_of_an_earlier_server_opens_nothing(server: Server, project: Project) -> None:
    with serving(project) as other:
        assert other.token != server.token
        assert server.ask("GET", f"/?token={other.token}").status == 403
        assert server.ask("GET", "/", Cookie=f"pitboss_{server.port}={other.token}").status == 403


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:{port}", "127.0.0.1:1", "127.0.0.1", "", "a b"]
)
def test_a_name_that_is_not_ours_gets_nothing(server: Server, host: str) -> None:
    answer = server.get("/", Host=host.format(port=server.port))
    assert answer.status in (400, 403)
    assert server.token not in answer.text


def test_two_host_headers_or_none_are_refused(server: Server) -> None:
    line = f"GET /?token={server.token} HTTP/1.1\r\n"
    host = f"Host: 127.0.0.1:{server.port}\r\n"
    for head in (line, line + host + "Host: evil.example\r\n", line.replace("1.1", "1.0")):
        assert server.raw(f"{head}\r\n".encode()).split(b" ")[1] in (b"400", b"403")


def test_the_page_only_shows_unless_started_otherwise(server: Server) -> None:
    for method in ("POST", "PUT", "DELETE", "PATCH", "OPTIONS"):
        answer = server.ask(method, "/", Cookie=server.cookie, Origin=server.origin)
        assert (answer.status, answer.headers["allow"]) == (405, "GET, HEAD")
    assert server.ask("POST", "/runs/x/control", Cookie=server.cookie).status == 405
    assert server.ask("POST", "/", Cookie=server.cookie, Origin="http://evil.example").status == 403
    assert server.ask("POST", "/", Origin=server.origin).status == 401


def test_head_is_get_without_the_page(server: Server) -> None:
    answer = server.ask("HEAD", "/", Cookie=server.cookie)
    assert (answer.status, answer.text) == (200, "")
    assert server.ask("HEAD", "/events", Cookie=server.cookie).status == 200


@pytest.mark.parametrize(("path", "status"), [("/", 200), ("/nothing", 404), ("/static/pitboss.css", 200)])
def test_every_answer_says_what_a_browser_may_do_with_it(server: Server, path: str, status: int) -> None:
    for answer, code in ((server.get(path), status), (server.ask("GET", path), 401)):
        assert answer.status == code
        assert {name: answer.headers[name] for name in SECURITY} == SECURITY
        assert "server" not in answer.headers


def test_no_page_has_inline_script_or_style_or_anything_from_elsewhere(server: Server) -> None:
    for text in (server.get("/").text, server.get("/nothing").text):
        assert "<script src=" in text
        for forbidden in ("style=", "<style", "onclick=", "javascript:", "://"):
            assert forbidden not in text
    for name in ("pitboss.css", "pitboss.js"):
        assert "://" not in server.get(f"/static/{name}").text
    assert server.get("/static/pitboss.css").headers["content-type"] == "text/css; charset=utf-8"


@pytest.mark.parametrize(
    "run_id", ["20200101T000000Z-abcd", "..", "%2e%2e", "..%2f..", "%00", "x" * 5000, "-h"]
)
def test_a_run_that_does_not_exist_says_so(server: Server, run_id: str) -> None:
    for path in (f"/runs/{run_id}", f"/runs/{run_id}/events"):
        assert server.get(path).status == 404


@pytest.mark.parametrize(
    "path",
    [
        "/static/../pages.py",
        "/static/%2e%2e/pages.py",
        "/static/..%2fpages.py",
        "/static/%2e%2e%2fpages.py",
        "/static/%5c..%5cpages.py",
        "/static/pitboss.js%00",
        "/static/",
        "/runs/../../config.toml",
        "/%2e%2e/%2e%2e/etc/passwd",
        "//evil.example/",
        "/nothing",
        f"/runs/x/sessions/{'9' * 5000}",
        f"/runs/x/sessions/{'9' * 5000}/events",
        f"/runs/x/sessions/1/output/{'9' * 5000}",
    ],
)
def test_no_other_file_can_be_reached(server: Server, path: str) -> None:
    answer = server.get(path)
    assert answer.status == 404
    assert "This address shows nothing." in answer.text


def test_what_is_too_large_is_refused(server: Server) -> None:
    line = f"POST / HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\nCookie: {server.cookie}\r\n"
    for more in (
        "Content-Length: 99999999999\r\n\r\n",
        f"Content-Length: {'9' * 5000}\r\n\r\n",
        "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
        "Content-Length: -1\r\n\r\n",
        "nonsense\r\n\r\n",
    ):
        assert server.raw((line + more).encode()).split(b" ")[1] in (b"400", b"413")
    for endless in (b"GET /", line.encode() + b"X-Filler: "):
        assert server.raw(endless + b"x" * 1_000_000).split(b" ")[:2] in ([b"HTTP/1.1", b"400"], [b""])
    assert server.get("/").status == 200


def test_errors_carry_no_traces(server: Server) -> None:
    for answer in (server.get("/nothing"), server.ask("GET", "/"), server.get("/", Host="evil.example")):
        assert "Traceback" not in answer.text
        assert 'File "' not in answer.text


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_at_once_and_cleanly_with_viewers_attached(project: Project, number: int) -> None:
    with serving(project) as server, server.events() as events, server.connected():
        next(events)
        server.process.send_signal(number)
        done = finish(server.process)
        assert list(events) == []
    assert done == (0, "", "Ctrl-C ends this; the runs go on.\n")


def test_a_port_in_use_is_a_clear_error(server: Server, project: Project) -> None:
    done = project.pitboss("serve", "--port", str(server.port))
    assert (done.code, done.out) == (1, "")
    assert done.err == (
        f"error: port {server.port} of 127.0.0.1 is in use\n"
        "hint: choose another with --port, or --port 0 for any that is free\n"
    )


def test_an_address_that_is_not_ours_is_a_clear_error(project: Project) -> None:
    done = project.pitboss("serve", "--host", "192.0.2.1")
    assert (done.code, done.out) == (1, "")
    assert done.err == "error: cannot serve on port 0 of 192.0.2.1: Cannot assign requested address\n"


def test_another_address_works_when_asked_for_and_says_what_that_means(project: Project) -> None:
    with serving(project, "--host", "0.0.0.0") as server:
        assert server.address.startswith(f"http://{socket.gethostname()}:{server.port}/?token=")
        token = f"/?token={server.token}"
        assert server.ask("GET", token, Host=f"192.168.1.5:{server.port}").status == 200
        assert server.ask("GET", token, Host=f"evil.example:{server.port}").status == 403
        server.process.terminate()
        assert "can be reached from other machines" in finish(server.process).err


def test_without_its_extra_it_says_how_to_get_it(project: Project, tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text("import sys\nsys.modules['starlette'] = None\n")
    done = project.pitboss("serve", PYTHONPATH=str(tmp_path))
    assert (done.code, done.out) == (1, "")
    assert done.err == (
        "error: `pitboss serve` needs the extra `screens`, which is not installed: starlette\n"
        "hint: install it beside pitboss: `pip install 'pitboss[screens]'`\n"
    )
