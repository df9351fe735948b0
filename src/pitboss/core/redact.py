"""Replaces secrets with `[redacted]` before anything is written, in streams as well as in whole texts (SPEC 6).

A secret is the value of a variable whose name says so, or that `PITBOSS_REDACT` names (as it stands, line by line, or
escaped for JSON), or anything shaped like a well-known kind of key. The end of a stream is held back only while it may
be the beginning of a secret, so a secret split between two chunks is still found, and output is hardly delayed. The
result does not depend on how a stream is cut into chunks.

Most output holds no secret. It is searched for the fixed parts of secrets, which is fast; only matches are
checked against a pattern.
"""

from __future__ import annotations

import re
from functools import cache, lru_cache
from itertools import chain
from typing import TYPE_CHECKING

from pitboss.core.patterns import lazy_pattern

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

ALSO_REDACTED = "PITBOSS_REDACT"
"""The variable that names further variables with secrets in them, separated by commas."""

REDACTED = b"[redacted]"
SHORTEST = 8
"""A value with fewer characters than this does not count as a secret."""

LONGEST = 1024
"""The most bytes of a secret that are searched for at once; longer secrets are searched for in pieces."""

_SECRET_NAME = lazy_pattern(
    r"KEY(?!BOARD|MAP|STROKE|CLOAK)|TOKEN|SECRET|PASSW|PASSPHRASE|CREDENTIAL|AUTH_CONFIG|CONN(ECTION)?_STR"
    r"|(^|_)(PAT|AUTH|PASS|JWT|COOKIES?|HEADERS?|CREDS?|PWD)$|SSHPASS$",
    re.IGNORECASE,
)
_HARMLESS_NAME = lazy_pattern(
    r"^(PITBOSS_.*|PWD|OLD_?PWD)$|ASK_?PASS$"
    r"|_(FILE|PATH|DIR|DIRECTORY|HOME|ROOT|SOCK|URL|HOST|NAME|USER|TYPE|MODEL|REALM|REGION|MODE|ENV|BACKEND"
    r"|PROVIDER|STORE)$|(?<!SECRET)_ID$",
    re.IGNORECASE,
)
_WEBHOOK_NAME = lazy_pattern(r"WEBHOOK", re.IGNORECASE)
"""Whoever knows a webhook's address can use it."""

_URL_PASSWORD = lazy_pattern(r"://[^/\s:@]*:([^/\s]+)@")
_USERINFO = lazy_pattern(r"://[^/\s@]+@")

_NUMBER = lazy_pattern(r"[\d.,+eE-]+", re.ASCII)

_SHAPES = {
    b"sk-": rb"(?:(?:ant|proj|or|svcacct|admin)-[\w-]{20}|[A-Za-z0-9]{20})",
    b"ghp_": rb"[A-Za-z0-9]{30}",
    b"gho_": rb"[A-Za-z0-9]{30}",
    b"ghs_": rb"[A-Za-z0-9]{30}",
    b"ghu_": rb"[A-Za-z0-9]{30}",
    b"github_pat_": rb"\w{22}",
    b"glpat-": rb"[\w-]{20}",
    b"AKIA": rb"[0-9A-Z]{16}",
    b"ASIA": rb"[0-9A-Z]{16}",
    b"AIza": rb"[\w-]{30}",
    b"xapp-": rb"[\w-]{10}",
    b"ghr_": rb"[A-Za-z0-9]{30}",
    b"hf_": rb"[A-Za-z0-9]{30}",
    b"npm_": rb"[A-Za-z0-9]{30}",
    b"pypi-AgE": rb"[\w-]{20}",
    b"gsk_": rb"[A-Za-z0-9]{30}",
    b"xai-": rb"[A-Za-z0-9]{30}",
    b"sk_live_": rb"[A-Za-z0-9]{20}",
    b"rk_live_": rb"[A-Za-z0-9]{20}",
    b"dop_v1_": rb"[0-9a-f]{30}",
    b"SG.": rb"[\w-]{22}",
    b"ya29.": rb"[\w-]{20}",
    b"xox": rb"[abeprs]-[\w-]{10}",
    b"eyJ": rb"(?:hbGciOi|0eXAiOi)[\w-]{8}",
}
"""How well-known keys begin, and what must follow; more of `_BODY` may come after that. The last is a JWT."""

