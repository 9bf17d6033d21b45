"""Workflows that change hands: begun by a worker of one SDK, finished by a worker of the other.

    scripts/handover [CASE ...]

Each case is run twice on the server at TEMPORAL_ADDRESS: a Python worker runs the first half and an Abide worker the
second, then the other way round. Between the halves the first worker is gone, so the second one replays what the other
SDK recorded. Afterwards both SDKs replay the whole history. The Rust definitions are in examples/handover.

The cases from `Zero` on have ties within one workflow task: who is first, and what beats what. Some are handed over in
one direction only, because Python replays a task of ours otherwise, as the table in ARCHITECTURE.md says: `PARTS_IN_PYTHON`
has the reasons. In the other direction such a case shows just that, so that no reason outlives its truth.

In the case `Sealed` both have the same payload codec, and each worker has the other SDK's client. In the case `Schedules`,
which has the codec too, each SDK reads a schedule that the other wrote.
"""

import asyncio
import dataclasses
import logging
import os
import signal
import subprocess
import sys
import tempfile
import uuid
from datetime import timedelta

from temporalio import activity, workflow
from temporalio.api.common.v1 import Payload
from temporalio.client import Client, WorkflowUpdateFailedError
from temporalio.common import RetryPolicy
from temporalio.converter import DataConverter, DefaultFailureConverterWithEncodedAttributes, PayloadCodec
from temporalio.exceptions import ActivityError, ApplicationError
from temporalio.worker import Replayer, UnsandboxedWorkflowRunner, Worker

import handover_schedules

SECONDS_10 = timedelta(seconds=10)
# For so long a timer runs that is to fire while no worker is there: longer than a worker takes to leave.
AWAY = 5


@activity.defn
async def echo(text: str) -> str:
    return text


@activity.defn
async def shout(text: str) -> str:
    return text.upper()


@activity.defn
async def fail(text: str) -> str:
    raise ValueError(text)


@activity.defn
async def refuse(text: str) -> str:
    raise ApplicationError(text, "secret detail", type="Refused")


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


def run_echo(text: str):
    return workflow.execute_activity(echo, text, start_to_close_timeout=SECONDS_10)


def run_shout(text: str):
    return workflow.execute_activity(shout, text, start_to_close_timeout=SECONDS_10)


@workflow.defn
class Zero(Halves):
    """A timer of no length, in each half."""

    @workflow.run
    async def run(self) -> list[str]:
        await workflow.sleep(0)
        first = await run_echo("one")
        await self.half()
        await workflow.sleep(0)
        return [first, await run_shout("two")]


@workflow.defn
class ZeroTimeout(Halves):
    """A condition whose timeout is zero: Python asks nothing and begins no timer."""

    @workflow.run
    async def run(self) -> list[str]:
        try:
            await workflow.wait_condition(lambda: True, timeout=0)
            first = await run_echo("met")
        except asyncio.TimeoutError:
            first = await run_shout("timed out")
        await self.half()
        return [first]


@workflow.defn
class Gate(Halves):
    """Two branches wait for one flag, and each takes it down; the first one puts it up again in the end."""

    @workflow.run
    async def run(self) -> list[str]:
        self.open = True

        async def first() -> str:
            await workflow.wait_condition(lambda: self.open)
            self.open = False
            text = await run_echo("through")
            await workflow.sleep(0.05)
            self.open = True
            return text

        async def second() -> str:
            await workflow.wait_condition(lambda: self.open)
            self.open = False
            return await run_shout("through")

        both = await asyncio.gather(first(), second())
        await self.half()
        return both


@workflow.defn
class Yields(Halves):
    """A branch that waits for what is true already, and one that waits for nothing."""

    @workflow.run
    async def run(self) -> list[str]:
        async def waits() -> str:
            await workflow.wait_condition(lambda: True)
            return await run_echo("waited")

        both = await asyncio.gather(waits(), run_shout("did not"))
        await self.half()
        return both


@workflow.defn
class MessageAndTimer(Halves):
    """A timer fires in the task of a signal, and both call."""

    gives_way = False

    def __init__(self) -> None:
        super().__init__()
        self.heard: list[str] = []

    @workflow.run
    async def run(self) -> list[str]:
        await workflow.sleep(AWAY)
        first = await run_echo("main")
        await workflow.wait_condition(lambda: len(self.heard) > 0)
        await self.half()
        return [first, *self.heard]

    @workflow.signal
    async def poke(self) -> None:
        if self.gives_way:
            await asyncio.sleep(0)
        self.heard.append(await run_shout("handler"))


