"""Pictures and texts, and the tools of agents which use them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from time import time

from gateway.bridge.messaging.picture_links import PictureLinks
from gateway.bridge.messaging.pictures import Pictures
from gateway.bridge.messaging.text_tools import TextTools
from gateway.ops.limits.text_limits import TextLimits
from gateway.tools.toolbox import Toolbox
from gateway.wiring.resources import Resources


@dataclass(frozen=True, slots=True)
class Messaging:
    pictures: Pictures
    links: PictureLinks


def messaging(r: Resources) -> Messaging:
    pictures = Pictures(
        r.table,
        r.store,
        r.media,
        r.images,
        r.tasks,
        lambda source, outcome: r.metrics.images.labels(source, outcome).inc(),
    )
    links = PictureLinks(r.store, r.table, pictures.mailbox, r.settings.public_url)
    return Messaging(pictures, links)


def toolbox(r: Resources, texts: Messaging, environ: Mapping[str, str]) -> Toolbox:
    """Return every agent's tools. Raises SettingsError."""
    background = TextTools(
        r.rest,
        texts.links,
        TextLimits(r.store, r.settings.text_countries, time),
        r.table.call,
        lambda outcome: r.metrics.texts.labels(outcome).inc(),
    ).functions

    def on_mcp_status(label: str, up: bool) -> None:
        r.metrics.mcp_up.labels(label).set(up)

    def on_mcp_left_out(label: str, count: int) -> None:
        r.metrics.mcp_left_out.labels(label).inc(count)

    tools = Toolbox(r.book, environ, background, on_mcp_status, on_mcp_left_out)
    for link in tools.mcp.links:
        on_mcp_status(link.label, False)
    return tools
