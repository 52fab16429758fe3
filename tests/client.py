"""A browser tab as the server sees it: a session over Streamlit's own websocket protocol, with nothing drawn.

Streamlit itself brings the websocket client (`websockets`) and the messages (`streamlit.proto`).
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.Delta_pb2 import Delta
from streamlit.proto.Element_pb2 import Element
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from streamlit.proto.WidgetStates_pb2 import WidgetState
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException

LONGEST_RERUN = 60.0  # seconds
MOST_KEPT = 8
INTERNAL = "$$STREAMLIT_INTERNAL_KEY"
ENDS = ("FINISHED_SUCCESSFULLY", "FINISHED_FRAGMENT_RUN_SUCCESSFULLY")


class Failure(Exception):
    """The server showed an exception, gave up the connection, or did not finish in LONGEST_RERUN."""


@dataclass
class Rerun:
    """What the server sent from a change to the finished rerun."""

    seconds: float = 0.0
    messages: int = 0
    bytes: int = 0
    sizes: dict[str, int] = field(default_factory=dict)  # bytes by the kind of element or message

    def count(self, kind: str, size: int) -> None:
        """Add a message."""
        self.messages += 1
        self.bytes += size
        self.sizes[kind] = self.sizes.get(kind, 0) + size

    @property
    def drew(self) -> bool:
        """Whether a chart was among it."""
        return "vega_lite_chart" in self.sizes


@dataclass
class Session:
    """One tab: its connection, and what a browser would remember of the page."""

    socket: ClientConnection
    page: str  # "" for the first
    query: str
    page_hash: str = ""
    states: dict[str, WidgetState] = field(default_factory=dict)  # by widget id
    fragments: dict[str, str] = field(default_factory=dict)  # by widget id, "" for none
    widgets: dict[str, Element] = field(default_factory=dict)  # by widget id: as it was last drawn
    ticking: dict[str, float] = field(default_factory=dict)  # by fragment id: seconds between its reruns
    kept: dict[str, ForwardMsg] = field(default_factory=dict)  # by hash: large messages, not to be sent again

    async def visit(self, page: str, query: str = "") -> Rerun:
        """Go to a page by its menu."""
        self.page, self.query, self.page_hash = page, query, ""
        return await self.rerun()

    async def set(self, key: str, **value: object) -> Rerun:
        """Move the widget of a key, or say what a component keeps, and wait for its rerun.

        `value` is a field of WidgetState: double_value=3.0, double_array_value=[0.5], json_value={…}.
        """
        widget = self.find(key)
        self.states[widget] = state(widget, **value)
        return await self.rerun(self.fragments[widget])

    async def press(self, key: str) -> Rerun:
        """Press a button."""
        widget = self.find(key)
        return await self.rerun(self.fragments[widget], state(widget, trigger_value=True))

    async def trigger(self, key: str, event: str, value: object) -> Rerun:
        """Let the component of a key tell of an event."""
        widget = self.find(key)
        told = [{"event": event, "value": value}]
        return await self.rerun(
            self.fragments[widget], state(f"{INTERNAL}_{widget}__events", json_trigger_value=told)
        )

    async def tick(self) -> Rerun:
        """Rerun the fragment that asked to be run every so often, as a browser does when its time comes."""
        return await self.rerun(next(iter(self.ticking)), automatic=True)

    def find(self, key: str) -> str:
        """The id of the widget with a key, or with that id; KeyError unless there is one."""
        found = next(
            (widget for widget in self.fragments if widget == key or widget.endswith(f"-{key}")), None
        )
        if found is None:
            raise KeyError(f"no widget has the key {key}: {sorted(self.fragments)}")
        return found

    async def rerun(
        self, fragment: str = "", trigger: WidgetState | None = None, *, automatic: bool = False
    ) -> Rerun:
        """Run the page, or one fragment of it, and read what comes back; Failure if that is none."""
        message = BackMsg()
        asked = message.rerun_script
        asked.query_string, asked.page_script_hash, asked.fragment_id = self.query, self.page_hash, fragment
        asked.page_name = "" if self.page_hash else self.page
        asked.is_auto_rerun = automatic
        self.kept = dict(list(self.kept.items())[-MOST_KEPT:])
        asked.cached_message_hashes.extend(self.kept)
        asked.widget_states.widgets.extend([*self.states.values(), *([] if trigger is None else [trigger])])
        start = time.perf_counter()
        try:
            async with asyncio.timeout(LONGEST_RERUN):
                await self.socket.send(message.SerializeToString())
                done = await self._read()
        except (TimeoutError, WebSocketException) as error:
            raise Failure(f"{self.page}?{self.query}: {error!r}") from error
        done.seconds = time.perf_counter() - start
        return done

    async def _read(self) -> Rerun:
        done, seen = Rerun(), set[str]()
        while True:
            raw = await self.socket.recv(decode=False)
            message = ForwardMsg.FromString(raw)
            if message.WhichOneof("type") == "ref_hash":
                message = self.kept[message.ref_hash]
            kind = message.WhichOneof("type") or ""
            if kind == "new_session":
                self.page_hash = message.new_session.page_script_hash
                seen.clear()
                if not message.metadata.run.fragment_ids:
                    self.ticking.clear()
            elif kind == "navigation":  # the first run begins under the entry script's hash
                self.page_hash = message.navigation.page_script_hash
            elif kind == "page_info_changed":
                self.query = message.page_info_changed.query_string
            elif kind == "page_not_found":
                raise Failure(f"there is no page {self.page}")
            elif kind == "auto_rerun":
                if message.auto_rerun.interval < LONGEST_RERUN:  # others are there for a lost connection
                    self.ticking[message.auto_rerun.fragment_id] = message.auto_rerun.interval
            elif kind == "stop_auto_rerun":
                for stopped in message.stop_auto_rerun.fragment_ids:
                    self.ticking.pop(stopped, None)
            elif kind == "delta":
                kind = self._take(message, seen)
            done.count(kind, len(raw))
            if kind == "script_finished":
                ended = ForwardMsg.ScriptFinishedStatus.Name(message.script_finished)
                if ended in ENDS:
                    self._forget_all_but(seen, message.metadata.run.fragment_ids)
                    return done
                if ended != "FINISHED_EARLY_FOR_RERUN":
                    raise Failure(f"{self.page}?{self.query}: {ended}")

    def _take(self, message: ForwardMsg, seen: set[str]) -> str:
        """Remember what a browser would of an element, and say its kind."""
        delta: Delta = message.delta
        if delta.WhichOneof("type") != "new_element":
            return "block"
        element: Element = delta.new_element
        kind = element.WhichOneof("type") or ""
        if kind == "exception":
            raise Failure(f"{self.page}?{self.query}: {element.exception.type} {element.exception.message}")
        if message.metadata.cacheable:
            self.kept[message.hash] = message
        widget = str(getattr(getattr(element, kind), "id", "")) if kind else ""
        if widget:
            seen.add(widget)
            self.fragments[widget], self.widgets[widget] = delta.fragment_id, element
            shown = shown_by(kind, element)
            if shown is not None and (widget not in self.states or getattr(element, kind).set_value):
                self.states[widget] = shown
        return kind

    def _forget_all_but(self, seen: set[str], run: Sequence[str]) -> None:
        """Drop the widgets that were not drawn again: of the fragments that were run, or of all for none."""
        for widget, home in list(self.fragments.items()):
            if widget not in seen and (not run or home in run):
                self.states.pop(widget, None)
                del self.fragments[widget], self.widgets[widget]


@asynccontextmanager
async def session(address: str, page: str = "", query: str = "") -> AsyncIterator[Session]:
    """A tab that has opened a page of the app at an address, and closes at the end."""
    at = urlsplit(address)
    uri = f"ws://{at.netloc}{at.path}/_stcore/stream"
    async with connect(
        uri, subprotocols=["streamlit"], compression=None, max_size=None, proxy=None
    ) as socket:
        tab = Session(socket, page, query)
        await tab.rerun()
        yield tab


def state(widget: str, **value: object) -> WidgetState:
    """What a widget says, under its id."""
    said = WidgetState(id=widget)
    ((name, content),) = value.items()
    if name.startswith("json"):
        setattr(said, name, json.dumps(content))
    elif isinstance(content, Sequence) and not isinstance(content, str):
        getattr(said, name).data.extend(content)
    else:
        setattr(said, name, content)
    return said


def shown_by(kind: str, element: Element) -> WidgetState | None:
    """What a widget that has just been drawn says, as a browser reports it; None for what says nothing."""
    widget = getattr(element, kind)
    if kind == "slider":
        return state(widget.id, double_array_value=widget.value if widget.set_value else widget.default)
    if kind == "number_input":
        return state(widget.id, double_value=widget.value if widget.set_value else widget.default)
    if kind == "text_area":
        return state(widget.id, string_value=widget.value if widget.set_value else widget.default)
    if kind == "selectbox":
        return state(
            widget.id, string_value=widget.raw_value if widget.set_value else widget.options[widget.default]
        )
    if kind == "button_group":
        chosen = (
            widget.raw_values
            if widget.set_value
            else [widget.options[index].content for index in widget.default]
        )
        return state(widget.id, string_array_value=list(chosen))
    return None
