"""The pages themselves: what they point at exists, and the first one stays short."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = sorted(
    [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", *DOCS.rglob("*.md")]
)
TEXT = "\n".join(page.read_text("utf-8") for page in PAGES)

ARCHITECTURE = "\n".join(
    file.read_text("utf-8") for file in (DOCS / "architecture.md", ROOT / "CONTRIBUTING.md")
)

README_MAX_BYTES = 10 * 1024
PICTURE_MAX_BYTES = 300_000


def prose(page: Path) -> str:
    """A page without its blocks of code."""
    return re.sub(r"^```.*?^```$", "", page.read_text("utf-8"), flags=re.DOTALL | re.MULTILINE)


def anchors(page: Path) -> set[str]:
    """Of a page's headings, as they are made from them where the page is shown."""
    headings = re.findall(r"^#+ (.+)$", prose(page), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", text).strip().lower().replace(" ", "-") for text in headings}


LINKS = sorted(
    {
        (page, target)
        for page in PAGES
        for target in re.findall(r"\]\(([^)\s]+)\)", prose(page))
        if not target.startswith(("http:", "https:"))
    }
)


@pytest.mark.parametrize(
    ("page", "target"), LINKS, ids=[f"{page.relative_to(ROOT)}-{target}" for page, target in LINKS]
)
def test_every_link_leads_somewhere(page: Path, target: str) -> None:
    path, _, anchor = target.partition("#")
    file = (page.parent / path).resolve() if path else page
    assert file.exists()
    assert not anchor or anchor in anchors(file)


def test_every_page_can_be_found_from_the_readme() -> None:
    """In two steps at most: by the README itself, or the list of all pages."""
    listed = {
        (page.parent / target.partition("#")[0]).resolve()
        for page, target in LINKS
        if page in (ROOT / "README.md", DOCS / "README.md")
    }
    assert set(DOCS.rglob("*.md")) - {DOCS / "README.md"} <= listed


def test_the_readme_is_short() -> None:
    assert (ROOT / "README.md").stat().st_size <= README_MAX_BYTES


def test_the_readme_shows_a_call() -> None:
    picture = re.search(r"!\[[^]]+\]\(([^)]+)\)", (ROOT / "README.md").read_text("utf-8"))
    assert picture is not None
    assert (ROOT / picture[1]).stat().st_size < PICTURE_MAX_BYTES


@pytest.mark.parametrize("path", sorted(set(re.findall(r"`((?:gateway|twiml)/[\w/.]*)`", TEXT))))
def test_every_path_that_is_named_exists(path: str) -> None:
    assert (ROOT / path).exists()


@pytest.mark.parametrize("path", sorted(set(re.findall(r"`((?!gateway/)\w+/[\w/]+\.py)`", TEXT))))
def test_every_module_that_is_named_exists(path: str) -> None:
    assert (ROOT / path).exists() or (ROOT / "gateway" / path).exists()


METHODS = sorted(set(re.findall(r"`([\w/]+\.py)`, `(\w+)`:", TEXT)))


@pytest.mark.parametrize(("module", "method"), METHODS)
def test_every_method_on_the_path_of_a_frame_exists(module: str, method: str) -> None:
    assert f"def {method}(" in (ROOT / "gateway" / module).read_text("utf-8")


SOURCE = "\n".join(file.read_text("utf-8") for file in (ROOT / "gateway").rglob("*.py"))


@pytest.mark.parametrize(
    "name",
    sorted(
        set(re.findall(r"`([A-Z][a-z]+(?:[A-Z][a-z]+)+|Sideband|[A-Z][a-z]+Error)\b", ARCHITECTURE))
    ),
)
def test_every_class_that_the_architecture_names_exists(name: str) -> None:
    found = re.search(rf"^(class {name}\b|{name}\b.* = )", SOURCE, re.MULTILINE)
    assert found


@pytest.mark.parametrize(
    ("name", "method"), sorted(set(re.findall(r"`([A-Z]\w*[a-z])\.([a-z_]\w*)`", ARCHITECTURE)))
)
def test_every_method_that_the_architecture_names_exists(name: str, method: str) -> None:
    body = re.search(rf"^class {name}\b.*?(?=^class |\Z)", SOURCE, re.MULTILINE | re.DOTALL)
    assert body is not None
    assert re.search(rf"def {method}\(", body[0])


@pytest.mark.parametrize("name", sorted(set(re.findall(r"`([a-z_]+)\(\)`", TEXT))))
def test_every_function_that_is_named_exists(name: str) -> None:
    assert re.search(rf"def {name}\(", SOURCE)


# Those of MALLOC are variables of the C library.
@pytest.mark.parametrize("name", sorted(set(re.findall(r"`((?!MALLOC_)[A-Z_]+_MAX)`", TEXT))))
def test_every_bound_that_is_named_exists(name: str) -> None:
    assert re.search(rf"^{name} = ", SOURCE, re.MULTILINE)


def test_every_library_that_the_server_needs_has_its_reason() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    needed = project["dependencies"] + project["optional-dependencies"]["simulator"]
    wanted = {re.match(r"[\w-]+", one)[0] for one in needed}  # type: ignore[index]
    reasons = (DOCS / "architecture.md").read_text("utf-8").split("| library | reason |", 1)[1]
    first_cells = re.findall(r"^\| ([^|]+) \|", reasons, re.MULTILINE)
    named = {name for cell in first_cells for name in cell.split(", ")}
    assert wanted == named - {"---"}


@pytest.mark.parametrize("target", sorted(set(re.findall(r"`make ([a-z][\w-]*)`", TEXT))))
def test_every_make_target_that_is_named_exists(target: str) -> None:
    assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text(), re.MULTILINE)


def test_every_page_that_the_product_names_exists() -> None:
    """Messages and help name a page of the documents; the README has no chapters any more."""
    named = set(re.findall(r"\bdocs/[\w/-]+\.md", SOURCE))
    assert named
    assert [page for page in sorted(named) if not (ROOT / page).exists()] == []
    assert not re.search(r"\b[Ss]ee the README", SOURCE)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_pages_name_no_caller_by_a_gendered_word(page: Path) -> None:
    words = re.sub(r"`[^`]*`|he, him, his", "", prose(page))  # the vocabulary names them
    assert re.findall(r"\b(he|him|his|she|her|hers)\b", words, re.IGNORECASE) == []
