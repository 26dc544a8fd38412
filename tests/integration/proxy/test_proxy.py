"""Through a proxy, in processes of their own and under load: what stops in peace drops nothing, and
what is killed takes along what was under way there and nothing else."""

from __future__ import annotations

from asyncio import to_thread
from pathlib import Path

from integration.agents.rig import serves, until_said
from integration.gateways.rig import apply, chain, client_of, load, times, until
from integration.proxy.rig import city
from penstock.core.errors import LostError, NotReadyError, UnreachableError

GONE = (LostError, NotReadyError, UnreachableError)
"""What says that it was nobody's fault who asked."""

SPLIT = (
    "kind: Experiment\nmetadata: {name: e}\nspec: {candidates: [{name: a, weight: 50}, "
    "{name: b, weight: 50}]}\n"
)


async def test_nothing_is_dropped_while_everything_comes_and_goes(tmp_path: Path) -> None:
    with city(tmp_path) as there:
        scheduler, folder = there.scheduler.grpc, there.manifests
        models = (times("a", 1, replicas=2), times("b", 1))
        await apply(scheduler, folder, *models, chain("p", "a", "b"), SPLIT)
        async with client_of(there.rest, "rest") as client, client_of(there.grpc) as other:
            await until(other, "p", lambda said: said == 1.0)
            await until(client, "e.experiment", lambda said: said == 1.0)
            async with (
                load(client, "a") as model,
                load(other, "p") as pipeline,
                load(client, "e.experiment") as split,
            ):
                for by, replicas in ((2, 2), (3, 1), (4, 2)):
                    await apply(scheduler, folder, times("a", by, replicas=replicas))
                    await model.sees(by)
                    await pipeline.sees(by)
                await to_thread(there.gateway)
                await to_thread(there.first_gateway.stop)
                await pipeline.goes_on()
                await to_thread(there.agents[1].stop)
                await model.goes_on()
                await to_thread(there.proxies[0].stop)
                await model.goes_on()
                await pipeline.goes_on()
                await to_thread(there.proxy)
                await to_thread(there.proxies[1].stop)
                await model.goes_on()
                await pipeline.goes_on()
                await split.goes_on()
                assert model.failures == pipeline.failures == split.failures == []
                assert {1.0, 4.0} <= set(split.values)
        assert "ERROR" not in there.logged()
        assert "'a_3' is unloaded" in there.logged()


async def test_what_is_killed_takes_along_what_was_under_way_there(tmp_path: Path) -> None:
    with city(tmp_path) as there:
        scheduler, folder = there.scheduler.grpc, there.manifests
        twice = (times("a", 2, replicas=2), times("b", 1, replicas=2))
        await apply(scheduler, folder, *twice, chain("p", "b"))
        for kind, name in (("Model", "a"), ("Model", "b"), ("Pipeline", "p")):
            await until_said(scheduler, kind, name, serves)
        async with client_of(there.rest, "rest") as client, client_of(there.grpc) as other:
            await until(other, "p", lambda said: said == 1.0)
            await until(client, "a", lambda said: said == 2.0)
            async with load(client, "a") as model, load(other, "p") as pipeline:
                for each in (there.first_gateway, there.agents[0], there.proxies[0]):
                    before = len(model.failures) + len(pipeline.failures)
                    await to_thread(each.kill)
                    await model.goes_on(300)
                    await pipeline.goes_on(300)
                    lost = len(model.failures) + len(pipeline.failures) - before
                    assert lost <= model.at_a_time + pipeline.at_a_time, each.logged()
                # It was the last that answers to every name; models on agents need none.
                await pipeline.stop()
                before = len(model.failures)
                await to_thread(there.scheduler.kill)
                await model.goes_on(300)
                assert len(model.failures) == before
            await until(other, "p", lambda said: isinstance(said, GONE))
            failures = model.failures + pipeline.failures
            assert all(isinstance(each, GONE) for each in failures), failures
