"""Tells the gateway what a playbook does: one JSON object a line, on the descriptor that P2PRC_EVENTS_FD names.

Its own descriptor, because anything may print on stdout. Every text is cut here, so that a task that prints 100 MiB
sends 64 KiB: the end of it, which says how it went. The lines are read by src/plugins/task-events.ts.
"""

from __future__ import annotations

import json
import os
import signal
import time

from ansible.plugins.callback import CallbackBase

DOCUMENTATION = """
    name: p2prc_events
    type: stdout
    short_description: events of a run, for the P2PRC gateway
    description: Writes one JSON object per event to the descriptor that P2PRC_EVENTS_FD names.
"""

MAX_OUTPUT_CHARACTERS = 64 * 1024
MAX_MESSAGE_CHARACTERS = 4 * 1024
MAX_NAME_CHARACTERS = 256


DEBUG_ACTIONS = ("debug", "ansible.builtin.debug", "ansible.legacy.debug")
OWN_FIELDS = ("changed", "failed", "invocation")


def as_text(value):
    if isinstance(value, str):
        return value
    return json.dumps(value, default=str, ensure_ascii=False)


def output_of(stream, value):
    """The end of an output, and how many bytes before it are left out."""
    text = as_text(value)
    if text == "":
        return None
    kept = text[-MAX_OUTPUT_CHARACTERS:]
    dropped = 0 if len(kept) == len(text) else size_of(text) - size_of(kept)
    return {"stream": stream, "text": kept, "droppedBytes": dropped}


def size_of(text):
    """Bytes of UTF-8, in pieces: a copy of 100 MiB is worth avoiding."""
    step = 1024 * 1024
    return sum(
        len(text[at : at + step].encode("utf-8", "surrogatepass")) for at in range(0, len(text), step)
    )


class CallbackModule(CallbackBase):
    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "stdout"
    CALLBACK_NAME = "p2prc_events"

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self._fd = int(os.environ["P2PRC_EVENTS_FD"])
        os.set_inheritable(self._fd, False)
        self._started = {}

    def _tell(self, **event):
        # ASCII only: a lone surrogate in a text must not end the run.
        line = json.dumps(event, default=str, separators=(",", ":")).encode("ascii") + b"\n"
        try:
            while line:
                line = line[os.write(self._fd, line) :]
        except OSError:
            # The gateway is gone: nobody is left to end this run. Its next start ends what is not in our group.
            if os.getpgrp() == os.getpid():
                os.killpg(os.getpgrp(), signal.SIGKILL)
            raise

    def _result(self, status, result, ignored=False):
        host = result._host.get_name()
        began = self._started.pop((host, result._task._uuid), None)
        fields = result._result
        is_secret = bool(fields.get("_ansible_no_log"))
        # Of a loop each item has told its own.
        outputs = [] if "results" in fields else self._outputs(fields)
        message = fields.get("msg", "") or fields.get("skip_reason", "")
        if message == "" and result._task.action in DEBUG_ACTIONS:
            message = {name: value for name, value in fields.items() if name not in OWN_FIELDS and name[:1] != "_"}
        self._tell(
            event="result",
            host=host,
            task=result._task.get_name()[:MAX_NAME_CHARACTERS],
            status=status,
            ignored=bool(ignored),
            message="" if is_secret else as_text(message)[:MAX_MESSAGE_CHARACTERS],
            elapsedMs=0 if began is None else round((time.monotonic() - began) * 1000),
            outputs=[] if is_secret else outputs,
        )

    def _outputs(self, fields):
        found = [
            output_of("stdout", fields.get("stdout", "") or fields.get("module_stdout", "")),
            output_of("stderr", fields.get("stderr", "") or fields.get("module_stderr", "")),
        ]
        return [output for output in found if output is not None]

    def _item(self, result):
        fields = result._result
        if fields.get("_ansible_no_log"):
            return
        outputs = self._outputs(fields)
        if outputs:
            self._tell(event="output", host=result._host.get_name(), outputs=outputs)

    def v2_playbook_on_play_start(self, play):
        self._tell(event="play", play=play.get_name()[:MAX_NAME_CHARACTERS])

    def v2_runner_on_start(self, host, task):
        self._started[(host.get_name(), task._uuid)] = time.monotonic()
        self._tell(event="start", host=host.get_name(), task=task.get_name()[:MAX_NAME_CHARACTERS])

    def v2_runner_on_ok(self, result):
        self._result("changed" if result._result.get("changed") else "ok", result)

    def v2_runner_on_failed(self, result, ignore_errors=False):
        self._result("failed", result, ignore_errors)

    def v2_runner_on_unreachable(self, result):
        self._result("unreachable", result)

    def v2_runner_on_skipped(self, result):
        self._result("skipped", result)

    def v2_runner_item_on_ok(self, result):
        self._item(result)

    def v2_runner_item_on_failed(self, result):
        self._item(result)

    def v2_playbook_on_stats(self, stats):
        hosts = {host: stats.summarize(host) for host in stats.processed}
        self._tell(event="stats", hosts=hosts)
