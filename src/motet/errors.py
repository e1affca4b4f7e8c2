"""Every error of Motet, in one tree, split by who must react.

```
MotetError
├── CallerError            whoever sent the request must change it
│   ├── ServerRefused      a server said so to one of our commands; carries its status and words
│   ├── InvalidInput       422  a field's value isn't allowed
│   ├── NotFound           404  the thing named doesn't exist
│   ├── NothingToCancel    404  none of the runs meant is still to end
│   ├── ThreadNeeded       400  an answer came without the thread where the question waits
│   ├── NotAuthorised      401  the key is missing or wrong
│   ├── LinkNotSigned      403  a one-time link isn't one that this installation made
│   ├── LinkUnusable       410  a one-time link was used, or its time is over
│   ├── TrajectoryUnreadable 422  what should be a trajectory isn't one that can be read whole
│   ├── NotRestorable      422  a value of a trajectory can't be had back
│   ├── NotReplayable      422  a trajectory doesn't hold all that replaying it needs
│   ├── HoldsPersonalData  422  what is to be kept for long tells who somebody is, or a secret
│   └── Conflict           409  the request is fine, the state isn't
│       ├── AlreadyExists       the id is taken
│       ├── ThreadBusy          a run works on the thread, and the request said `reject`
│       ├── RunActive           the run hasn't ended, so it can't be forgotten
│       ├── RunOver             the run has ended, so it can't be cancelled
│       ├── ThreadWaits         a decision is waiting; a plain input would discard it
│       ├── NoWaitingInterrupt  a resume names nothing that waits
│       ├── ArgumentsChanged    a decision was made on other arguments than those waiting
│       ├── AlreadyDecided      the approval is no longer open; says who decided what
│       └── DatasetMovedOn      a dataset got another version since it was read
├── SetupError             whoever configured this installation must change it
│   ├── InvalidConfig           a setting, `langgraph.json` or an agent's declaration is wrong
│   ├── InvalidWorkspace        the folder of data can't be used
│   ├── ModelUnavailable        no model can be had: weights, runtime, key or package is missing
│   ├── DownloadFailed          a file fetched on first use can't be had: pip, network, disk or hash
│   └── AddressInUse            the port is taken
├── OperatorError          whoever runs the machines must react; 503
│   ├── StoreUnavailable        Redis doesn't answer
│   ├── DataDamaged             what Redis holds isn't what was stored
│   └── ServerUnavailable       the server a command speaks to doesn't answer
├── RunError               the run can't go on; ends it, never the worker
│   ├── BudgetExhausted         a limit of the run's tree was reached
│   ├── RunTimeout              the run took longer than it may
│   ├── ModelFailed             the model timed out, refused or answered rubbish
│   ├── GraphExited             the graph's code tried to end the process
│   ├── TypeNotAllowed          the state holds a value whose class isn't allowed, so it would not come back
│   ├── EffectUnknown           a tool's effect may have happened, and nobody may be asked
│   ├── EffectNotRecorded       a tool's effect happened, and its result can't be kept
│   ├── UnstorableValue         the state holds a value that has no form outside the process
│   ├── StateTooLarge           a step adds more to the state than this installation stores at once
│   └── StaleClaim              another worker owns the run now
├── ToolFailed             the model must see it and may try again
└── OnlyInTests            whoever wrote the test, or the code it tests, must change it
    ├── UnexpectedCall          a scripted model was called once more than its script says
    ├── UnconsumedSteps         the test ended before its script did
    └── ModelRequestForbidden   a real model was about to be called where tests forbid it
```

Control signals (LangGraph's `GraphBubbleUp`) are no errors and stand outside the tree.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar


class MotetError(Exception):
    """Base of every error raised on purpose; its text is fit to be shown to a person."""


class CallerError(MotetError):
    """The request must change. Never retried by us."""

    status: ClassVar[int] = 400
    """The HTTP status the one handler answers with."""


class ServerRefused(CallerError):
    """The server that one of our commands speaks to refused a request."""

    def __init__(self, answered: int, detail: str) -> None:
        self.answered = answered
        """The HTTP status it answered with; 409 says that the thread has moved on."""
        self.detail = detail
        """Its own words."""
        super().__init__(detail)


class InvalidInput(CallerError):
    """A field holds a value that isn't allowed."""

    status = 422

    def __init__(self, field: str, value: object, allowed: str) -> None:
        self.field = field
        """Dotted path of the field, as the client wrote it."""
        self.value = value
        """What was given."""
        self.allowed = allowed
        """What would have been accepted, as a phrase."""
        super().__init__(f"{field}: {shortened(value)} is not allowed; allowed: {allowed}")


