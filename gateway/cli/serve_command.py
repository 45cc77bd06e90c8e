"""Options of `gateway serve`."""

from __future__ import annotations

from typing import Annotated

import typer

from gateway.cli.serve import serve_calls


def serve(
    simulated: Annotated[
        bool,
        typer.Option("--simulated", help="Stand-ins for OpenAI and Twilio; no account needed."),
    ] = False,
) -> None:
    """Serve calls. Settings come from the environment; see docs/reference/settings.md."""
    serve_calls(simulated=simulated)
