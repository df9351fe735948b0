"""The documentation says what the program does: generated pages are fresh, keys are all named, links lead somewhere."""

from __future__ import annotations

import ast
import re
import runpy
from pathlib import Path

import msgspec
import pytest

from pitboss.core.config import AgentSettings, GrindSettings, HookSettings, Price, WorktreeSettings
from pitboss.core.prompt import PromptMeta
from pitboss.core.run import RunState
from pitboss.core.session import Reason, SessionRecord
from pitboss.screens.tui.keys import KEYS, Group

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
PAGES = sorted([*ROOT.glob("*.md"), *DOCS.rglob("*.md"), *ROOT.glob("bench/*.md")])
NAMED_IN: dict[str, list[type[msgspec.Struct]]] = {
    "writing-prompts.md": [PromptMeta],
    "configuration.md": [AgentSettings, GrindSettings, HookSettings, Price, WorktreeSettings],
    "run-directory.md": [RunState, SessionRecord],
}
TABLES = {"unknown", "budgets", "hooks", "worktree"}
NOT_ON_DISK = {"queue", "early"}
CONTRACT = DOCS / "contract.md"
CITATION = re.compile(r"\bSPEC (\d+(?:\.\d+)?(?:,? (?:and )?\d+(?:\.\d+)?\b)*)")
GENERATED = runpy.run_path(str(DOCS / "generate.py"))["pages"]()


@pytest.mark.parametrize("page", GENERATED, ids=lambda page: page.name)
def test_a_generated_page_is_what_make_docs_would_write(page: Path) -> None:
    assert page.read_text(encoding="utf-8") == GENERATED[page]


@pytest.mark.parametrize("page", NAMED_IN)
def test_every_key_is_documented(page: str) -> None:
    text = (DOCS / page).read_text(encoding="utf-8")
    keys = {name for kind in NAMED_IN[page] for name in kind.__struct_fields__} - TABLES - NOT_ON_DISK
    assert {key for key in keys if f"`{key}`" not in text} == set()


def test_every_key_of_the_tui_is_documented() -> None:
    text = (DOCS / "watching.md").read_text(encoding="utf-8")
    rows = re.findall(r"\| `(.+)` \| (.+) \|", text)
    assert [(key.shown, key.words) for group in Group for key in KEYS if key.group is group] == [
        row for row in rows if row[0] in {key.shown for key in KEYS}
    ]


def test_every_reason_is_documented() -> None:
    text = (DOCS / "run-directory.md").read_text(encoding="utf-8")
    assert [reason for reason in Reason if f"`{reason}`" not in text] == []


def test_every_default_of_grind_is_documented() -> None:
    text = (DOCS / "configuration.md").read_text(encoding="utf-8")
    simple = {
        field.name: msgspec.json.encode(field.default).decode()
        for field in msgspec.structs.fields(GrindSettings)
        if isinstance(field.default, int | str)
    }
    for name, default in simple.items():
        assert f"| `{name}` | `{default}` |" in text, name


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    links = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8"))
    assert [link for link in links if not (page.parent / link).exists()] == []


def anchors(page: Path) -> set[str]:
    """What links to headings of a page call them."""
    headings = re.findall(r"^#+ (.*)", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_to_headings_lead_to_one(page: Path) -> None:
    links = re.findall(r"\]\(([^)#:]*)#([^)]*)\)", page.read_text(encoding="utf-8"))
    wrong = [
        (file, name) for file, name in links if name not in anchors(page.parent / file if file else page)
    ]
    assert wrong == []


def commands(page: Path) -> set[str]:
    """Every command line of pitboss on a page: in code spans, and at the beginning of a line of a code block."""
    text = page.read_text(encoding="utf-8")
    blocks = "\n".join(re.findall(r"^```+\w*\n(.*?)^```", text, re.DOTALL | re.MULTILINE))
    spans = re.findall(
        r"(?<!`)`(pitboss [^`]+)`", re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE)
    )
    return {
        " ".join(line.partition("#")[0].split())
        for line in (*re.findall(r"^pitboss .*", blocks, re.MULTILINE), *spans)
    }


def test_every_command_and_option_on_a_page_exists() -> None:
    help_page = (DOCS / "reference" / "help.md").read_text(encoding="utf-8")
    pages = dict(re.findall(r"^## (pitboss[^\n]*)\n\n```\n(.*?)^```", help_page, re.DOTALL | re.MULTILINE))
    wrong = []
    for page in set(PAGES) - {DOCS / "reference" / "help.md"}:
        for line in commands(page):
            words = line.split()
            name = next((" ".join(words[:n]) for n in (3, 2, 1) if " ".join(words[:n]) in pages), "")
            options = re.findall(r"(?<=\s)--?[a-z][a-z-]*", line)
            known = pages[name] if name != "pitboss" else "".join(pages.values())
            if name == "pitboss" and re.fullmatch(r"[a-z]+", words[1]):
                wrong.append(f"{page.name}: {line}")
            wrong += [f"{page.name}: {line}" for option in options if not re.search(rf"{option}\b", known)]
    assert wrong == []


def contract() -> set[str]:
    """Every section of the contract, and every numbered item in one, as docstrings cite them: `7`, `1.2`."""
    found, section = set[str](), ""
    for line in CONTRACT.read_text(encoding="utf-8").splitlines():
        if heading := re.match(r"## (\d+)\. ", line):
            section = heading[1]
            found.add(section)
        elif line.startswith("## "):
            section = ""
        elif section and (item := re.match(r"(\d+)\. ", line)):
            found.add(f"{section}.{item[1]}")
    return found


def citations() -> dict[str, set[str]]:
    """Each section of the contract that is cited somewhere, and by which files."""
    found: dict[str, set[str]] = {}
    for path in (
        *(ROOT / "src").rglob("*"),
        *(ROOT / "tests").rglob("*"),
        *(ROOT / "bench").rglob("*"),
        *PAGES,
    ):
        if path.suffix in {".py", ".md", ".c", ".sh", ".toml"}:
            for cited in CITATION.findall(path.read_text(encoding="utf-8")):
                for section in re.findall(r"[\d.]*\d", cited):
                    found.setdefault(section, set()).add(str(path.relative_to(ROOT)))
    return found


def test_every_citation_of_the_contract_leads_somewhere() -> None:
    there = contract()
    assert {section: files for section, files in citations().items() if section not in there} == {}


def test_every_section_and_promise_of_the_contract_is_cited() -> None:
    cited = {section for section, files in citations().items() if any(not f.endswith(".md") for f in files)}
    binding = {section for section in contract() if "." not in section or section.startswith("1.")}
    assert {section for section in binding if section not in cited} == set()


def test_every_path_that_where_names_exists() -> None:
    named = re.findall(
        r"`((?:src|tests|docs)/[^`]*)`", (DOCS / "explain" / "where.md").read_text(encoding="utf-8")
    )
    assert named
    assert [path for path in named if not (ROOT / path).exists()] == []


def test_no_message_names_a_page_that_only_a_clone_has() -> None:
    for path in sorted((ROOT / "src").rglob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        told = {node.value for node in ast.walk(tree) if isinstance(node, ast.Expr)}
        texts = (node for node in ast.walk(tree) if isinstance(node, ast.Constant) and node not in told)
        named = [node.value for node in texts if isinstance(node.value, str) and "docs/" in node.value]
        assert not named, (path, named)
    for path in sorted((ROOT / "src/pitboss/cli/templates").iterdir()):
        assert "docs/" not in path.read_text(encoding="utf-8"), path