class NotFound(CallerError):
    """The thing named doesn't exist, or isn't the caller's to see."""

    status = 404

    def __init__(self, kind: str, name: str) -> None:
        self.kind = kind
        """thread, run, assistant, …"""
        self.name = name
        """The id or name asked for."""
        super().__init__(f"{kind.capitalize()} with ID {name} not found")


class NothingToCancel(CallerError):
    """Runs were to be cancelled, and none of those meant is still to end."""

    status = 404

    def __init__(self) -> None:
        super().__init__("No runs found to cancel.")


class ThreadNeeded(CallerError):
    """A run without a thread came with an answer: what waits, waits on a thread."""

    def __init__(self) -> None:
        super().__init__("You must provide a thread_id when resuming.")


class NotAuthorised(CallerError):
    """The request carries no key, or a wrong one. Which of the two isn't said."""

    status = 401

    def __init__(self) -> None:
        super().__init__("Not authorised: send the key as 'x-api-key' or 'Authorization: Bearer'")


class LinkNotSigned(CallerError):
    """A one-time link's signature is wrong, or it is another tenant's. Which of the two isn't said."""

    status = 403

    def __init__(self) -> None:
        super().__init__("token: this link wasn't made here, or was changed: ask for a new one")


class LinkUnusable(CallerError):
    """A one-time link was made here, and holds no more."""

    status = 410

    def __init__(self, reason: str) -> None:
        self.reason = reason
        """What became of it, as a verb: `was used`."""
        super().__init__(f"token: this link {reason}: ask for a new one")


class TrajectoryUnreadable(CallerError):
    """What should be a trajectory is broken, cut off, something else, or too new: nothing of it is used."""

    status = 422

    def __init__(self, where: str, reason: str, *, line: int | None = None) -> None:
        self.where = where
        """The file, or the run."""
        self.line = line
        """Of the file, from 1; None where no line is at fault."""
        self.reason = reason
        super().__init__(f"{where}{'' if line is None else f', line {line}'}: {reason}")


class NotRestorable(CallerError):
    """A value that a trajectory names can't be had back: it isn't there, was too large, or had no form."""

    status = 422

    def __init__(self, what: str, reason: str) -> None:
        self.what = what
        """The hash of the content, or the class of the value."""
        self.reason = reason
        super().__init__(f"{what} can't be restored: {reason}")


class NotReplayable(CallerError):
    """A trajectory is readable, but doesn't hold all that replaying it needs. Nothing was run, or it was stopped."""

    status = 422

    def __init__(self, run_id: str, reason: str) -> None:
        self.run_id = run_id
        """The recorded run."""
        self.reason = reason
        super().__init__(f"run {run_id} can't be replayed: {reason}")


class HoldsPersonalData(CallerError):
    """What is to be kept for long holds personal data or secrets: where and of which kinds, but never which."""

    status = 422

    def __init__(self, what: str, found: Sequence[tuple[str, str, int]]) -> None:
        self.what = what
        """The example."""
        self.found = tuple(found)
        """Field, kind, and how often."""
        some = found[:10]
        told = "; ".join(f"{field}: {kind}{f' ({times} times)' if times > 1 else ''}" for field, kind, times in some)
        more = f"; and {len(found) - len(some)} other places" if len(found) > len(some) else ""
        super().__init__(f"{what} holds personal data or secrets, and nothing was kept of it: {told}{more}")


class Conflict(CallerError):
    """The request is well formed, but what it acts on has moved on. Nothing was changed."""

    status = 409


class AlreadyExists(Conflict):
    """The id asked for is taken."""

    def __init__(self, kind: str, name: str) -> None:
        self.kind = kind
        self.name = name
        super().__init__(f"{kind.capitalize()} with ID {name} already exists")


class ThreadBusy(Conflict):
    """A run works on the thread and the new one came with `multitask_strategy: reject`."""

    def __init__(self, thread_id: str) -> None:
        self.thread_id = thread_id
        super().__init__(
            "Thread is already running a task. Wait for it to finish or choose a different multitask strategy."
        )


