"""The stanza of an MCP server: what it may say, and where it is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.agents.config.mcp import McpServer, server_of
from gateway.agents.file.loader import load_agents
from gateway.errors import AgentFileError

FILE = """\
agents:
  desk:
    instructions: Be kind.
    mcp:
{stanza}
routes:
  - to: "*"
    agent: desk
"""


def read(file: Path, *lines: str) -> dict[str, McpServer]:
    file.write_text(FILE.format(stanza="\n".join(f"      {line}" for line in lines)))
    return load_agents(file).agents["desk"].mcp


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "agents.yaml"


def test_a_server_of_our_own(file: Path) -> None:
    found = read(
        file,
        "warehouse:",
        "  via: gateway",
        "  url: http://stock.internal:9000/mcp",
        "  authorization: ${WAREHOUSE_TOKEN}",
        "  headers: {X-Team: a, X-Key: 'k ${SHOP_KEY}'}",
        "  allowed_tools: [stock, reserve]",
        "  timeout_s: 4",
        "  filler: One moment.",
        "  confirm: true",
    )
    server = found["warehouse"]
    assert server.secrets == {"WAREHOUSE_TOKEN", "SHOP_KEY"}
    assert (server.offers("stock"), server.offers("drop_table")) == (True, False)
    assert (server.timeout_s, server.filler, server.confirm) == (4, "One moment.", True)


def test_a_process(file: Path) -> None:
    lines = ("stock:", "  via: gateway", "  command: [python, -m, stock_server]")
    found = read(file, *lines, "  env: {STOCK_DB: '${STOCK_DB}'}")
    assert found["stock"].command == ["python", "-m", "stock_server"]
    assert found["stock"].secrets == {"STOCK_DB"}
    assert found["stock"].offers("anything")


def test_servers_that_the_vendor_reaches(file: Path) -> None:
    found = read(
        file,
        "docs:",
        "  via: openai",
        "  url: https://docs.example.com/mcp",
        "  approval: {operator: [read], none: [search]}",
        "mail:",
        "  via: openai",
        "  connector: connector_gmail",
        "  approval: operator",
    )
    docs, mail = found["docs"], found["mail"]
    assert [docs.approval_of(t) for t in ("read", "search", "write")] == [
        "operator",
        "none",
        "operator",
    ]
    assert mail.approval_of("send") == "operator"


@pytest.mark.parametrize(
    ("line", "key"),
    [
        ("via: gateway", "url"),
        ("via: gateway, url: https://a.example, command: [a]", "url"),
        ("via: gateway, connector: connector_gmail", "connector"),
        ("via: openai, command: [a]", "command"),
        ("via: openai, url: https://a.example, connector: connector_gmail", "url"),
        ("via: phone, url: https://a.example", "via"),
        ("url: https://a.example", "via"),
        ("via: gateway, url: ftp://a.example", "url"),
        ('via: gateway, url: "https://user:word@a.example/"', "url"),
        ("via: gateway, command: []", "command"),
        ("via: openai, url: https://a.example, authorization: s3cret", "authorization"),
        ("via: gateway, command: [a], authorization: '${T}'", "authorization"),
        ("via: gateway, command: [a], headers: {X-A: b}", "headers"),
        ("via: gateway, url: https://a.example, env: {A: b}", "env"),
        (
            "via: openai, url: https://a.io, authorization: '${T}', headers: {authorization: x}",
            "headers.authorization",
        ),
        ("via: openai, url: https://a.example, approval: perhaps", "approval"),
        ("via: openai, connector: connector_fax", "connector"),
        ("via: openai, url: https://a.example, approval_timeout_s: 0.5", "approval_timeout_s"),
        ("via: gateway, url: https://a.example, approval: perhaps", "approval"),
        ("via: gateway, url: https://a.example, approval_timeout_s: 301", "approval_timeout_s"),
        ("via: openai, url: https://a.example, confirm: true", "confirm"),
        ("via: openai, url: https://a.example, on_barge_in: cancel", "on_barge_in"),
        ("via: openai, url: https://a.example, allowed_tools: [a, a]", "allowed_tools.2"),
        ("via: gateway, url: https://a.example, timeout_s: 0", "timeout_s"),
        ("via: gateway, url: https://a.example, token: x", "token"),
    ],
)
def test_what_does_not_fit_is_refused_with_its_key(file: Path, line: str, key: str) -> None:
    with pytest.raises(AgentFileError) as refused:
        read(file, f"stock: {{{line}}}")
    assert refused.value.key == f"agents.desk.mcp.stock.{key}"
    assert refused.value.line == 5


def test_a_tool_stands_in_one_list_of_approvals(file: Path) -> None:
    with pytest.raises(AgentFileError) as refused:
        read(
            file,
            "docs:",
            "  via: openai",
            "  url: https://docs.example.com",
            "  approval: {none: [a], operator: [a]}",
        )
    assert refused.value.key == "agents.desk.mcp.docs.approval.operator.1"


@pytest.mark.parametrize("via", ["openai", "gateway"])
@pytest.mark.parametrize(
    ("approval", "key", "says"),
    [
        ("always", "approval", "always is not a word for it here: write operator"),
        ("never", "approval", "never is not a word for it here: write none"),
        ("{always: [read]}", "approval.always", "is not a word for it here: write operator"),
        (
            "{operator: [a], never: [read]}",
            "approval.never",
            "is not a word for it here: write none",
        ),
    ],
)
def test_the_former_words_are_refused_with_what_to_write(
    file: Path, via: str, approval: str, key: str, says: str
) -> None:
    with pytest.raises(AgentFileError) as refused:
        read(file, f"docs: {{via: {via}, url: https://a.example, approval: {approval}}}")
    assert refused.value.key == f"agents.desk.mcp.docs.{key}"
    assert says in str(refused.value)


@pytest.mark.parametrize("via", ["openai", "gateway"])
def test_whoever_reaches_it_the_stanza_is_the_same(file: Path, via: str) -> None:
    found = read(
        file,
        "docs:",
        f"  via: {via}",
        "  url: https://docs.example.com",
        "  approval: {none: [search], operator: [read]}",
        "  approval_timeout_s: 40",
    )
    docs = found["docs"]
    assert [docs.approval_of(t) for t in ("search", "read", "write")] == [
        "none",
        "operator",
        "operator",
    ]
    assert docs.approval_timeout_s == 40


def test_two_private_tools_of_one_name_need_the_stricter_leave(file: Path) -> None:
    """The model knows both as `docs_page_read`, and only one of them is offered."""
    lists = "{none: [page.read, a.b], operator: [page_read, 'a/b']}"
    private, hosted = (
        read(file, f"docs: {{via: {via}, url: https://a.example, approval: {lists}}}")["docs"]
        for via in ("gateway", "openai")
    )
    assert private.approval_of("page_read") == "operator"
    assert private.approval_of("a_b") == "operator"
    assert hosted.approval_of("page.read") == "none"


@pytest.mark.parametrize("label", ["9lives", "a b", "x" * 33, '""'])
def test_a_label_is_half_a_name(file: Path, label: str) -> None:
    with pytest.raises(AgentFileError, match="must be a name of letters, at most 32"):
        read(file, f"{label}: {{via: gateway, url: https://a.example}}")


def test_a_tools_name_leads_to_one_server(file: Path) -> None:
    where = "{via: gateway, url: https://a.example}"
    found = read(file, f"stock: {where}", f"stocks: {where}")
    assert server_of("stock_list", found) == "stock"
    assert server_of("stocks_list", found) == "stocks"
    assert server_of("list", found) is None
    with pytest.raises(AgentFileError, match="must not begin with stock_"):
        read(file, f"stock: {where}", f"stock_old: {where}")


@pytest.mark.parametrize(
    ("lines", "key"),
    [
        (("  url: 'https://a.example/{call.sid}'",), "mcp.docs.url"),
        (
            ("  url: https://a.example/", "  headers: {X-From: '{call.caller}'}"),
            "mcp.docs.headers.X-From",
        ),
    ],
)
@pytest.mark.parametrize("via", ["gateway", "openai"])
def test_a_server_for_all_calls_has_no_value_of_one(
    file: Path, via: str, lines: tuple[str, ...], key: str
) -> None:
    with pytest.raises(AgentFileError, match="a server serves all calls") as refused:
        read(file, "docs:", f"  via: {via}", *lines)
    assert refused.value.key == f"agents.desk.{key}"
