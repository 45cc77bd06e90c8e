"""The connection to the model: one of two objects, chosen where the call is made."""

from __future__ import annotations

from gateway.call.session.model_session import ModelSession
from gateway.call.session.sideband import Sideband

ModelLink = ModelSession | Sideband
