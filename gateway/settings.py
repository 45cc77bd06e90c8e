"""Every variable of the environment that the gateway reads: typed, checked, frozen."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from re import fullmatch
from typing import Annotated, Any, Final, Literal
from urllib.parse import SplitResult, urlsplit

from pydantic import BeforeValidator, Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from gateway.errors import SettingsError
from gateway.limits import (
    BUDGET_MAX_USD,
    DIAL_COUNTRIES_MAX,
    DRAIN_DEFAULT_S,
    DRAIN_MAX_S,
    MAX_CALLS_DEFAULT,
    MAX_CALLS_MAX,
    SPEND_MIN_USD,
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
_LOOPBACK: Final = frozenset({"127.0.0.1", "localhost", "::1"})
_HOST: Final = r"[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:.]+\]"
# A Kubernetes Service named "gateway" puts its own variables into every pod beside it.
_SERVICE_LINK: Final = r"GATEWAY_(SERVICE_(HOST|PORT).*|PORT_\d+_(TCP|UDP|SCTP).*)"


def _split(text: str) -> SplitResult | None:
    """The parts of an address, or None when it cannot be one."""
    if not (text.isascii() and text.isprintable()) or any(mark in text for mark in ' ?#@\\"<>'):
        return None
    try:
        parts = urlsplit(text)
        host = parts.netloc.removesuffix(f":{parts.port}")
    except ValueError:
        return None
    return parts if fullmatch(_HOST, host) and parts.port != 0 else None


def _public_url(text: str) -> str:
    parts = _split(text)
    allowed = parts is not None and (
        parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in _LOOPBACK)
    )
    if parts is None or not allowed or parts.path.strip("/"):
        raise ValueError(
            "must be https:// and a host with nothing behind it, like https://gateway.example.com"
        )
    return f"{parts.scheme}://{parts.netloc}"


def _base_url(text: str) -> str:
    parts = _split(text)
    if parts is None or parts.scheme not in {"http", "https"}:
        raise ValueError("must be an http(s):// address without a query, such as the default")
    return text.rstrip("/")


def _store(text: str) -> str:
    known = fullmatch(r"rediss?://[^\s/?#]+(/\d*)?(\?\S*)?", text) and _has_port(text)
    if text != "memory://" and not known:
        raise ValueError("must be memory:// or redis://HOST:PORT/DB (rediss:// for TLS)")
    return text


def _sip_host(text: str) -> str:
    if not fullmatch(rf"({_HOST})(:\d{{1,5}})?", text) or not _has_port(f"sip://{text}"):
        raise ValueError("must be a host name, like sip.api.openai.com")
    return text


def _has_port(url: str) -> bool:
    """One that there can be, or none."""
    try:
        return urlsplit(url).port != 0
    except ValueError:
        return False


def _number(kind: type[int] | type[float], low: float, high: float) -> BeforeValidator:
    """A number in decimal digits between two bounds, both included."""
    what = "a whole number" if kind is int else "a number"
    pattern = r"[0-9]{1,9}" if kind is int else r"[0-9]{1,9}(\.[0-9]{1,6})?"

    def check(value: Any) -> Any:
        if not isinstance(value, str):
            return value
        if not fullmatch(pattern, value.strip()) or not low <= kind(value) <= high:
            raise ValueError(f"must be {what} from {_plain(low)} to {_plain(high)}")
        return kind(value)

    return BeforeValidator(check)


def _plain(bound: float) -> str:
    return str(int(bound)) if bound == int(bound) else f"{bound:g}"


def _text(pattern: str, problem: str) -> BeforeValidator:
    def check(value: Any) -> Any:
        if isinstance(value, str) and not fullmatch(pattern, value):
            raise ValueError(problem)
        return value

    return BeforeValidator(check)


def _given(parse: Callable[[str], str]) -> BeforeValidator:
    return BeforeValidator(lambda value: parse(value) if isinstance(value, str) else value)


def _one_of(*names: str) -> BeforeValidator:
    choice = f"must be {', '.join(names[:-1])} or {names[-1]}"

    def check(value: Any) -> Any:
        if isinstance(value, str) and (value := value.lower()) not in names:
            raise ValueError(choice)
        return value

    return BeforeValidator(check)


def _flag(value: Any) -> Any:
    if isinstance(value, str):
        if value.lower() not in {"1", "true", "yes", "on", "0", "false", "no", "off"}:
            raise ValueError("must be 1 or 0")
        return value.lower() in {"1", "true", "yes", "on"}
    return value


def _prefixes(value: Any) -> Any:
    """Starts of numbers, comma-separated."""
    if not isinstance(value, str):
        return value
    prefixes = tuple(part.strip() for part in value.split(",") if part.strip())
    if len(prefixes) > DIAL_COUNTRIES_MAX or not all(
        fullmatch(r"\+[1-9][0-9]{0,6}", prefix) for prefix in prefixes
    ):
        raise ValueError("must be starts of numbers, separated by commas, like +1,+44")
    return prefixes


def _secrets(prefix: str = "") -> BeforeValidator:
    """Several secrets, comma-separated; each without blanks, each with the vendor's prefix."""

    def check(value: Any) -> Any:
        if not isinstance(value, str):
            return value
        secrets = tuple(part.strip() for part in value.split(","))
        if not all(fullmatch(rf"{prefix}[!-~]+", secret) for secret in secrets):
            form = f" that start with {prefix}" if prefix else ""
            raise ValueError(f"must be one or several secrets{form}, separated by commas")
        return secrets

    return BeforeValidator(check)


