"""The outermost layer of the web page: every request passes `admission`, every answer gets its headers (SPEC 10)."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING

from starlette.datastructures import Headers, MutableHeaders, QueryParams
from starlette.responses import HTMLResponse

from pitboss.screens.web.admission import Decision, RequestHead, cookies, decide

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from pitboss.screens.web.admission import Door

LARGEST_BODY = 256 * 1024
"""Bytes of a request's body: a queued task is the largest thing that anybody sends."""

_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self'",
        "connect-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    )
)

HEADERS = {
    "content-security-policy": _POLICY,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cache-control": "no-store",
    "cross-origin-resource-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
}
"""What every answer says, errors included, unless its page says otherwise."""

_REFUSALS = {
    Decision.WRONG_HOST: (
        HTTPStatus.FORBIDDEN,
        "This is not the address that <code>pitboss serve</code> printed.",
    ),
    Decision.NO_TOKEN: (
        HTTPStatus.UNAUTHORIZED,
        """Open the address that <code>pitboss serve</code> printed, with its token.
        If you have done that before in this browser, <a href="">open this page again</a>.""",
    ),
    Decision.WRONG_TOKEN: (
        HTTPStatus.FORBIDDEN,
        "This token is not valid, or no longer. Open the address that <code>pitboss serve</code> printed last.",
    ),
    Decision.FOREIGN: (
        HTTPStatus.FORBIDDEN,
        "The page that asked for this is not one of ours.",
    ),
    Decision.READ_ONLY: (
        HTTPStatus.METHOD_NOT_ALLOWED,
        "This page only shows runs. <code>pitboss serve --allow-control</code> can also steer them.",
    ),
}

_PAGE = (
    '<!doctype html><html lang="en"><meta charset="utf-8"><title>{title} - pitboss</title>'
    '<meta name="viewport" content="width=device-width"><meta name="color-scheme" content="dark light">'
    "<main><h1>{title}</h1><p>{text}</p></main></html>"
)


class Entrance:
    """Lets requests in to `app`, or answers them itself."""

    def __init__(self, app: ASGIApp, door: Door) -> None:
        self._app = app
        self._door = door

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            return
        headers = Headers(scope=scope)
        answer = _with_headers(send)
        if _too_large(headers):
            await refusal(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "That is too much.")(scope, receive, answer)
            return
        decision = decide(_head(scope, headers, self._door.cookie), self._door)
        if decision in _REFUSALS:
            await refusal(*_REFUSALS[decision])(scope, receive, answer)
            return
        if decision is Decision.REMEMBERED:
            answer = _with_headers(send, ("set-cookie", self._cookie()))
        await self._app(scope, receive, answer)

    def _cookie(self) -> str:
        return f"{self._door.cookie}={self._door.token}; Path=/; HttpOnly; SameSite=Strict"


def refusal(status: HTTPStatus, text: str) -> HTMLResponse:
    """A page for those who are not let in: no template, no style sheet, nothing of ours; `text` is HTML."""
    headers = {"connection": "close"}
    if status is HTTPStatus.METHOD_NOT_ALLOWED:
        headers["allow"] = "GET, HEAD"
    if status is HTTPStatus.UNAUTHORIZED:
        headers["www-authenticate"] = 'Cookie realm="pitboss"'
    return HTMLResponse(_PAGE.format(title=status.phrase, text=text), status, headers)


def _head(scope: Scope, headers: Headers, cookie: str) -> RequestHead:
    hosts = headers.getlist("host")
    return RequestHead(
        method=scope["method"],
        host=hosts[0] if len(hosts) == 1 else None,
        token=QueryParams(scope["query_string"]).get("token"),
        cookie=cookies(headers.get("cookie")).get(cookie),
        origin=headers.get("origin"),
        fetch_site=headers.get("sec-fetch-site"),
        fetch_mode=headers.get("sec-fetch-mode"),
    )


def _too_large(headers: Headers) -> bool:
    """Whether a request says that it is too large, or does not say how large it is."""
    length = headers.get("content-length", "0")
    return "transfer-encoding" in headers or not length.isdecimal() or int(length) > LARGEST_BODY


def _with_headers(send: Send, *more: tuple[str, str]) -> Send:
    async def answer(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in HEADERS.items():
                headers.setdefault(name, value)
            for name, value in more:
                headers[name] = value
        await send(message)

    return answer
