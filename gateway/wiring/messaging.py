"""Pictures of callers, and the links by which they send them."""

from __future__ import annotations

from dataclasses import dataclass

from gateway.bridge.messaging.picture_links import PictureLinks
from gateway.bridge.messaging.pictures import Pictures
from gateway.ops.limits.signed_tokens import PhotoTokens
from gateway.ops.store.caller_index import CallerIndex
from gateway.wiring.resources import Resources


@dataclass(frozen=True, slots=True)
class Messaging:
    pictures: Pictures
    links: PictureLinks
    caller_index: CallerIndex


def messaging(r: Resources, index: CallerIndex) -> Messaging:
    pictures = Pictures(
        r.table,
        r.store,
        r.media,
        r.images,
        r.tasks,
        lambda source, outcome: r.metrics.images.labels(source, outcome).inc(),
    )
    links = PictureLinks(
        r.store, r.table, pictures.mailbox, PhotoTokens(r.auth_tokens), r.settings.public_url
    )
    return Messaging(pictures, links, index)
