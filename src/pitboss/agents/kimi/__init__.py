"""The `kimi` backend: Kimi Code without its terminal, read through its stream of JSON messages (SPEC 6).

It takes a prompt as an argument alone, and Linux limits how long one may be: a longer prompt is in a file, and the
argument says where. In this mode it asks nobody, whatever it is told.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from pitboss.agents.backend import Backend, Cost, Launch
from pitboss.agents.kimi.stream import KimiReader
from pitboss.core.patterns import lazy_pattern

if TYPE_CHECKING:
    from pitboss.core.agent import AgentRequest
    from pitboss.core.config import AgentSettings

LONGEST = 100 * 1024
"""Bytes of a prompt in an argument, which Linux limits to 128 KiB."""

ELSEWHERE = "Your task is in the file {file}. Read all of that file first, then do what it says."
QUIET = {"KIMI_CODE_NO_AUTO_UPDATE": "1", "KIMI_DISABLE_TELEMETRY": "1"}


class Kimi(Backend):
    """`kimi -p`; what it used is in files of its own."""

    name = "kimi"
    install = "npm install -g @moonshot-ai/kimi-code (with Node.js 22), or set [agent.kimi] binary"
    log_in = "kimi login, or a provider in ~/.kimi-code/config.toml"
    cost = Cost.PRICED
    known_version = "2.1.0"
    resumable = True
    session_lost = lazy_pattern(r"session \S+ not found", re.IGNORECASE)

    def launch(self, request: AgentRequest, settings: AgentSettings) -> Launch:
        """The documented headless command line, then `extra_args`, which therefore win."""
        text = request.text.encode("utf-8", "replace").replace(b"\0", b"")
        file = str(Path(request.usage_file).with_suffix(".prompt.md"))
        fits = len(text) <= LONGEST
        model, resume = request.model or settings.model, request.resume
        return Launch(
            argv=(
                self.binary(settings),
                *("--prompt", text.decode() if fits else ELSEWHERE.format(file=file)),
                *("--output-format", "stream-json"),
                *(() if model is None else ("--model", model)),
                *(() if resume is None else ("--session", resume.session_id)),
                *settings.extra_args,
            ),
            file=None if fits else (file, text),
            env_defaults=QUIET,
            split_stderr=True,
        )

    def reader(self, request: AgentRequest) -> KimiReader:
        """A reader of stream-json."""
        return KimiReader(request)
