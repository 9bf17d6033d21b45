"""Workflows that change hands: begun by a worker of one SDK, finished by a worker of the other.

    scripts/handover [CASE ...]

Each case is run twice on the server at TEMPORAL_ADDRESS: a Python worker runs the first half and an Abide worker the
second, then the other way round. Between the halves the first worker is gone, so the second one replays what the other
SDK recorded. Afterwards both SDKs replay the whole history. The Rust definitions are in examples/handover.
"""

import asyncio
import logging
import os
import signal
import subprocess
import sys
import tempfile
import uuid
from datetime import timedelta

from temporalio import activity, workflow
from temporalio.client import Client
from temporalio.common import RetryPolicy
from temporalio.worker import Replayer, UnsandboxedWorkflowRunner, Worker

SECONDS_10 = timedelta(seconds=10)


@activity.defn
async def echo(text: str) -> str:
    return text


@activity.defn
async def fail(text: str) -> str:
    raise ValueError(text)


class Halves:
    """A workflow that stops in the middle until it is told to go on."""

    def __init__(self) -> None:
        self.going = False
        self.at_half = False

    @workflow.signal
    def go(self) -> None:
        self.going = True

    @workflow.query
    def is_at_half(self) -> bool:
        return self.at_half

    async def half(self) -> None:
        self.at_half = True
        await workflow.wait_condition(lambda: self.going)


@workflow.defn
class ActivitiesAndTimers(Halves):
    @workflow.run
    async def run(self) -> list[str]:
        first = await workflow.execute_activity(echo, "one", start_to_close_timeout=SECONDS_10)
        await workflow.sleep(0.05)
        running = workflow.start_activity(echo, "two", start_to_close_timeout=SECONDS_10)
        long = asyncio.create_task(workflow.sleep(3600))
        await self.half()
        second = await running
        long.cancel()
        await asyncio.sleep(0)  # A task's cancellation takes effect when the event loop turns.
        await workflow.sleep(0.05)
        try:
            once = RetryPolicy(maximum_attempts=1)
            await workflow.execute_activity(fail, "no", start_to_close_timeout=SECONDS_10, retry_policy=once)
            third = "?"
        except Exception as error:
            third = str(error.__cause__)
        return [first, second, third.split(": ")[-1]]


@workflow.defn
class LocalActivities(Halves):
    @workflow.run
    async def run(self) -> list[str]:
        first = await workflow.execute_local_activity(echo, "one", start_to_close_timeout=SECONDS_10)
        both = await asyncio.gather(
            workflow.execute_local_activity(echo, "two", start_to_close_timeout=SECONDS_10),
            workflow.execute_local_activity(echo, "three", start_to_close_timeout=SECONDS_10),
        )
        await self.half()
        last = await workflow.execute_local_activity(echo, "four", start_to_close_timeout=SECONDS_10)
        return [first, *both, last]


@workflow.defn
class Updates(Halves):
    def __init__(self) -> None:
        super().__init__()
        self.texts: list[str] = []

    @workflow.run
    async def run(self) -> list[str]:
        await workflow.wait_condition(lambda: len(self.texts) > 0)
        await self.half()
        await workflow.wait_condition(lambda: len(self.texts) > 2)
        return self.texts

    @workflow.update
    def add(self, text: str) -> int:
        self.texts.append(text)
        return len(self.texts)

    @add.validator
    def check(self, text: str) -> None:
        if not text:
            raise ValueError("empty")

    @workflow.update
    async def add_slowly(self, text: str) -> int:
        """Accepted in the first half, completed in the second."""
        text = await workflow.execute_activity(echo, text, start_to_close_timeout=SECONDS_10)
        await workflow.wait_condition(lambda: self.going)
        self.texts.append(text)
        return len(self.texts)


@workflow.defn
class Patches(Halves):
    @workflow.run
    async def run(self) -> list[bool]:
        answers = [workflow.patched("first")]
        await workflow.sleep(0.05)
        answers.append(workflow.patched("second"))
        await self.half()
        answers.append(workflow.patched("first"))
        answers.append(workflow.patched("third"))
        workflow.deprecate_patch("fourth")
        await workflow.sleep(0.05)
        return answers


@workflow.defn
class Child:
    def __init__(self) -> None:
        self.told = ""

    @workflow.run
    async def run(self, text: str) -> str:
        await workflow.wait_condition(lambda: self.told != "")
        return text + self.told

    @workflow.signal
    def tell(self, text: str) -> None:
        self.told = text


@workflow.defn
class Children(Halves):
    @workflow.run
    async def run(self) -> list[str]:
        own = workflow.info().workflow_id
        first = await workflow.start_child_workflow(Child.run, "one ", id=f"{own}-first")
        second = await workflow.start_child_workflow(Child.run, "two ", id=f"{own}-second")
        await first.signal(Child.tell, "heard")
        results = [await first]
        await self.half()
        await second.signal(Child.tell, "heard too")
        results.append(await second)
        results.append(await workflow.execute_child_workflow(Quick.run, id=f"{own}-third"))
        return results


