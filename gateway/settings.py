"""Environment variables that the gateway reads: typed, checked, frozen."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from pathlib import Path
from re import fullmatch
from typing import Annotated, Final, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, ValidationError

from gateway import limits
from gateway.errors import SettingsError
from gateway.setting_types import (
    BaseUrl,
    DatabaseUrl,
    EventsUrl,
    Flag,
    ListenHost,
    Moment,
    Origins,
    Prefixes,
    PublicUrl,
    RecordingsUrl,
    Secret,
    SipHost,
    StoreUrl,
    as_flag,
    fitting,
    named_tokens,
    number,
    one_of,
    some_secrets,
    split_url,
)

SIMULATED_API_KEY: Final = "sk-simulated"
SIMULATED_ACCOUNT_SID: Final = "AC" + "0" * 32
SIMULATED_AUTH_TOKEN: Final = "simulated-auth-token"  # noqa: S105 - stands in for one, opens nothing

SIMULATED_PROJECT_ID: Final = "proj_simulated"
SIMULATED_WEBHOOK_SECRET: Final = "whsec_c2ltdWxhdGVkLXdlYmhvb2stc2VjcmV0"  # noqa: S105

MEDIA_PATH: Final = "/twilio/media"
_REQUIRED: Final = (
    "OPENAI_API_KEY",
    "TWILIO_ACCOUNT_SID",
    "TWILIO_AUTH_TOKEN",
    "GATEWAY_PUBLIC_URL",
)
# A Kubernetes Service named "gateway" puts its own variables into every pod beside it.
_SERVICE_LINK: Final = r"GATEWAY_(SERVICE_(HOST|PORT).*|PORT_\d+_(TCP|UDP|SCTP).*)"


def _variable(field: str) -> str:
    """Return the environment name of a field that has no alias of its own."""
    return field.upper() if field.startswith(("openai_", "twilio_")) else f"GATEWAY_{field.upper()}"


class Settings(BaseModel):
    """Settings of one process; `alias` of each field is its name in the environment."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", alias_generator=_variable, hide_input_in_errors=True
    )

    openai_api_key: Secret = Field(
        description="Key for the Realtime API; required, unless simulated."
    )
    openai_base_url: BaseUrl = Field(
        "https://api.openai.com/v1",
        description="REST base of OpenAI; the WebSocket's address is the same with ws(s).",
    )
    openai_project_id: (
        Annotated[
            str, fitting(r"proj_[A-Za-z0-9_-]+", "must be an OpenAI project id, like proj_abc123")
        ]
        | None
    ) = Field(
        None, description="The user part of the SIP address (proj_...); required for SIP-direct."
    )
    openai_sip_host: SipHost = Field(
        "sip.api.openai.com", description="SIP host of OpenAI (EU: sip-eu.api.openai.com)."
    )
    openai_webhook_secret: Annotated[tuple[SecretStr, ...], some_secrets("whsec_")] = Field(
        (),
        description="Secret of OpenAI's webhook (whsec_...), or several during rotation, "
        "comma-separated; required for SIP-direct.",
    )
    twilio_account_sid: Annotated[
        str, fitting(r"AC[0-9a-f]{32}", "must be AC and 32 hexadecimal digits")
    ] = Field(description="The Twilio account; required, unless simulated.")
    twilio_auth_token: Annotated[tuple[SecretStr, ...], some_secrets()] = Field(
        description="Its token, or several during rotation, comma-separated, the one in use "
        "first; required, unless simulated."
    )
    twilio_base_url: BaseUrl = Field("https://api.twilio.com", description="REST base of Twilio.")
    public_url: PublicUrl = Field(
        description="The https:// address at which Twilio and OpenAI reach the gateway, and "
        "against which their signatures are checked; required, unless simulated."
    )
    host: ListenHost = Field("0.0.0.0", description="Address to listen on.")  # noqa: S104 - a server in a pod
    port: Annotated[int, number(int, 1, 65_535)] = Field(8080, description="Port to listen on.")
    agents: Path | None = Field(
        None, description="The agents file, YAML; unset, the shipped example."
    )
    twiml_dir: Path | None = Field(
        None, description="A folder of TwiML templates that replaces the shipped one."
    )
    prices: Path | None = Field(None, description="The price list, YAML; unset, the shipped one.")
    budget_usd: (
        Annotated[float, number(float, limits.agents.SPEND_MIN_USD, limits.settings.BUDGET_MAX_USD)]
        | None
    ) = Field(
        None,
        description="What may be spent on one day (UTC) before no new calls are taken: by all "
        "processes that share a Redis, or by one without.",
    )
    max_calls: Annotated[int, number(int, 1, limits.settings.MAX_CALLS_MAX)] = Field(
        limits.settings.MAX_CALLS_DEFAULT,
        description="Media calls that this process takes at once.",
    )
    max_calls_per_caller: Annotated[int, number(int, 1, limits.settings.MAX_CALLS_MAX)] | None = (
        Field(
            None, description="Calls of one caller at once, over all processes; unset, any number."
        )
    )
    overflow: Annotated[Literal["sip", "human", "busy"], one_of("sip", "human", "busy")] = Field(
        "busy", description="What a call beyond GATEWAY_MAX_CALLS gets: sip, human or busy."
    )
    dial_countries: Prefixes = Field(
        (),
        description="Prefixes of numbers that agents may call, comma-separated, like +1,+44; "
        "unset, none.",
    )
    text_countries: Prefixes = Field(
        (),
        description="Prefixes of numbers that agents may text, besides the country of the number "
        "that the caller dialled.",
    )
    sip_allow_rtp: Flag = Field(
        False, description="1: take SIP calls whose sound is not encrypted (RTP instead of SRTP)."
    )
    store: StoreUrl = Field(
        SecretStr("memory://"),
        description="Where calls are remembered: memory:// or redis://HOST:PORT/DB.",
    )
    store_key: Annotated[tuple[SecretStr, ...], some_secrets()] = Field(
        (),
        description="Encrypts what is written to Redis, the database and the spool; several "
        "during rotation, comma-separated, the one in use first.",
    )
    data_dir: Path = Field(
        Path("data"),
        description="Folder of the database, unless GATEWAY_DATABASE names another, and of what "
        "waits for it.",
    )
    database: DatabaseUrl | None = Field(
        None,
        description="Where records of ended calls are: sqlite:///PATH or postgresql://...; unset, "
        "a file in GATEWAY_DATA_DIR.",
    )
    events_url: EventsUrl | None = Field(
        None, description="Where signed events of calls are delivered; unset, nowhere."
    )
    events_secret: Annotated[tuple[SecretStr, ...], some_secrets("whsec_")] = Field(
        (),
        description="Signs the events (whsec_ and base64); several during rotation, "
        "comma-separated: all of them sign.",
    )
    retain_days: Annotated[
        float, number(float, limits.database.RETAIN_MIN_DAYS, limits.database.RETAIN_MAX_DAYS)
    ] = Field(
        limits.database.RETAIN_DEFAULT_DAYS,
        description="Days after which the record of a call is deleted.",
    )
    recordings: RecordingsUrl | None = Field(
        None,
        description="Where recordings are kept: file:///FOLDER, s3://BUCKET/PREFIX, "
        "gs://BUCKET/PREFIX or az://CONTAINER/PREFIX; unset, a folder in GATEWAY_DATA_DIR.",
    )
    admin_token: Secret | None = Field(
        None,
        description="Bearer token for /api and /console; without it and GATEWAY_TOKENS both "
        "are off.",
    )
    phone_origins: Origins = Field(
        (),
        description="Web sites that may show the browser phone in their pages, comma-separated, "
        "like https://www.example.com; unset, none.",
    )
    tokens: Annotated[tuple[SecretStr, ...], BeforeValidator(named_tokens)] = Field(
        (),
        description="More bearer tokens, as NAME:ROLE:TOKEN, comma-separated, or file:///PATH with "
        "one a line; roles: viewer, operator, admin.",
    )
    drain_s: Annotated[float, number(float, 0, limits.settings.DRAIN_MAX_S)] = Field(
        limits.settings.DRAIN_DEFAULT_S,
        alias="GATEWAY_DRAIN_SECONDS",
        description="Seconds for which a stopping process lets its calls finish.",
    )
    log_format: Annotated[Literal["json", "console"], one_of("json", "console")] | None = Field(
        None, description="json or console; unset, console on a terminal and json elsewhere."
    )
    log_level: Annotated[
        Literal["debug", "info", "warning", "error"],
        one_of("debug", "info", "warning", "error"),
    ] = Field("info", description="The least that is logged: debug, info, warning or error.")
    simulated: Flag = Field(
        False,
        description="1: the embedded model and caller stand in for OpenAI and Twilio.",
    )
    simulated_time: Moment | None = Field(
        None,
        description="The time at which the process starts, for opening hours only, like "
        "2026-12-25T09:00+01:00; refused unless simulated.",
    )

    @property
    def recordings_url(self) -> str:
        """Return where recordings are kept."""
        return self.recordings or f"file://{(self.data_dir / 'recordings').absolute()}"

    @property
    def operator_tokens(self) -> list[tuple[str, str, str]]:
        """Name, role and token of each operator of the environment."""
        admin = self.admin_token.get_secret_value() if self.admin_token is not None else ""
        return _operators(admin, [token.get_secret_value() for token in self.tokens])

    @property
    def sip_uri(self) -> str | None:
        """SIP address at which OpenAI takes calls; None while the SIP path is not set up.

        `secure=true` has Twilio offer SRTP: a call without it is refused by default.
        """
        if self.openai_project_id is None or not self.openai_webhook_secret:
            return None
        return f"sip:{self.openai_project_id}@{self.openai_sip_host};transport=tls;secure=true"

    @property
    def realtime_url(self) -> str:
        """Address of the Realtime API's WebSocket, without a query."""
        return f"ws{self.openai_base_url.removeprefix('http')}/realtime"

    @property
    def media_url(self) -> str:
        """Address of the media stream, as it stands in the TwiML and in Twilio's signature."""
        return f"ws{self.public_url.removeprefix('http')}{MEDIA_PATH}"


