"""Traces of calls that are kept in memory, so that whoever placed the call can save it: the newest few, each up to a size."""

import asyncio
import hmac
from collections import OrderedDict

MOST_KEPT = 8
"""Traces; a further one takes the place of the oldest."""

MOST_BYTES = 16_777_216
"""Of one trace: some four minutes with an assistant over a socket, more with a built-in one. Then it is cut off."""


class KeptTrace:
    """One trace. It is a `TraceFile`. `handle`: the secret of whoever may have it."""

    def __init__(self, call_id: str, handle: str) -> None:
        self.call_id = call_id
        self.handle = handle
        self.is_over = asyncio.Event()
        """Set when nothing is added any more."""
        self._content = bytearray()

    @property
    def content(self) -> bytes:
        """What was written so far."""
        return bytes(self._content)

    @property
    def is_empty(self) -> bool:
        """Whether nothing was written."""
        return not self._content

    def append(self, content: bytes) -> None:
        """Write at the end; lines beyond the size are left out."""
        if len(self._content) + len(content) > MOST_BYTES:
            self.is_over.set()
        if not self.is_over.is_set():
            self._content += content

    def close(self) -> None:
        """The trace is complete."""
        self.is_over.set()

    def give_up(self, why: str) -> None:
        """The trace ends here, before the call."""
        self.is_over.set()


class KeptTraces:
    """The traces of one process, by carrier and call."""

    def __init__(self) -> None:
        self._traces: OrderedDict[tuple[str, str], KeptTrace] = OrderedDict()

    def keep(self, carrier: str, call_id: str, handle: str) -> KeptTrace:
        """Have the trace of a call kept that will come."""
        trace = self._traces[carrier, call_id] = KeptTrace(call_id, handle)
        while len(self._traces) > MOST_KEPT:
            self._traces.popitem(last=False)[1].is_over.set()
        return trace

    def find(self, carrier: str, call_id: str) -> KeptTrace | None:
        """The trace of this call; None where it is not kept, or no longer."""
        return self._traces.get((carrier, call_id))

    def with_handle(self, handle: str) -> KeptTrace | None:
        """The trace of whoever has this handle; None where it is not kept, or no longer."""
        traces = self._traces.values()
        return next((one for one in traces if hmac.compare_digest(one.handle, handle)), None)
