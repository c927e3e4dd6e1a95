"""What `faststream run` is given in a test: a module with a service in it."""

from __future__ import annotations

from antiphon import Service
from antiphon_events import ServiceFailed, ServiceRestarted

ops = Service("ops")


@ops.on(ServiceFailed)
async def restart(failed: ServiceFailed) -> ServiceRestarted:
    return ServiceRestarted(subject=failed.subject)