@workflow.defn
class GivingWayAndTimer(MessageAndTimer):
    """The same, and the handler gives way first. How many turns that takes is each language's own affair."""

    gives_way = True

    @workflow.run
    async def run(self) -> list[str]:
        return await super().run()


@workflow.defn
class ConditionAndTimer(Halves):
    """A timer fires in the task of the signal that makes its condition true."""

    def __init__(self) -> None:
        super().__init__()
        self.poked = False

    @workflow.run
    async def run(self) -> list[str]:
        try:
            await workflow.wait_condition(lambda: self.poked, timeout=AWAY)
            first = await run_echo("met")
        except asyncio.TimeoutError:
            first = await run_shout("timed out")
        await self.half()
        return [first]

    @workflow.signal
    def poke(self) -> None:
        self.poked = True


@workflow.defn
class CancelAndTimer(Halves):
    """A timer fires in the task of a request to cancel."""

    @workflow.run
    async def run(self) -> list[str]:
        try:
            await workflow.sleep(AWAY)
            first = await run_shout("fired")
        except asyncio.CancelledError:
            first = await run_echo("cancelled")
        await self.half()
        return [first]


@workflow.defn
class CancelAndHandler(Halves):
    """A request to cancel comes while a handler is at work."""

    def __init__(self) -> None:
        super().__init__()
        self.heard: list[str] = []

    @workflow.run
    async def run(self) -> list[str]:
        try:
            await workflow.sleep(3600)
            first = "?"
        except asyncio.CancelledError:
            first = await run_echo("cleaned up")
        await workflow.wait_condition(lambda: len(self.heard) > 0)
        await self.half()
        return [first, *self.heard]

    @workflow.signal
    async def poke(self) -> None:
        await workflow.sleep(1)
        self.heard.append(await run_shout("handler"))


class Xor(PayloadCodec):
    """Flips bits, which is no encryption: examples/handover/sealed.rs does the same."""

    async def encode(self, payloads):
        flipped = [bytes(byte ^ 0x5A for byte in payload.SerializeToString()) for payload in payloads]
        return [Payload(metadata={"encoding": b"binary/xor"}, data=data) for data in flipped]

    async def decode(self, payloads):
        return [self.opened(payload) for payload in payloads]

    def opened(self, payload: Payload) -> Payload:
        encoding = payload.metadata.get("encoding")
        if encoding != b"binary/xor":  # The other side has forgotten to seal it.
            raise ValueError(f"expected a payload with encoding binary/xor, found {encoding}")
        return Payload.FromString(bytes(byte ^ 0x5A for byte in payload.data))


SEALING = dataclasses.replace(
    DataConverter.default,
    payload_codec=Xor(),
    failure_converter_class=DefaultFailureConverterWithEncodedAttributes,
)


def told(error: ActivityError) -> str:
    """What a failure of `refuse` says."""
    cause = error.cause
    return f"{cause.type}: {cause.message}, {cause.details[0]}"


@workflow.defn
class Sealed(Halves):
    def __init__(self) -> None:
        super().__init__()
        self.notes: list[str] = []
        self.error: ActivityError | None = None

    @workflow.run
    async def run(self, text: str, times: int) -> list[str]:
        label = workflow.memo_value("label", type_hint=str)
        first = await workflow.execute_activity(echo, f"{text} x{times}", start_to_close_timeout=SECONDS_10)
        local = await workflow.execute_local_activity(echo, "secret local", start_to_close_timeout=SECONDS_10)
        before = await self.refused("secret no")
        workflow.upsert_memo({"label": "secret label, changed"})
        await self.half()
        after = await self.refused("secret never")
        return [label, first, local, before, after, *self.notes]

    @workflow.signal
    def note(self, text: str) -> None:
        self.notes.append(text)

    @workflow.query
    def noted(self, title: str) -> str:
        return f"{title}: {', '.join(self.notes)}"

    @workflow.update
    def blame(self) -> None:
        """Fails with what the activity failed with: it may be the other SDK's failure that is passed on."""
        raise self.error

    async def refused(self, text: str) -> str:
        try:
            once = RetryPolicy(maximum_attempts=1)
            return await workflow.execute_activity(refuse, text, start_to_close_timeout=SECONDS_10, retry_policy=once)
        except ActivityError as error:
            self.error = error
            return told(error)


async def finish_sealed(handle) -> None:
    await handle.signal(Sealed.note, "secret note")
    assert await handle.query(Sealed.noted, "secret title") == "secret title: secret note"
    try:
        await handle.execute_update(Sealed.blame)
        raise AssertionError("the update should have failed")
    except WorkflowUpdateFailedError as error:
        assert told(error.cause) == "Refused: secret no, secret detail", error.cause.cause
    assert await (await handle.describe()).memo_value("label") == "secret label, changed"
    await handle.signal(Halves.go)


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