_Secret = Annotated[SecretStr, _text(r"[!-~]+", "must be one secret without blanks")]


def _variable(field: str) -> str:
    """The name in the environment of a field that does not say it itself."""
    return field.upper() if field.startswith(("openai_", "twilio_")) else f"GATEWAY_{field.upper()}"


class Settings(BaseSettings):
    """What the operator decided; `alias` of each field is its name in the environment."""

    model_config = SettingsConfigDict(
        frozen=True, extra="forbid", alias_generator=_variable, hide_input_in_errors=True
    )

    openai_api_key: _Secret = Field(
        description="Key for the Realtime API; required, unless simulated."
    )
    openai_base_url: Annotated[str, _given(_base_url)] = Field(
        "https://api.openai.com/v1",
        description="REST base of OpenAI; the WebSocket's address is the same with ws(s).",
    )
    openai_project_id: (
        Annotated[
            str, _text(r"proj_[A-Za-z0-9_-]+", "must be an OpenAI project id, like proj_abc123")
        ]
        | None
    ) = Field(
        None, description="The user part of the SIP address (proj_...); required for SIP-direct."
    )
    openai_sip_host: Annotated[str, _given(_sip_host)] = Field(
        "sip.api.openai.com", description="SIP host of OpenAI (EU: sip-eu.api.openai.com)."
    )
    openai_webhook_secret: Annotated[tuple[SecretStr, ...], _secrets("whsec_")] = Field(
        (),
        description="Secret of OpenAI's webhook (whsec_...), or several during rotation, "
        "comma-separated; required for SIP-direct.",
    )
    twilio_account_sid: Annotated[
        str, _text(r"AC[0-9a-f]{32}", "must be AC and 32 hexadecimal digits")
    ] = Field(description="The Twilio account; required, unless simulated.")
    twilio_auth_token: Annotated[tuple[SecretStr, ...], _secrets()] = Field(
        description="Its token, or several during rotation, comma-separated, the one in use "
        "first; required, unless simulated."
    )
    twilio_base_url: Annotated[str, _given(_base_url)] = Field(
        "https://api.twilio.com", description="REST base of Twilio."
    )
    public_url: Annotated[str, _given(_public_url)] = Field(
        description="The https:// address at which Twilio and OpenAI reach the gateway, and "
        "against which their signatures are checked; required, unless simulated."
    )
    host: Annotated[
        str, _text(rf"{_HOST}|[0-9A-Fa-f:]*:[0-9A-Fa-f:.]*", "must be an address to listen on")
    ] = Field("0.0.0.0", description="Address to listen on.")  # noqa: S104 - a server in a pod
    port: Annotated[int, _number(int, 1, 65_535)] = Field(8080, description="Port to listen on.")
    agents: Path | None = Field(
        None, description="The agents file, YAML; unset, the shipped example."
    )
    twiml_dir: Path | None = Field(
        None, description="A folder of TwiML templates that replaces the shipped one."
    )
    prices: Path | None = Field(None, description="The price list, YAML; unset, the shipped one.")
    budget_usd: Annotated[float, _number(float, SPEND_MIN_USD, BUDGET_MAX_USD)] | None = Field(
        None,
        description="What may be spent on one day (UTC) before no new calls are taken: by all "
        "processes that share a Redis, or by one without.",
    )
    max_calls: Annotated[int, _number(int, 1, MAX_CALLS_MAX)] = Field(
        MAX_CALLS_DEFAULT, description="Media calls that this process takes at once."
    )
    max_calls_per_caller: Annotated[int, _number(int, 1, MAX_CALLS_MAX)] | None = Field(
        None, description="Calls of one caller at once, over all processes; unset, any number."
    )
    overflow: Annotated[Literal["sip", "human", "busy"], _one_of("sip", "human", "busy")] = Field(
        "busy", description="What a call beyond GATEWAY_MAX_CALLS gets: sip, human or busy."
    )
    dial_countries: Annotated[tuple[str, ...], BeforeValidator(_prefixes)] = Field(
        (),
        description="Whom agents may call: the start of numbers, comma-separated, like +1,+44; "
        "unset, nobody.",
    )
    sip_allow_rtp: Annotated[bool, BeforeValidator(_flag)] = Field(
        False, description="1: take SIP calls whose sound is not encrypted (RTP instead of SRTP)."
    )
    store: Annotated[SecretStr, _given(_store)] = Field(
        SecretStr("memory://"),
        description="Where calls are remembered: memory:// or redis://HOST:PORT/DB.",
    )
    store_key: Annotated[tuple[SecretStr, ...], _secrets()] = Field(
        (),
        description="Seals what is written to Redis; several during rotation, comma-separated, "
        "the one in use first.",
    )
    data_dir: Path = Field(
        Path("data"), description="Folder of the records of calls that have ended."
    )
    admin_token: _Secret | None = Field(
        None, description="Bearer token for /api and /console; unset, both are off."
    )
    drain_s: Annotated[float, _number(float, 0, DRAIN_MAX_S)] = Field(
        DRAIN_DEFAULT_S,
        alias="GATEWAY_DRAIN_SECONDS",
        description="Seconds for which a stopping process lets its calls finish.",
    )
    log_format: Annotated[Literal["json", "console"], _one_of("json", "console")] | None = Field(
        None, description="json or console; unset, console on a terminal and json elsewhere."
    )
    log_level: Annotated[
        Literal["debug", "info", "warning", "error"],
        _one_of("debug", "info", "warning", "error"),
    ] = Field("info", description="The least that is logged: debug, info, warning or error.")
    simulated: Annotated[bool, BeforeValidator(_flag)] = Field(
        False,
        description="1: the embedded model and caller stand in for OpenAI and Twilio.",
    )

    @property
    def sip_uri(self) -> str | None:
        """Where OpenAI takes calls by SIP; None while the SIP path is not set up.

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

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003 - the base class's signature
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Only what `load_settings` hands in: nothing is read behind its back."""
        return (init_settings,)


