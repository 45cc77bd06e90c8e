"""Cost of usage by a price list, in exact decimal arithmetic."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field

from gateway.call.call_info import BROWSER
from gateway.protocols.realtime_server import TranscriptionUsage, Usage

MILLION: Final = Decimal(1_000_000)
MINUTE_S: Final = Decimal(60)
KINDS: Final = (
    "text_in",
    "text_cached",
    "text_out",
    "audio_in",
    "audio_cached",
    "audio_out",
    "image_in",
    "image_cached",
    "transcription",
    "carrier",
)
"""The closed set of what is paid for."""

Usd = Annotated[Decimal, Field(ge=0, le=1_000_000)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class TokenPrice(_Part):
    """Per million tokens; None is no price, which is not the same as nothing to pay."""

    in_: Usd | None = Field(None, alias="in")
    cached: Usd | None = None
    out: Usd | None = None


class ModelPrice(_Part):
    text: TokenPrice
    audio: TokenPrice
    image: TokenPrice = TokenPrice()


class TranscriptionPrice(_Part):
    """By the minute of sound, or per million tokens, as the vendor counts."""

    minute: Usd | None = None
    in_: Usd | None = Field(None, alias="in")
    out: Usd | None = None


class CarrierPrice(_Part):
    """Per minute begun."""

    inbound: Usd | None = None
    outbound: Usd | None = None


@dataclass(slots=True)
class Charge:
    """Cost by kind, and the kinds that have no price."""

    usd: dict[str, Decimal] = field(default_factory=dict)
    unpriced: list[str] = field(default_factory=list)

    def add(self, kind: str, units: Decimal, price: Decimal | None) -> None:
        if units <= 0:
            return
        if price is None:
            self.unpriced.append(kind)
        else:
            self.usd[kind] = self.usd.get(kind, Decimal()) + units * price


class Prices(_Part):
    """The price list, and the day on which it was true."""

    as_of: date
    models: Mapping[str, ModelPrice] = {}
    transcription: Mapping[str, TranscriptionPrice] = {}
    carrier: Mapping[str, CarrierPrice] = {}

    def of_response(self, model: str, usage: Usage) -> Charge:
        """A response's tokens. Without details nobody can tell of which kind they are."""
        charge, price = Charge(), self.models.get(model)
        counted_in, counted_out = usage.input_token_details, usage.output_token_details
        if (counted_in is None and usage.input_tokens > 0) or (
            counted_out is None and usage.output_tokens > 0
        ):
            charge.unpriced.append("no_details")
        for direction, kind, cached, tokens in token_counts(usage):
            column = "cached" if cached == "yes" else direction
            one = _per_token(price, kind, column)
            charge.add(f"{kind}_{column}", tokens / MILLION, one)
        return charge

    def of_transcript(self, model: str, usage: TranscriptionUsage) -> Charge:
        charge = Charge()
        price = self.transcription.get(model, TranscriptionPrice())
        if usage.type == "duration":
            minutes = Decimal(str(usage.seconds)) / MINUTE_S
            charge.add("transcription", minutes, price.minute)
        else:
            charge.add("transcription", usage.input_tokens / MILLION, price.in_)
            charge.add("transcription", usage.output_tokens / MILLION, price.out)
        return charge

    def of_minutes(self, path: str, direction: str, minutes: int) -> Charge:
        """Minutes begun on the telephone: of a browser's there are none."""
        charge, price = Charge(), self.carrier.get(path)
        if path == BROWSER:
            return charge
        one = price.outbound if price and direction == "outbound" else None
        one = price.inbound if price and direction == "inbound" else one
        charge.add("carrier", Decimal(minutes), one)
        return charge


def _per_token(price: ModelPrice | None, kind: str, column: str) -> Decimal | None:
    if price is None:
        return None
    row: TokenPrice = getattr(price, kind)
    return {"in": row.in_, "cached": row.cached, "out": row.out}[column]


def token_counts(usage: Usage) -> Iterator[tuple[str, str, str, int]]:
    """(direction, kind, cached, tokens): cached tokens are a part of the input's, split off."""
    details = usage.input_token_details
    if details is not None:
        cached = details.cached_tokens_details
        for kind in ("text", "audio", "image"):
            whole = max(0, getattr(details, f"{kind}_tokens"))
            part = getattr(cached, f"{kind}_tokens") if cached is not None else 0
            part = min(max(0, part), whole)
            yield "in", kind, "yes", part
            yield "in", kind, "no", whole - part
    if usage.output_token_details is not None:
        yield "out", "text", "no", max(0, usage.output_token_details.text_tokens)
        yield "out", "audio", "no", max(0, usage.output_token_details.audio_tokens)