def load_settings(environ: Mapping[str, str], *, simulated: bool = False) -> Settings:
    """Return the settings in `environ`, where an empty value is an unset one.

    Raises SettingsError: one sentence that names each wrong variable and says what to do.
    """
    given = {name: value for name, value in environ.items() if value.strip()}
    _refuse_unknown(given)
    values = {name: given[name].strip() for name in variables() if name in given}
    if simulated or _simulated(values):
        values = _stand_ins(values) | values | {"GATEWAY_SIMULATED": "1"}
    _refuse_missing(values)
    try:
        settings = Settings.model_validate(values)
    except ValidationError as error:
        raise SettingsError(_sentence(error)) from None
    if not settings.simulated and settings.public_url.startswith("http:"):
        raise SettingsError(
            "GATEWAY_PUBLIC_URL must be https:// unless GATEWAY_SIMULATED=1: "
            "Twilio opens a media stream over TLS only."
        )
    if settings.simulated_time is not None and not settings.simulated:
        raise SettingsError(
            "GATEWAY_SIMULATED_TIME needs GATEWAY_SIMULATED=1: real calls have the real time."
        )
    if settings.events_url is not None and not settings.events_secret:
        raise SettingsError(
            "GATEWAY_EVENTS_URL needs GATEWAY_EVENTS_SECRET: "
            'echo "whsec_$(openssl rand -base64 32)" makes one.'
        )
    if settings.overflow == "sip" and settings.sip_uri is None:
        raise SettingsError(
            "GATEWAY_OVERFLOW=sip needs OPENAI_PROJECT_ID and OPENAI_WEBHOOK_SECRET: set both."
        )
    return settings


