"""Nexus operations across SDKs: a Python workflow calls an Abide handler, and an Abide workflow calls a Python handler.

    scripts/handover

Both sides serve and call the same operations: one that is answered at once, one that fails, one that is refused, and one
that a workflow backs, which completes or is cancelled. The Rust definitions are in examples/handover/desk.rs.
"""

import asyncio
import logging
import os
import signal
import subprocess
import sys
import uuid
from datetime import timedelta

import nexusrpc
import nexusrpc.handler
from temporalio import nexus, workflow
from temporalio.api.nexus.v1 import EndpointSpec, EndpointTarget
from temporalio.api.operatorservice.v1 import CreateNexusEndpointRequest
from temporalio.client import Client
from temporalio.exceptions import ApplicationError, CancelledError, NexusOperationError
from temporalio.nexus._token import OperationToken, OperationTokenType
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

SECONDS_20 = timedelta(seconds=20)


@nexusrpc.service
class Desk:
    greet: nexusrpc.Operation[str, str]
    refuse: nexusrpc.Operation[str, str]
    misunderstand: nexusrpc.Operation[str, str]
    linger: nexusrpc.Operation[str, str]


@workflow.defn(name="lingers")
class Lingers:
    @workflow.run
    async def run(self, name: str) -> str:
        await asyncio.sleep(0.1 if name == "quick" else 3600)
        return f"{name} is done"


@nexusrpc.handler.service_handler(service=Desk)
class Clerk:
    @nexusrpc.handler.sync_operation
    async def greet(self, ctx: nexusrpc.handler.StartOperationContext, name: str) -> str:
        return f"{ctx.headers.get('greeting', 'hello')} {name}"

    @nexusrpc.handler.sync_operation
    async def refuse(self, ctx: nexusrpc.handler.StartOperationContext, name: str) -> str:
        raise nexusrpc.OperationError(f"not for {name}", state=nexusrpc.OperationErrorState.FAILED)

    @nexusrpc.handler.sync_operation
    async def misunderstand(self, ctx: nexusrpc.handler.StartOperationContext, name: str) -> str:
        raise nexusrpc.HandlerError("what is it?", type=nexusrpc.HandlerErrorType.BAD_REQUEST)

    @nexus.workflow_run_operation
    async def linger(self, ctx: nexus.WorkflowRunOperationContext, name: str) -> nexus.WorkflowHandle[str]:
        return await ctx.start_workflow(Lingers.run, name, id=f"{nexus.info().task_queue}-{name}")


def outcome(error: NexusOperationError) -> str:
    cause = error.cause
    if isinstance(cause, CancelledError):
        return "cancelled"
    if isinstance(cause, nexusrpc.HandlerError):
        return "".join(word.capitalize() for word in cause.type.name.split("_"))
    assert isinstance(cause, ApplicationError), cause
    return cause.message


@workflow.defn(name="calls_desk")
class CallsDesk:
    @workflow.run
    async def run(self, endpoint: str) -> list[str]:
        client = workflow.create_nexus_client(service=Desk, endpoint=endpoint)
        told = []
        for operation, name in [(Desk.greet, "you"), (Desk.refuse, "you"), (Desk.misunderstand, "you"), (Desk.linger, "quick")]:
            try:
                headers = {"greeting": "good evening,"}
                call = client.execute_operation(operation, name, schedule_to_close_timeout=SECONDS_20, headers=headers)
                told.append(await call)
            except NexusOperationError as error:
                told.append(outcome(error))
        lingering = await client.start_operation(Desk.linger, "slow", schedule_to_close_timeout=SECONDS_20)
        lingering.cancel()
        try:
            told.append(await lingering)
        except NexusOperationError as error:
            told.append(outcome(error))
        told.append(lingering.operation_token or "")
        return told


EXPECTED = ["good evening, you", "not for you", "BadRequest", "quick is done", "cancelled"]


async def endpoint(client: Client, queue: str) -> str:
    target = EndpointTarget(worker=EndpointTarget.Worker(namespace=client.namespace, task_queue=queue))
    request = CreateNexusEndpointRequest(spec=EndpointSpec(name=queue, target=target))
    await client.operator_service.create_nexus_endpoint(request)
    return queue


async def call(client: Client, caller: str, handler: str) -> None:
    """Runs the calling workflow on one queue, and compares what the handler on the other has answered."""
    handle = await client.start_workflow("calls_desk", handler, id=f"{caller}-calls", task_queue=caller, result_type=list[str])
    *told, token = await asyncio.wait_for(handle.result(), 60)
    assert told == EXPECTED, f"expected {EXPECTED}, found {told}"
    # Either SDK must be able to cancel what the other has started.
    read = OperationToken.decode(token)
    assert read.type == OperationTokenType.WORKFLOW and read.workflow_id == f"{handler}-slow", token
    history = await client.get_workflow_handle(f"{handler}-slow").fetch_history()
    callbacks = history.events[0].workflow_execution_started_event_attributes.completion_callbacks
    links = [link.workflow_event.workflow_id for link in [*history.events[0].links, *callbacks[0].links]]
    assert f"{caller}-calls" in links, f"expected a link to the caller, found {links}"


async def main() -> int:
    logging.disable(logging.CRITICAL)
    address = os.environ["TEMPORAL_ADDRESS"]
    client = await Client.connect(address)
    queues = [f"{sdk}-{uuid.uuid4()}" for sdk in ("python", "abide")]
    python, abide = [await endpoint(client, queue) for queue in queues]
    await asyncio.sleep(1)  # A server does not tell when all its parts know a new endpoint.
    program = os.environ["ABIDE_HANDOVER"]
    worker = subprocess.Popen([program, "desk", abide], env={**os.environ, "TEMPORAL_ADDRESS": address})
    failed = 0
    try:
        workflows = [CallsDesk, Lingers]
        runner = UnsandboxedWorkflowRunner()
        async with Worker(
            client, task_queue=python, workflows=workflows, nexus_service_handlers=[Clerk()], workflow_runner=runner
        ):
            for caller, handler in [(python, abide), (abide, python)]:
                what = f"{caller.split('-')[0]} calls {handler.split('-')[0]}"
                try:
                    await call(client, caller, handler)
                    print(f"ok      Nexus: {what}", flush=True)
                except Exception as error:
                    failed += 1
                    print(f"FAILED  Nexus: {what}: {type(error).__name__} {error}", flush=True)
    finally:
        worker.send_signal(signal.SIGINT)
        worker.wait(30)
    return 1 if failed else 0


sys.exit(asyncio.run(main()))