async def until_timer_started(handle) -> None:
    await until_event(handle, "timer_started_event_attributes")


async def cancel_while_handler_works(handle) -> None:
    await until_timer_started(handle)
    await handle.signal("poke")
    # The handler is at work when its own timer has started. Both messages in one task would be another case.
    await until_event(handle, "timer_started_event_attributes", 2)
    await handle.cancel()


async def until_event(handle, attributes: str, count: int = 1) -> None:
    for _ in range(300):
        if sum(event.HasField(attributes) for event in (await handle.fetch_history()).events) >= count:
            return
        await asyncio.sleep(0.1)
    raise AssertionError(f"expected {count} events with {attributes} within 30 s")


TIES = [
    Zero,
    ZeroTimeout,
    Gate,
    Yields,
    MessageAndTimer,
    GivingWayAndTimer,
    ConditionAndTimer,
    CancelAndTimer,
    CancelAndHandler,
]
WORKFLOWS = [ActivitiesAndTimers, LocalActivities, Updates, Patches, Children, Child, Quick, Sealed, *TIES]
CASES = {
    "ActivitiesAndTimers": ["one", "two", "no"],
    "LocalActivities": ["one", "two", "three", "four"],
    "Updates": None,
    "Patches": [True, True, True, True],
    "Children": ["one heard", "two heard too", "quick"],
    "Sealed": [
        "secret label",
        "secret order x2",
        "secret local",
        "Refused: secret no, secret detail",
        "Refused: secret never, secret detail",
        "secret note",
    ],
    "Zero": ["one", "TWO"],
    "ZeroTimeout": ["TIMED OUT"],
    "Gate": ["through", "THROUGH"],
    "Yields": ["waited", "DID NOT"],
    "MessageAndTimer": ["main", "HANDLER"],
    "GivingWayAndTimer": ["main", "HANDLER"],
    "ConditionAndTimer": ["met"],
    "CancelAndTimer": ["cancelled"],
    "CancelAndHandler": ["cleaned up", "HANDLER"],
}
# The ties that Python decides otherwise when it replays a task of ours, and why a live task of ours stays as it is.
PARTS_IN_PYTHON = {
    "ZeroTimeout": "a command must not depend on a value, so a timeout of zero begins a timer; Python begins none",
    "Gate": "a condition is true when code goes on; Python lets all go on whose condition was true when it asked",
    "Yields": "a wait for what is true goes on at once; in Python it waits for rest, in TypeScript it gives way once",
    "GivingWayAndTimer": "how many turns a branch or a timer's firing takes is each event loop's own affair",
    "ConditionAndTimer": "a condition that is true beats the timer, as often in TypeScript; in Python the timer wins",
    "CancelAndTimer": "what has happened stays, as in TypeScript; Python cancels a timer that has fired",
}
# What comes in one workflow task with the firing of a timer, because no worker is there for so long.
WHILE_AWAY = {
    "MessageAndTimer": lambda handle: handle.signal("poke"),
    "GivingWayAndTimer": lambda handle: handle.signal("poke"),
    "ConditionAndTimer": lambda handle: handle.signal("poke"),
    "CancelAndTimer": lambda handle: handle.cancel(),
}


class PythonWorker:
    name = "python"

    def __init__(self, client: Client, queue: str) -> None:
        self.worker = Worker(
            client,
            task_queue=queue,
            workflows=WORKFLOWS,
            activities=[echo, shout, fail, refuse],
            workflow_runner=UnsandboxedWorkflowRunner(),
            identity="python",
        )

    async def __aenter__(self) -> None:
        await self.worker.__aenter__()

    async def __aexit__(self, *error) -> None:
        await self.worker.__aexit__(*error)


def abide(client: Client, *arguments: str) -> list[str]:
    """The command that runs Abide's side, with the codec that the client has."""
    sealed = [] if client.data_converter.payload_codec is None else ["--sealed"]
    return [os.environ["ABIDE_HANDOVER"], *sealed, *arguments]


async def run_abide(client: Client, *arguments: str) -> None:
    process = await asyncio.create_subprocess_exec(*abide(client, *arguments))
    try:
        code = await asyncio.wait_for(process.wait(), 60)
    finally:
        if process.returncode is None:
            process.kill()
    assert code == 0, f"{arguments[0]} of Abide ended with {code}"


class AbideWorker:
    name = "abide"

    def __init__(self, client: Client, queue: str) -> None:
        self.command = abide(client, "work", queue)

    async def __aenter__(self) -> None:
        self.process = subprocess.Popen(self.command)

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
    raise AssertionError("the first half did not end within 30 s")