_EDGE = rb"(?:(?<![A-Za-z0-9]%s)|(?<=\\[nrtbf]%s)|(?<=\\u[0-9A-Fa-f]{4}%s)|(?<=[\[0-9;]m%s))"
"""What may precede a key, the `%s`: not the middle of a word, except after a JSON escape or a color code."""

_EDGE_SIZE = 6
"""How many bytes before a key tell whether it may begin there."""

_BODY = lazy_pattern(rb"[\w-]*(?:\.[\w-]+)*")
_DECIDED = 32
"""How many characters after the beginning of a shape decide whether it is one."""

_PARTIAL_SIZE = _DECIDED + max(map(len, _SHAPES))


class Secrets:
    """What must not be written: certain values, and every well-known kind of key."""

    def __init__(self, values: Iterable[str] = ()) -> None:
        literals = {form for value in values for form in _forms(value)}
        self.literals = tuple(sorted(literals, key=lambda form: (-len(form), form)))
        self._needles = (*self.literals, *_SHAPES)
        self._patterns: dict[tuple[bytes, ...], re.Pattern[bytes]] = {}

    @staticmethod
    def of(*environments: Mapping[str, str]) -> Secrets:
        """The secrets in the variables of these environments. Others share the result: do not change it."""
        return _of(tuple(dict.fromkeys(chain.from_iterable(map(_secrets_of, environments)))))

    def redact(self, text: str) -> str:
        """`text` without its secrets."""
        raw = text.encode("utf-8", "surrogatepass")
        clean = self.redact_bytes(raw)
        return text if clean is raw else clean.decode("utf-8", "surrogatepass")

    def redact_bytes(self, data: bytes) -> bytes:
        """`data` without its secrets: what `stream` makes of it. The same object if there are none."""
        pattern = self.pattern(data)
        return data if pattern is None else pattern.sub(REDACTED, data)

    def stream(self) -> Redactor:
        """A redactor for one stream."""
        return Redactor(self)

    def pattern(self, data: bytes) -> re.Pattern[bytes] | None:
        """The pattern for the secrets that `data` may hold in full; None when it holds none."""
        needles = tuple(needle for needle in self._needles if needle in data)
        if not needles:
            return None
        if needles not in self._patterns:
            self._patterns[needles] = re.compile(b"|".join(map(_pattern, needles)))
        return self._patterns[needles]

    def partial(self, data: bytes, start: int) -> int:
        """Where a secret may begin, from `start` on, that the end of `data` cuts off; the size of `data` if nowhere."""
        shape = _partial_shape().search(data, max(start, len(data) - _PARTIAL_SIZE))
        first = len(data) if shape is None else shape.start()
        for literal in self.literals:
            at = data.find(literal[:1], max(start, len(data) - len(literal) + 1), first)
            while at >= 0 and not literal.startswith(data[at:]):
                at = data.find(literal[:1], at + 1, first)
            first = first if at < 0 else at
        return first


def without_userinfo(text: str) -> str:
    """`text` without the user, password or token in its URLs: a remote may hold them."""
    return _USERINFO.sub(f"://{REDACTED.decode()}@", text)


