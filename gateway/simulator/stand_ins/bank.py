"""Records of the bank: customers, accounts, cards, loans."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from starlette.applications import Starlette

from gateway.simulator.stand_ins.service import serve, service

PORT: Final = 8103
CUSTOMERS: Final[Mapping[str, Mapping[str, Any]]] = {
    "4711": {
        "code": "295",
        "account": {"balance": "1,240.50", "currency": "EUR", "last": "29.90 at Orchard Books"},
        "loan": {"kind": "car loan", "state": "approved", "next": "sign by 4 December"},
        "card": "7783",
    },
    "4712": {
        "code": "118",
        "account": {"balance": "80.00", "currency": "EUR", "last": "12.00 at City Transport"},
        "loan": None,
        "card": "1120",
    },
}
"""By customer number; `code` is the one that the customer was given for the telephone."""


def bank() -> Starlette:
    """Return the application."""
    blocked: set[str] = set()

    def known(asked: Mapping[str, Any]) -> Mapping[str, Any] | None:
        found = CUSTOMERS.get(str(asked.get("customer", "")))
        return found if found and found["code"] == str(asked.get("code", "")) else None

    def account(_: Mapping[str, str], asked: Mapping[str, Any]) -> dict[str, Any] | None:
        customer = known(asked)
        return None if customer is None else dict(customer["account"])

    def loan(_: Mapping[str, str], asked: Mapping[str, Any]) -> dict[str, Any] | None:
        customer = known(asked)
        return None if customer is None else dict(customer["loan"] or {"state": "no application"})

    def block(path: Mapping[str, str], _: Mapping[str, Any]) -> dict[str, Any] | None:
        if path["card"] not in {one["card"] for one in CUSTOMERS.values()}:
            return None
        blocked.add(path["card"])
        return {"card": path["card"], "blocked": True}

    return service(
        {
            "POST /accounts/lookup": account,
            "POST /loans/lookup": loan,
            "POST /cards/{card}/block": block,
        }
    )


if __name__ == "__main__":
    serve(bank(), PORT)
