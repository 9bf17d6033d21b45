"""A schedule that changes hands: each SDK reads, with the codec, what the other wrote. Run by scripts/handover.py."""

import uuid
from datetime import datetime, timedelta, timezone

from temporalio.client import (
    Client,
    Schedule,
    ScheduleActionStartWorkflow,
    ScheduleCalendarSpec,
    ScheduleIntervalSpec,
    ScheduleOverlapPolicy,
    SchedulePolicy,
    ScheduleRange,
    ScheduleSpec,
    ScheduleState,
)
from temporalio.common import RetryPolicy

SCHEDULE = Schedule(
    action=ScheduleActionStartWorkflow(
        "Sealed",
        args=["secret order", 2],
        id="sealed",
        task_queue="nobody",
        run_timeout=timedelta(minutes=5),
        retry_policy=RetryPolicy(maximum_attempts=3),
        memo={"label": "secret label"},
        static_summary="secret summary",
    ),
    spec=ScheduleSpec(
        calendars=[
            ScheduleCalendarSpec(
                hour=[ScheduleRange(8, 20, 4)], day_of_week=[ScheduleRange(1, 5)], comment="by day"
            )
        ],
        intervals=[ScheduleIntervalSpec(every=timedelta(hours=36), offset=timedelta(hours=6))],
        skip=[ScheduleCalendarSpec(month=[ScheduleRange(12)])],
        start_at=datetime(2026, 1, 5, tzinfo=timezone.utc),
        jitter=timedelta(seconds=30),
        time_zone_name="Europe/Berlin",
    ),
    policy=SchedulePolicy(
        overlap=ScheduleOverlapPolicy.BUFFER_ALL, catchup_window=timedelta(minutes=2), pause_on_failure=True
    ),
    state=ScheduleState(note="handed over", paused=True, limited_actions=True, remaining_actions=7),
)


async def ours_is_read(client: Client, run_abide) -> None:
    """Abide writes, Python reads."""
    id = f"schedule-{uuid.uuid4()}"
    await run_abide(client, "schedule-write", id)
    handle = client.get_schedule_handle(id)
    try:
        await compare(client, await handle.describe(), "handed over")
        await run_abide(client, "schedule-change", id)
        await compare(client, await handle.describe(), "changed")
        stored = (await handle.describe()).raw_description.SerializeToString()
        assert b"secret" not in stored, "expected everything to be sealed"
    finally:
        await handle.delete()


async def compare(client: Client, described, note: str) -> None:
    action, expected = described.schedule.action, SCHEDULE.action
    payloads = await client.data_converter.decode(list(action.args))
    assert payloads == expected.args, payloads
    label, summary = action.memo["label"], action.static_summary
    texts = await client.data_converter.decode([label, summary])
    assert texts == ["secret label", "secret summary"], texts
    assert await described.memo_value("team") == "secret team"
    for field in ["workflow", "id", "task_queue", "run_timeout"]:
        assert getattr(action, field) == getattr(expected, field), (field, getattr(action, field))
    assert action.retry_policy.maximum_attempts == 3, action.retry_policy
    # What Python writes is brought into the server's form, as ours was.
    other = f"schedule-{uuid.uuid4()}"
    handle = await client.create_schedule(other, SCHEDULE)
    try:
        same = (await handle.describe()).schedule
        assert described.schedule.spec == same.spec, (described.schedule.spec, same.spec)
        assert described.schedule.policy == same.policy, described.schedule.policy
        same.state.note = note
        assert described.schedule.state == same.state, described.schedule.state
    finally:
        await handle.delete()


async def theirs_is_read(client: Client, run_abide) -> None:
    """Python writes, Abide reads. An update of Abide changes nothing but the note."""
    id = f"schedule-{uuid.uuid4()}"
    handle = await client.create_schedule(id, SCHEDULE, memo={"team": "secret team"})
    try:
        await run_abide(client, "schedule-read", id)
        await run_abide(client, "schedule-change", id)
        await compare(client, await handle.describe(), "changed")
    finally:
        await handle.delete()


CASES = {"Schedule: abide writes, python reads": ours_is_read, "Schedule: python writes, abide reads": theirs_is_read}
