"""Schema of scenarios: a rehearsal as YAML, with steps, faults and expectations."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from pydantic import Field, model_validator

from gateway.simulator.scenario.expect import Expect
from gateway.simulator.scenario.parties import Answer, CallerSpec, FaultSpec, Party, PersonSpec
from gateway.simulator.scenario.steps import CallerStep, Seconds, StrictModel


class Scenario(StrictModel):
    """A rehearsal: one caller's steps, and what must hold afterwards."""

    name: str
    """Name in reports."""
    description: str = ""
    """What the scenario is about."""
    call: CallerSpec = CallerSpec()
    """How the call reaches the gateway."""
    at: datetime | None = None
    """Time at which a spawned gateway starts, for opening hours only; without an offset it is
    the time of the agents' zone."""
    language: str = "en"
    """Language of the caller's voice."""
    max_s: Seconds = 180
    """Longest duration of the call."""
    agents: str | dict[str, Any] | None = None
    """Agents of a spawned gateway: a file beside the scenario, or the content of one."""
    model: dict[str, Any] | str | None = None
    """Script of a spawned model: a file beside the scenario, or the content of one."""
    people: dict[Party, PersonSpec] = Field({})
    """People who can be called, by number, SIP address or `queue:NAME`."""
    services: dict[Annotated[str, Field(pattern=r"^/")], Answer] = Field({})
    """Web services for a spawned gateway's functions, by path; `${services}` in `agents` is
    their address."""
    processes: dict[Annotated[str, Field(pattern=r"^[a-z]+$")], list[str]] = Field({})
    """Commands that run beside a spawned gateway, each with a `${port}` of its own; `${NAME}` in
    `agents` is the address."""
    stands_for: dict[str, str] = Field({})
    """Addresses in the file of `agents`, and the process that takes the place of each."""
    environment: dict[str, str] = Field({})
    """Settings of a spawned gateway."""
    steps: Annotated[list[CallerStep], Field(min_length=1)]
    """What the caller does, in order."""
    faults: FaultSpec = FaultSpec()
    """A bad network for the whole call."""
    expect: Expect = Expect()
    """What must hold when the call is over."""

    @property
    def spawned_only(self) -> list[str]:
        """The keys of this scenario that have an effect on spawned gateways only."""
        keys = ("at", "agents", "model", "services", "processes", "stands_for", "environment")
        return [key for key in keys if getattr(self, key)]

    @model_validator(mode="after")
    def _processes_exist(self) -> Scenario:
        for number, step in enumerate(self.steps, 1):
            name = step.kill or step.start
            if name and name not in self.processes:
                raise ValueError(f"steps.{number}: no process is named {name}")
        return self

    @model_validator(mode="after")
    def _stand_ins_exist(self) -> Scenario:
        for name in self.stands_for.values():
            if name not in self.processes:
                raise ValueError(f"stands_for: no process is named {name}")
        return self

    @model_validator(mode="after")
    def _called_person_exists(self) -> Scenario:
        if self.call.direction == "outbound" and self.call.to not in self.people:
            raise ValueError(f"call.to: {self.call.to} must be one of `people`")
        return self

    @model_validator(mode="after")
    def _echo_of_words(self) -> Scenario:
        if (echo := self.expect.echo) and (
            echo.of_step > len(self.steps)
            or self.steps[echo.of_step - 1].kind not in ("say", "play", "interrupt")
        ):
            raise ValueError(f"expect.echo: the caller does not speak in step {echo.of_step}")
        return self
