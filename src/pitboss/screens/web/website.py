"""The addresses of the web page, and what each answers (SPEC 10).

| address                     | answer                                        |
|-----------------------------|-----------------------------------------------|
| `/`                         | all runs                                      |
| `/runs/ID`                  | one run                                       |
| `/runs/ID/sessions/N`       | one session                                   |
| `.../events`                | what changes on the page above, as it changes |
| `/runs/ID/sessions`         | the sessions that ended, older ones too       |
| `.../sessions/N/output/K`   | a file of a session's output, by windows      |
| `/runs/ID/control`          | GET asks a person, POST asks the run          |
| `/static/...`               | style, script, icon                           |
"""

from __future__ import annotations

import asyncio
import secrets
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from starlette.applications import Starlette
from starlette.convertors import IntegerConvertor, register_url_convertor
from starlette.exceptions import HTTPException
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from pitboss.core.recovery.refusals import RunNotFound
from pitboss.errors import PitbossError
from pitboss.screens.output import note
from pitboss.screens.web.admission import WRITING
from pitboss.screens.web.entrance import Entrance
from pitboss.screens.web.event_stream import HEARTBEAT_S, EventStream
from pitboss.screens.web.feeds import Feeds
from pitboss.screens.web.forms import BadForm, fields_of
from pitboss.screens.web.pages import HERE, Pages
from pitboss.screens.web.serving import serve
from pitboss.screens.web.showing import FUNCTIONS, sentence
from pitboss.screens.web.still_pages import older_sessions, output, problem
from pitboss.screens.web.subjects import subject_of
from pitboss.screens.web.supplies import NoSession, Supplies
from pitboss.screens.web.watches import Watches
from pitboss.store.catalogue import AmbiguousRun

if TYPE_CHECKING:
    import socket
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from starlette.requests import Request
    from starlette.types import ASGIApp

    from pitboss.screens.desk import Desk
    from pitboss.screens.web.admission import Door
    from pitboss.screens.web.feeds import Feed
    from pitboss.screens.web.subjects import Subject

MOST_STREAMS = 128
"""How many streams of events may be open at once."""

_CORRECT = "Nothing has changed: go back and correct it."

MOST_BUGS = 20
"""How many different bugs the terminal is told of: nobody may read it, and then it must not fill up."""

FORM = "application/x-www-form-urlencoded"

_OF_FORMS = {"referrer-policy": "same-origin"}
"""With `no-referrer`, a browser does not say which origin a form comes from."""

BODY_S = 10.0
"""How long the body of a request may take."""

_ADDRESSES = ("", "/runs/{run_id}", "/runs/{run_id}/sessions/{seq:number}")
_STATIC = {
    "pitboss.css": "text/css; charset=utf-8",
    "pitboss.js": "text/javascript; charset=utf-8",
    "icon.svg": "image/svg+xml",
}


class _Number(IntegerConvertor):
    """The number of something; an address with more digits shows nothing, and Python need not read thousands."""

    regex = "[0-9]{1,15}"


register_url_convertor("number", _Number())


