"""`antiphon explain` and `antiphon diff` on real recoveries: what they advise can be done."""

from __future__ import annotations

from antiphon import Approval, PermanentError, Service, Settings
from antiphon_events import DatabaseFailed, ServiceFailed, ServiceRestarted
from program import antiphon
from witness import Witness, running


def shop(settings: Settings, broken: list[str]) -> Service:
    found = Service("shop", settings=settings)

    @found.on(ServiceFailed)
    async def restart(failed: ServiceFailed) -> ServiceRestarted:
        if failed.subject in broken:
            raise PermanentError("no disk")
        return ServiceRestarted(subject=failed.subject, pid=1)

    @found.on(DatabaseFailed, approval=Approval(("ana",), within=None))
    async def restore(failed: DatabaseFailed) -> None:
        assert failed

    return found


async def test_what_is_advised_after_a_death_works(settings: Settings, witness: Witness) -> None:
    """The error, the letter and the command; once it is followed, nothing is left to do."""
    broken = ["orders"]
    async with running(service := shop(settings, broken)):
        failed = (await service.publish(ServiceFailed(subject="orders"))).correlation_id
        await witness.closed(failed, verdict="failed")
        said = await antiphon(settings, "explain", failed, "--json")
        assert said.status == 1
        assert any("PermanentError: no disk" in line for line in said.document["cause"])
        [advice] = said.document["next"]
        assert "Repair what killed shop.restart" in advice

        broken.clear()
        command = advice.partition("antiphon ")[2].split()
        assert (await antiphon(settings, *command)).status == 0
        await witness.closed(failed)
        after = await antiphon(settings, "explain", failed)
        assert after.status == 0
        assert "Nothing is to be done." in after.out

        healthy = (await service.publish(ServiceFailed(subject="orders"))).correlation_id
        await witness.closed(healthy)
    differs = await antiphon(settings, "diff", healthy, failed)
    assert differs.status == 1
    assert "only in B" in differs.out


async def test_what_is_advised_to_people_works(settings: Settings, witness: Witness) -> None:
    """Who may answer and with which command; the trace and the path can be had meanwhile."""
    async with running(service := shop(settings, [])):
        asked = (await service.publish(DatabaseFailed(subject="orders-db"))).correlation_id
        await witness.told(asked, "asked")
        said = await antiphon(settings, "explain", asked, "--json")
        assert said.status == 0
        [advice] = (line for line in said.document["next"] if "must answer" in line)
        assert advice.startswith("ana must answer")
        command = advice.partition(": antiphon ")[2].partition(",")[0].split()
        command[command.index("TEXT")] = "go on"
        assert (await antiphon(settings, *command, "--as", "ana")).status == 0
        await witness.closed(asked)
        path = await antiphon(settings, "trace", asked, "--path", "shop.restore")
        assert "shop.restore: completed" in path.out


async def test_an_unknown_recovery_is_refused(settings: Settings) -> None:
    """By all of them, with the remedy."""
    for command in (("explain", "unheard-of"), ("diff", "unheard-of", "other")):
        ended = await antiphon(settings, *command)
        assert ended.status == 2
        assert "no recovery 'unheard-of' is recorded" in ended.complaint