def load_settings(environ: Mapping[str, str], *, simulated: bool = False) -> Settings:
    """The settings in `environ`, where an empty value is an unset one.

    Raises SettingsError: one sentence that names each wrong variable and says what to do.
    """
    given: dict[str, str] = {name: value for name, value in environ.items() if value.strip()}
    _refuse_unknown(given)
    values = {name: given[name].strip() for name in variables() if name in given}
    if simulated or _simulated(values):
        values = _stand_ins(values) | values | {"GATEWAY_SIMULATED": "1"}
    _refuse_missing(values)
    try:
        settings = Settings(**values)  # type: ignore[arg-type] # texts, parsed by the validators
    except ValidationError as error:
        raise SettingsError(_sentence(error)) from None
    if not settings.simulated and settings.public_url.startswith("http:"):
        raise SettingsError(
            "GATEWAY_PUBLIC_URL must be https:// unless GATEWAY_SIMULATED=1: "
            "Twilio opens a media stream over TLS only."
        )
    if settings.overflow == "sip" and settings.sip_uri is None:
        raise SettingsError(
            "GATEWAY_OVERFLOW=sip needs OPENAI_PROJECT_ID and OPENAI_WEBHOOK_SECRET: set both."
        )
    return settings


def variables() -> dict[str, str]:
    """Name in the environment -> name of the field, in the order of the README's table."""
    return {field.alias or name: name for name, field in Settings.model_fields.items()}


def _simulated(values: Mapping[str, str]) -> bool:
    try:
        return bool(_flag(values.get("GATEWAY_SIMULATED", "0")))
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
        # A port that is none is told of as that, and not as an address that nobody has set.
        "GATEWAY_PUBLIC_URL": here if "GATEWAY_PORT" in values and _split(here) else default,
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