class Website:
    """All pages of one repository's runs, behind `door`."""

    def __init__(self, supplies: Supplies, door: Door) -> None:
        self._supplies = supplies
        self._door = door
        self._feeds = Feeds(secrets.token_hex(4))
        self._streams = asyncio.Semaphore(MOST_STREAMS)
        self._closing = asyncio.Event()
        self._bugs = set[str]()

    def close(self) -> None:
        """End the streams of events: the server is about to stop."""
        self._closing.set()

    def app(self) -> ASGIApp:
        """What answers requests."""
        routes = [
            Route("/static/{name}", _static),
            Route("/runs/{run_id}/sessions", self._older),
            Route("/runs/{run_id}/control", self._control, methods=["GET", "POST"]),
            Route("/runs/{run_id}/sessions/{seq:number}/output/{place:number}", self._output),
        ]
        for address in _ADDRESSES:
            routes.append(Route(f"{address}/events", self._events))
            routes.append(Route(address or "/", self._page))
        handlers: dict[Any, Callable[..., Awaitable[Response]]] = {
            HTTPException: self._no_page,
            PitbossError: self._refused,
            BadForm: self._bad_form,
            Exception: self._bug,
        }
        return Entrance(Starlette(routes=routes, exception_handlers=handlers), self._door)

    async def _page(self, request: Request) -> Response:
        subject, feed = await self._found(request)
        return HTMLResponse(await asyncio.to_thread(subject.page, *feed.since(None)))

    async def _events(self, request: Request) -> EventStream:
        if self._streams.locked():
            raise HTTPException(HTTPStatus.SERVICE_UNAVAILABLE)
        _, feed = await self._found(request)
        version = request.headers.get("last-event-id") or request.query_params.get("after")
        return EventStream(feed.updates(version, HEARTBEAT_S), self._closing, self._streams)

    async def _older(self, request: Request) -> Response:
        before = request.query_params.get("before", "")
        below = int(before) if before.isascii() and before.isdecimal() and len(before) < 16 else None
        run_id = request.path_params["run_id"]
        return HTMLResponse(await asyncio.to_thread(older_sessions, self._supplies, run_id, below))

    async def _control(self, request: Request) -> Response:
        """Ask a person first, then the run; `Entrance` has let a POST in only if runs may be steered."""
        from pitboss.screens.web.steering_pages import answer, question

        run_id = request.path_params["run_id"]
        if not self._door.allow_control:
            raise HTTPException(HTTPStatus.METHOD_NOT_ALLOWED)
        if request.method != WRITING:
            page = await asyncio.to_thread(question, self._supplies, run_id, request.query_params)
            return HTMLResponse(page, headers=_OF_FORMS)
        fields = fields_of(await _body(request))
        status, page = await asyncio.to_thread(answer, self._supplies, run_id, fields)
        return HTMLResponse(page, status)

    async def _output(self, request: Request) -> Response:
        path, query = request.path_params, request.query_params
        page = await asyncio.to_thread(
            output, self._supplies, path["run_id"], path["seq"], path["place"], query
        )
        return HTMLResponse(page)

    async def _found(self, request: Request) -> tuple[Subject, Feed]:
        """What a request is about, read and up to date. Raises RunNotFound, AmbiguousRun, NoSession, StorageError."""
        path = request.path_params
        subject = await asyncio.to_thread(subject_of, self._supplies, path.get("run_id"), path.get("seq"))
        feed = self._feeds.feed(subject.key, subject.reader)
        await feed.look()
        return subject, feed

    async def _no_page(self, request: Request, error: HTTPException) -> Response:
        status = HTTPStatus(error.status_code)
        text = "This address shows nothing." if status is HTTPStatus.NOT_FOUND else status.description
        return await self._problem(request, status, text)

    async def _refused(self, request: Request, error: PitbossError) -> Response:
        missing = isinstance(error, (RunNotFound, AmbiguousRun, NoSession))
        status = HTTPStatus.NOT_FOUND if missing else HTTPStatus.INTERNAL_SERVER_ERROR
        return await self._problem(request, status, error.message, error.hint)

    async def _bad_form(self, request: Request, error: BadForm) -> Response:
        return await self._problem(request, HTTPStatus.BAD_REQUEST, sentence(str(error)), _CORRECT)

    async def _bug(self, request: Request, error: Exception) -> Response:
        said = f"error: internal error: {type(error).__name__}: {error}"
        if said not in self._bugs and len(self._bugs) < MOST_BUGS:
            self._bugs.add(said)
            note(said)
        status = HTTPStatus.INTERNAL_SERVER_ERROR
        return await self._problem(
            request, status, "pitboss failed to make this page; its terminal says why."
        )

    async def _problem(
        self, request: Request, status: HTTPStatus, text: str, hint: str | None = None
    ) -> Response:
        depth = request.url.path.count("/") - 1
        page = await asyncio.to_thread(problem, self._supplies, depth, status.phrase, text, hint)
        return HTMLResponse(page, status)


def serve_website(repo: Path, desk: Callable[[], Desk], door: Door, listening: socket.socket) -> None:
    """Serve the runs of `repo` to whoever `door` lets in, until a signal; `desk` is made when it is needed."""
    pages = Pages({**FUNCTIONS, "project": repo.name})
    website = Website(Supplies(repo, Watches(repo), desk, pages, door.allow_control), door)
    serve(website.app(), listening, website.close)


async def _body(request: Request) -> bytes:
    """The body of a request, which must come in time; how large it may be, `Entrance` has seen to. Raises BadForm."""
    if request.headers.get("content-type", "").partition(";")[0].strip() != FORM:
        raise BadForm(f"a form is sent as {FORM}")
    try:
        async with asyncio.timeout(BODY_S):
            return await request.body()
    except TimeoutError as error:
        raise BadForm("the form did not come in time") from error


async def _static(request: Request) -> Response:
    """A file of ours; their names are known, so that no other file can be asked for."""
    name = request.path_params["name"]
    if name not in _STATIC:
        raise HTTPException(HTTPStatus.NOT_FOUND)
    text = await asyncio.to_thread((HERE / "static" / name).read_bytes)
    return Response(text, media_type=_STATIC[name])
