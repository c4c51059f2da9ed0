"""Which tasks wait for nothing but one another: seen from outside, while they do not run.

asyncio tells no one what a task waits for, so this looks: at the future that a task hangs on, and at the innermost
frame of its coroutine. What it cannot place (a timer, a socket, a queue, a shield) it does not call waiting, and
whoever asks must not wait for ever on that word.
"""

import asyncio
from collections.abc import Callable, Collection, Iterable
from types import FrameType
from typing import Any

type AnyTask = asyncio.Task[Any]
type Belongs = Callable[[AnyTask], bool]

_INSIDE_TASK_GROUP = "asyncio.taskgroups"
_INSIDE_TASKS = "asyncio.tasks"


def busy_task(belongs: Belongs, parked: Callable[[AnyTask], bool], last: AnyTask | None) -> AnyTask | None:
    """A live task that belongs, is not parked, and waits for more than others that belong; None where there is none.

    `last` is the answer of the time before: while it stands, nobody else is looked at.
    """
    if last is not None and not last.done() and _is_busy(last, belongs, parked):
        return last
    members = (task for task in asyncio.all_tasks() if belongs(task))
    return next((task for task in members if _is_busy(task, belongs, parked)), None)


def _is_busy(task: AnyTask, belongs: Belongs, parked: Callable[[AnyTask], bool]) -> bool:
    return not parked(task) and not _waits_within(task, belongs)


def _waits_within(task: AnyTask, belongs: Belongs) -> bool:
    # Both of asyncio's own task classes have this attribute, and debuggers live on it; a task class without it is
    # merely never seen waiting.
    future = getattr(task, "_fut_waiter", None)
    if future is None or future.done():
        return False
    if isinstance(future, asyncio.Task) or _gathered(future) is not None:
        return _is_within(future, belongs)
    return _all_within(_awaited_by_frame(task), belongs)


def _is_within(future: Any, belongs: Belongs) -> bool:
    """Whether only tasks that belong can complete a future."""
    if isinstance(future, asyncio.Task):
        return belongs(future)
    children = _gathered(future)
    return children is not None and _all_within(children, belongs)


def _gathered(future: Any) -> Collection[Any] | None:
    """What `asyncio.gather` put together in a future; None for any other future."""
    children: Collection[Any] | None = getattr(future, "_children", None)
    return children


def _all_within(futures: Iterable[Any], belongs: Belongs) -> bool:
    live = [future for future in futures if not future.done()]
    return bool(live) and all(_is_within(future, belongs) for future in live)


def _awaited_by_frame(task: AnyTask) -> Collection[Any]:
    """The tasks that a task group or `asyncio.wait` waits for on behalf of a task; empty for everything else."""
    frame = _innermost_frame(task)
    if frame is None:
        return ()
    module, variables = frame.f_globals.get("__name__"), frame.f_locals
    if module == _INSIDE_TASK_GROUP:
        return frozenset(getattr(variables.get("self"), "_tasks", ()))
    if module == _INSIDE_TASKS and frame.f_code.co_name == "_wait":
        return frozenset(variables.get("fs", ()))
    return ()


def _innermost_frame(task: AnyTask) -> FrameType | None:
    """Where a suspended task's chain of coroutines ends."""
    coroutine: Any = task.get_coro()
    frame: FrameType | None = None
    while (here := getattr(coroutine, "cr_frame", None)) is not None:
        frame, coroutine = here, coroutine.cr_await
    return frame