async def first_half(client: Client, case: str, first, queue: str, handle) -> None:
    if case in WHILE_AWAY:
        async with first(client, queue):
            await until_timer_started(handle)
        await WHILE_AWAY[case](handle)
        await until_event(handle, "timer_fired_event_attributes")
        events = (await handle.fetch_history()).events
        answers = sum(event.HasField("workflow_task_completed_event_attributes") for event in events)
        assert answers == 1, f"expected no worker to be there while the timer ran, found {answers} answers"
    async with first(client, queue):
        if case == "Updates":
            await talk_to_updates(handle)
        if case == "CancelAndHandler":
            await cancel_while_handler_works(handle)
        await until_half(handle)


async def parts(client: Client, case: str) -> None:
    """Abide runs the first half; Python finds that its code does something else, as the reason says."""
    queue, id = f"handover-{uuid.uuid4()}", f"{case}-abide-{uuid.uuid4()}"
    handle = await client.start_workflow(case, id=id, task_queue=queue, task_timeout=timedelta(seconds=5))
    await first_half(client, case, AbideWorker, queue, handle)
    history = await handle.fetch_history()
    await handle.terminate("shown")
    replayer = Replayer(workflows=WORKFLOWS, workflow_runner=UnsandboxedWorkflowRunner())
    failure = (await replayer.replay_workflow(history, raise_on_replay_failure=False)).replay_failure
    assert failure is not None, "Python replays it alike: hand it over, and take its reason out"
    assert isinstance(failure, workflow.NondeterminismError), failure


async def hand_over(client: Client, case: str, first, second) -> None:
    queue, id = f"handover-{uuid.uuid4()}", f"{case}-{first.name}-{uuid.uuid4()}"
    options = {"id": id, "task_queue": queue, "task_timeout": timedelta(seconds=5)}
    if case != "Sealed":
        handle = await client.start_workflow(case, **options)
    elif first is AbideWorker:
        options |= {"memo": {"label": "secret label"}, "static_summary": "secret summary"}
        handle = await client.start_workflow(Sealed.run, args=["secret order", 2], **options)
    else:
        await run_abide(client, "start", queue, id)
        handle = client.get_workflow_handle_for(Sealed.run, id)
    await first_half(client, case, first, queue, handle)
    async with second(client, queue):
        if case == "Sealed" and second is AbideWorker:
            await finish_sealed(handle)
        elif case == "Sealed":
            await run_abide(client, "finish", id)
        else:
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
    if case == "Sealed":
        unsealed = [event for event in history.events if b"secret" in event.SerializeToString()]
        assert not unsealed, f"expected everything to be sealed, found {unsealed}"
        assert await (await handle.describe()).static_summary() == "secret summary"
    runner, converter = UnsandboxedWorkflowRunner(), client.data_converter
    await Replayer(workflows=WORKFLOWS, workflow_runner=runner, data_converter=converter).replay_workflow(history)
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        file.write(history.to_json())
        file.flush()
        await run_abide(client, "replay", file.name)


async def is_passed(what: str, case_run) -> bool:
    try:
        await asyncio.wait_for(case_run, 150)
        print(f"ok      {what}", flush=True)
        return True
    except Exception as error:
        print(f"FAILED  {what}: {type(error).__name__} {error}", flush=True)
        return False


async def main(cases: list[str]) -> int:
    logging.disable(logging.CRITICAL)
    plain = await Client.connect(os.environ["TEMPORAL_ADDRESS"])
    sealing = await Client.connect(os.environ["TEMPORAL_ADDRESS"], data_converter=SEALING)
    passed, failed = 0, 0
    for case in cases or [*CASES, "Schedules"]:
        if case == "Schedules":
            for what, schedule_case in handover_schedules.CASES.items():
                if await is_passed(what, schedule_case(sealing, run_abide)):
                    passed += 1
                else:
                    failed += 1
            continue
        for first, second in [(PythonWorker, AbideWorker), (AbideWorker, PythonWorker)]:
            parting = PARTS_IN_PYTHON.get(case) if first is AbideWorker else None
            what = f"{case}: {first.name} begins, {second.name} ends"
            if parting:
                what = f"{case}: {first.name} begins, {second.name} parts ({parting})"
            client = sealing if case == "Sealed" else plain
            if await is_passed(what, parts(client, case) if parting else hand_over(client, case, first, second)):
                passed += 1
            else:
                failed += 1
    print(f"handover: {passed} passed, {failed} failed")
    return 1 if failed else 0


sys.exit(asyncio.run(main(sys.argv[1:])))