def load_tokens(environ: Mapping[str, str]) -> list[tuple[str, str, str]]:
    """Return name, role and token of each operator as the environment has them now.

    Raises SettingsError.
    """
    given = environ.get("GATEWAY_TOKENS", "").strip()
    try:
        tokens = named_tokens(given) if given else ()
    except ValueError as error:
        raise SettingsError(f"GATEWAY_TOKENS {error}.") from None
    return _operators(environ.get("GATEWAY_ADMIN_TOKEN", "").strip(), tokens)


def _operators(admin: str, tokens: Iterable[str]) -> list[tuple[str, str, str]]:
    found = [("admin", "admin", admin)] if admin else []
    for token in tokens:
        name, role, secret = token.split(":", 2)
        found.append((name, role, secret))
    return found


def variables() -> dict[str, str]:
    """Map environment names to field names, in the order of the settings reference."""
    return {field.alias or name: name for name, field in Settings.model_fields.items()}


def _simulated(values: Mapping[str, str]) -> bool:
    try:
        return bool(as_flag(values.get("GATEWAY_SIMULATED", "0")))
    except ValueError as error:
        raise SettingsError(f"GATEWAY_SIMULATED {error}.") from None


def _stand_ins(values: Mapping[str, str]) -> dict[str, str]:
    default = f"http://127.0.0.1:{Settings.model_fields['port'].default}"
    here = f"http://127.0.0.1:{values.get('GATEWAY_PORT', '')}"
    return {
        "OPENAI_API_KEY": SIMULATED_API_KEY,
        "OPENAI_PROJECT_ID": SIMULATED_PROJECT_ID,
        "OPENAI_WEBHOOK_SECRET": SIMULATED_WEBHOOK_SECRET,
        "TWILIO_ACCOUNT_SID": SIMULATED_ACCOUNT_SID,
        "TWILIO_AUTH_TOKEN": SIMULATED_AUTH_TOKEN,
        # A wrong GATEWAY_PORT is reported as such, not as a wrong GATEWAY_PUBLIC_URL.
        "GATEWAY_PUBLIC_URL": here if "GATEWAY_PORT" in values and split_url(here) else default,
    }