class RunActive(Conflict):
    """A run that hasn't ended was to be forgotten."""

    def __init__(self, run_id: str) -> None:
        self.run_id = run_id
        super().__init__(f"Run {run_id} has not ended: cancel it first")


class RunOver(Conflict):
    """A run that has ended was to be cancelled."""

    def __init__(self, run_id: str, status: str) -> None:
        self.run_id = run_id
        self.ended = status
        """How it ended."""
        super().__init__(f"Run {run_id} has ended already: {status}")


class ThreadWaits(Conflict):
    """A decision is waiting on the thread, and a new input would silently discard it."""

    def __init__(self, thread_id: str, waiting: Sequence[str]) -> None:
        self.thread_id = thread_id
        self.waiting = tuple(waiting)
        """Ids of the interrupts that wait."""
        super().__init__(
            f"Thread {thread_id} waits for a decision on interrupt {', '.join(self.waiting)}: "
            "answer it with command.resume before sending a new input"
        )


class NoWaitingInterrupt(Conflict):
    """A resume names an interrupt that doesn't wait: unknown, answered already, or none waits at all."""

    def __init__(self, thread_id: str, named: Sequence[str], waiting: Sequence[str]) -> None:
        self.thread_id = thread_id
        self.named = tuple(named)
        """Interrupt ids the answer names; empty for an answer without ids."""
        self.waiting = tuple(waiting)
        """Interrupt ids that do wait."""
        asked = f"interrupt {', '.join(self.named)}" if self.named else "a waiting interrupt"
        waits = f"waiting: {', '.join(self.waiting)}" if self.waiting else "nothing waits"
        super().__init__(f"Thread {thread_id}: no answer can be given to {asked} ({waits})")


class ArgumentsChanged(Conflict):
    """A decision carries the hash of other arguments than those that wait for it."""

    def __init__(self, interrupt_id: str, *, seen: str, waiting: str) -> None:
        self.interrupt_id = interrupt_id
        self.seen = seen
        """SHA-256 of the arguments the person saw."""
        self.waiting = waiting
        """SHA-256 of the arguments that wait."""
        super().__init__(
            f"Interrupt {interrupt_id}: the decision was made on arguments {shortened(seen)}, "
            f"but {waiting} are waiting; look again"
        )


class AlreadyDecided(Conflict):
    """The approval was decided by somebody else or otherwise, expired, or was withdrawn; nothing changed."""

    def __init__(self, approval_id: str, *, state: str, by: str, at: str, how: str) -> None:
        """`by`: who decided, empty for nobody; `how`: what they decided, or why it was withdrawn."""
        super().__init__(f"approval {approval_id} is {state} since {at}{f' by {by}' if by else ''}: {how}")
        self.state = state
        self.by = by


class DatasetMovedOn(Conflict):
    """A version was to stand behind one that is no longer a dataset's newest."""

    def __init__(self, name: str, newest: str) -> None:
        """`newest`: its newest version; empty where there is none."""
        said = f"has version {newest} by now" if newest else "was forgotten meanwhile"
        super().__init__(f"dataset {name} {said}: read it again")


class SetupError(MotetError):
    """This installation is configured wrongly; said at start-up, before anything is served."""


class InvalidConfig(SetupError):
    """A setting or a configuration file can't be used."""

    def __init__(self, source: str, reason: str) -> None:
        self.source = source
        """The file or the environment variable."""
        self.reason = reason
        super().__init__(f"{source}: {reason}")


class InvalidWorkspace(SetupError):
    """The folder of data is missing, unreadable or holds nothing that can be queried."""

    def __init__(self, folder: str, reason: str) -> None:
        self.folder = folder
        self.reason = reason
        super().__init__(f"workspace {folder}: {reason}")


class ModelUnavailable(SetupError):
    """No model can be had; the text says which source failed and what to do next."""

    def __init__(self, model: str, reason: str) -> None:
        self.model = model
        """The model as asked for, `provider:name`."""
        self.reason = reason
        super().__init__(f"model {model}: {reason}")


class DownloadFailed(SetupError):
    """A file that is fetched on first use can't be had; nothing was left half done."""

    def __init__(self, what: str, reason: str) -> None:
        self.what = what
        """What was being fetched, as a phrase."""
        self.reason = reason
        """What went wrong and what to do next."""
        super().__init__(f"{what} could not be fetched: {reason}")