@workflow.defn
class Quick:
    @workflow.run
    async def run(self) -> str:
        return "quick"


async def talk_to_updates(handle) -> None:
    assert await handle.execute_update(Updates.add, "one") == 1
    try:
        await handle.execute_update(Updates.add, "")
        raise AssertionError("the validator should have refused the empty text")
    except Exception as error:
        assert "empty" in str(error.__cause__), error
    from temporalio.client import WorkflowUpdateStage

    await handle.start_update(Updates.add_slowly, "slow", wait_for_stage=WorkflowUpdateStage.ACCEPTED)


async def end_updates(handle) -> None:
    await handle.execute_update(Updates.add, "last")


WORKFLOWS = [ActivitiesAndTimers, LocalActivities, Updates, Patches, Children, Child, Quick]
CASES = {
    "ActivitiesAndTimers": ["one", "two", "no"],
    "LocalActivities": ["one", "two", "three", "four"],
    "Updates": None,
    "Patches": [True, True, True, True],
    "Children": ["one heard", "two heard too", "quick"],
}


class PythonWorker:
    name = "python"

    def __init__(self, client: Client, queue: str) -> None:
        self.worker = Worker(
            client,
            task_queue=queue,
            workflows=WORKFLOWS,
            activities=[echo, fail],
            workflow_runner=UnsandboxedWorkflowRunner(),
            identity="python",
        )

    async def __aenter__(self) -> None:
        await self.worker.__aenter__()

    async def __aexit__(self, *error) -> None:
        await self.worker.__aexit__(*error)


class AbideWorker:
    name = "abide"

    def __init__(self, _: Client, queue: str) -> None:
        self.queue = queue

    async def __aenter__(self) -> None:
        self.process = subprocess.Popen([os.environ["ABIDE_HANDOVER"], "work", self.queue])

    async def __aexit__(self, *_) -> None:
        self.process.send_signal(signal.SIGINT)
        code = await asyncio.to_thread(self.process.wait, 30)
        assert code == 0, f"the Abide worker ended with {code}"


async def until_half(handle) -> None:
    for _ in range(300):
        try:
            if await handle.query(Halves.is_at_half):
                return
        except Exception:
            pass
        await asyncio.sleep(0.1)
    raise AssertionError("the first half did not come to its end in 30 s")


async def hand_over(client: Client, case: str, first, second) -> None:
    queue = f"handover-{uuid.uuid4()}"
    handle = await client.start_workflow(
        case, id=f"{case}-{first.name}-{uuid.uuid4()}", task_queue=queue, task_timeout=timedelta(seconds=5)
    )
    async with first(client, queue):
        if case == "Updates":
            await talk_to_updates(handle)
        await until_half(handle)
    async with second(client, queue):
        await handle.signal(Halves.go)
        if case == "Updates":
            await end_updates(handle)
        result = await asyncio.wait_for(handle.result(), 60)
    if case == "Updates":
        assert sorted(result) == ["last", "one", "slow"], result
    else:
        assert result == CASES[case], result
    history = await handle.fetch_history()
    # Who took part is in the history: the name of the SDK is recorded when it changes.
    metadata = [event.workflow_task_completed_event_attributes.sdk_metadata for event in history.events]
    names = [data.sdk_name for data in metadata if data.sdk_name]
    expected = [{"python": "temporal-python", "abide": "abide"}[worker.name] for worker in (first, second)]
    assert names == expected, f"expected {expected} to record the history, found {names}"
    await Replayer(workflows=WORKFLOWS, workflow_runner=UnsandboxedWorkflowRunner()).replay_workflow(history)
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        file.write(history.to_json())
        file.flush()
        subprocess.run([os.environ["ABIDE_HANDOVER"], "replay", file.name], check=True, timeout=60)


async def main(cases: list[str]) -> int:
    logging.disable(logging.CRITICAL)
    client = await Client.connect(os.environ["TEMPORAL_ADDRESS"])
    passed, failed = 0, 0
    for case in cases or list(CASES):
        for first, second in [(PythonWorker, AbideWorker), (AbideWorker, PythonWorker)]:
            what = f"{case}: {first.name} begins, {second.name} ends"
            try:
                await asyncio.wait_for(hand_over(client, case, first, second), 150)
                passed += 1
                print(f"ok      {what}", flush=True)
            except Exception as error:
                failed += 1
                print(f"FAILED  {what}: {type(error).__name__} {error}", flush=True)
    print(f"handover: {passed} passed, {failed} failed")
    return 1 if failed else 0


sys.exit(asyncio.run(main(sys.argv[1:])))
