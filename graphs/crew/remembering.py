"""Carries out what a turn asks to remember, forget or recall, and says what was done and how to undo it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypedDict

from motet.errors import InvalidInput, NotFound
from motet.graphs.crew.turn import MOST_EARLIER, MOST_NOTES, Note, Turn
from motet.graphs.crew.wishes import Turned, Wish, about_the_person
from motet.memory.recall import NOBODY_NAMED, Memory, same
from motet.memory.search import Vocabulary
from motet.memory.summary import first_sentence, newest
from motet.tools.memory import Memories, memories_here

_LISTED = 50
_WISHES = 20
"""Of one message; each reads what is remembered."""
_NOTHING = "I remember nothing of you."


class Recalled(TypedDict):
    """What a turn begins with, besides its question."""

    told: list[str]
    """What was done on the person's wishes, a paragraph each."""
    remembered: list[str]
    """Texts that bear on the rest of the turn, best first."""
    undoable: str
    """Which memory the thread's next “forget that” means: what was last remembered; empty once that is forgotten."""


async def recalled(turned: Turned, state: Turn) -> Recalled:
    """Do what `turned` wishes, in its order, then look for what bears on the rest.

    Done again (a crash before its checkpoint), it stores nothing twice, and “forget that” means what it meant before.
    It reads and writes the memories of the run's user; none in a private thread.
    """
    here = memories_here()
    told, last = list[str](), state.get("undoable", "")
    for wish in turned.wishes[:_WISHES]:
        said, last = await _done(wish, here, state, last)
        told.append(said)
    if (left := len(turned.wishes) - _WISHES) > 0:
        told.append(f"I did the first {_WISHES} of these; say the other {left} in another message.")
    bears = [] if isinstance(here, str) or not turned.rest.strip() else await here.bearing_on(turned.rest)
    return Recalled(told=told, remembered=[one.text for one in bears], undoable=last)


def known_of_the_person(question: str, state: Turn) -> str:
    """An answer to a question about the person, from what they had remembered; empty if it isn't one, or nothing is."""
    return said_before(state.get("remembered", [])) if about_the_person(question) else ""


def said_before(remembered: Sequence[str]) -> str:
    """The remembered texts, in the person's words."""
    return f"You had me remember: {'; '.join(f'“{one}”' for one in remembered)}." if remembered else ""


def noted(state: Turn, note: Note) -> Turn:
    """The thread's notes with one more; a line each is kept of those that have to go."""
    notes = [*state.get("notes", []), note]
    going = [_line(one) for one in notes[:-MOST_NOTES]]
    return Turn(messages=[], notes=notes[-MOST_NOTES:], earlier=[*state.get("earlier", []), *going][-MOST_EARLIER:])


async def _done(wish: Wish, here: Memories | str, state: Turn, last: str) -> tuple[str, str]:
    """What was done, and what “forget that” means from now on."""
    if wish.kind == "talked_about":
        return _talked_about(state), last
    if isinstance(here, str):
        return here, last
    match wish.kind:
        case "remember":
            return await _remember(wish.text, here, state, last)
        case "forget_last":
            return await _forget_last(here, last), ""
        case "list":
            told = await _list(wish.text, here)
        case "forget_all":
            number = await here.recall.forget_all(here.whose.user)
            told = f"Forgotten: all I remembered of you ({number} in all)." if number else _NOTHING
        case "maybe_forget_all":
            told = "Nothing is forgotten yet: say “forget everything about me” if all that I remember of you shall go."
        case "forget":
            told = await _forget(wish.text, here)
    return told, last


async def _remember(text: str, here: Memories, state: Turn, last: str) -> tuple[str, str]:
    if not text:
        return "Tell me the words that I should remember: “remember that …”.", last
    try:
        done = await here.remember(text, by="person", message_id=state["messages"][-1].id)
    except InvalidInput as error:
        return f"I can't remember that: {error}.", last
    told = f"{'I will remember' if done.new else 'I know that already'}: “{done.memory.text}”."
    if done.close:
        told += f" I also know “{done.close.text}” ({done.close.memory_id}): forget one if they differ."
    undo = f"To undo it, say “forget that” or run `{_command('forget', done.memory.memory_id, here)}`."
    return f"{told} {undo}", done.memory.memory_id


async def _list(about: str, here: Memories) -> str:
    found = await here.bearing_on(about) if about else await here.recall.list(here.whose.user)
    if not found:
        return f"I remember nothing about “{about}”." if about else _NOTHING
    more = f"\n- … and {len(found) - _LISTED} more: `{_command('list', '', here)}`" if len(found) > _LISTED else ""
    return f"I remember:\n{_lines(found[:_LISTED])}{more}"


async def _forget(text: str, here: Memories) -> str:
    """Forget the one memory that is meant beyond doubt; say which there are, if it isn't just one."""
    meant = await _meant(text, here)
    if len(meant) == 1:
        return await _gone(meant[0].memory_id, here)
    return _which(meant) if meant else f"I remember nothing like “{text}”."


async def _forget_last(here: Memories, last: str) -> str:
    if last:
        return await _gone(last, here)
    thread = here.whose.thread_id
    known = await here.recall.list(here.whose.user)
    if mine := [one for one in known if any(source.thread_id == thread for source in one.sources)]:
        return _which(mine)
    return "I remember nothing from this conversation. “What do you remember about me?” shows all there is."


async def _gone(memory_id: str, here: Memories) -> str:
    try:
        gone = await here.recall.forget(here.whose.user, memory_id)
    except NotFound:
        return "That isn't remembered any more."
    return f"Forgotten: “{gone.text}”. To have it back, say “remember that …” with these words."


def _which(memories: Sequence[Memory]) -> str:
    return f"Which of these? Say “forget” and its id.\n{_lines(memories[:_LISTED])}"


async def _meant(text: str, here: Memories) -> Sequence[Memory]:
    """The memory of that id or those words; else those with all telling words of `text`. Nothing is guessed."""
    known = await here.recall.list(here.whose.user)
    if said := [one for one in known if text.casefold() == one.memory_id or same(text, one.text)]:
        return said
    vocabulary = Vocabulary()
    vocabulary.learn(text)
    asked = set(vocabulary.known(text))
    found = [one for one in known if asked and asked <= set(vocabulary.learn(one.text))]
    alike = [one for one in found if set(vocabulary.learn(one.text)) == asked]
    return alike or found


def _talked_about(state: Turn) -> str:
    lines = [*state.get("earlier", []), *(_line(note) for note in state.get("notes", []))]
    return f"We talked about:\n{newest(lines)}" if lines else "We haven't talked about anything yet."


def _line(note: Note) -> str:
    answer = first_sentence(note["answer"])
    return f"- {first_sentence(note['question'])} {f'→ {answer}' if answer else '(no answer)'}"


def _lines(memories: Sequence[Memory]) -> str:
    return "\n".join(f"- “{one.text}” ({one.memory_id}{f', {one.latest[:10]}' * bool(one.latest)})" for one in memories)


def _command(verb: str, what: str, here: Memories) -> str:
    user = here.whose.user
    return " ".join(filter(None, ["motet memory", verb, what, "" if user == NOBODY_NAMED else f"--user {user}"]))