class AddressInUse(SetupError):
    """Another process listens on the address."""

    def __init__(self, host: str, port: int) -> None:
        self.host = host
        self.port = port
        super().__init__(
            f"{host}:{port} is in use: stop what listens there, or choose another --port (0 takes a free one)"
        )


class OperatorError(MotetError):
    """A part that must be running doesn't answer. The request may be sent again later."""

    status: ClassVar[int] = 503


class StoreUnavailable(OperatorError):
    """Redis can't be reached, or refuses to work."""

    def __init__(self, url: str, reason: str) -> None:
        self.url = url
        """Where it was looked for, without the password."""
        self.reason = reason
        super().__init__(f"Redis at {url} is not available: {reason}")


class DataDamaged(OperatorError):
    """What Redis holds isn't what was stored: lost in part, or changed by others. Nothing is guessed in its place."""

    def __init__(self, where: str, reason: str) -> None:
        self.where = where
        """What couldn't be read, as a phrase."""
        self.reason = reason
        super().__init__(f"{where}: what is stored can't be read ({reason})")


class ServerUnavailable(OperatorError):
    """The server that one of our commands speaks to doesn't answer, or ended."""

    def __init__(self, url: str, reason: str) -> None:
        self.url = url
        self.reason = reason
        super().__init__(f"the server at {url} does not answer: {reason}")


class RunError(MotetError):
    """The run ends with this error; worker, thread and other runs go on."""


class BudgetExhausted(RunError):
    """A limit that bounds the run with all its sub-agents was reached; the call was not made."""

    def __init__(self, limit: str, *, spent: float, allowed: float) -> None:
        self.limit = limit
        """model_calls, tool_calls, tokens or seconds."""
        self.spent = spent
        self.allowed = allowed
        super().__init__(f"the run's budget of {allowed:g} {limit.replace('_', ' ')} is spent ({spent:g})")


class RunTimeout(RunError):
    """The attempt took longer than the installation lets a run take; it ends with status `timeout`."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        """What it was allowed."""
        super().__init__(f"the run took longer than the {seconds:g} s it may (MOTET_RUN_TIMEOUT_SECONDS)")


class ModelFailed(RunError):
    """A model call gave nothing usable after its retries."""

    def __init__(self, model: str, reason: str) -> None:
        self.model = model
        self.reason = reason
        super().__init__(f"model {model} failed: {reason}")


class GraphExited(RunError):
    """The graph's code called `sys.exit()`, or raised KeyboardInterrupt: that ends its run, not the server."""

    def __init__(self, raised: BaseException) -> None:
        code = getattr(raised, "code", None)
        self.raised = f"{type(raised).__name__}{'' if code is None else f'({code!r})'}"
        """What was raised, as Python writes it."""
        super().__init__(f"the graph raised {self.raised}, which would end the whole process")


class TypeNotAllowed(RunError):
    """State holds a value that would come back as something else, because its class isn't allowed.

    Raised when it is saved: nothing is stored, and the run ends at its last checkpoint. Or when it is read,
    and others have stored it: nothing is made of it. The class is allowed by whoever writes the graph, not
    by whoever set up the installation, and other runs go on; so it is the run's error.
    """

    def __init__(
        self, module: str, name: str, *, reason: str = "", stored: bool = False, channel: str | None = None
    ) -> None:
        self.module = module
        """Where the class is defined."""
        self.name = name
        """The class."""
        self.channel = channel
        """The part of a graph's state that holds the value, where it is known."""
        self.reason = reason or (
            f'allow it: state_serializer([{name}]), or ["{module}", "{name}"] under '
            "checkpointer.serde.allowed_msgpack_modules in langgraph.json; dataclasses, Pydantic models and enums "
            "that a graph's state schema names are allowed in its checkpoints by themselves"
        )
        where = "stored state" if stored else "state" if channel is None else f"channel {channel!r} of the state"
        super().__init__(f"{module}.{name} is not allowed in {where}: {self.reason}")


class UnstorableValue(RunError):
    """State holds what has no form outside the process: a lock, a socket, a function, a list that holds itself.

    Raised when it is saved: nothing is stored, and the run ends at its last checkpoint.
    """

    def __init__(self, channel: str, reason: str) -> None:
        self.channel = channel
        """The part of the graph's state that holds it."""
        self.reason = reason
        """What the serialiser stumbled over; names the class."""
        super().__init__(
            f"channel {channel!r} of the state can't be stored: {reason}; keep it out of the state, in the run's "
            "context or made anew by the node that needs it"
        )