class Redactor:
    """Redacts one stream, chunk by chunk."""

    def __init__(self, secrets: Secrets) -> None:
        self._secrets = secrets
        self._before = b""
        self._held = b""
        self._inside = False
        self._dot = b""

    def feed(self, chunk: bytes) -> bytes:
        """The output that can be written now that `chunk` has arrived."""
        return self._redacted(self._past_key(chunk), last=False)

    def finish(self) -> bytes:
        """What was held back at the end of the stream."""
        return self._redacted(self._dot, last=True)

    def _past_key(self, chunk: bytes) -> bytes:
        """`chunk` without the rest of a key already replaced; a dot may belong to it, or end a sentence."""
        if not self._inside:
            return chunk
        chunk = self._dot + chunk
        end = _BODY.match(chunk).end()  # type: ignore[union-attr]
        self._before = (self._before + chunk[:end])[-_EDGE_SIZE:]
        self._note_rest(chunk[end:])
        return b"" if self._inside else chunk[end:]

    def _note_rest(self, rest: bytes) -> None:
        """Note whether the text after `rest`, which followed a key, may still belong to that key."""
        self._inside = rest in (b"", b".")
        self._dot = rest if self._inside else b""

    def _redacted(self, chunk: bytes, *, last: bool) -> bytes:
        # The patterns look at the bytes before a key to see whether it may begin there.
        data = self._before + self._held + chunk
        start = len(self._before)
        clean: list[bytes] = []
        held_from = len(data) if last else self._secrets.partial(data, start)
        for found in self._matches(data, start):
            # A secret that begins earlier and is still incomplete comes first.
            if held_from <= found.start():
                break
            clean += [data[start : found.start()], REDACTED]
            start = found.end()
            if not last:
                if found[0] not in self._secrets.literals:
                    self._note_rest(data[start:])
                if self._inside:
                    data = data[:start]
                held_from = self._secrets.partial(data, start) if start > held_from else held_from
        held_from = min(held_from, len(data))
        clean.append(data[start:held_from])
        self._before = data[max(0, held_from - _EDGE_SIZE) : held_from]
        self._held = data[held_from:]
        return b"".join(clean)

    def _matches(self, data: bytes, start: int) -> Iterator[re.Match[bytes]]:
        pattern = self._secrets.pattern(data)
        return iter(()) if pattern is None else pattern.finditer(data, start)


@cache
def _partial_shape() -> re.Pattern[bytes]:
    """Finds the beginning of a key at the end of data; compiled only once there is output to search."""
    begun = [rb"%s[\w-]{0,%d}" % (prefix, _DECIDED - 1) for prefix in _SHAPES]
    beginnings = {prefix[:end] for prefix in _SHAPES for end in range(1, len(prefix))}
    beginnings_by_length = sorted(beginnings, key=len, reverse=True)
    edge = _EDGE.replace(b"%s", b"")
    return re.compile(rb"%s(?:%s)\Z" % (edge, b"|".join(begun + beginnings_by_length)))


def _pattern(needle: bytes) -> bytes:
    """The pattern for a literal, or for the shape that begins with `needle`."""
    if needle not in _SHAPES:
        return re.escape(needle)
    # The look-behind comes after the fixed part, because `re` finds it faster that way.
    fixed = re.escape(needle)
    return fixed + _EDGE.replace(b"%s", fixed) + _SHAPES[needle] + _BODY.pattern


@lru_cache(maxsize=16)
def _of(values: tuple[str, ...]) -> Secrets:
    """Cached: the sessions of a run have the same secrets, and to look for them takes patterns."""
    return Secrets(values)


def _secrets_of(environ: Mapping[str, str]) -> Iterator[str]:
    named = environ.get(ALSO_REDACTED, "").split(",")
    yield from chain.from_iterable(_secrets_in(name, value, name in named) for name, value in environ.items())


@lru_cache(maxsize=1024)
def _secrets_in(name: str, value: str, named: bool) -> tuple[str, ...]:
    """The secrets in one variable. Cached: every session asks about nearly the same ones."""
    named_so = named or (_SECRET_NAME.search(name) and not _HARMLESS_NAME.search(name))
    whole = named_so or _WEBHOOK_NAME.search(name)
    lines = value.replace("\\n", "\n").splitlines() if whole else ()
    return (*([value] if whole else ()), *lines, *_URL_PASSWORD.findall(value))


def _forms(value: str) -> Iterator[bytes]:
    """The forms in which a secret may appear in output; none for a number, as redacting it would garble every count."""
    value = value.strip()
    if len(value) < SHORTEST or _NUMBER.fullmatch(value):
        return
    for form in {value, *_in_json(value)}:
        raw = form.encode("utf-8", "surrogateescape")
        pieces = (raw[at : at + LONGEST] for at in range(0, len(raw), LONGEST))
        yield from (piece for piece in pieces if len(piece) >= SHORTEST)


def _in_json(value: str) -> tuple[str, ...]:
    """How JSON may write a value, if not as it is."""
    if value.isascii() and value.isprintable() and '"' not in value and "\\" not in value:
        return ()
    import json

    return json.dumps(value)[1:-1], json.dumps(value, ensure_ascii=False)[1:-1]
