r"""The service ``people``: tells people of every escalation and every request for approval.

Run it somewhere that reaches them, with its channels in the environment::

    ANTIPHON_NOTIFY_URLS="slack://…  mailto://… ; pagerduty://…" \
        antiphon run antiphon_handlers.people:people

``ANTIPHON_NOTIFY_URLS`` holds Apprise URLs, separated by spaces within a tier and by ``;`` between
tiers. ``ANTIPHON_NOTIFY_FILE`` names a file that is told of every tier. With neither, standard
error is.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from antiphon import ConfigurationError, Retry, Service
from antiphon_events import ApprovalRequested, RecoveryEscalated
from antiphon_handlers.channels import Apprise, Channel, JsonLines
from antiphon_handlers.notify import notify

URLS_VARIABLE = "ANTIPHON_NOTIFY_URLS"
FILE_VARIABLE = "ANTIPHON_NOTIFY_FILE"

INSISTENT = Retry(attempts=20, first="2s", longest="5m")
"""Half an hour, as a rule: chats are away for longer than services are."""


def people_told(environment: Mapping[str, str]) -> Service:
    """Build the service from environment variables.

    Raises:
        ConfigurationError: a tier is empty, a URL is not known, or Apprise is not installed.
    """
    service = Service("people")
    tell = notify(*_tiers(environment))
    service.on(RecoveryEscalated, ApprovalRequested, retry=INSISTENT, timeout="2m")(tell)
    return service


def _tiers(environment: Mapping[str, str]) -> list[list[Channel]]:
    path = environment.get(FILE_VARIABLE, "")
    written = [tier.split() for tier in environment.get(URLS_VARIABLE, "").split(";")]
    while written and not written[-1]:
        written.pop()
    file: list[Channel] = [JsonLines(Path(path))] if path else []
    tiers = [[*file, *_services(urls, number)] for number, urls in enumerate(written, 1)]
    return tiers or ([file] if file else [])


def _services(urls: list[str], tier: int) -> list[Channel]:
    services: list[Channel] = []
    for place, url in enumerate(urls, 1):
        try:
            services.append(Apprise(url))
        except ConfigurationError as error:
            raise ConfigurationError(
                f"{URLS_VARIABLE}: URL {place} of tier {tier}: {error}"
            ) from error
    return services


people = people_told(os.environ)