class StateTooLarge(RunError):
    """A step adds more to the state than this installation stores at once.

    Nothing of the step is stored, and the thread goes on from its last checkpoint.
    """

    def __init__(self, thread_id: str, *, size: int, allowed: int, channel: str) -> None:
        self.thread_id = thread_id
        self.size = size
        """Bytes, serialised."""
        self.allowed = allowed
        """Bytes."""
        self.channel = channel
        """The part of the state that adds most."""
        super().__init__(
            f"thread {thread_id}: a step adds {size} bytes to the state, and {allowed} are allowed; most of it is in "
            f"channel {channel!r}: keep large data elsewhere, and in the state where it is"
        )


class EffectUnknown(RunError):
    """An effect that must happen once was started before, may have happened, and its tool asks for failure then."""

    def __init__(self, tool: str, *, started: str) -> None:
        self.tool = tool
        self.started = started
        """When and by whom it was started, as a phrase."""
        super().__init__(
            f"{tool}: this call was started {started}, and it isn't known whether it took effect; "
            "it was not made again, because the tool is declared with ambiguous: fail"
        )


class EffectNotRecorded(RunError):
    """A tool acted, and what it gave can't be kept: if the call is met again, its effect counts as unknown."""

    def __init__(self, tool: str, reason: str) -> None:
        self.tool = tool
        self.reason = reason
        super().__init__(f"{tool}: the call was made, but its result can't be kept: {reason}")


class StaleClaim(RunError):
    """A worker wrote with an epoch that is no longer the run's.

    Raised by every fenced write. The worker must stop at once and write nothing more: another
    worker owns the run. Never shown to a client, never retried.
    """

    def __init__(self, run_id: str, *, epoch: int) -> None:
        self.run_id = run_id
        """The run that was written to."""
        self.epoch = epoch
        """The epoch the writer held."""
        super().__init__(f"run {run_id!r} is no longer claimed with epoch {epoch}")


class ToolFailed(MotetError):
    """A tool couldn't do it; the text goes to the model, which may try something else."""


class OnlyInTests(MotetError):
    """What `motet.testing` raises; nothing of it comes from a system at work."""


class UnexpectedCall(OnlyInTests):
    """A ScriptedModel was called though its script was played to the end."""

    def __init__(self, asked: str, *, steps: int, tools: Sequence[str] = ()) -> None:
        self.asked = asked
        """Role and text of the last message."""
        self.steps = steps
        """How many steps the script has."""
        self.tools = tuple(tools)
        """Names of the tools the model could have called."""
        offered = f", with tools {', '.join(self.tools)}" if self.tools else ""
        super().__init__(f"call {steps + 1}, but the script has {steps} steps; asked: {shortened(asked, 300)}{offered}")


class UnconsumedSteps(OnlyInTests):
    """The code under test called a ScriptedModel less often than its script says."""

    def __init__(self, steps: int, left: Sequence[str]) -> None:
        self.steps = steps
        """How many steps the script has."""
        self.left = tuple(left)
        """The steps never played, as text."""
        shown = "; ".join(shortened(step) for step in self.left)
        super().__init__(f"{len(self.left)} of {steps} steps were never asked for: {shown}")


class ModelRequestForbidden(OnlyInTests):
    """A chat model that may be real was called inside `forbid_model_requests`; nothing was sent."""

    def __init__(self, model: str) -> None:
        self.model = model
        """Its class and the name the provider knows it by."""
        super().__init__(
            f"a request to {model} was stopped: models are forbidden here; "
            "use a model of motet.testing, or name the class in allow_model_requests"
        )


def shortened(value: object, limit: int = 80) -> str:
    """`repr(value)`, cut to `limit` characters: an error's text never carries a megabyte back."""
    text = repr(value[: limit + 1] if isinstance(value, str | bytes) else value)
    return text if len(text) <= limit else f"{text[:limit]}…"


def error_on_the_wire(error: BaseException) -> dict[str, str]:
    """What a run's error looks like to clients: the class that was raised, and its text, as UTF-8 can hold it."""
    return {"error": type(error).__name__, "message": str(error).encode("utf-8", "replace").decode()}