def _refuse_missing(values: Mapping[str, str]) -> None:
    if missing := [name for name in _REQUIRED if name not in values]:
        raise SettingsError(
            f"{_and(missing)} {'is' if len(missing) == 1 else 'are'} not set: "
            "set what is missing, or GATEWAY_SIMULATED=1 to practise without accounts."
        )


def _refuse_unknown(given: Mapping[str, str]) -> None:
    known = variables()
    unknown = sorted(name for name in given if name.startswith("GATEWAY_") and name not in known)
    links = [name for name in unknown if fullmatch(_SERVICE_LINK, name)]
    if links or given.get("GATEWAY_PORT", "").startswith(("tcp://", "udp://")):
        raise SettingsError(
            f"{(links or ['GATEWAY_PORT'])[0]} comes from a Kubernetes Service named gateway: "
            "set enableServiceLinks: false in the pod."
        )
    if unknown:
        raise SettingsError(
            f"{_and([_maybe_meant(name, known) for name in unknown])} "
            f"{'is' if len(unknown) == 1 else 'are'} not known to the gateway: "
            "correct or remove what is unknown."
        )


def _maybe_meant(name: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.75)
    return f"{name} (did you mean {near[0]}?)" if near else name


def _sentence(error: ValidationError) -> str:
    problems = {
        str(problem["loc"][0]): problem["msg"].removeprefix("Value error, ")
        for problem in error.errors(include_url=False, include_input=False)
    }
    return "; ".join(f"{name} {text}" for name, text in problems.items()) + "."


def _and(names: list[str]) -> str:
    return " and ".join(filter(None, [", ".join(names[:-1]), names[-1]]))
