"""Bugs that a worker on streams may well have: the simulation must find each of them.

Those of the engine are in what requests of a worker have in common.
"""

from __future__ import annotations

from harness.planted import Bug

BUGS = (
    Bug(
        "a record is finished before its request has ended",
        "streams",
        "tenure",
        "            elif request.ended and request not in self._held:\n                batch.deliveries.append(request.delivery)\n",
        "            else:\n                batch.deliveries.append(request.delivery)\n",
    ),
    Bug(
        "duplicates are run",
        "streams",
        "pipeline",
        "return identity in self.open or identity in self.recent",
        "return False",
    ),
    Bug(
        "duplicates of what is under way are run",
        "streams",
        "pipeline",
        "return identity in self.open or identity in self.recent",
        "return identity in self.recent",
    ),
    Bug(
        "what has ended is forgotten at once",
        "streams",
        "tenure",
        "                self.pipeline.recent.add(request.identity)\n",
        "                pass\n",
    ),
    Bug(
        "what ends is remembered before it is written",
        "streams",
        "tenure",
        "                batch.over.append(request)\n",
        "                batch.over.append(request)\n"
        "                self.pipeline.recent.add(request.identity)\n",
    ),
    Bug(
        "the last that ended are remembered without bound",
        "streams",
        "recent",
        "if len(self._identities) > self._most:",
        "if False:",
    ),
    Bug(
        "duplicates are never finished",
        "streams",
        "request",
        "        self.duplicate = True\n        self.closed()\n",
        "        self.duplicate = True\n",
    ),
    Bug(
        "the end of a duplicate makes the original unknown",
        "streams",
        "tenure",
        "        if open_requests.get(request.identity) is request:\n",
        "        if request.identity in open_requests:\n",
    ),
    Bug(
        "outputs go to the partition that their key decides",
        "streams",
        "request",
        "Output(stream, record, self.delivery.partition)",
        "Output(stream, record)",
    ),
    Bug(
        "the identity takes the place of the key",
        "streams",
        "request",
        "            key,\n            plan.name,\n",
        "            self.identity.encode(),\n            plan.name,\n",
    ),
    Bug(
        "every header travels",
        "streams",
        "request",
        "headers[name] for name in headers if name in travelling",
        "headers[name] for name in headers",
    ),
    Bug(
        "records without an identity are told apart by offset alone",
        "streams",
        "request",
        '    return f"{delivery.stream}/{delivery.partition}/{delivery.offset}"\n',
        '    return f"{delivery.stream}/0/{delivery.offset}"\n',
    ),
    Bug(
        "a worker that was fenced goes on",
        "streams",
        "tenure",
        "        self._discard(list(self._requests.values()))\n        self._dirty.clear()\n",
        "",
    ),
    Bug(
        "what a fenced worker ran stays open in its engine",
        "streams",
        "tenure",
        "            if request.passage is not None:\n"
        "                self.carrier.cancel(request.passage)\n",
        "            pass\n",
    ),
    Bug(
        "the bound of what is in flight is not kept",
        "streams",
        "tenure",
        "room = self.pipeline.share_of_one - len(self._requests)",
        "room = self.pipeline.share_of_one",
    ),
    Bug(
        "records are tried for ever",
        "streams",
        "tenure",
        "if delivery.attempt > pipeline.limits.max_deliveries:",
        "if False:",
    ),
    Bug(
        "a record is lost one time too early",
        "streams",
        "tenure",
        "if delivery.attempt > pipeline.limits.max_deliveries:",
        "if delivery.attempt >= pipeline.limits.max_deliveries:",
    ),
    Bug(
        "suspects run with the others",
        "streams",
        "tenure",
        "elif delivery.attempt >= ALONE_FROM_ATTEMPT:",
        "elif False:",
    ),
    Bug(
        "a suspect does not wait for what is under way",
        "streams",
        "turnstile",
        "or self._suspect_runs or self.inside > 1:",
        "or self._suspect_runs:",
    ),
    Bug(
        "a suspect does not wait for what is on its way",
        "streams",
        "turnstile",
        "        if not any(tenure.takes for tenure in self._tenures):\n",
        "        if True:\n",
    ),
    Bug(
        "records that come beside a suspect are begun",
        "streams",
        "tenure",
        "            if self._closing or self._turnstile.shut or full:\n",
        "            if self._closing:\n",
    ),
    Bug(
        "nobody tells the others that a suspect is gone",
        "streams",
        "turnstile",
        "            self.pump()\n        else:\n",
        "            pass\n        else:\n",
    ),
    Bug(
        "time is that of the process",
        "streams",
        "clock",
        "        now_ms = self._local.now_ms() + self.offset_ms\n",
        "        now_ms = self._local.now_ms()\n",
    ),
    Bug(
        "the clock is set by the first glance",
        "streams",
        "clock",
        "= min(glances, key=lambda each: each.heard_ms - each.asked_ms)",
        "= glances[0]",
    ),
    Bug(
        "the deadline that a record brings is not read",
        "streams",
        "request",
        "            deadline_ms = deadline_of(record.headers)\n",
        "            deadline_ms = None\n",
    ),
    Bug(
        "a deadline that is no time is none",
        "streams",
        "headers",
        "    if not isfinite(deadline_ms):\n",
        "    if not isfinite(deadline_ms):\n        return None\n    if not isfinite(deadline_ms):\n",
    ),
    Bug(
        "requests begin in the version that their worker first had",
        "streams",
        "request",
        "        self.deployment = deployment = pipeline.deployment\n",
        "        deployment = pipeline._streams.setdefault(_INPUTS, pipeline.deployment)\n"
        "        self.deployment = deployment\n",
    ),
    Bug(
        "failed requests leave no dead letter",
        "streams",
        "request",
        "            self._bury(body)\n        self.tenure.answered(self)\n",
        "            pass\n        self.tenure.answered(self)\n",
    ),
    Bug(
        "failures that the output does not tell of are forgotten",
        "streams",
        "request",
        '        """There is a failure that the output does not tell of."""\n'
        "        self._bury(failure)\n",
        '        """There is a failure that the output does not tell of."""\n',
    ),
    Bug(
        "absence is not written",
        "streams",
        "request",
        "        self.write(_OUTPUTS, body, 0, self._answer_headers(answer))\n",
        "        if not isinstance(body, Absent):\n"
        "            self.write(_OUTPUTS, body, 0, self._answer_headers(answer))\n",
    ),
    Bug(
        "exactly once writes answers before their requests are finished",
        "streams",
        "tenure",
        "        if not self.pipeline.exactly_once or (request.ended and request.lane is None):\n",
        "        if True:\n",
    ),
    Bug(
        "records that cannot be decoded are taken for empty ones",
        "streams",
        "tenure",
        "        elif isinstance(record.body, Failed):\n",
        "        elif False:\n",
    ),
    Bug(
        "what is answered is given back and answered again",
        "streams",
        "tenure",
        "if not request.answered_once]\n",
        "]\n",
    ),
    Bug(
        "what cannot be ended in time is finished all the same",
        "streams",
        "tenure",
        "            self._give_back([request.delivery for request in returned])\n"
        "        self._discard(returned)\n",
        "            pass\n        for request in returned:\n            request.pass_over()\n",
    ),
    Bug(
        "what is given back is let go before it is on its way",
        "streams",
        "tenure",
        "            self._give_back([request.delivery for request in returned])\n"
        "        self._discard(returned)\n",
        "            given = [request.delivery for request in returned]\n"
        "        self._discard(returned)\n"
        "        if returned:\n            self._give_back(given)\n",
    ),
    Bug(
        "records written twice by one batch",
        "streams",
        "tenure",
        "            request.unwritten = []\n            if self._singly and",
        "            if self._singly and",
    ),
    Bug(
        "visits that share a call get each other's rows",
        "engine",
        "batches",
        "in zip(shared.calls, blocks, strict=True)",
        "in zip(shared.calls, blocks[::-1], strict=True)",
    ),
    Bug(
        "a visit that has left a shared call is called all the same",
        "engine",
        "batches",
        "            group.rows -= group.calls.pop(call)\n",
        "            pass\n",
    ),
    Bug(
        "a batch waits for as long as its window, whatever time is left",
        "engine",
        "batches",
        "        until_ms = now_ms + (call.passage.deadline_ms - now_ms) / 2\n",
        "        until_ms = now_ms + (call.passage.deadline_ms - now_ms)\n",
    ),
    Bug(
        "a partition that is handed over goes on taking",
        "streams",
        "tenure",
        "                self._tell_drained()\n            return\n",
        "                self._tell_drained()\n",
    ),
    Bug(
        "the key of a request is not looked at",
        "streams",
        "request",
        "            if failure is None and plan.key is not None:\n",
        "            if False:\n",
    ),
    Bug(
        "records may have another key than their requests",
        "streams",
        "request",
        '    if record.key not in (b"", key):\n',
        "    if False:\n",
    ),
    Bug(
        "exactly once writes answers as their requests end, in whatever order",
        "streams",
        "tenure",
        "        if not self.pipeline.exactly_once or (request.ended and request.lane is None):\n",
        "        if not self.pipeline.exactly_once or request.ended:\n",
    ),
    Bug(
        "who is given back lets those behind it be answered",
        "streams",
        "tenure",
        "        self._discard(returned)\n",
        "        for request in returned:\n            self._discard([request])\n",
    ),
    Bug(
        "more is taken than may be held back",
        "streams",
        "tenure",
        "        return min(room, self.carrier.room_in(plan, self.ownership.partition))\n",
        "        return room\n",
    ),
    Bug(
        "the order is that of the partitions that keys would have elsewhere",
        "engine",
        "order",
        "        name = passage.line_name\n",
        "        name = passage.plan.line_of(key)\n",
    ),
    Bug(
        "requests that cannot run are answered before their turn",
        "engine",
        "engine",
        "            if plan.order is not None:\n"
        "                self.lines.line_up(passage, plan.order)\n"
        "                self.timers.add(passage.deadline_ms, DEADLINE, passage)\n"
        "            self._answer(passage, failed, (), now_ms, out)\n",
        "            passage.visits[-1] = ENDED\n            passage.left = 0\n"
        "            passage.answered = True\n"
        "            out.append(Answer(passage, failed))\n",
    ),
    Bug(
        "what joins have kept is not read by the next owner",
        "streams",
        "tenure",
        "self.state.restored(plan, streams))",
        "{})",
    ),
    Bug(
        "what joins keep is not written",
        "streams",
        "request",
        "        self.unwritten += self.tenure.state.outputs(change)\n",
        "        pass\n",
    ),
    Bug(
        "requests are taken before it is read what joins have kept",
        "streams",
        "tenure",
        "        self._restored = not (pipeline.deployment.plan.keeping or pipeline.heard)\n",
        "        self._restored = True\n",
    ),
    Bug(
        "what joins keep is in the order in which requests came to a worker",
        "streams",
        "request",
        "            self.tenure.carrier.begin(passage, tensors, self.delivery.offset)\n",
        "            self.tenure.carrier.begin(passage, tensors)\n",
    ),
    Bug(
        "what joins keep is that of all keys",
        "engine",
        "keeping",
        '        key = passage.record_key if of.by_key else b""\n',
        '        key = b""\n',
    ),
)
