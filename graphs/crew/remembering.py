"""Carries out what a turn asks to remember, forget or recall, and says what was done and how to undo it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypedDict

from motet.errors import InvalidInput
from motet.graphs.crew.turn import MOST_EARLIER, MOST_NOTES, Note, Turn
from motet.graphs.crew.wishes import Turned, Wish, about_the_person
from motet.memory.recall import NOBODY_NAMED, Memory
from motet.memory.search import Vocabulary
from motet.memory.summary import first_sentence, newest
from motet.tools.memory import Memories, memories_here

_LISTED = 50
_NOTHING = "I remember nothing of you."


class Recalled(TypedDict):
    """What a turn begins with, besides its question."""

    told: list[str]
    """What was done on the person's wishes, a paragraph each."""
    remembered: list[str]
    """Texts that bear on the rest of the turn, best first."""


async def recalled(turned: Turned, state: Turn) -> Recalled:
    """Do what `turned` wishes, in its order, then look for what bears on the rest.

    Done again (a crash before its checkpoint), it stores nothing twice. It reads and writes the memories of the run's
    user; none in a private thread.
    """
    here = memories_here()
    told = [await _done(wish, here, state) for wish in turned.wishes]
    if isinstance(here, str) or not turned.rest.strip():
        return Recalled(told=told, remembered=[])
    return Recalled(told=told, remembered=[one.text for one in await here.bearing_on(turned.rest)])


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


async def _done(wish: Wish, here: Memories | str, state: Turn) -> str:
    if wish.kind == "talked_about":
        return _talked_about(state)
    if isinstance(here, str):
        return here
    match wish.kind:
        case "remember":
            told = await _remember(wish.text, here, state)
        case "list":
            told = await _list(wish.text, here)
        case "forget_all":
            number = await here.recall.forget_all(here.whose.user)
            told = f"Forgotten: all I remembered of you ({number} in all)." if number else _NOTHING
        case "maybe_forget_all":
            told = "Nothing is forgotten yet: say “forget everything about me” if all that I remember of you shall go."
        case _:
            told = await _forget(wish.text, here)
    return told


async def _remember(text: str, here: Memories, state: Turn) -> str:
    if not text:
        return "Tell me the words that I should remember: “remember that …”."
    try:
        done = await here.remember(text, by="person", message_id=state["messages"][-1].id)
    except InvalidInput as error:
        return f"I can't remember that: {error}."
    told = f"{'I will remember' if done.new else 'I know that already'}: “{done.memory.text}”."
    if done.close:
        told += f" I also know “{done.close.text}” ({done.close.memory_id}): forget one if they differ."
    return f"{told} To undo it, say “forget that” or run `{_command('forget', done.memory.memory_id, here)}`."


async def _list(about: str, here: Memories) -> str:
    found = await here.bearing_on(about) if about else await here.recall.list(here.whose.user)
    if not found:
        return f"I remember nothing about “{about}”." if about else _NOTHING
    more = f"\n- … and {len(found) - _LISTED} more: `{_command('list', '', here)}`" if len(found) > _LISTED else ""
    return f"I remember:\n{_lines(found[:_LISTED])}{more}"


async def _forget(text: str, here: Memories) -> str:
    """Forget the one memory that is meant beyond doubt; say which there are, if it isn't just one."""
    meant = await _meant(text, here) if text else await _last_of_thread(here)
    if len(meant) == 1:
        gone = await here.recall.forget(here.whose.user, meant[0].memory_id)
        return f"Forgotten: “{gone.text}”. To have it back, say “remember that …” with these words."
    if meant:
        return f"Which of these? Say “forget that …” in its own words.\n{_lines(meant)}"
    if text:
        return f"I remember nothing like “{text}”."
    return "I remember nothing from this conversation. “What do you remember about me?” shows all there is."


async def _last_of_thread(here: Memories) -> Sequence[Memory]:
    """The one that this thread remembered last."""
    thread = here.whose.thread_id
    mine = [
        (max(source.at for source in one.sources if source.thread_id == thread), one)
        for one in await here.recall.list(here.whose.user)
        if any(source.thread_id == thread for source in one.sources)
    ]
    return [max(mine, key=lambda pair: pair[0])[1]] if mine else []


async def _meant(text: str, here: Memories) -> Sequence[Memory]:
    """The memories with all telling words of `text`; of several, one that has no others. Nothing is guessed."""
    vocabulary = Vocabulary()
    vocabulary.learn(text)
    asked = set(vocabulary.known(text))
    found = [
        one for one in await here.recall.list(here.whose.user) if asked and asked <= set(vocabulary.learn(one.text))
    ]
    same = [one for one in found if set(vocabulary.learn(one.text)) == set(vocabulary.learn(text))]
    return same or found


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
