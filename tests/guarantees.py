"""The promises mcpguard makes: what each says, whence it comes, and a change that breaks it.

`GUARANTEES` maps an id (`room:short-name`) to its `Guarantee`. Three things hold, and
tests/test_guarantees.py and the `mutants` gate of scripts/check keep them so:

- every id is worn by at least one test (`@pytest.mark.guarantee("room:short-name")`), and every
  worn id is here;
- the table in .github/SECURITY.md is `render()` of this file (`scripts/guarantees --write`);
- with its `Mutant` applied to a copy of the package, at least one of the tests that wear it fails.

Standard library only: scripts/guarantees imports it before anything is installed.
"""

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

TESTS = Path(__file__).resolve().parent
BEGIN = "<!-- guarantees: begin (rendered by scripts/guarantees --write) -->"
END = "<!-- guarantees: end -->"


@dataclass(frozen=True, slots=True)
class Mutant:
    """A textual change: `old`, once in `file` (relative to mcpguard/), becomes `new`."""

    file: str
    old: str
    new: str

    def apply(self, package: Path) -> None:
        """Change the copy of the package in `package`.

        Raises:
            ValueError: `old` is not there exactly once, or the result is not Python.
        """
        path = package / self.file
        text = path.read_text("utf-8")
        found = text.count(self.old)
        if found != 1:
            raise ValueError(f"{self.file}: {self.old!r} occurs {found} times, must be once")
        changed = text.replace(self.old, self.new)
        try:
            ast.parse(changed)
        except SyntaxError as error:
            raise ValueError(f"{self.file}: the mutant is not Python: {error}") from error
        path.write_text(changed, "utf-8")


@dataclass(frozen=True, slots=True)
class Guarantee:
    """One promise. `source`: the SECURITY.md section, RFC or MCP specification behind it."""

    source: str
    behaviour: str
    mutant: Mutant


_WIRE = "The rules: wire"
_LOCKFILE = "The rules: lockfile"
_SESSION = "The rules: session"
_DECISION = "The rules: decision"
_TRUST = "The rules: trust"
_AUDIT = "The rules: audit log"
_PROCESS = "The rules: process"
_POLICY = "The rules: policy"
_LIMITS = "The rules: limits"
_ARGUMENTS = "The rules: arguments"
_RESULTS = "The rules: results"
_DEFINITIONS = "The rules: definitions"
_HOSTS = "The rules: hosts' files"
_APPROVALS = "The rules: approvals"
_CONTROL = "The rules: control"
_SURVEY = "The rules: scanning"
_SAID = "The rules: what servers say"

GUARANTEES: Mapping[str, Guarantee] = {
    "approval:bound-to-the-call": Guarantee(
        _APPROVALS,
        "A yes is for one call: another session, caller, server, tool, argument or lockfile "
        "needs another.",
        Mutant(
            "approval/statement.py",
            'return _digest(b"mcpguard binding v1\\0", dict(binding._asdict()))',
            'return _digest(b"mcpguard binding v1\\0", binding.server)',
        ),
    ),
    "approval:cancelled-never-runs": Guarantee(
        _APPROVALS,
        "A held call that was taken back never goes, whoever approves it.",
        Mutant(
            "approval/queue.py",
            "        if ticket is not None:\n            self._close(ticket)\n\n    def timed_out",
            '        if ticket is not None:\n            ticket.token = ""\n\n    def timed_out',
        ),
    ),
    "approval:distinct-keys": Guarantee(
        _APPROVALS,
        "A quorum is of distinct approver keys: one key counts once, however often it says yes.",
        Mutant(
            "approval/queue.py",
            "ticket.answers[signed.key] = signed",
            "ticket.answers[signed.key + str(unix)] = signed",
        ),
    ),
    "approval:expires": Guarantee(
        _APPROVALS,
        "A yes ends at its second, wherever it waits to be used.",
        Mutant(
            "approval/statement.py",
            "return Flaw.EXPIRED if now >= said.until else None",
            "return Flaw.EXPIRED if now > said.until else None",
        ),
    ),
    "approval:one-no-ends-it": Guarantee(
        _APPROVALS,
        "One no ends a call's approval, whatever others said, as long as it was not used.",
        Mutant(
            "approval/queue.py",
            "        if said.answer is Answer.NO:",
            "        if said.answer is Answer.NO and not ticket.answers:",
        ),
    ),
    "approval:only-signed-answers": Guarantee(
        _APPROVALS,
        "Only a yes signed by the key of an approver who counts lets a call through; the "
        "host's user answers for low-risk tools only.",
        Mutant(
            "approval/queue.py",
            'return (None, name) if name else (Flaw.UNSIGNED, "")',
            'return None, name or "nobody"',
        ),
    ),
    "approval:operations-signed": Guarantee(
        _APPROVALS,
        "What widens a running session is signed, by approvers who count, over that session, its "
        "nonce, the verb and its arguments.",
        Mutant(
            "approval/statement.py",
            "        if not known:\n            return ()\n",
            "        if not known and len(text) < 88:\n            return ()\n",
        ),
    ),
    "approval:pending-never-runs": Guarantee(
        _APPROVALS,
        "A call that waits for an approval does not go, however often it asks.",
        Mutant(
            "approval/queue.py",
            "return self._use(mine) if mine.granted else Waiting(mine.id, token)",
            "return self._use(mine)",
        ),
    ),
    "approval:single-use": Guarantee(
        _APPROVALS,
        "A yes lets exactly one call through.",
        Mutant(
            "approval/queue.py",
            "        self._close(ticket)\n        return Granted(",
            "        return Granted(",
        ),
    ),
    "approval:unsigned-by-what-holds-now": Guarantee(
        _APPROVALS,
        "Whether the host's own user may say yes is decided by the settings that hold when the "
        "yes comes, also for a call that was held before a reload.",
        Mutant(
            "approval/asking.py",
            "ctx.live.now, low_risk=low_risk",
            "ctx.live.now, low_risk=True",
        ),
    ),
    "approval:used-once-anywhere": Guarantee(
        _APPROVALS,
        "A yes in the shared store is used once over all threads and proxies, and never again "
        "by the same.",
        Mutant(
            "approval/shared.py",
            "        if store.put(key, _ended(now), version) is not None:\n",
            "        store.put(key, _ended(now), version)\n        if version:\n",
        ),
    ),
    "approval:verified-again": Guarantee(
        _APPROVALS,
        "A yes found in a shared store counts only as far as its signatures verify there.",
        Mutant(
            "approval/shared.py",
            "name = verify(each.key, statement_payload(said), each.signature)",
            "name = each.key",
        ),
    ),
    "audit:arguments-keyed": Guarantee(
        _AUDIT,
        "Argument values appear in the log only as a BLAKE2b digest under this install's key.",
        Mutant(
            "audit/chain.py",
            "return kind + hexlify(made.digest())",
            "return kind + hexlify(encoded)",
        ),
    ),
    "audit:bounded-line": Guarantee(
        _AUDIT,
        "Nothing a peer sends makes a log line longer than its limit.",
        Mutant(
            "audit/record.py",
            "kept = text[:MAX_TEXT].encode(",
            "kept = text.encode(",
        ),
    ),
    "audit:changed-line": Guarantee(
        _AUDIT,
        "A changed line is found and named.",
        Mutant(
            "audit/verify.py",
            "if text.endswith(seal) and len(text) > SEAL_LENGTH",
            "if len(text) > SEAL_LENGTH",
        ),
    ),
    "audit:clock-orders-nothing": Guarantee(
        _AUDIT,
        "A clock that goes back or stands still changes no order and breaks no chain.",
        Mutant(
            "audit/chain.py",
            "body(seq, now,",
            "body(int(now), now,",
        ),
    ),
    "audit:decision-fields": Guarantee(
        _AUDIT,
        "Every decision record has every field, given or not.",
        Mutant(
            "audit/record.py",
            "{**self._event, **BLANK, **defaults}",
            "{**self._event, **defaults}",
        ),
    ),
    "audit:every-byte-covered": Guarantee(
        _AUDIT,
        "Any one byte changed, removed or added is found.",
        Mutant(
            "audit/verify.py",
            "text.endswith(seal)",
            "seal[9:40] in text",
        ),
    ),
    "audit:failed-sync-refuses": Guarantee(
        _AUDIT,
        "When the disk did not take earlier records, the next batch is refused and that is logged.",
        Mutant(
            "audit/chain.py",
            "if self.syncer.failure:",
            "if False:",
        ),
    ),
    "audit:first-line-covered": Guarantee(
        _AUDIT,
        "What is done to the first line is found.",
        Mutant(
            "audit/verify.py",
            'if digest and record.get("seq") == start + number:',
            "if number == 1 or digest:",
        ),
    ),
    "audit:inserted-line": Guarantee(
        _AUDIT,
        "An inserted line is found and named, the one behind the last included.",
        Mutant(
            "audit/verify.py",
            "found += [self.stray] if self.stray else []",
            "found += []",
        ),
    ),
    "audit:killed-at-any-byte": Guarantee(
        _AUDIT,
        "A log cut at any byte by a kill is intact up to its last whole line and goes on there.",
        Mutant(
            "audit/logfile.py",
            'cut = tail.rfind(b"\\n") + 1',
            "cut = len(tail)",
        ),
    ),
    "audit:last-line-covered": Guarantee(
        _AUDIT,
        "What is done to the last line is found.",
        Mutant(
            "audit/verify.py",
            'if digest and record.get("seq") == start + number:',
            'if record.get("seq") == start + number:',
        ),
    ),
    "audit:never-into-nowhere": Guarantee(
        _AUDIT,
        "A log that was deleted, replaced, moved away, cut or written to by somebody else refuses "
        "every batch from 50 ms on.",
        Mutant(
            "audit/chain.py",
            "                self._look(now)\n",
            "                self._since, self._until = 0.0, 1.0\n",
        ),
    ),
    "audit:short-way-same-bytes": Guarantee(
        _AUDIT,
        "A record has the same bytes whichever way it is written, alone or with others.",
        Mutant(
            "audit/fastpath/python.py",
            "hashed.update(previous + text)",
            "hashed.update(text)",
        ),
    ),
    "audit:one-chain-across-sessions": Guarantee(
        _AUDIT,
        "A new session chains onto the last line of the one before.",
        Mutant(
            "audit/chain.py",
            "self._previous = file.previous",
            "self._previous = bytes(32)",
        ),
    ),
    "audit:one-record-a-decision": Guarantee(
        _AUDIT,
        "Every decision, allowed or not, is one record that says who asked for what and why not.",
        Mutant(
            "proxy/actions.py",
            'record["rule"] = decision.rule',
            'record["rule"] = ""',
        ),
    ),
    "audit:target": Guarantee(
        _AUDIT,
        "A record of a known request names what it is about, whatever becomes of the request.",
        Mutant(
            "proxy/core.py",
            '"target": target[:SHOWN],',
            '"target": "",',
        ),
    ),
    "audit:one-writer": Guarantee(
        _AUDIT,
        "Two processes never write one log; a killed one frees it.",
        Mutant(
            "private.py",
            "fcntl.LOCK_EX | fcntl.LOCK_NB",
            "fcntl.LOCK_SH | fcntl.LOCK_NB",
        ),
    ),
    "audit:open-session-named": Guarantee(
        _AUDIT,
        "A session without its closing record is named, and not called tampering.",
        Mutant(
            "audit/verify.py",
            "self.unclosed.append(self.open)",
            'self.open = ""',
        ),
    ),
    "audit:private-file": Guarantee(
        _AUDIT,
        "The log is readable by its owner only.",
        Mutant(
            "audit/logfile.py",
            "_FLAGS, 0o600",
            "_FLAGS, 0o644",
        ),
    ),
    "audit:private-key": Guarantee(
        _AUDIT,
        "The key of this install is private; one that others can reach is refused.",
        Mutant(
            "audit/key.py",
            "fault = private.fault_of(path, os.fstat(file.fileno()))",
            "fault = None",
        ),
    ),
    "audit:removed-line": Guarantee(
        _AUDIT,
        "Removed lines are found, named and counted.",
        Mutant(
            "audit/diagnose.py",
            "gone = sum(map(len, missing)) - len(garbled)",
            "gone = 0",
        ),
    ),
    "audit:reordered-lines": Guarantee(
        _AUDIT,
        "Lines that were moved are found and named.",
        Mutant(
            "audit/diagnose.py",
            "moved = _moved(runs, kept)",
            "moved = list[_Run]()",
        ),
    ),
    "audit:short-write-undone": Guarantee(
        _AUDIT,
        "A write that the disk took only in part is taken back: no record of it stays.",
        Mutant(
            "audit/chain.py",
            "os.ftruncate(self._fd, os.fstat(self._fd).st_size - self._excess)",
            "os.fstat(self._fd)",
        ),
    ),
    "audit:spliced-logs": Guarantee(
        _AUDIT,
        "Two logs put together are found.",
        Mutant(
            "audit/diagnose.py",
            "run.second_session == head.session != known",
            "False",
        ),
    ),
    "audit:states-the-score": Guarantee(
        _AUDIT,
        "A decision's record states the level and score it was decided by, once they changed too.",
        Mutant(
            "audit/record.py",
            "score=score)\n            self.known.clear()",
            "score=score)",
        ),
    ),
    "audit:torn-tail-marked": Guarantee(
        _AUDIT,
        "A last write that did not finish is reported as torn and written into the next session.",
        Mutant(
            "audit/chain.py",
            'told["torn"] = file.torn\n',
            'told["torn"] = 0\n',
        ),
    ),
    "audit:unrecorded-denied": Guarantee(
        _AUDIT,
        "What cannot be recorded is not passed on, either way; only audit-only lets it.",
        Mutant(
            "proxy/session.py",
            "if core.mode is Mode.AUDIT_ONLY or core.settings.unrecorded:",
            "if core.mode:",
        ),
    ),
    "audit:verify-exit-codes": Guarantee(
        _AUDIT,
        "`audit verify` exits 0 for intact, 1 for tampered, 2 when it could not be found out.",
        Mutant(
            "cli/audit/verify.py",
            '"tampered": 1, "empty": 2',
            '"tampered": 1, "empty": 0',
        ),
    ),
    "audit:withheld-counted": Guarantee(
        _AUDIT,
        "Records that could not be written are counted in the first record that can.",
        Mutant(
            "audit/chain.py",
            "len(records) - (1 if self._gap else 0)",
            "len(records)",
        ),
    ),
    "audit:written-before-sent": Guarantee(
        _AUDIT,
        "What was written is in the file before anything it is about goes on.",
        Mutant(
            "audit/chain.py",
            "written = os.write(self._fd, data)",
            "written = len(data)",
        ),
    ),
    "audit:merkle-proofs": Guarantee(
        _AUDIT,
        "A proof shows that one record is in a signed log, or that the log only grew; a changed "
        "one shows nothing. RFC 6962.",
        Mutant(
            "audit/merkle.py",
            "return last == 0 and made == root",
            "return made == root or last == 0",
        ),
    ),
    "audit:one-chain-across-files": Guarantee(
        _AUDIT,
        "A log that is set aside goes on in one chain, wherever its writer is killed; a part that "
        "is missing or cut shows.",
        Mutant(
            "audit/chain.py",
            "digest = link(self._previous, text)",
            "digest = link(bytes(32), text)",
        ),
    ),
    "audit:shown-as-written": Guarantee(
        _AUDIT,
        "A program gets the records as they stand in the log, of every part; a person gets lines "
        "in which nothing is obeyed by the terminal.",
        Mutant(
            "cli/audit/choosing.py",
            "    for part in files_of(file):\n",
            "    for part in files_of(file)[-1:]:\n",
        ),
    ),
    "audit:never-an-output": Guarantee(
        _AUDIT,
        "No command writes what it answers over a log: not the one it reads, by whatever name, nor "
        "any other; and a file that was there stays as it was until all of the answer is written.",
        Mutant(
            "cli/receipt/output.py",
            "    if begins_as_log(target):\n",
            "    if begins_as_log(target) and not inputs:\n",
        ),
    ),
    "audit:session-by-its-key": Guarantee(
        _AUDIT,
        "A session of a did:key that was proved by its key carries a signature over principal, "
        "session, server, lockfile, the line before and the log's key; one that is missing, "
        "changed or of another place is named, and so is a checkpoint by another key.",
        Mutant(
            "identity/possession.py",
            "if not _signed(record, proof):",
            "if not proof:",
        ),
    ),
    "audit:records-of-a-key": Guarantee(
        _AUDIT,
        "`verify` says how many records of sessions that a key began are in no checkpoint of "
        "these sessions themselves, whatever others signed behind them; a record of another "
        "session in one is named.",
        Mutant(
            "audit/verify.py",
            "        self.loose += self.held._replace(sealed=self.checker.sealed).loose\n",
            "        self.loose += self.held.loose - self.held.loose\n",
        ),
    ),
    "audit:signed-checkpoints": Guarantee(
        _AUDIT,
        "Size and root of a log are signed while it grows and at its end, so that one computed "
        "anew, in part or whole, does not pass with the key.",
        Mutant(
            "audit/checkpoint.py",
            "        if tree.root != found.root:",
            "        if not tree.root:",
        ),
    ),
    "audit:inherited-signature-covers-nothing": Guarantee(
        _AUDIT,
        "A file of which a key signed only what went before it is not verified with that key, and "
        "`verify` says how many records at the end no checkpoint covers.",
        Mutant(
            "cli/audit/verify.py",
            "if self.keyed and self.uncovered == self.records",
            "if self.keyed and not self.signed[0]",
        ),
    ),
    "audit:tail-cut-shows": Guarantee(
        _AUDIT,
        "A log that was cut, or has another history, shows against a checkpoint kept elsewhere.",
        Mutant(
            "audit/checkpoint.py",
            "        if last and self._anchor and self._anchor.size > self.size:",
            "        if last and self._anchor and self._anchor.size == self.size:",
        ),
    ),
    "audit:executed-is-recorded": Guarantee(
        _AUDIT,
        "In strict durability a session that is killed at any moment has let no call be executed, "
        "and no answer through, that is not in its log.",
        Mutant(
            "daemon/engine.py",
            "                self._record(records)\n",
            "                if len(records) > 1:\n                    self._record(records)\n",
        ),
    ),
    "check:drift-fails": Guarantee(
        _LOCKFILE,
        "`check` exits 1 when the server is not the reviewed one, with a sentence for each change.",
        Mutant(
            "cli/check.py",
            "return int(failed)",
            "return 0",
        ),
    ),
    "check:unreachable-is-not-a-pass": Guarantee(
        _LOCKFILE,
        "A server that cannot be looked at is exit 2, never a pass, and writes nothing.",
        Mutant(
            "cli/__init__.py",
            "    return error.exit_code",
            "    return 0",
        ),
    ),
    "child:clean-start": Guarantee(
        _PROCESS,
        "The server inherits three pipes, a process group of its own and default "
        "signals; the guardian none of the host's pipes.",
        Mutant(
            "daemon/child.py",
            "(os.POSIX_SPAWN_DUP2, fd, number) for number, fd in enumerate(theirs)",
            "(os.POSIX_SPAWN_DUP2, fd, number) for number, fd in enumerate([*theirs, theirs[0]])",
        ),
    ),
    "child:environment": Guarantee(
        _PROCESS,
        "The server gets the base variables and those named in the lockfile, none "
        "whose value is code.",
        Mutant(
            "daemon/environment.py",
            "if (name in named or name.startswith(BASE_PREFIXES))",
            "if (name in named or name)",
        ),
    ),
    "child:exit-code": Guarantee(
        _PROCESS,
        "The proxy exits with the server's own code.",
        Mutant(
            "daemon/child.py",
            "    return child.returncode\n\n\nasync def _within",
            "    return 0\n\n\nasync def _within",
        ),
    ),
    "child:guarded": Guarantee(
        _PROCESS,
        "A server whose guardian is killed is ended at once.",
        Mutant(
            "daemon/child.py",
            "                self.unguarded = True\n                self.signal(signal.SIGKILL)",
            "                self.unguarded = True",
        ),
    ),
    "child:no-orphans": Guarantee(
        _PROCESS,
        "Nothing of the server's group outlives the proxy, killed or not.",
        Mutant(
            "daemon/child.py",
            'kill -KILL "-$group"\n"""',
            '"""',
        ),
    ),
    "child:stop-signals": Guarantee(
        _PROCESS,
        "Every signal that would end the proxy, but SIGKILL and those of a crash, ends the session "
        "in order: nothing is left behind, and the log is closed.",
        Mutant("daemon/prelude.py", '"SIGHUP", "SIGQUIT", ', '"SIGHUP", '),
    ),
    "child:whole-tree": Guarantee(
        _PROCESS,
        "On Linux, nothing that the server started outlives a session that ends, "
        "whatever process group or session it moved to.",
        Mutant(
            "daemon/child.py",
            "return [each for each in descendants(self.spared) if each.group != self.pid]",
            "return []",
        ),
    ),
    "cli:errors-say-what-next": Guarantee(
        _PROCESS,
        "A wrong command line is exit 2 and says what to do next.",
        Mutant(
            "cli/render.py",
            "    if error.hint:",
            "    if not error:",
        ),
    ),
    "cli:option-once": Guarantee(
        _PROCESS,
        "An option that takes one value and is given twice is refused: none is left out silently.",
        Mutant("cli/__init__.py", "if once.count(option) > 1:", "if once.count(option) > 2:"),
    ),
    "cli:effective-says-what-is-denied": Guarantee(
        _PROCESS,
        "`--print-effective` marks what the settings, a block or the kill switch deny.",
        Mutant("config/showing.py", "mark = f", 'mark = "" and f'),
    ),
    "cli:printable-only": Guarantee(
        _PROCESS,
        "No text of a server or host reaches a terminal or a log with control, "
        "bidirectional or invisible characters raw.",
        Mutant(
            "wire/visible.py",
            "return char.isprintable() and",
            "return bool(char) and",
        ),
    ),
    "siem:answer-in-time": Guarantee(
        _AUDIT,
        "A collector whose answer never ends holds up a sink no longer than an answer may take.",
        Mutant("siem/web.py", "            if late.is_set():", "            if not self:"),
    ),
    "siem:unready-is-said": Guarantee(
        _AUDIT,
        "A sink whose certificate or token is not there is named by `config validate`, by the "
        "session that begins, and by `audit ship --status`, with the reason.",
        Mutant("siem/sinks.py", "not environ.get(target.token_env)", "False"),
    ),
    "siem:unread-is-told": Guarantee(
        _AUDIT,
        "`audit ship --once` is 0 only when all that was named was read and taken.",
        Mutant("siem/shipping.py", " and courier.cursor.missed <= before", ""),
    ),
    "siem:trusts-no-entry": Guarantee(
        _AUDIT,
        "Whom mcpguard's own TLS trusts is not said by the environment of a host's entry.",
        Mutant("siem/process.py", "if name not in STEERING", "if name"),
    ),
    "cli:unread-is-no-answer": Guarantee(
        _PROCESS,
        "An answer that cannot be written is never exit code 0 or 1: 141 when its reader went "
        "away, else 2.",
        Mutant("cli/__init__.py", "return UNREAD if end.code else 0", "return 1"),
    ),
    "cli:one-table-of-events": Guarantee(
        "Decision 0022",
        "Everything that a session says of itself is in one table, and all of the table is said.",
        Mutant("daemon/log.py", '    "canary.seen": ', '    "canary.found": '),
    ),
    "config:flags-take-effect": Guarantee(
        _PROCESS,
        "Every flag of `proxy` sets its setting.",
        Mutant(
            "config/flags.py",
            "values[option.setting] = (*values.get(option.setting, ()), value)",
            "values[option.setting] = (value,)",
        ),
    ),
    "config:quoted-command": Guarantee(
        _PROCESS,
        "A command given as one quoted word is split once; nothing in it is expanded.",
        Mutant(
            "config/flags.py",
            "return tuple(shlex.split(words[0]))",
            "return words",
        ),
    ),
    "control:counted-once": Guarantee(
        _LIMITS,
        "A call counts once against every rate, rule and budget, whoever rewrites it and however "
        "often it waits and is judged again.",
        Mutant(
            "live/stages/counting.py",
            'return again is not None and again.stage != "trust" and again != _POLICY_UNITS',
            "return False",
        ),
    ),
    "control:denial-of-wallet": Guarantee(
        _LIMITS,
        "The same call that fails again and again is refused before it is made.",
        Mutant(
            "live/stages/counting.py",
            "self._limiter.failed(*opened, self._clock())",
            "self._limiter.succeeded(*opened)",
        ),
    ),
    "control:store-beside": Guarantee(
        _LIMITS,
        "No message waits for a store: units are leased beside it, and given back at the end.",
        Mutant(
            "live/worker.py",
            "for want in limiter.give_back(self._clock()):",
            "for want in ():",
        ),
    ),
    "control:store-lost-denies": Guarantee(
        _LIMITS,
        "While the store cannot be asked, what needs it is denied, unless the operator chose "
        "otherwise.",
        Mutant(
            "live/worker.py",
            "if self._substitute is None:",
            "if self._substitute is not None:",
        ),
    ),
    "config:every-key-takes-effect": Guarantee(
        _PROCESS,
        "Every key of mcpguard.yaml changes the setting it names.",
        Mutant(
            "config/layers.py",
            'budget("gateway", "budgets", "bytes_out", default=None)',
            'budget("gateway", "budgets", "bytes_in", default=None)',
        ),
    ),
    "config:bad-key-fails-load": Guarantee(
        _PROCESS,
        "A key or value of mcpguard.yaml that cannot be used fails the load, with its place.",
        Mutant(
            "config/loading.py",
            "    _raise(document.problems)\n",
            "    _raise(document.problems[1:])\n",
        ),
    ),
    "config:system-only-tightens": Guarantee(
        _PROCESS,
        "The system's file permits nothing that the user's forbids, and the other way about.",
        Mutant(
            "config/rows.py",
            "key(system[0].value) > key(below[0].value)",
            "key(system[0].value) < key(below[0].value)",
        ),
    ),
    "config:own-files-only": Guarantee(
        _PROCESS,
        "Settings that somebody else than the user or root can write are refused.",
        Mutant(
            "config/files.py",
            "if found.st_mode & _OTHERS:",
            "if found.st_mode & _OTHERS == _OTHERS:",
        ),
    ),
    "config:lockfile-not-for-everybody": Guarantee(
        _PROCESS,
        "A lockfile that anybody can write or replace starts no session.",
        Mutant(
            "config/files.py",
            "    if found.st_mode & stat.S_IWOTH:\n",
            "    if found.st_mode & stat.S_IWOTH & 0:\n",
        ),
    ),
    "config:never-the-working-directory": Guarantee(
        _PROCESS,
        "The working directory is never searched for settings.",
        Mutant(
            "config/files.py",
            "if not os.path.isabs(chosen):",
            "if not chosen.strip():",
        ),
    ),
    "config:baseline-disturbs-nobody": Guarantee(
        _PROCESS,
        "Without any file the preset baseline holds: no ordinary argument is denied or changed.",
        Mutant(
            "config/settings.py",
            '"path_traversal": Handling.RECORD,',
            '"path_traversal": Handling.DENY,',
        ),
    ),
    "config:log-keeps": Guarantee(
        _PROCESS,
        "A log in a place that keeps nothing is refused when the file is read.",
        Mutant(
            "config/values.py",
            'if top in _NO_FILES and below[0] != "shm":',
            'if top in _NO_FILES and below[0] == "shm":',
        ),
    ),
    "config:weak-is-said": Guarantee(
        _PROCESS,
        "`config validate` says of each setting that takes a protection away, has no effect, or "
        "fits no locked tool, where it stands.",
        Mutant(
            "config/doubts.py",
            "        found += _weak(values)\n",
            "        found += _weak({})\n",
        ),
    ),
    "config:system-fixes-scopes": Guarantee(
        _ARGUMENTS,
        "What the system's file fenced in by scopes, no user's file opens.",
        Mutant(
            "pipeline/gateway.py",
            "for fence, place in fences\n",
            "for fence, place in fences[1:]\n",
        ),
    ),
    "control:private-socket": Guarantee(
        _CONTROL,
        "A control socket and its directory are their user's alone, and answer him and root alone.",
        Mutant(
            "control/socket.py",
            "return converse() if allow(peer_uid(sock)) else None",
            "return converse()",
        ),
    ),
    "control:no-client-slows-a-session": Guarantee(
        _CONTROL,
        "Clients that flood, drip, are silent or never read are bounded and leave room for others.",
        Mutant(
            "control/socket.py",
            "            return\n        await anyio.sleep(PACE)",
            "            return\n        await anyio.sleep(0)",
        ),
    ),
    "control:silent-clients-make-room": Guarantee(
        _CONTROL,
        "Clients that say nothing or half a line, or read nothing, keep nobody from the control "
        "socket.",
        Mutant(
            "control/socket.py",
            "                scope.cancel()\n",
            "                pass\n",
        ),
    ),
    "control:widening-is-signed": Guarantee(
        _CONTROL,
        "What lets more through is done only with a good signature of an enrolled approver key.",
        Mutant(
            "control/operations.py",
            "if row.widens(args) else ()",
            "if signatures else ()",
        ),
    ),
    "control:nonce-once": Guarantee(
        _CONTROL,
        "A signed request counts once, on its own connection, for its own words, for two minutes.",
        Mutant(
            "control/operations.py",
            "nonce, self._nonce = self._nonce, None",
            "nonce = self._nonce",
        ),
    ),
    "control:blocks-are-literal": Guarantee(
        _CONTROL,
        "A pattern, which would block nothing, is no name to block, unless it is said to be one.",
        Mutant("cli/blocking.py", 'if not set(name).isdisjoint("*?"):', "if not name:"),
    ),
    "control:blocks-outlive-sessions": Guarantee(
        _CONTROL,
        "A block holds while no session runs, and is ended by an approver alone.",
        Mutant(
            "cli/blocking.py",
            "new = _stored(lambda store: blocks.add(store, made))",
            "new = True",
        ),
    ),
    "control:unknown-names": Guarantee(
        _CONTROL,
        "Who blocks, resets or ends a name that nothing here knows is told so, and what is near.",
        Mutant("cli/known.py", "return None if name in names else names", "return None"),
    ),
    "control:kill-file": Guarantee(
        _CONTROL,
        "While the kill switch's file is there, sessions end within seconds and no server starts.",
        Mutant(
            "control/kill.py",
            "found = os.lstat(path)",
            "found = path.stat()",
        ),
    ),
    "control:kill-fleet": Guarantee(
        _CONTROL,
        "A kill switch in a shared store ends the sessions it means, wherever they run.",
        Mutant(
            "live/observing.py",
            "self.killed = next(filter(None, map(self._kill, every)), None)",
            "self.killed = None",
        ),
    ),
    "control:kill-signal": Guarantee(
        _CONTROL,
        "SIGUSR1 ends a session at once, its server too, whatever the server does about signals.",
        Mutant(
            "daemon/prelude.py",
            "if number in KILL_SIGNALS:",
            "if number in STOP_SIGNALS:",
        ),
    ),
    "session:defect-is-told": Guarantee(
        _SESSION,
        "When mcpguard itself fails, the log says so, every open request is denied on record, and "
        "the host is told that it was not the server.",
        Mutant(
            "daemon/engine.py",
            "        while host.lines:",
            "        while not host.lines:",
        ),
    ),
    "session:defect-at-result": Guarantee(
        _SESSION,
        "A request whose answer mcpguard failed at is denied on record, and the host is told.",
        Mutant(
            "proxy/session.py",
            "            entries.append(core.answering)",
            "            pass",
        ),
    ),
    "session:defect-in-record": Guarantee(
        _SESSION,
        "When mcpguard fails at writing a record, nothing of that turn runs or is passed on, and "
        "every request in it is answered.",
        Mutant(
            "proxy/session.py",
            "        for entry in of[Role.RESULT]:",
            "        for entry in ():",
        ),
    ),
    "control:stuck-session": Guarantee(
        _SESSION,
        "A session that does not answer is ended by signals, and no other process in its place.",
        Mutant(
            "control/stuck.py",
            "    if _age(who.pid) + SLACK < who.age:",
            "    if _age(who.pid) < 0:",
        ),
    ),
    "hosts:no-dead-end": Guarantee(
        _HOSTS,
        "An entry whose file is gone, or whose record is damaged, can be forgotten, and what is "
        "said of it names the command.",
        Mutant(
            "cli/unwrap.py",
            "    if not os.path.lexists(record.file):",
            "    if not record.file:",
        ),
    ),
    "session:killed": Guarantee(
        _SESSION,
        "A killed session denies every request that waits, in every mode, and sends no more.",
        Mutant(
            "proxy/session.py",
            "core.end_call(entry, how.code, text)",
            "core.close_call(entry)",
        ),
    ),
    "control:damaged-copy-refused": Guarantee(
        _TRUST,
        "A shared standing that is not as it was written is an error, never a score.",
        Mutant(
            "trust/shared.py",
            "_whole(row[1], 0, LEVELS[level].ceiling)",
            "_whole(row[1], 0, _LATEST)",
        ),
    ),
    "control:published-once": Guarantee(
        _TRUST,
        "What a proxy tells the store twice, after an answer that was lost, counts once.",
        Mutant(
            "trust/shared.py",
            "if entry.seq > seen.get(entry.session, (0, -1))[1]]",
            "if entry.seq]",
        ),
    ),
    "control:scores-are-the-fold": Guarantee(
        _TRUST,
        "The scores that proxies share are the fold of their logs, in whatever order they tell "
        "them, and are made again from the logs when the store lost them.",
        Mutant(
            "trust/shared.py",
            "sorted([*self.tail, *new], key=lambda entry: entry.place)",
            "[*self.tail, *new]",
        ),
    ),
    "control:counted-at-the-start": Guarantee(
        _LIMITS,
        "A call that waited for the store before anything was counted is counted like any other.",
        Mutant(
            "live/stages/counting.py",
            "_NOT_COUNTED = (None, _TRUST_UNITS, UNREAD)",
            "_NOT_COUNTED = (None, _TRUST_UNITS)",
        ),
    ),
    "control:fleet-slow-store": Guarantee(
        _LIMITS,
        "A store that does not answer holds up only the calls that need it, and never the end of "
        "a session.",
        Mutant(
            "daemon/run.py",
            "if lingering or stuck:",
            "if lingering:",
        ),
    ),
    "control:fleet-store-lost": Guarantee(
        _LIMITS,
        "While proxies have lost their store, at the start or under load, nothing above a limit "
        "passes, and they go on when it is back.",
        Mutant(
            "live/governor.py",
            'if unread and (self.observer.state == "known" or self._alone):',
            "if unread:",
        ),
    ),
    "control:fleet-within-limits": Guarantee(
        _LIMITS,
        "Many proxies at once exceed no limit that they share, and their scores are the fold of "
        "their logs.",
        Mutant(
            "live/worker.py",
            "grant = await self._in_thread(ask, self._opened(), want)",
            'grant = ask(BACKENDS["memory"](""), want)',
        ),
    ),
    "control:lost-store-denies-at-once": Guarantee(
        _LIMITS,
        "A call that needs a store known to be lost is denied at once, whatever becomes of "
        "the questions that wait for it.",
        Mutant(
            "live/worker.py",
            "        if self._denying:\n            raise StoreError(self._why)\n",
            "",
        ),
    ),
    "control:lost-store-is-left-alone": Guarantee(
        _LIMITS,
        "A store that is lost is asked again after a second or two, whoever waits for it.",
        Mutant(
            "live/approvals.py",
            "        if self._lost:\n            return False\n",
            "",
        ),
    ),
    "control:new-server-starts-at-once": Guarantee(
        _TRUST,
        "A server that no log names waits for no log to be read.",
        Mutant(
            "live/standings.py",
            "made = _folded(_about(log_dir, absent))",
            "made = _folded(_logs(log_dir))",
        ),
    ),
    "control:reload-all-or-nothing": Guarantee(
        _LIMITS,
        "Other settings hold for the calls that wait, too; those that cannot be used change "
        "nothing.",
        Mutant(
            "live/governor.py",
            'stages["trust"] = self.stages["trust"]',
            'made.stages["trust"] = self.stages["trust"]',
        ),
    ),
    "control:unread-lets-nobody-through": Guarantee(
        _LIMITS,
        "Until the store was read, or while it cannot be, no call of a tool passes.",
        Mutant(
            "live/stages/unread.py",
            'return Verdict.deny(Reason.STORE_LOST, _SLOW if state == "slow" else _UNREADABLE)',
            "return ALLOW",
        ),
    ),
    "daemon:cold-start": Guarantee(
        _PROCESS,
        "The way to the first byte imports none of the heavy libraries.",
        Mutant(
            "daemon/run.py",
            "import gc\n",
            "import gc\n\nimport click\n",
        ),
    ),
    "daemon:locked-session": Guarantee(
        _PROCESS,
        "With every driver a locked server answers through the proxy and each step is recorded.",
        Mutant(
            "daemon/run.py",
            "            close_audit(audit, keeping, log)\n",
            "            log.close()\n",
        ),
    ),
    "daemon:refuses-to-start": Guarantee(
        _PROCESS,
        "What was not reviewed, or cannot be recorded while enforcing, is not started.",
        Mutant(
            "daemon/run.py",
            'if plan.mode is Mode.ENFORCE and settings.audit.on_failure == "deny":',
            "if plan.mode is Mode.AUDIT_ONLY:",
        ),
    ),
    "embed:approved-by-a-plain-yes": Guarantee(
        _APPROVALS,
        "A program's approval callback approves one call with True and nothing else; what it "
        "raises, its silence and a quorum of more than one deny.",
        Mutant(
            "embed/guard.py",
            "moment.said = (await _awaitable(approve(asked))) is True",
            "moment.said = bool(await _awaitable(approve(asked)))",
        ),
    ),
    "embed:asserted-only-lowers": Guarantee(
        _TRUST,
        "A score that an embedding program asserts is recorded as asserted, and lowers ours or "
        "counts for nothing.",
        Mutant(
            "embed/words.py",
            "return (*self._parties.held(), Held(self.caller.level, self._asserted, _SAID))",
            "return (Held(self.caller.level, self._asserted),)",
        ),
    ),
    "embed:cancels-nothing-of-the-program": Guarantee(
        _DECISION,
        "An error of an embedding program comes out of its guard as it is, and what the program "
        "handled stays handled.",
        Mutant("embed/opening.py", "tasks: TaskGroup = await own.start(_group)", "tasks = own"),
    ),
    "embed:nobody-by-default": Guarantee(
        _TRUST,
        "The library calls for nobody whom no setting enrols, and for nobody once it was ended.",
        Mutant(
            "embed/opening.py",
            "if principal not in plan.settings.principals:",
            "if not principal.isprintable():",
        ),
    ),
    "embed:same-answers": Guarantee(
        _DECISION,
        "An embedding program is told what a proxy would do with exactly those arguments, and "
        "each answer is recorded.",
        Mutant(
            "embed/guard.py",
            "call = Call(_TOOL, tool, _plain(arguments))",
            "call = Call(_TOOL, tool, arguments)",
        ),
    ),
    "embed:unrecorded-is-not-allowed": Guarantee(
        _AUDIT,
        "What the library cannot record, it does not allow where the mode filters or enforces.",
        Mutant(
            "embed/guard.py",
            '_EVERY_MODE = frozenset({"wire", "audit"})',
            '_EVERY_MODE = frozenset({"wire"})',
        ),
    ),
    "denial:as-if-absent": Guarantee(
        _DECISION,
        "A call of what is not locked is answered as if it had never existed.",
        Mutant(
            "proxy/denial.py",
            "if decision.reason in _ABSENT and method in _UNKNOWN:",
            "if False:",
        ),
    ),
    "denial:model-reads-it": Guarantee(
        _DECISION,
        "A denied call of a locked tool is a result the model reads: rule, why and "
        "what next; or an error, when asked for.",
        Mutant(
            "proxy/denial.py",
            'if judged[0] != "tools/call" or style is DenyStyle.JSONRPC:',
            "if True:",
        ),
    ),
    "denial:no-values-echoed": Guarantee(
        _DECISION,
        "A denial repeats no argument value and no undeclared name.",
        Mutant(
            "pipeline/surface.py",
            '"an argument the prompt does not declare"',
            'f"an argument {name!r} the prompt does not declare"',
        ),
    ),
    "denial:results-withheld": Guarantee(
        _DECISION,
        "A withheld result says that the tool ran.",
        Mutant(
            "proxy/denial.py",
            'if entry.row.name == "tools/call":\n        text',
            "if entry.modern:\n        text",
        ),
    ),
    "diff:proposes-vary": Guarantee(
        _LOCKFILE,
        "`diff` proposes an exception for what differs between two runs of one "
        "server, and it makes `check` pass.",
        Mutant(
            "cli/diff.py",
            "proposed = drift.propose_vary(seen.surface, again.surface)",
            "proposed = ()",
        ),
    ),
    "drift:every-field": Guarantee(
        _SESSION,
        "A change to any field a model can read hides the item and blocks its use.",
        Mutant(
            "pipeline/surface.py",
            "if not lock.same(subject.item, subject.target, subject.definition):",
            "if not subject.definition:",
        ),
    ),
    "drift:hidden-characters-are-shown": Guarantee(
        _LOCKFILE,
        "Control, bidirectional and zero-width characters of a server appear as "
        "<U+XXXX> in every sentence.",
        Mutant(
            "lock/wording.py",
            '"Cc", "Cf", ',
            '"Cc", ',
        ),
    ),
    "drift:nothing-in-silence": Guarantee(
        _LOCKFILE,
        "Every change of a definition gives at least one finding, whatever it is.",
        Mutant(
            "lock/drift.py",
            'return found or [changed("drift.key", (), "the definition", before, seen)]',
            "return found[1:]",
        ),
    ),
    "drift:quarantine-sticks": Guarantee(
        _SESSION,
        "What drifted, or came twice, stays quarantined for the session, whatever later lists say.",
        Mutant(
            "proxy/listing.py",
            "if state is Reason.OK and name in locked and (kind, name) not in self.quarantine",
            "if state is Reason.OK and name in locked",
        ),
    ),
    "drift:seen-page-counts": Guarantee(
        _SESSION,
        "What drifted is refused from the page on that shows it, whether or not the rest of the "
        "list comes.",
        Mutant(
            "proxy/listing.py",
            "        self._look(page, Outcome(kind))",
            "        self._look([], Outcome(kind))",
        ),
    ),
    "drift:server-facts-compared": Guarantee(
        _LOCKFILE,
        "Instructions, serverInfo and capabilities are compared; a capability too "
        "many is critical, one too few is not.",
        Mutant(
            "lock/drift.py",
            "if new is None or new is False:",
            "if new is None or new is False or old is None:",
        ),
    ),
    "drift:widening-is-critical": Guarantee(
        _LOCKFILE,
        "A new item, and what widens what a model can be told or made to do, is "
        "critical, in a sentence.",
        Mutant(
            "lock/schema.py",
            "tighter = sign * new > sign * old",
            "tighter = sign * new < sign * old",
        ),
    ),
    "driver:any-stdio": Guarantee(
        _PROCESS,
        "Pipes, sockets, files, the null device and closed descriptors serve as stdio.",
        Mutant(
            "daemon/drivers.py",
            'if sys.platform == "win32" or not (can_wait(HOST_IN) and can_wait(HOST_OUT)):',
            'if sys.platform == "win32":',
        ),
    ),
    "driver:host-gone": Guarantee(
        _PROCESS,
        "A host that vanishes with bytes unread ends everything.",
        Mutant(
            "daemon/drivers.py",
            "        over = bool(self.ended) or self.signalled or self.host.closed\n",
            "        over = bool(self.ended - {Side.HOST}) or self.signalled\n",
        ),
    ),
    "driver:last-words": Guarantee(
        _PROCESS,
        "What a server wrote before it ended reaches a host that reads late.",
        Mutant(
            "daemon/drivers.py",
            "await self._until(self._all_read, anyio.current_time() + LAST_BYTES)\n"
            "        self.end_of_file",
            "self.host.close()\n        self.end_of_file",
        ),
    ),
    "driver:stderr-drained": Guarantee(
        _PROCESS,
        "The server's stderr never holds up the session: it is passed on, or dropped and counted.",
        Mutant(
            "daemon/log.py",
            "            self.dropped += len(data)\n            return\n",
            "            self.dropped += len(data)\n",
        ),
    ),
    "driver:stdio-restored": Guarantee(
        _PROCESS,
        "The host's descriptors are left blocking, as they were found.",
        Mutant(
            "daemon/drivers.py",
            "        for fd in self._blocking:\n",
            "        for fd in self._blocking[:0]:\n",
        ),
    ),
    "flow:bounded-memory": Guarantee(
        _PROCESS,
        "Memory stays bounded when either side, or both, stop reading; nothing is lost.",
        Mutant(
            "daemon/flow.py",
            "return ahead < MARK and back < FAR_MARK",
            "return True",
        ),
    ),
    "flow:fair-share": Guarantee(
        _PROCESS,
        "A flood from one side is handled in turns; the other side has its own.",
        Mutant(
            "daemon/engine.py",
            "range(min(len(way.lines), LINES_A_TURN))",
            "range(len(way.lines))",
        ),
    ),
    "flow:nothing-lost": Guarantee(
        _PROCESS,
        "Bytes leave in the order they came, whatever part each write takes.",
        Mutant(
            "daemon/flow.py",
            "memoryview(data)[count:]",
            "memoryview(data)[count + 1 :]",
        ),
    ),
    "fold:arguments": Guarantee(
        _DECISION,
        "An argument that a case-folding parser takes for a declared one is found "
        "at any depth, in bounded memory.",
        Mutant(
            "lock/folding.py",
            "self._folded.get(key.casefold())",
            "self._folded.get(key.lower())",
        ),
    ),
    "fold:go-matches": Guarantee(
        _WIRE,
        "A key that only a case-folding parser takes for a known one is recognised "
        "(K for the Kelvin sign too).",
        Mutant(
            "wire/jsonrpc.py",
            "key not in known and key.casefold() in _folded(known)",
            "key not in known and key.lower() in _folded(known)",
        ),
    ),
    "fold:answers": Guarantee(
        _SESSION,
        "An answer, or a message for the host's model, with a key that differs only by case from "
        "one that decides what becomes of it is withheld.",
        Mutant(
            "wire/methods.py",
            "return _folding(value, PART_KEYS) or folding_part(within)",
            "return folding_part(within)",
        ),
    ),
    "fold:parameters": Guarantee(
        _WIRE,
        "A parameter or `_meta` key that differs from a known one only by case is refused.",
        Mutant(
            "wire/methods.py",
            "if folds_onto(key, KNOWN_META):",
            "if folds_onto(key, known):",
        ),
    ),
    "evidence:captured-redacted": Guarantee(
        _AUDIT,
        "What is captured of a call is redacted before the log has it.",
        Mutant(
            "evidence/capture.py",
            "    seen, named = readable(value)",
            "    seen, named = value, 0",
        ),
    ),
    "evidence:named-in-text": Guarantee(
        _AUDIT,
        "What stands under the name of a secret is not captured, also in JSON or a line of a text.",
        Mutant(
            "evidence/named.py",
            "                inner: Json = orjson.loads(text[start:end])\n",
            "                inner: Json = ''\n",
        ),
    ),
    "evidence:password-by-place": Guarantee(
        _AUDIT,
        "What is a password by its place in a command or a URL is not captured.",
        Mutant(
            "evidence/named.py",
            "for each in (*named, *placed) for",
            "for each in named for",
        ),
    ),
    "evidence:redactions-counted": Guarantee(
        _AUDIT,
        "A capture says how many placeholders stand in it.",
        Mutant(
            "evidence/capture.py",
            "named + _places(hits)",
            "_places(hits)",
        ),
    ),
    "evidence:capture-bounded": Guarantee(
        _AUDIT,
        "What is captured is cut, says how much, and neither breaks nor stops a record.",
        Mutant(
            "evidence/capture.py",
            '"text": text[:MAX_SHOWN]',
            '"text": text',
        ),
    ),
    "evidence:params-hash": Guarantee(
        "RFC 8785",
        "Evidence of a call holds the SHA-256 of the RFC 8785 form of its parameters.",
        Mutant(
            "evidence/capture.py",
            "hashlib.sha256(canonical(arguments))",
            "hashlib.sha256(orjson.dumps(arguments))",
        ),
    ),
    "evidence:derived": Guarantee(
        _AUDIT,
        "Every attempt has a piece of evidence, made of its record alone and checked against it.",
        Mutant(
            "evidence/invocation.py",
            "(HASH in record or said.evidence)",
            "HASH in record",
        ),
    ),
    "evidence:each-piece-once": Guarantee(
        _AUDIT,
        "Evidence fits its log only if each piece stands in it once, in the order of the log.",
        Mutant(
            "evidence/invocation.py",
            "if place > last and mark",
            "if mark",
        ),
    ),
    "evidence:receipts-chained": Guarantee(
        _AUDIT,
        "Each receipt is signed and names the hash of the one before it.",
        Mutant(
            "evidence/receiptlog.py",
            "whole(each, seq, digest, signer.key, signer.over)",
            "whole(each, seq, GENESIS, signer.key, signer.over)",
        ),
    ),
    "evidence:receipts-tamper": Guarantee(
        _AUDIT,
        "A receipt that was changed, removed, moved, repeated or cut off is found and named.",
        Mutant(
            "evidence/receipt.py",
            'return "" if sound else "its signature is not of what it says"',
            'return ""',
        ),
    ),
    "evidence:receipt-when-no": Guarantee(
        _AUDIT,
        "A command leaves a receipt also when its answer is no, or an error.",
        Mutant(
            "cli/receipt/leaving.py",
            "                _left(leaving, *_fate(error))",
            "                _fate(error)",
        ),
    ),
    "evidence:receipt-required": Guarantee(
        _AUDIT,
        "Where receipts are required, no command begins that leaves one and could not.",
        Mutant(
            "evidence/leaving.py",
            '        if chosen == "required":',
            '        if chosen == "always":',
        ),
    ),
    "evidence:receipts-without-secrets": Guarantee(
        _AUDIT,
        "A receipt holds no credential, and no text of an error or a server.",
        Mutant(
            "evidence/receipt.py",
            "**{key: clean(value) for key, value in self.facts.items()},",
            "**self.facts,",
        ),
    ),
    "framing:bad-lines-dropped": Guarantee(
        _WIRE,
        "A line that is no message is dropped and recorded; the session goes on.",
        Mutant(
            "proxy/from_host.py",
            'self.core.note(UP, "", reason, str(error), "deny" if asked else "drop")',
            "pass",
        ),
    ),
    "framing:chunks-never-matter": Guarantee(
        _WIRE,
        "However the bytes are cut into chunks, the lines are the same.",
        Mutant(
            "wire/framing.py",
            'b"".join((*self._parts, end))',
            'b"".join((*self._parts[:1], end))',
        ),
    ),
    "framing:line-limit": Guarantee(
        _WIRE,
        "A line of 8 MiB passes, one byte more is dropped up to its newline; an "
        "endless one is never held.",
        Mutant(
            "wire/framing.py",
            "if len(piece) > self._limit:",
            "if len(piece) >= self._limit:",
        ),
    ),
    "framing:rewrites-within-the-limit": Guarantee(
        _WIRE,
        "A result that a rewrite made longer than a line may be is an error that says so.",
        Mutant(
            "proxy/from_server.py",
            "if sent is not body and len(line) > MAX_LINE:",
            "if sent is not body and len(line) > 2 * MAX_LINE:",
        ),
    ),
    "gateway:bound-is-covered": Guarantee(
        _ARGUMENTS,
        "Every reading of every value of a bound argument is inside the scopes, or the call is "
        "denied; so is one whose shape, or whose twin of another case, leaves that open.",
        Mutant(
            "pipeline/scopes.py",
            "if any(key != step and key.casefold() == step.casefold() for key in value):",
            "if not value:",
        ),
    ),
    "gateway:breaks-closed": Guarantee(
        _DECISION,
        "A budget, an approval or a file system that raises, stalls or abstains never turns a "
        "denial into an allow.",
        Mutant(
            "pipeline/gateway.py",
            "if isinstance(counted, Wait) or counted.effect is not Effect.ALLOW:",
            "if not isinstance(counted, Wait) and counted.effect is Effect.DENY:",
        ),
    ),
    "gateway:five-steps": Guarantee(
        _DECISION,
        "Deny list, allow list, arguments, budgets, approval: the first that fails decides, and "
        "no later one is asked.",
        Mutant(
            "pipeline/gateway.py",
            "answer = self._permitted(call, ctx, plan) if outside is ALLOW else outside",
            "answer = self._permitted(call, ctx, plan)\n"
            "        answer = answer if outside is ALLOW else outside",
        ),
    ),
    "gateway:no-policy-no-opinion": Guarantee(
        _DECISION,
        "A gateway that nobody configured has no opinion, which denies where it is required.",
        Mutant(
            "pipeline/gateway.py",
            "            return _ABSTAINS\n",
            "            return ALLOW\n",
        ),
    ),
    "gateway:placeholder-is-no-deed": Guarantee(
        _ARGUMENTS,
        "Nothing is taken out of a path, a URL, a command or what a scope is about: such a call is "
        "denied, for a placeholder would be another deed.",
        Mutant(
            "pipeline/sanitise.py",
            'where = "a name that is asked for" if fixed else _OPERATIVE.get(hit.role)',
            'where = "a name that is asked for" if fixed else ""',
        ),
    ),
    "gateway:redacted-is-stable": Guarantee(
        _ARGUMENTS,
        "A redacted call is judged again from the start and needs no second redaction.",
        Mutant(
            "pipeline/sanitise.py",
            "left = redact(arguments, taken)",
            "left = redact(arguments, taken[:1])",
        ),
    ),
    "gateway:template-variables-looked-through": Guarantee(
        _ARGUMENTS,
        "What the variables of a template hold in a URI is looked through as arguments of their "
        "names are, and so is every URL within it.",
        Mutant(
            "pipeline/gateway.py",
            '{**named, "variables": self._templates.held(call.target)}',
            "named",
        ),
    ),
    "handshake:capabilities-intersected": Guarantee(
        _SESSION,
        "The host sees the server capabilities that are both live and locked.",
        Mutant(
            "proxy/eras.py",
            "return live if type(live) is type(locked) and live == locked else None",
            "return live",
        ),
    ),
    "handshake:client-capabilities-stripped": Guarantee(
        _SESSION,
        "The server sees only those client capabilities that the lockfile lets it use.",
        Mutant(
            "proxy/eras.py",
            "keys = _CLIENT_KEPT | {str(kind) for kind in allowed}",
            "keys = given.keys()",
        ),
    ),
    "handshake:first": Guarantee(
        _SESSION,
        "Nothing but ping goes before the handshake, and `initialized` passes once, "
        "after its answer.",
        Mutant(
            "proxy/from_host.py",
            '_UNGATED = frozenset({"initialize", "server/discover", "ping"})',
            '_UNGATED = frozenset({"initialize", "server/discover", "ping", "tools/list"})',
        ),
    ),
    "handshake:once": Guarantee(
        _SESSION,
        "A second `initialize` is refused, unless the first one failed.",
        Mutant(
            "proxy/from_host.py",
            "        if core.initialize is not None:\n            text",
            "        if core.answered:\n            text",
        ),
    ),
    "handshake:rebuilt": Guarantee(
        _SESSION,
        "Handshake results are rebuilt from known keys, in both eras.",
        Mutant(
            "proxy/eras.py",
            "for key in live if key in _RESULT_KEYS}",
            "for key in live}",
        ),
    ),
    "handshake:reviewed-facts-shown": Guarantee(
        _SESSION,
        "Instructions and serverInfo that drifted are replaced by the reviewed ones.",
        Mutant(
            "proxy/eras.py",
            '        "instructions": said,\n',
            '        "instructions": live.get("instructions"),\n',
        ),
    ),
    "handshake:unknown-version-stops": Guarantee(
        _SESSION,
        "An unknown protocol version ends the session, or its request, with an error.",
        Mutant(
            "proxy/from_server.py",
            "if not isinstance(version, str) or version not in VERSIONS:",
            "if not isinstance(version, str):",
        ),
    ),
    "hosts:byte-exact-undo": Guarantee(
        _HOSTS,
        "`unwrap` gives back the entry's own bytes, leaves what else changed, and leaves an entry "
        "that was edited since unless it is forced.",
        Mutant(
            "hosts/undo.py",
            "Edit(node.start, node.end, record.original.encode())",
            "Edit(node.start, node.end, _said(record.original))",
        ),
    ),
    "hosts:changed-meanwhile": Guarantee(
        _HOSTS,
        "A host's file that changed between being read and being replaced is not written over.",
        Mutant(
            "cli/hostfile.py",
            "if plain_bytes(file.path, MAX_FILE) != file.data:",
            "if not file.data:",
        ),
    ),
    "hosts:doubt-is-refused": Guarantee(
        _HOSTS,
        "A host's file that two parsers could read differently is refused, with line and column, "
        "and left as it is.",
        Mutant(
            "hosts/splice.py",
            "if member.key in seen:",
            "if member.key is None:",
        ),
    ),
    "hosts:entry-steers-nothing": Guarantee(
        _HOSTS,
        "No entry's `env` says where the settings, keys and log of the mcpguard before its server "
        "are: `wrap` refuses it, and `scan` finds it where it was added later.",
        Mutant(
            "hosts/entry.py",
            "    return upper in _STEERING or upper.startswith(_STEERING_PREFIXES)\n",
            "    return upper.startswith(_STEERING_PREFIXES)\n",
        ),
    ),
    "hosts:locked-first": Guarantee(
        _HOSTS,
        "An entry is rewritten only when its server was locked, or is as its lockfile says.",
        Mutant(
            "cli/wrap.py",
            "    if code:\n",
            "    if code > 1:\n",
        ),
    ),
    "hosts:no-lookalike": Guarantee(
        _HOSTS,
        "An entry counts as wrapped only while mcpguard and its own words in it are those that "
        "`wrap` wrote.",
        Mutant(
            "cli/wrap.py",
            "return tuple(words[:own]) == written[:own]",
            "return True",
        ),
    ),
    "hosts:only-the-entry": Guarantee(
        _HOSTS,
        "`wrap` changes the command and arguments of one entry and no other byte of the file.",
        Mutant(
            "hosts/splice.py",
            'return b"".join([*parts, data[at:]])',
            'return b"".join([*parts, data[at:].rstrip()])',
        ),
    ),
    "hosts:values-stay": Guarantee(
        _HOSTS,
        "The lockfile gets the names of an entry's variables, never a value; what is kept to undo "
        "it is readable by its user alone.",
        Mutant(
            "cli/hostfile.py",
            "os.open(path, _NEW, 0o600)",
            "os.open(path, _NEW, 0o644)",
        ),
    ),
    "ids:answered-once": Guarantee(
        _WIRE,
        "Each request has one answer, in any order; an answer to nothing in flight is dropped.",
        Mutant(
            "proxy/from_server.py",
            "        core.calls.close(entry)  # before anything is sent: a second "
            "answer finds nothing\n",
            "",
        ),
    ),
    "ids:cancel-translated": Guarantee(
        _WIRE,
        "A cancellation reaches only its own request, which keeps its slot until a "
        "late answer, which is dropped.",
        Mutant(
            "proxy/from_host.py",
            '{**message.params, "requestId": entry.wire_id}',
            '{**message.params, "requestId": entry.given}',
        ),
    ),
    "ids:exact-types": Guarantee(
        _WIRE,
        "An id is a short string or a safe integer and comes back with its type; "
        "nothing else is one.",
        Mutant(
            "wire/jsonrpc.py",
            "    if type(value) is int:\n        return -MAX_SAFE",
            "    if isinstance(value, int):\n        return -MAX_SAFE",
        ),
    ),
    "ids:garbled-answer-answered": Guarantee(
        _WIRE,
        "Whoever waits for an answer that was dropped (over-long, unreadable) is told at once.",
        Mutant(
            "wire/recover.py",
            "self._tail = text[-(WIRE_ID_DIGITS - 1) :]",
            'self._tail = b""',
        ),
    ),
    "ids:host-ids-stay": Guarantee(
        _WIRE,
        "The server never sees a host's id; the host gets its own back.",
        Mutant(
            "proxy/plain.py",
            '"id": entry.wire_id,',
            '"id": entry.given,',
        ),
    ),
    "ids:in-flight-once": Guarantee(
        _WIRE,
        "An id in flight is not forwarded twice, and no refusal can pass for its answer.",
        Mutant(
            "proxy/pending.py",
            "if not internal and given in self._by_given:",
            "if not internal and given is None:",
        ),
    ),
    "ids:no-entropy-denies": Guarantee(
        _WIRE,
        "Without unpredictable ids nothing passes, either way.",
        Mutant(
            "proxy/pending.py",
            '        raise RefusedError(Reason.RNG_FAILED, "no random id can be drawn") from error',
            "        return 2**52 + len(str(error))",
        ),
    ),
    "ids:over-long-request-answered": Guarantee(
        _WIRE,
        "An over-long request is refused at once under its own id, found in bounded "
        "time, never inside nested values.",
        Mutant(
            "wire/recover.py",
            "        if self._request and self._id and",
            "        if self._id and",
        ),
    ),
    "ids:server-ids-stay": Guarantee(
        _WIRE,
        "The host never sees a server's id; the server gets its own back.",
        Mutant(
            "proxy/from_server.py",
            "encode_request(entry.wire_id, row.name, body, exact_form",
            "encode_request(entry.given, row.name, body, exact_form",
        ),
    ),
    "ids:tokens-translated": Guarantee(
        _WIRE,
        "Progress tokens are minted anew both ways, keep their type and end with "
        "their request or task.",
        Mutant(
            "proxy/from_server.py",
            'return {**message.params, "progressToken": entry.token}',
            "return message.params",
        ),
    ),
    "ids:unpredictable": Guarantee(
        _WIRE,
        "Wire ids are 52 random bits, of one length.",
        Mutant(
            "daemon/run.py",
            "os.urandom(512)",
            "bytes(512)",
        ),
    ),
    "ids:unusable-ids-answered": Guarantee(
        _WIRE,
        "A request whose id cannot be used is answered with an error under it, and so is each of a "
        "batch.",
        Mutant(
            "wire/recover.py",
            "return [*dict.fromkeys(filter(_echoes, given))]",
            "return [*dict.fromkeys(filter(is_id, given))][:1]",
        ),
    ),
    "identity:chain-of-approvers": Guarantee(
        _APPROVALS,
        "No key counts as approver, and none ceases to, without a signature by one that "
        "counted before.",
        Mutant(
            "identity/roster.py",
            'return "" if holds(public, text, signature) else "no key that counted then signed it"',
            'return ""',
        ),
    ),
    "identity:only-approvers-sign": Guarantee(
        _APPROVALS,
        "A signature is an approver's only if it verifies with a key that counts; whatever is "
        "malformed is nobody's.",
        Mutant(
            "identity/keys.py",
            "return found if sound else None",
            "return found",
        ),
    ),
    "identity:strict-folder": Guarantee(
        _APPROVALS,
        "An approver's file that others can reach, that is no plain file or not what was "
        "written is an error.",
        Mutant(
            "identity/keys.py",
            "    fault = fault_of(path, status, kind=kind)",
            "    fault = None",
        ),
    ),
    "identity:one-name-a-key": Guarantee(
        _TRUST,
        "A did:key names one Ed25519 key in one way; a text of another form, and bytes that are "
        "no key or one under which anybody's signature holds, name nobody.",
        Mutant(
            "identity/did.py",
            "return (x, y) != (0, 1)",
            "return True",
        ),
    ),
    "identity:only-pinned-keys": Guarantee(
        _TRUST,
        "A key is the caller of a session only while the settings pin its did:key under "
        "`principals`; otherwise no server is started.",
        Mutant(
            "config/plan.py",
            "if holder.did not in settings.principals:",
            "if not holder.did:",
        ),
    ),
    "identity:private-key": Guarantee(
        _TRUST,
        "The file of an identity is made for its user alone and never written over; one that "
        "others can reach begins no session.",
        Mutant(
            "identity/holder.py",
            "fault = fault_of(path, os.fstat(file.fileno()), kind=stat.S_ISREG)",
            "fault = None",
        ),
    ),
    "identity:one-signature": Guarantee(
        "Decision 27",
        "Whichever library signs for this install, the signature is the one that RFC 8032 gives: "
        "one that was not seen to sign so is not used.",
        Mutant(
            "identity/ed25519.py",
            "return signer.sign(_SEED, _TEXT) == _SIGNED",
            "return bool(signer.sign(_SEED, _TEXT))",
        ),
    ),
    "launch:as-reviewed": Guarantee(
        _PROCESS,
        "Another command than the locked one, or a file argument with other bytes, "
        "is refused by name.",
        Mutant(
            "daemon/launch.py",
            "        if now[argument] != pin:\n",
            "        if not pin:\n",
        ),
    ),
    "launch:unset-is-said": Guarantee(
        _PROCESS,
        "A session whose server is to get a variable that is not set says so before it begins.",
        Mutant("daemon/run.py", "if name not in os.environ]", "if name in os.environ]"),
    ),
    "launch:check-starts-as-reviewed": Guarantee(
        _PROCESS,
        "`check` starts no command and no file but the reviewed ones.",
        Mutant("cli/compare.py", "    if found and not unreviewed:\n", "    if unreviewed:\n"),
    ),
    "launch:data-by-name": Guarantee(
        _PROCESS,
        "The bytes of an argument may change only when a person named it as data, and "
        "what is run is never data.",
        Mutant(
            "daemon/launch.py",
            "        if argument in data:\n",
            "        if argument in data or file.endswith('.db'):\n",
        ),
    ),
    "launch:env-is-read": Guarantee(
        _PROCESS,
        "`env` starts nothing that was not read: an option that hides the command, or takes it "
        "from elsewhere, is refused in every spelling.",
        Mutant(
            "daemon/launch.py",
            "        elif not _is_env_flag(word) and (strict or _splits(word)):\n",
            "        elif not _is_env_flag(word) and _splits(word):\n",
        ),
    ),
    "launch:open-parts-named": Guarantee(
        _PROCESS,
        "What of a command no pin covers is said when it is locked and checked.",
        Mutant(
            "daemon/launch.py",
            "    said = (*_open_code(launch.argv), *_open_files(launch))\n",
            "    said = (*_open_files(launch),)\n",
        ),
    ),
    "limits:all-or-nothing": Guarantee(
        _LIMITS,
        "A call that one limit denies consumes nothing of the others.",
        Mutant(
            "trust/limits.py",
            "            if (stock.left <= 0 or now >= stock.expires) and not "
            "stock.turn(now):\n"
            "                return self._short(stocks, now)\n",
            "            if (stock.left <= 0 or now >= stock.expires) and not "
            "stock.turn(now):\n"
            "                return self._short(stocks, now)\n"
            "            stock.left -= 1\n",
        ),
    ),
    "limits:budget-ends": Guarantee(
        _LIMITS,
        "A session makes no more calls, and sends and receives no more, than its budget.",
        Mutant(
            "trust/limits.py",
            "        self._calls_left -= 1\n",
            "        self._calls_left -= 0\n",
        ),
    ),
    "limits:identities-are-no-way-around": Guarantee(
        _LIMITS,
        "A limit of a server counts the calls of all principals together.",
        Mutant(
            "trust/limits.py",
            '(f"server/{server}", limits.server)',
            '(f"server/{server}{principal}", limits.server)',
        ),
    ),
    "limits:lost-store-denies": Guarantee(
        _LIMITS,
        "While the store cannot be used, a call without a leased unit is denied.",
        Mutant(
            "trust/limits.py",
            "            if now < stock.refused_until:\n                return stock.refusal",
            "            if stock.refusal is _LOST:\n"
            "                return ALLOWED\n"
            "            if now < stock.refused_until:\n"
            "                return stock.refusal",
        ),
    ),
    "limits:never-above-the-limit": Guarantee(
        _LIMITS,
        "No schedule of calls, questions to the store and answers exceeds a limit of "
        "a tool, a principal or a server.",
        Mutant(
            "trust/limits.py",
            "expires = want.asked + grant.ttl / 1000 * MARGIN",
            "expires = now + 60",
        ),
    ),
    "limits:no-use-after-expiry": Guarantee(
        _LIMITS,
        "A unit is not used after its lease ended, counted from before the store was asked.",
        Mutant(
            "trust/limits.py",
            "            if now < self.expires:\n"
            "                return True\n"
            "            self._shelve()\n"
            "        return False",
            "            return True\n        return False",
        ),
    ),
    "limits:repeated-failure-denied": Guarantee(
        _LIMITS,
        "The same call that failed several times in a short time is denied.",
        Mutant(
            "trust/limits.py",
            "return now - times[0] < self._limits.failure_window",
            "return False",
        ),
    ),
    "limits:unknown-unit-refused": Guarantee(
        _LIMITS,
        "A rate with an unknown unit or amount is an error, never another rate.",
        Mutant(
            "trust/limits.py",
            "    if unit not in UNITS:\n        raise",
            '    unit = unit if unit in UNITS else "hour"\n'
            "    if unit not in UNITS:\n"
            "        raise",
        ),
    ),
    "listing:announced-blocks": Guarantee(
        _SESSION,
        "A list that a server says has changed, and then does not give, is verified no more until "
        "it is given; it is asked for again three times.",
        Mutant(
            "proxy/listing.py",
            "        if listing.announced:\n            listing.done = False",
            "        if not listing.settled:\n            listing.done = False",
        ),
    ),
    "listing:changed-rate-limited": Guarantee(
        _SESSION,
        "However often a server says that a list changed, four listings a second are started.",
        Mutant(
            "proxy/listing.py",
            "return len(listing.starts) < RUNS_A_SECOND or",
            "return True or",
        ),
    ),
    "listing:changed-reverified": Guarantee(
        _SESSION,
        "A changed list is verified before the host hears of it; drift that comes "
        "with it blocks the next call.",
        Mutant(
            "proxy/from_server.py",
            "            core.listings.doubt(kind, core.now)",
            "            core.listings.take_waiters(kind)",
        ),
    ),
    "listing:endless-pages-fail": Guarantee(
        _SESSION,
        "A list whose pages do not end, or that holds too much, fails and allows nothing.",
        Mutant(
            "proxy/listing.py",
            "if pages >= MAX_PAGES or len(items) > MAX_ITEMS or run.size > MAX_BYTES:",
            "if len(items) > MAX_ITEMS:",
        ),
    ),
    "listing:error-is-not-empty": Guarantee(
        _SESSION,
        "A listing that failed is not an empty list, except for an absent capability or method.",
        Mutant(
            "proxy/listing.py",
            'if error.get("code") != METHOD_NOT_FOUND:',
            'if error.get("code") is None:',
        ),
    ),
    "listing:host-joins": Guarantee(
        _SESSION,
        "A host's list request joins the listing that runs, and is answered once when it ends.",
        Mutant(
            "proxy/core.py",
            "                if entry.cancelled:\n                    continue",
            "                if not entry.given:\n                    continue",
        ),
    ),
    "listing:locked-definitions-shown": Guarantee(
        _SESSION,
        "The host is given the locked definitions, not the server's bytes, and may not cache them.",
        Mutant(
            "proxy/listing.py",
            "listing.shown.append(self._lock.shown(kind, name, definition.definition))",
            "listing.shown.append(definition.definition)",
        ),
    ),
    "listing:own-lists": Guarantee(
        _SESSION,
        "The session lists everything itself, on the live connection, once the "
        "server may be asked.",
        Mutant(
            "proxy/listing.py",
            "        for kind in sorted(locked):\n            self.refresh(kind, now)",
            "        for kind in sorted(locked)[:1]:\n            self.refresh(kind, now)",
        ),
    ),
    "listing:pages-merged": Guarantee(
        _SESSION,
        "All pages are fetched and given as one; a late page belongs to no later listing.",
        Mutant(
            "proxy/listing.py",
            "        run.items += page\n",
            "        run.items = page\n",
        ),
    ),
    "listing:records-bounded": Guarantee(
        _AUDIT,
        "A flood of new names fills no log: denied items are recorded up to a "
        "limit, the rest counted.",
        Mutant(
            "proxy/core.py",
            "in denied[:MAX_REPORTED]:",
            "in denied:",
        ),
    ),
    "listing:missing-blames-nobody": Guarantee(
        _SESSION,
        "What a server does not list where it may not ask for all that it could is told as one "
        "sentence, which does not say that the server changed.",
        Mutant("proxy/actions.py", "    if not unoffered:\n", "    if True:\n"),
    ),
    "listing:announcements-bounded": Guarantee(
        _SESSION,
        "However often a server announces that a list changed, a second adds few lines to the log.",
        Mutant("proxy/from_server.py", "if key in core.changed:", "if not key:"),
    ),
    "live:approved-call-goes-once": Guarantee(
        _APPROVALS,
        "A call that waits goes once after a signed yes; one that was taken back meanwhile "
        "never goes.",
        Mutant(
            "approval/asking.py",
            "self._queue.cancel(self.calls.pop(wire_id).token)",
            "self.calls.pop(wire_id)",
        ),
    ),
    "live:told-when-needed": Guarantee(
        _APPROVALS,
        "People are told that a call waits for them once the store has no yes for it, or cannot be "
        "asked, and not before.",
        Mutant(
            "live/approvals.py",
            "if at in held and at not in needless}",
            "if at in held}",
        ),
    ),
    "live:changed-while-it-runs": Guarantee(
        _CONTROL,
        "What a person blocks is blocked in every running session, until a signed unblock.",
        Mutant(
            "live/observing.py",
            "self.tools.update(about)",
            "self.tools.update(())",
        ),
    ),
    "live:elicited-for-low-risk-alone": Guarantee(
        _APPROVALS,
        "The host's own user is asked about the tools that are named for it, and no other.",
        Mutant(
            "live/approvals.py",
            "any(glob.matches(tool) for glob in made)",
            "True",
        ),
    ),
    "live:ended-session-leaves-its-tickets": Guarantee(
        _APPROVALS,
        "What an ended session left waiting can still be answered, for the same caller, call "
        "and lockfile alone.",
        Mutant(
            "live/worker.py",
            "                last(asked)\n",
            "",
        ),
    ),
    "live:nothing-widens-unsigned": Guarantee(
        _CONTROL,
        "A running proxy widens nothing without the signature of an approver it knew at its start.",
        Mutant(
            "live/desk.py",
            "check = proven(session, governor.approvals.verify) if known else nobody_signs",
            "check = lambda *_: (known[0].key_id if known else 'x',)",
        ),
    ),
    "live:reload-is-whole-or-not": Guarantee(
        _CONTROL,
        "Settings that cannot be taken over whole leave those of before, and the answer says why.",
        Mutant(
            "live/desk.py",
            "        if fixed:\n",
            "        if fixed and not keys:\n",
        ),
    ),
    "live:unrecorded-is-not-done": Guarantee(
        _CONTROL,
        "A session that enforces changes nothing that it cannot record.",
        Mutant(
            "live/governor.py",
            "if self.plan.mode is Mode.ENFORCE:",
            "if self.plan.mode is Mode.FILTER_ONLY:",
        ),
    ),
    "live:yes-crosses-proxies-once": Guarantee(
        _APPROVALS,
        "A yes that came too late for its call admits one repeat, at whichever proxy of the "
        "store it comes to.",
        Mutant(
            "live/approvals.py",
            "for grant in leaving:\n                shared",
            "for grant in ():\n                shared",
        ),
    ),
    "live:short-way-counts": Guarantee(
        _TRUST,
        "Records that the log writes by itself are counted as those it is handed in batches.",
        Mutant(
            "live/governor.py",
            "            self.observer.watcher.counted(allowed, seq, now)\n",
            "            pass\n",
        ),
    ),
    "live:attack-is-told-at-once": Guarantee(
        _TRUST,
        "What an attack takes from a score is in the store at once, four times a second at most.",
        Mutant(
            "live/observing.py",
            "        self._attacked = True\n        self._stir()\n",
            "        self._stir()\n",
        ),
    ),
    "live:latency-of-answers": Guarantee(
        _CONTROL,
        "How long a tool takes is counted from its call's line to its answer's, once.",
        Mutant(
            "proxy/plain.py",
            "core.took.append((target, now - entry.deadline))",
            "core.took.append((target, core.now - entry.deadline))\n        core.timed(entry)",
        ),
    ),
    "live:policy-ends-by-a-later-one": Guarantee(
        _CONTROL,
        "A policy that an approver set for all proxies ends by a later signed one; one that is "
        "deleted, put back or cannot be taken over lets nobody through.",
        Mutant(
            "live/reloading.py",
            "known is None or row.policy.at > known.at",
            "known is None or row.policy.at != known.at",
        ),
    ),
    "live:policy-is-an-approvers": Guarantee(
        _CONTROL,
        "A tool's policy in the store holds in every proxy when an approver signed exactly it, and "
        "in none otherwise.",
        Mutant(
            "live/reloading.py",
            "why = self._flaws.get(row.mark) or policies.flaw(row, self._among)",
            "why = self._flaws.get(row.mark, '')",
        ),
    ),
    "live:ignored-policy-is-said": Guarantee(
        _CONTROL,
        "What stands in the store as a tool's policy and is not in force is a record of each "
        "session, once; of a store full of it the log holds a few, and a number.",
        Mutant(
            "live/reloading.py",
            "new[: max(0, MAX_SAID - self._count)]",
            "new[: max(0, MAX_SAID)]",
        ),
    ),
    "lock:digests-verified-on-load": Guarantee(
        _LOCKFILE,
        "A definition that was edited without its digest is an error on load.",
        Mutant(
            "lock/reading.py",
            "if _actual_digest(definition, path) != stated:",
            "if not _actual_digest(definition, path):",
        ),
    ),
    "lock:never-rebaselines-silently": Guarantee(
        _LOCKFILE,
        "`lock` shows what changed and leaves the file as it is until told to update it.",
        Mutant(
            "cli/lock.py",
            "if wish.update and locked.digest",
            "if locked.digest",
        ),
    ),
    "lock:same-is-type-strict": Guarantee(
        _LOCKFILE,
        "A live definition is the locked one only if their canonical forms are "
        "equal: true is not 1.",
        Mutant(
            "lock/locked.py",
            "orjson.dumps(one, option=sort) == orjson.dumps(other, option=sort)",
            "one == other",
        ),
    ),
    "lock:same-server-same-bytes": Guarantee(
        _LOCKFILE,
        "The same server gives the same lockfile, byte by byte, in whatever order it lists.",
        Mutant(
            "lock/locked.py",
            "for name in sorted(items)",
            "for name in items",
        ),
    ),
    "lock:strict-loader": Guarantee(
        _LOCKFILE,
        "An unknown, doubled or missing key, a wrong type or an exception that "
        "cannot apply is an error that names the place.",
        Mutant(
            "lock/reading.py",
            "        if key not in known:\n",
            "        if key in ():\n",
        ),
    ),
    "lock:unpinnable-surface-is-an-error": Guarantee(
        _LOCKFILE,
        "An item without a usable name, doubled or without a canonical form is an "
        "error, not a lock.",
        Mutant(
            "lock/surface.py",
            "        if name in found:\n",
            "        if name in found and not found:\n",
        ),
    ),
    "lock:vary-matches-whole-value": Guarantee(
        _LOCKFILE,
        "A reviewed exception admits, at its own spot, a string its pattern matches "
        "from end to end.",
        Mutant(
            "lock/varying.py",
            "compiled(pattern).fullmatch(text)",
            "compiled(pattern).search(text)",
        ),
    ),
    "lock:volatile-only-when-well-typed": Guarantee(
        _LOCKFILE,
        "Only the order of keys, a numeric size and a well-formed date may change "
        "without being drift.",
        Mutant(
            "lock/surface.py",
            "_RFC3339.fullmatch(stamp)",
            "_RFC3339.match(stamp)",
        ),
    ),
    "lock:written-whole-or-not": Guarantee(
        _LOCKFILE,
        "A lockfile is replaced whole, its mode kept, or left as it was.",
        Mutant(
            "cli/receipt/output.py",
            "os.replace(temporary, target)",
            "target.write_bytes(Path(temporary).read_bytes())",
        ),
    ),
    "modes:audit-only-shows-all": Guarantee(
        _SESSION,
        "Audit-only changes nothing the host sees and records what would have been blocked.",
        Mutant(
            "proxy/core.py",
            "    Mode.AUDIT_ONLY: frozenset(),",
            "    Mode.AUDIT_ONLY: frozenset({SubjectKind.DEFINITION}),",
        ),
    ),
    "modes:one-table": Guarantee(
        _SESSION,
        "One table says what a mode blocks: enforce everything, filter-only "
        "definitions; the others record.",
        Mutant(
            "proxy/core.py",
            "    Mode.ENFORCE: frozenset(SubjectKind),",
            "    Mode.ENFORCE: frozenset(SubjectKind) - {SubjectKind.NOTICE},",
        ),
    ),
    "modes:told-as-they-are": Guarantee(
        _SESSION,
        "What is said and recorded of an item or a list is what the mode does with it.",
        Mutant(
            "proxy/core.py",
            'said["fate"] = FATES[self.mode]',
            'said["fate"] = FATES[Mode.ENFORCE]',
        ),
    ),
    "modes:wire-rules-always-hold": Guarantee(
        _WIRE,
        "Framing, id and method rules hold in every mode.",
        Mutant(
            "proxy/from_host.py",
            'core.note(UP, "", Reason.UNKNOWN_ID, "an answer to no request", "drop")',
            'core.note(UP, "", Reason.UNKNOWN_ID, "an answer to no request", core.mode)',
        ),
    ),
    "notices:known-only": Guarantee(
        _WIRE,
        "Only known notifications pass, with known parameters, when the pipeline allows them.",
        Mutant(
            "proxy/from_server.py",
            "{k: v for k, v in message.params.items() if k in row.known}\n        translated",
            "{**message.params}\n        translated",
        ),
    ),
    "notices:listen-filtered": Guarantee(
        _SESSION,
        "A subscription is granted what was asked for, and updates tell only of locked resources.",
        Mutant(
            "proxy/from_server.py",
            "granted[key] = [one for one in value if one in wanted]",
            "granted[key] = value",
        ),
    ),
    "notices:own-names-kept": Guarantee(
        _WIRE,
        "No notice carries a progress token or a task's id of the server's to the host.",
        Mutant(
            "proxy/from_server.py",
            "core.changed[key] = core.aliases.shown(params, _TOKEN)",
            "core.changed[key] = params",
        ),
    ),
    "notices:subscription-ids-translated": Guarantee(
        _WIRE,
        "What belongs to a subscription comes under the host's id, and from no other subscription.",
        Mutant(
            "proxy/from_server.py",
            "        return with_meta(message.params, SUBSCRIPTION_ID, "
            "entry.given)\n"
            "\n"
            "    def _ack",
            "        return message.params\n\n    def _ack",
        ),
    ),
    "parse:any-bytes": Guarantee(
        _WIRE,
        "Any bytes from either side give a message or mcpguard's own error; a "
        "session never breaks.",
        Mutant(
            "wire/jsonrpc.py",
            "type(params) is not dict or",
            "params is None or",
        ),
    ),
    "parse:envelope-rebuilt": Guarantee(
        _WIRE,
        "Only known keys of envelopes, parameters and references are written again.",
        Mutant(
            "proxy/from_host.py",
            "entry.params = {k: v for k, v in params.items() if k in row.known}",
            "entry.params = {**params}",
        ),
    ),
    "parse:host-differentials": Guarantee(
        _WIRE,
        "A host line that two parsers could read differently is refused.",
        Mutant(
            "wire/jsonrpc.py",
            "    if not plain:\n",
            "    if value is None:\n",
        ),
    ),
    "parse:method-table-is-the-specification": Guarantee(
        "MCP 2024-11-05 to 2026-07-28",
        "The method table holds exactly the methods and parameters of every MCP revision.",
        Mutant(
            "wire/methods.py",
            'Row("logging/setLevel", frozenset({"level"}), era',
            'Row("logging/setLevel", era',
        ),
    ),
    "parse:server-exact": Guarantee(
        _WIRE,
        "Big integers, lone surrogates, bad UTF-8 and `error: null` of a server "
        "reach the host as it would have read them.",
        Mutant(
            "wire/jsonrpc.py",
            "if orjson.dumps(value) != line and holds_long_integer(line):",
            "if orjson.dumps(value) != line and not line:",
        ),
    ),
    "pending:bounded": Guarantee(
        _WIRE,
        "Requests in flight are bounded in each direction; one too many is denied, loudly.",
        Mutant(
            "proxy/pending.py",
            "if len(by_wire) >= self._limit:",
            "if len(by_wire) > self._limit:",
        ),
    ),
    "pending:deadline": Guarantee(
        _WIRE,
        "A request without an answer ends for both sides at its deadline; a subscription has none.",
        Mutant(
            "proxy/pending.py",
            "if entry.deadline <= now]",
            "if entry.deadline <= now - self._timeout]",
        ),
    ),
    "pending:held-bounded": Guarantee(
        _SESSION,
        "What is held is bounded in number and bytes; more is denied.",
        Mutant(
            "proxy/from_host.py",
            "if len(core.held) >= limits.max_held or core.held_bytes + size > "
            "limits.max_held_bytes:",
            "if len(core.held) >= limits.max_held:",
        ),
    ),
    "pending:held-until-verified": Guarantee(
        _SESSION,
        "What names an item is held, in order, until the lists are verified, and "
        "denied when they cannot be.",
        Mutant(
            "wire/methods.py",
            'Row("prompts/get", frozenset({"name", "arguments"}) | _RETRY, "name", held=True),',
            'Row("prompts/get", frozenset({"name", "arguments"}) | _RETRY, "name"),',
        ),
    ),
    "pending:person-pauses": Guarantee(
        _WIRE,
        "The host's requests do not age while the server waits for a person.",
        Mutant(
            "proxy/session.py",
            "core.calls.pause(max(0.0, now - max(ticked, min(asked))))",
            "core.calls.pause(0.0 * (now - ticked))",
        ),
    ),
    "pending:progress-extends": Guarantee(
        _WIRE,
        "Progress starts a request's time again.",
        Mutant(
            "proxy/pending.py",
            "            entry.deadline = now + self._timeout",
            "            entry.deadline += 0.0 * now",
        ),
    ),
    "pending:server-death-answers": Guarantee(
        _WIRE,
        "The death of a side answers everybody who waits for it, once, and says "
        "what was withheld from a server that ended early.",
        Mutant(
            "proxy/session.py",
            "            core.end_call(entry, denial.INTERNAL, text)\n"
            "        for entry in core.asks:",
            "            core.close_call(entry)\n        for entry in core.asks:",
        ),
    ),
    "pipeline:deny-unless-permit": Guarantee(
        _DECISION,
        "Only an ALLOW of every required stage on exactly what is sent allows it; "
        "absent, abstaining, waiting or raising stages deny.",
        Mutant(
            "pipeline/__init__.py",
            "if verdict.effect is not Effect.ALLOW:",
            "if verdict.effect is Effect.DENY:",
        ),
    ),
    "pipeline:removal-only-tightens": Guarantee(
        _DECISION,
        "Taking a stage away never turns a denial into an allow.",
        Mutant(
            "pipeline/__init__.py",
            'return Verdict.deny(Reason.STAGE_MISSING, "a required stage is not there")',
            "return ALLOW",
        ),
    ),
    "pipeline:rewrites-are-sent": Guarantee(
        _DECISION,
        "What a stage rewrote is what is sent and recorded.",
        Mutant(
            "proxy/from_host.py",
            "            call = decision.subject\n",
            "            call = call\n",
        ),
    ),
    "pipeline:whole-order": Guarantee(
        _DECISION,
        "Surface, trust, policy and gateway are asked in this order, and the first check that "
        "fails decides.",
        Mutant(
            "pipeline/__init__.py",
            'SubjectKind.CALL: ("surface", "trust", "policy", "gateway"),',
            'SubjectKind.CALL: ("surface", "policy", "trust", "gateway"),',
        ),
    ),
    "policy:any-text": Guarantee(
        _POLICY,
        "Any text is a policy or an error of our own, and every call has an outcome.",
        Mutant(
            "policy/document.py",
            "except yaml.reader.ReaderError as error:",
            "except ZeroDivisionError as error:",
        ),
    ),
    "policy:bad-rule-fails-load": Guarantee(
        _POLICY,
        "An unknown word, unit or name, or a condition that does not compile, fails the load.",
        Mutant(
            "policy/cel.py",
            'if kind != "BOOL":',
            'if kind not in {"BOOL", "DYN", "STRING"}:',
        ),
    ),
    "policy:examples-work": Guarantee(
        _POLICY,
        "The example policies load and decide the calls of their tables exactly as these say.",
        Mutant(
            "policy/loading.py",
            'if word == "block":',
            'if word == "bloc":',
        ),
    ),
    "policy:fault-denies": Guarantee(
        _POLICY,
        "A rule that cannot be evaluated, or takes too long, denies; its action does not matter.",
        Mutant(
            "policy/rules.py",
            "return Outcome(Action.DENY, rule.name, message, faulty=True)",
            "return Outcome(rule.action, rule.name, message, faulty=True)",
        ),
    ),
    "policy:limit-holds": Guarantee(
        _POLICY,
        "A rule's limit lets no more calls through than it says, and what is refused uses up none.",
        Mutant(
            "policy/rules.py",
            "if use.key not in spent:",
            "if use.key not in spent or spent:",
        ),
    ),
    "policy:most-restrictive": Guarantee(
        _POLICY,
        "Within one priority the most restrictive rule wins, whatever the order in the file.",
        Mutant(
            "policy/rules.py",
            "return -rule.priority, _RANK[rule.action]",
            "return -rule.priority, 0",
        ),
    ),
    "policy:one-reading": Guarantee(
        _POLICY,
        "A policy text that readers of YAML would understand differently is refused.",
        Mutant(
            "policy/document.py",
            "if re2.fullmatch(_AMBIGUOUS, text):",
            "if re2.fullmatch(_AMBIGUOUS, text[9:]):",
        ),
    ),
    "policy:one-zone": Guarantee(
        _POLICY,
        "Rules read the clock in the zone of the settings, whatever the environment says, and "
        "`audit replay` reads it in the zone that the session recorded.",
        Mutant(
            "cli/policy.py",
            'entry.get("zone", UTC_ZONE)',
            "UTC_ZONE",
        ),
    ),
    "policy:warning-said": Guarantee(
        _POLICY,
        "What a rule warns of is told to a person, and stands in the record with its message, "
        "whatever was decided.",
        Mutant(
            "proxy/actions.py",
            "each.rule.startswith(REMARK) and each.severity is not Severity.INFO",
            "each.rule == CANARY",
        ),
    ),
    "policy:replay-reads-captures": Guarantee(
        _POLICY,
        "`audit replay` reads arguments that were captured whole, and says of others why what a "
        "rule would have said is not known.",
        Mutant("policy/replay.py", "        if told.get(key):\n", "        if False:\n"),
    ),
    "policy:whole-text": Guarantee(
        _POLICY,
        "No condition is asked about a text that the CEL library would read only in part.",
        Mutant(
            "policy/cel.py",
            'if b"\\\\u0000" in dumped and _holds_nul(value):',
            "if not dumped and _holds_nul(value):",
        ),
    ),
    "policy:continuation-kept": Guarantee(
        _POLICY,
        "A redact rule leaves what the host must give back as it is: what a result asks for can "
        "be answered.",
        Mutant(
            "policy/redaction.py",
            '    "inputRequests": _asked,',
            '    "inputRequests": redacted,',
        ),
    ),
    "policy:redact-base64": Guarantee(
        _POLICY,
        "A redact rule finds in a result what stands in the base64 of a text, too.",
        Mutant(
            "policy/redaction.py",
            "    if all(map(_same, left, found)):",
            "    if found:",
        ),
    ),
    "policy:floor-holds": Guarantee(
        _POLICY,
        "Rules that stand on other rules can tighten these, and never loosen them.",
        Mutant(
            "policy/rules.py",
            "own.action is None or _RANK[action] < _RANK[own.action]",
            "own.action is None or _RANK[action] > _RANK[own.action]",
        ),
    ),
    "private:refuses-others": Guarantee(
        _AUDIT,
        "A key or a store that others can reach, of somebody else, or no plain file is refused.",
        Mutant(
            "private.py", "if status.st_mode & refused:", "if status.st_mode & refused == refused:"
        ),
    ),
    "private:regular-only": Guarantee(
        _AUDIT,
        "A pipe or a device in the place of a key, a log or a proof is refused at once, never "
        "waited for.",
        Mutant("private.py", "    if stat.S_ISREG(mode):", "    if not stat.S_ISDIR(mode):"),
    ),
    "private:whole-or-not": Guarantee(
        _AUDIT,
        "A key's file has its name whole or not at all, and never takes the place of another.",
        Mutant(
            "private.py",
            "        os.link(made, path)",
            "        os.replace(made, path)\n        made.touch()",
        ),
    ),
    "probe:never-half-a-surface": Guarantee(
        _LOCKFILE,
        "A list that fails, has the wrong shape or differs by era is an error, "
        "never half a surface.",
        Mutant(
            "daemon/probe.py",
            "    if differing:\n        raise",
            "    if differing and not legacy:\n        raise",
        ),
    ),
    "probe:unreachable-is-not-empty": Guarantee(
        _LOCKFILE,
        "A server that ends or stays silent is unreachable, not empty.",
        Mutant(
            "daemon/client.py",
            'raise UnreachableError(f"{self.name} ended before it answered {method}{words}")',
            "return {key: [] for key in (words, method)}",
        ),
    ),
    "probe:whole-surface": Guarantee(
        _LOCKFILE,
        "All pages of all lists are found, once they have settled.",
        Mutant(
            "daemon/probe.py",
            "        if not cursor:\n",
            "        if cursor is not None:\n",
        ),
    ),
    "proxy:transparent": Guarantee(
        _SESSION,
        "A permitted session is what it is without the proxy, for the host and for the server.",
        Mutant(
            "proxy/listing.py",
            "listing.states[name] = Reason.OK if decision.allowed",
            "listing.states[name] = Reason.UNVERIFIED if decision.allowed",
        ),
    ),
    "proxy:waiting-never-runs": Guarantee(
        _DECISION,
        "A call that waits for a person or a store is not sent before a later judgement allows it, "
        "and never after it was cancelled, refused or timed out.",
        Mutant(
            "proxy/core.py",
            "        return self._waits(Waiting(entry, call, decision, self.now))",
            "        return Decision(True, call)",
        ),
    ),
    "proxy:asked-inside-a-result": Guarantee(
        _APPROVALS,
        "In 2026-07-28 the host's user is asked inside a result; a plain yes to this very call "
        "lets it go once, and the server hears nothing of it.",
        Mutant(
            "proxy/translate.py",
            "if bound != entry.bound or now >= until or",
            "if now >= until or",
        ),
    ),
    "requests:allowed-translated": Guarantee(
        _SESSION,
        "A server request that is allowed reaches the host under another id; answer "
        "or error goes back.",
        Mutant(
            "proxy/from_host.py",
            "        encode = encode_error if failed else encode_result",
            "        encode = encode_result if body else encode_error",
        ),
    ),
    "requests:answers-judged": Guarantee(
        _SESSION,
        "The host's answers to the server are judged too.",
        Mutant(
            "proxy/from_host.py",
            "            if not judged.allowed:\n                return judged",
            "            if judged is None:\n                return decision",
        ),
    ),
    "requests:continuations-bound": Guarantee(
        _SESSION,
        "A repeated request carries state and answers only where the server "
        "interrupted that very request.",
        Mutant(
            "proxy/translate.py",
            "issued is not None and answers.keys() <= issued",
            "issued is not None",
        ),
    ),
    "requests:denied-unless-locked": Guarantee(
        _SESSION,
        "A server asks the host only for the kinds the lockfile allows; anything "
        "else looks unsupported.",
        Mutant(
            "pipeline/surface.py",
            "if kind in lock.requests:",
            "if kind in REQUEST_KINDS.values():",
        ),
    ),
    "requests:era": Guarantee(
        _WIRE,
        "A host's request passes only in a protocol era that has its method, and an envelope is "
        "one with a revision that has envelopes.",
        Mutant(
            "wire/methods.py",
            "return self.era is Era.DUAL or (self.era is Era.MODERN) == modern",
            "return self.era is not Era.MODERN or modern",
        ),
    ),
    "requests:input-required": Guarantee(
        _SESSION,
        "Questions inside results and errors pass only when every kind is allowed, and where the "
        "request can be repeated with answers; an unknown kind of result is withheld.",
        Mutant(
            "proxy/from_server.py",
            "            if stops:\n"
            "                core.withhold(entry, decision)\n"
            "                return\n"
            "            questions",
            "            if stops:\n                continue\n            questions",
        ),
    ),
    "requests:questions-as-judged": Guarantee(
        _SESSION,
        "A question inside a result reaches the host as it was judged: its method and known "
        "parameters, without what was taken out, and without the server's names.",
        Mutant(
            "proxy/from_server.py",
            "questions[name] = core.aliases.question(one, decision.subject)",
            "questions[name] = one",
        ),
    ),
    "requests:unknown-methods": Guarantee(
        _WIRE,
        "A method that is not in the table is refused with -32601, in both directions.",
        Mutant(
            "proxy/from_server.py",
            "            core.refuse(message.id, Side.SERVER, "
            'denial.METHOD_NOT_FOUND, "Method not found")\n'
            "            return\n"
            "        decision",
            "            return\n        decision",
        ),
    ),
    "scan:automaton-fails-closed": Guarantee(
        _ARGUMENTS,
        "A search that ran out of memory counts as found everywhere, so every detector looks.",
        Mutant(
            "scan/needles.py",
            "        return list(range(count))",
            "        return matched",
        ),
    ),
    "scan:empty-segment-matches-nothing": Guarantee(
        _ARGUMENTS,
        "A scope or a resolved argument with an empty segment matches nothing.",
        Mutant(
            "scan/semantics.py",
            'return "" not in own + other and _match(',
            "return _match(",
        ),
    ),
    "scan:every-reading-covered": Guarantee(
        _ARGUMENTS,
        "A scope has to cover every reading of an argument: decoded or not, links followed.",
        Mutant(
            "scan/semantics.py",
            "for path in (_lexical(each), each)]",
            "for path in (_lexical(each),)]",
        ),
    ),
    "scan:keys-too": Guarantee(
        _ARGUMENTS,
        "Redaction takes what was found out of keys as well, and keeps the members apart.",
        Mutant(
            "scan/redact.py",
            "    while free in taken:",
            "    while False:",
        ),
    ),
    "scan:no-text-in-findings": Guarantee(
        _ARGUMENTS,
        "A finding says rule, place and type, never the text; its pointer's keys are redacted.",
        Mutant(
            "scan/walk.py",
            "place = _step(where, left) if key else where",
            "place = _step(where, text) if key else where",
        ),
    ),
    "scan:nothing-left": Guarantee(
        _ARGUMENTS,
        "No detector fires on what redaction left.",
        Mutant(
            "scan/walk.py",
            "new = [origin.of(each) for each in self._once(replaced(text, spans), site)]",
            "new = []",
        ),
    ),
    "scan:ordinary-passes": Guarantee(
        _ARGUMENTS,
        "Hundreds of ordinary arguments, prose and code about attacks among them, pass.",
        Mutant(
            "scan/detectors/path_traversal.py",
            "FAR = 4",
            "FAR = 2",
        ),
    ),
    "scan:over-budget-raises": Guarantee(
        _ARGUMENTS,
        "Arguments that are too deep, too long or too full are an error, never clean.",
        Mutant(
            "scan/walk.py",
            "if size > budget.characters:",
            "if not texts:",
        ),
    ),
    "scan:patterns-load-or-fail": Guarantee(
        _ARGUMENTS,
        "A configured pattern that cannot be used is a load error that names its place.",
        Mutant(
            "scan/patterns.py",
            "if row.action is Action.REDACT and",
            "if row.action is Action.DENY and",
        ),
    ),
    "scan:refused-is-not-covered": Guarantee(
        _ARGUMENTS,
        "An argument that cannot be resolved, or resolves to nothing, is covered by no scope.",
        Mutant(
            "scan/semantics.py",
            "if isinstance(resolution, Refused) or not resolution:",
            "if isinstance(resolution, Refused):",
        ),
    ),
    "scan:scopes-load-or-fail": Guarantee(
        _ARGUMENTS,
        "A configured scope that is none is a load error that names its place.",
        Mutant(
            "scan/semantics.py",
            "if action not in ACTIONS[resource]:",
            "if not action:",
        ),
    ),
    "scan:short-way-agrees": Guarantee(
        _ARGUMENTS,
        "The short way for small arguments finds exactly what the long one finds.",
        Mutant(
            "scan/quiet.py",
            "return abs(value) < SHORTEST_NUMBER",
            "return True",
        ),
    ),
    "scan:all-a-model-reads": Guarantee(
        _RESULTS,
        "Every string and key of a result, an error or a prompt is judged, blobs of text decoded.",
        Mutant(
            "scan/threats/outputs/texts.py",
            'for text in texts(each, value.get("mimeType")):',
            "for text in ():",
        ),
    ),
    "scan:hidden-orders-are-read": Guarantee(
        _RESULTS,
        "An order that is unseen, disguised, in a comment or encoded (twice too) is read and told.",
        Mutant(
            "scan/threats/outputs/__init__.py",
            "yield from _inner(found, span, levels - 1, room)",
            "continue",
        ),
    ),
    "scan:honest-results-pass": Guarantee(
        _RESULTS,
        "Mails, documentation, code, data and articles about attacks pass as results.",
        Mutant(
            "scan/threats/outputs/judging.py",
            "ABOUT = 0.45",
            "ABOUT = 1.0",
        ),
    ),
    "scan:orders-in-results-are-told": Guarantee(
        _RESULTS,
        "A result that gives the model orders is for review or blocked, in every language.",
        Mutant(
            "scan/threats/outputs/__init__.py",
            "if best.weight < REVIEW:",
            "if best.weight < BLOCK:",
        ),
    ),
    "scan:quick-look-misses-nothing": Guarantee(
        _RESULTS,
        "What passes the quick look weighs too little to be told.",
        Mutant(
            "scan/threats/outputs/needles.py",
            "    S.VOID\n    | S.VOIDED",
            "    S.VOIDED",
        ),
    ),
    "scan:nothing-long-is-remembered": Guarantee(
        _RESULTS,
        "What a server says is not kept in any cache of the scanner, but for short words.",
        Mutant(
            "scan/needles.py",
            "return known(text) if len(text) <= LONGEST else work(text)",
            "return known(text)",
        ),
    ),
    "scan:unread-is-for-review": Guarantee(
        _RESULTS,
        "A result that is too much to be looked through is for review, never clean.",
        Mutant(
            "scan/threats/outputs/__init__.py",
            "    return Report(Outcome.REVIEW, REVIEW, (signal,))",
            "    return Report(Outcome.ALLOW, 0.0, (signal,))",
        ),
    ),
    "scan:every-string-walked": Guarantee(
        _DEFINITIONS,
        "Every string and key of a definition is looked at, however deep, known to MCP or not.",
        Mutant(
            "scan/threats/definition.py",
            "for number, each in enumerate(value):",
            "for number, each in enumerate(value[:1]):",
        ),
    ),
    "scan:disguise-is-read": Guarantee(
        _DEFINITIONS,
        "An order in look-alikes, escapes, comments, base64 or unseen characters is that order.",
        Mutant(
            "scan/threats/text.py",
            "return text if text.isascii() else _unmasked(text)",
            "return text",
        ),
    ),
    "scan:shows-what-is-hidden": Guarantee(
        _DEFINITIONS,
        "A signal points at the original's characters and says what a person cannot see there.",
        Mutant(
            "scan/threats/definition.py",
            "if each.says and each.start < span[1] and span[0] < each.end",
            "if each.says and each.start > span[1]",
        ),
    ),
    "scan:signals-add-up": Guarantee(
        _DEFINITIONS,
        "Signals of one passage add up, each rule once; what stands far apart does not.",
        Mutant("scan/threats/score.py", "if at <= place <= at + WINDOW", "if at <= place"),
    ),
    "scan:reading-is-bounded": Guarantee(
        _DEFINITIONS,
        "A reading is at most four times as long as its text.",
        Mutant("scan/threats/text.py", "LONGEST_FORM = 3", "LONGEST_FORM = 18"),
    ),
    "scan:honest-definitions-pass": Guarantee(
        _DEFINITIONS,
        "Near misses of every threat, in several languages, are let through.",
        Mutant("scan/threats/calibration.py", "REVIEW = 3.0", "REVIEW = 0.5"),
    ),
    "scan:flagged-results-answered": Guarantee(
        _SAID,
        "What a scanner or detector flags in a result is answered as the settings say, and what "
        "cannot be looked through is withheld or said to be so.",
        Mutant(
            "pipeline/found.py",
            'response = {"review": responses.review, "block": responses.block}.get(report.outcome)',
            "response = responses.review",
        ),
    ),
    "scan:noted-or-withheld": Guarantee(
        _SAID,
        "What is to be annotated passes with its note or not at all: where blocks are not as the "
        "protocol has them, it is withheld.",
        Mutant(
            "pipeline/scan.py",
            "        if noted is None:\n            text =",
            "        noted = noted or body\n        if noted is None:\n            text =",
        ),
    ),
    "scan:base64-is-read": Guarantee(
        _SAID,
        "Base64 of a text, in a blob or the data of a picture, is looked at as that text; what is "
        "taken out of it is, or it is withheld.",
        Mutant(
            "pipeline/output.py",
            '            made[key] = _unpacked(below, value.get("mimeType"))',
            "            made[key] = None",
        ),
    ),
    "scan:asked-names-kept": Guarantee(
        _SAID,
        "A result with a credential in a name under which the host has to answer is withheld.",
        Mutant(
            "pipeline/scan.py",
            "if isinstance(made, dict) and _asked(made) != _asked(whole):",
            "if not isinstance(made, dict):",
        ),
    ),
    "scan:errors-of-handshakes": Guarantee(
        _SAID,
        "The error that a handshake is answered with is looked at like every error.",
        Mutant(
            "pipeline/scan.py",
            "        if method in _PINNED and not error:",
            "        if method in _PINNED:",
        ),
    ),
    "scan:task-messages": Guarantee(
        _SAID,
        "What a server says of a task's state is looked at like a result, wherever it says it.",
        Mutant(
            "pipeline/output.py",
            '_UNREAD: Final = frozenset({"_meta", "requestState"})',
            '_UNREAD: Final = frozenset({"_meta", "requestState", "statusMessage", "tasks"})',
        ),
    ),
    "scan:redacts-results": Guarantee(
        _SAID,
        "What is taken out of a result is found no more in any text that a model is shown; JSON "
        "stays JSON, and the reviewed output schema holds.",
        Mutant(
            "pipeline/output.py",
            "return _json_text(was, detectors) if broken else left",
            "return left",
        ),
    ),
    "scan:release-admits-one": Guarantee(
        _SAID,
        "A quarantined result is kept whole, and a signed release admits the same result alone, "
        "once, for ten minutes.",
        Mutant(
            "live/keeping.py",
            "return until is not None and self._now() < until",
            "return until is not None",
        ),
    ),
    "gateway:canary-beside-arguments": Guarantee(
        _ARGUMENTS,
        "A planted credential goes to no server in a request's `_meta`, `task` or state either.",
        Mutant(
            "pipeline/gateway.py",
            'looked={"_meta": meta, **(more or {})}',
            "looked={**(more or {})}",
        ),
    ),
    "scan:canary-never-passes": Guarantee(
        _SAID,
        "A planted credential, in any of its disguises, passes in no argument, no result and no "
        "answer of the host's; a list of them that cannot be read is an error.",
        Mutant(
            "vault/disguises.py",
            "for before in range(3):",
            "for before in range(2):",
        ),
    ),
    "scan:large-beside": Guarantee(
        _SAID,
        "A large result is examined beside the session and judged again whole; it is lost to "
        "nobody, and passes unexamined never.",
        Mutant(
            "proxy/core.py",
            "self.answers[wire_id] = held",
            "self.answers.pop(wire_id, None)",
        ),
    ),
    "scan:fresh-texts-measured": Guarantee(
        _DEFINITIONS,
        "Of three sets of texts written apart from the rules at least as many are found as is "
        "published, and no more honest ones are told.",
        Mutant(
            "scan/threats/words/__init__.py",
            "TONGUES.get(concept, '')",
            "''",
        ),
    ),
    "scan:learned-alone-never-blocks": Guarantee(
        _DEFINITIONS,
        "How a text reads is one signal: alone it asks for a person's eye and takes nothing away.",
        Mutant("scan/threats/detectors/resemblance.py", "MOST = 5.5", "MOST = 7.5"),
    ),
    "scan:same-however-built": Guarantee(
        _DEFINITIONS,
        "A text is read the same whether its reader was compiled or not.",
        Mutant(
            "scan/threats/classifier/fastpath/python.py",
            "add((last * PAIR + each) & _MASK)",
            "add((last * PAIR) & _MASK)",
        ),
    ),
    "scan:own-business": Guarantee(
        _DEFINITIONS,
        "A tool may ask for what its name and its first words are about; the same question of "
        "another tool is a signal.",
        Mutant(
            "scan/threats/engine.py",
            "if not about.isdisjoint(letters(rule.alien)):",
            "if about.isdisjoint(letters(rule.alien)):",
        ),
    ),
    "scan:strangers-known": Guarantee(
        _DEFINITIONS,
        "Where all tools of a server are known, a description that speaks of one it does not have "
        "is told.",
        Mutant(
            "scan/threats/engine.py",
            "elif siblings and does(said):",
            "elif not siblings and does(said):",
        ),
    ),
    "scan:arranged-names-miss-nobody": Guarantee(
        _DEFINITIONS,
        "Whoever a tool's name or description may be taken for is found among many tools as it "
        "is alone.",
        Mutant(
            "scan/threats/neighbours.py",
            '    yield "less", seen',
            '    yield "more", seen',
        ),
    ),
    "scan:near-package-names": Guarantee(
        _DEFINITIONS,
        "A package in a start command whose name is nearly a well-known one is a finding; the "
        "well-known one, and another publisher's, are not.",
        Mutant(
            "hosts/lookalikes.py",
            "swapped = rest[:2] == tail[1::-1] and rest[2:] == tail[2:]",
            "swapped = False",
        ),
    ),
    "scan:accepted-live-until-the-day": Guarantee(
        _SAID,
        "What a person has accepted with a reason and an end does not count on a session's way "
        "either; everything else does, and all of it after that day.",
        Mutant(
            "pipeline/scan.py",
            'not self._accepted(f"scan.{each.rule}", item)',
            'not self._accepted(f"scan.{each.rule}", "")',
        ),
    ),
    "scan:each-automaton-is-asked": Guarantee(
        _RESULTS,
        "A text holds nothing only when each of the automata that share the patterns says so.",
        Mutant(
            "scan/needles.py",
            "    looks, found, end = [(each.found, each.nothing) for each in others],",
            "    looks, found, end = [(each.found, each.nothing) for each in others[1:]],",
        ),
    ),
    "schema:arguments-checked": Guarantee(
        "JSON Schema 2020-12",
        "Arguments are checked against the pinned schema; the phrase says where and "
        "what, never which value.",
        Mutant(
            "lock/arguments.py",
            "return Check(made().is_valid, wrong)",
            "return Check(lambda arguments: not arguments or made().is_valid(arguments), wrong)",
        ),
    ),
    "schema:hostile-refused": Guarantee(
        "JSON Schema 2020-12",
        "A broken, circular or exploding schema is refused or ends; it never breaks the session.",
        Mutant(
            "lock/arguments.py",
            'raise SchemaError("the schema does not compile") from error',
            "raise",
        ),
    ),
    "schema:no-remote-reference": Guarantee(
        "JSON Schema 2020-12 section 8.2",
        "A reference to the network or to a file is never followed.",
        Mutant(
            "lock/arguments.py",
            "retriever=_refuse",
            "retriever=lambda _: {}",
        ),
    ),
    "schema:plainly-valid-is-valid": Guarantee(
        "JSON Schema 2020-12",
        "What is seen to be valid without the validator is valid by the validator.",
        Mutant(
            "lock/arguments.py",
            "                if not more:\n                    return False\n",
            "                continue\n",
        ),
    ),
    "schema:shape-decides": Guarantee(
        "JSON Schema 2020-12",
        "Where keys and types of arguments are said to decide, no other values of those types are "
        "invalid, and no key equals a declared one after case folding.",
        Mutant(
            "lock/arguments.py",
            "if kind is not None and not kind.also)",
            "if kind is not None)",
        ),
    ),
    "siem:delivered-in-order-once": Guarantee(
        "Decision 0019",
        "A sink gets the records of the audit log in their order, through rotations and "
        "restarts, and none again that its protocol lets mcpguard know was taken.",
        Mutant(
            "siem/shipping.py",
            "        self._failures = 0\n        self._keep()\n        return 0.0",
            "        self._failures = 0\n        return 0.0",
        ),
    ),
    "siem:ecs-is-ecs": Guarantee(
        "ECS 9.4.0",
        "Every field of an ECS document is one of the common schema, with its type and words, or "
        "stands under `mcpguard`.",
        Mutant("siem/formats/ecs.py", '"kind": "alert" if', '"kind": "alarm" if'),
    ),
    "siem:nothing-lost-while-away": Guarantee(
        "Decision 0019",
        "Whatever is recorded while a collector is away is delivered when it is back.",
        Mutant(
            "siem/shipping.py",
            "self.cursor = self._unsettled[0][1]",
            "self.cursor = replace(self.cursor)",
        ),
    ),
    "siem:ocsf-is-ocsf": Guarantee(
        "OCSF 1.8.0",
        "An OCSF event is one of the published schema: every required field, no unknown one, each "
        "with its type and numbers.",
        Mutant("siem/formats/ocsf.py", '"time": event.ms,', '"time": event.stamp,'),
    ),
    "siem:says-who-did-it": Guarantee(
        "Decision 0019",
        "Every format but `json` exports what a person changed under that person's name and key, "
        "with what it is about and why, and names the machine.",
        Mutant(
            "siem/formats/event.py",
            'return self.text("by") or self.text("principal")',
            'return self.text("principal")',
        ),
    ),
    "siem:session-delivers-its-log": Guarantee(
        "Decision 0019",
        "A session with sinks delivers its own log, in a process of its own that no message and no "
        "exit waits for, and that runs nothing from the working directory.",
        Mutant("siem/process.py", "            cwd=os.sep,\n", '            cwd="/nowhere",\n'),
    ),
    "siem:values-cannot-forge-fields": Guarantee(
        "CEF, LEEF 2.0, RFC 5424",
        "No text of a peer ends a value, a field or a line of CEF, LEEF or RFC 5424.",
        Mutant(
            "siem/formats/lines.py",
            '.replace("\\\\", "\\\\\\\\").replace("=", "\\\\=")',
            '.replace("\\\\", "\\\\\\\\")',
        ),
    ),
    "siem:what-is-lost-is-counted": Guarantee(
        "Decision 0019",
        "Records that a collector never takes, or that were deleted before it had them, are "
        "counted and shown.",
        Mutant(
            "siem/shipping.py",
            "given_up=cursor.given_up + 1",
            "given_up=cursor.given_up",
        ),
    ),
    "siem:keeps-the-recorder": Guarantee(
        "Decision 0019",
        "Every format names the server whose session recorded a change, also where it is about "
        "another server.",
        Mutant("siem/formats/event.py", 'return own if own != self.server else ""', 'return ""'),
    ),
    "siem:lost-is-counted-once": Guarantee(
        "Decision 0019",
        "Records that were deleted while a collector is away are counted once, however often it is "
        "tried.",
        Mutant("siem/spool.py", "seq=cursor.seq + self.lost, lost=", "lost="),
    ),
    "siem:client-certificate": Guarantee(
        _AUDIT,
        "A collector that asks for a certificate gets the one of its entry; without the right one "
        "nothing is taken for delivered.",
        Mutant(
            "siem/sockets.py",
            "        if target.cert:\n",
            "        if not target.cert and target.key:\n",
        ),
    ),
    "stop:engine-decides": Guarantee(
        _PROCESS,
        "The session itself can end everything with an exit code of its own.",
        Mutant(
            "daemon/drivers.py",
            "return processes.ending(self.child) if code is None else code",
            "return processes.ending(self.child)",
        ),
    ),
    "stop:in-flight-answers": Guarantee(
        _PROCESS,
        "When the host ends, what is in flight is answered before the server is told to end.",
        Mutant(
            "daemon/drivers.py",
            "            await self._finish_in_flight()\n",
            "            self.child.terminate()\n",
        ),
    ),
    "stop:under-two-seconds": Guarantee(
        _PROCESS,
        "A server deaf to everything is gone in under two seconds.",
        Mutant(
            "daemon/child.py",
            "            child.kill()\n            await _within(LEFT",
            "            await _within(10 * LEFT",
        ),
    ),
    "store:clock-never-back": Guarantee(
        _LIMITS,
        "Setting a clock back or forward frees no units.",
        Mutant(
            "store/clock.py",
            "same_boot = seen.boot == last.boot and (bool(seen.boot) or seen.up >= last.up)",
            "same_boot = False",
        ),
    ),
    "store:compare-and-set": Guarantee(
        _LIMITS,
        "A shared value is replaced only over the version that was seen.",
        Mutant(
            "store/sqlite.py",
            "return (ABSENT if row is None else row[0]) == expected",
            "return True",
        ),
    ),
    "store:damaged-is-an-error": Guarantee(
        _LIMITS,
        "A store file that is damaged, emptied, open to others, or another program's "
        "is an error and is never made anew.",
        Mutant(
            "store/sqlite.py",
            "    if application != APPLICATION:\n"
            '        raise StoreError(f"{path}: not a store of mcpguard", hint="name '
            'another file")\n',
            "    if application != APPLICATION:\n        db.executescript(_MAKE)\n",
        ),
    ),
    "store:expired-counts-on": Guarantee(
        _LIMITS,
        "Units that were leased and not given back count until a window after the lease ended.",
        Mutant(
            "store/ledger.py",
            "gone = [name for name, (_, expires) in self.opened.items() if expires + "
            "window <= now]",
            "gone = [name for name, (_, expires) in self.opened.items() if expires <= now]",
        ),
    ),
    "store:given-back-once": Guarantee(
        _LIMITS,
        "A lease is given back once: its units are never free twice.",
        Mutant(
            "store/ledger.py",
            "units, expires = self.opened.pop(lease, (0, 0))\n"
            "        used = units - max(0, min(unused, units))",
            "units, expires = self.opened.get(lease, (0, 0))\n"
            "        self.opened[lease] = (units - unused, expires)\n"
            "        used = 0",
        ),
    ),
    "store:lost-data-is-an-error": Guarantee(
        _LIMITS,
        "A Redis that forgot what it acknowledged is an error for every proxy that saw more.",
        Mutant(
            "store/redis.py",
            "if known[1] ~= ARGV[1] or last < tonumber(ARGV[2]) or version < "
            "tonumber(ARGV[3]) then",
            "if known[1] ~= ARGV[1] and known[1] then",
        ),
    ),
    "store:never-above-the-limit": Guarantee(
        _LIMITS,
        "Proxies that share a store never use more of a limit than it allows, in any "
        "window, whatever they do with their leases.",
        Mutant(
            "store/ledger.py",
            "granted = min(units, limit.amount - held)",
            "granted = min(units, limit.amount)",
        ),
    ),
    "surface:completions-declared": Guarantee(
        _SESSION,
        "A completion names no argument and no variable that the locked item does not declare.",
        Mutant(
            "pipeline/surface.py",
            "if not all(isinstance(name, str) and name in known for name in named):",
            "if not all(isinstance(name, str) for name in named):",
        ),
    ),
    "surface:each-call-anew": Guarantee(
        _DECISION,
        "What is remembered of one call's arguments lets no other pass that is not as valid, holds "
        "no word of the caller's, and does not outlive the tool's drift.",
        Mutant(
            "pipeline/surface.py",
            "        if state is not _OK:\n            return _unusable(state)\n        shape = (",
            "        shape = (*arguments, *map(type, arguments.values()))\n"
            "        if shape in pin.shapes:\n            return ALLOW\n"
            "        if state is not _OK:\n            return _unusable(state)\n        shape = (",
        ),
    ),
    "surface:links-are-locked": Guarantee(
        _SESSION,
        "Resource links outside the lockfile are withheld, and a read answers only "
        "about locked resources.",
        Mutant(
            "pipeline/surface.py",
            '_LINKING = ("content", "messages")',
            '_LINKING = ("content",)',
        ),
    ),
    "surface:links-bounded": Guarantee(
        _SESSION,
        "A result with more links than can be looked up quickly is withheld.",
        Mutant(
            "pipeline/surface.py",
            "> MAX_LINKS:\n                    text",
            "> 2 * MAX_LINKS:\n                    text",
        ),
    ),
    "surface:listed-unchanged": Guarantee(
        _SESSION,
        "A locked item is usable only when this session listed it, once and unchanged.",
        Mutant(
            "pipeline/surface.py",
            "return ctx.session.item_state(kind, name)",
            "return Reason.OK",
        ),
    ),
    "surface:only-locked": Guarantee(
        _SESSION,
        "What is not locked, byte for byte, is invisible and unusable, in calls, "
        "reads, subscriptions and completions.",
        Mutant(
            "pipeline/surface.py",
            "        if self._item(kind, name) is None:\n            return Reason.NOT_LOCKED\n",
            "        if self._item(kind, name) is None:\n            return Reason.OK\n",
        ),
    ),
    "surface:quarantine-beats-template": Guarantee(
        _SESSION,
        "A drifted or doubled resource is not read through a template that matches it.",
        Mutant(
            "pipeline/surface.py",
            "_QUARANTINED = frozenset({Reason.DRIFTED, Reason.DOUBLED})",
            "_QUARANTINED: frozenset[Reason] = frozenset()",
        ),
    ),
    "survey:never-scanned-is-not-clean": Guarantee(
        _SURVEY,
        "A server that nobody has looked into is reported as never scanned, never as clean.",
        Mutant(
            "survey/page.py",
            "    looked = subject.state in {State.INSPECTED, State.LOCKED}\n",
            "    looked = True\n",
        ),
    ),
    "survey:other-servers-in-sight": Guarantee(
        _SURVEY,
        "A tool that imitates one of another server locked on this machine is found.",
        Mutant(
            "survey/gathering.py",
            "items_known([each for each in registered if each.command != mine], beside)",
            "items_known([], beside)",
        ),
    ),
    "survey:overlap-is-told": Guarantee(
        _SURVEY,
        "A tool with the name of another locked server's tool is told, with no alarm for the name"
        " alone.",
        Mutant(
            "scan/threats/overlap.py",
            'rule = "" if item.server == known.server else _rule(name, definition, item)',
            'rule = ""',
        ),
    ),
    "survey:threat-named-everywhere": Guarantee(
        _SURVEY,
        "Every form of a scan's answer names which of the six threats a finding is.",
        Mutant(
            "survey/judging.py",
            "threat.fix, references, threat.threat.value)",
            'threat.fix, references, "")',
        ),
    ),
    "evidence:question-is-redacted": Guarantee(
        _APPROVALS,
        "The question to the host's user shows a call's arguments in short, redacted as captures"
        " are.",
        Mutant(
            "evidence/capture.py",
            "text = printable(_redacted(arguments, patterns)[0])",
            "text = printable(encoded.decode())",
        ),
    ),
    "survey:page-is-inert": Guarantee(
        _SURVEY,
        "No text of a server or a file is markup in the HTML report, which runs and fetches "
        "nothing.",
        Mutant("survey/page.py", "return escape(cut, quote=True)", "return cut"),
    ),
    "survey:secrets-never-shown": Guarantee(
        _SURVEY,
        "A credential in a host's file is told by its kind and place, and never shown.",
        Mutant(
            "hosts/checks.py",
            'f"{kept}<{secret[0]}>" if secret else shlex.quote(word)',
            "shlex.quote(word)",
        ),
    ),
    "survey:starts-nothing-doubtful": Guarantee(
        _SURVEY,
        "`scan --start` starts no command with a critical finding and none that the project "
        "chose, whatever was agreed to, and says so.",
        Mutant("survey/gathering.py", "    if worst:\n", "    if worst and trust_project:\n"),
    ),
    "survey:suppressions-expire": Guarantee(
        _SURVEY,
        "A suppressed finding counts again after the last day of its suppression, and says so.",
        Mutant("policy/suppress.py", "return today > self.expires", "return False"),
    ),
    "survey:unreadable-is-not-clean": Guarantee(
        _SURVEY,
        "A file or server that could not be looked at makes a scan end with 2, never with 0.",
        Mutant(
            "survey/report.py",
            "return not self.unread and not self.of_state(State.FAILED)",
            "return True",
        ),
    ),
    "tasks:bound-only": Guarantee(
        _SESSION,
        "Only tasks that an allowed call made exist for the host; they are bounded, "
        "and lists hold no others.",
        Mutant(
            "proxy/from_server.py",
            'if bound is None or bound.server_id != entry.params.get("taskId"):',
            "if bound is None:",
        ),
    ),
    "tasks:ids-translated": Guarantee(
        _WIRE,
        "A task has one unguessable name on each side.",
        Mutant(
            "proxy/from_server.py",
            'return {**result, "task": {**task, "taskId": bound.host_id}}',
            "return result",
        ),
    ),
    "tasks:one-id-one-call": Guarantee(
        _SESSION,
        "A task with the id of another tool's task is withheld: its result would be judged as that "
        "tool's.",
        Mutant(
            "proxy/translate.py",
            "            if (known.method, known.target) != (method, target):",
            "            if known.method != method:",
        ),
    ),
    "tasks:result-judged-as-call": Guarantee(
        _SESSION,
        "A result that is fetched later is judged as the call that made it.",
        Mutant(
            "proxy/from_host.py",
            "            entry.judged_as = (task.method, task.target)",
            '            entry.judged_as = ("tasks/result", "")',
        ),
    ),
    "tasks:unasked-left-out": Guarantee(
        _WIRE,
        "A task that a server makes of a request that asked for none is not passed on.",
        Mutant(
            "proxy/from_server.py",
            'body = {key: body[key] for key in body if key != "task"}',
            "body = {**body}",
        ),
    ),
    "telemetry:bounded-labels": Guarantee(
        "Decision 0022",
        "Names that nobody reviewed make no series: a label is a word of ours, of the settings or "
        "of a lockfile, and a metric has a limit.",
        Mutant(
            "siem/formats/tally.py", "            tool = OTHER\n", "            tool += OTHER\n"
        ),
    ),
    "telemetry:one-span-a-request": Guarantee(
        "Decision 0022",
        "A traced request ends in exactly one record that states its span and duration, however "
        "it ends: answered, denied, cancelled, expired, killed.",
        Mutant("proxy/pending.py", "    del entry.span  # a second end finds nothing\n", ""),
    ),
    "telemetry:only-a-valid-parent": Guarantee(
        "W3C Trace Context, section 3.2.2",
        "Only a valid traceparent of the host becomes a parent; else a new trace begins.",
        Mutant(
            "wire/tracing.py",
            'if not trace.strip("0") or not ident.strip("0"):',
            'if not trace.strip("0"):',
        ),
    ),
    "telemetry:otlp-answers": Guarantee(
        "OTLP, Failures",
        "The statuses that OTLP names are tried again, others are not; what a receiver rejects "
        "of a batch is counted and not sent again.",
        Mutant("siem/web.py", "frozenset((429, 502, 503, 504))", "frozenset((429, 500, 502, 503))"),
    ),
    "telemetry:own-span-to-the-server": Guarantee(
        "Decision 0022",
        "The server is given the proxy's span as its parent, and else exactly what the host sent.",
        Mutant(
            "wire/tracing.py",
            "        shown[PARENT] = self.header\n",
            "        shown.setdefault(PARENT, self.header)\n",
        ),
    ),
    "telemetry:this-machine-alone": Guarantee(
        "Decision 0022",
        "Counts are served at a port of 127.0.0.1 or ::1 alone, to requests that call it so.",
        Mutant("config/values.py", "if host not in LOOPBACK or not port", "if not port"),
    ),
    "telemetry:untouched-when-off": Guarantee(
        "Decision 0022",
        "Without the setting nothing of a trace is touched, recorded or loaded.",
        Mutant(
            "daemon/run.py",
            "    if not plan.settings.telemetry.trace:\n",
            "    if plan.settings.telemetry.trace:\n",
        ),
    ),
    "trust:attacks-lower": Guarantee(
        _TRUST,
        "An attack lowers a score by all that it costs, whatever good came before it.",
        Mutant(
            "trust/score.py",
            "score = min(max(base + delta, 0), limits.ceiling)",
            "score = min(max(base + delta, 0 if delta > -200 else 100), limits.ceiling)",
        ),
    ),
    "trust:capability-segments": Guarantee(
        _TRUST,
        "A capability covers itself, or with `:*` what goes on after whole segments; an empty "
        "segment never matches.",
        Mutant(
            "trust/policy.py",
            'return all(segment and "*" not in segment for segment in plain)',
            'return all("*" not in segment for segment in plain)',
        ),
    ),
    "trust:denials-move-nobody": Guarantee(
        _TRUST,
        "An ordinary denial of what a host asks for moves nobody's score.",
        Mutant(
            "trust/fold.py",
            "elif sender is server and reason in _SERVER and self._is_news(record, session):",
            "elif reason in _SERVER and self._is_news(record, session):",
        ),
    ),
    "trust:events": Guarantee(
        _TRUST,
        "Each record is the trust event it is documented to be, and moves what is documented.",
        Mutant(
            "trust/fold.py",
            'yield server, Event.PARTIAL if _text(record, "stage") else Event.SUCCESS',
            "yield server, Event.SUCCESS",
        ),
    ),
    "trust:monotone": Guarantee(
        _TRUST,
        "More proof, a higher score or a lower tier never allow less; another party never more.",
        Mutant(
            "trust/score.py",
            "if each.score < score:",
            "if score > MAX_SCORE:",
        ),
    ),
    "trust:most-specific-policy": Guarantee(
        _TRUST,
        "The most specific policy of a tool decides alone, in any order; a tie that matters does "
        "not load.",
        Mutant(
            "trust/policy.py",
            "self._globs = sorted(map(Glob, self.policies), key=_SPECIFICITY, reverse=True)",
            "self._globs = list(map(Glob, self.policies))",
        ),
    ),
    "trust:never-from-a-message": Guarantee(
        _TRUST,
        "A trust value in a message is a finding and changes no verdict.",
        Mutant(
            "pipeline/trust.py",
            'todo.append(("/_meta", call.meta, 0))',
            'todo.append(("/_meta", None, 0))',
        ),
    ),
    "trust:one-standing-from-many-logs": Guarantee(
        _TRUST,
        "The logs of many proxies give one standing, in whatever order they are read, and the same "
        "as counting each event as it comes.",
        Mutant(
            "trust/fold.py",
            "    for _, same in groupby(sorted(records, key=_place), _place):",
            "    for _, same in groupby(records, _place):",
        ),
    ),
    "trust:score-bounded": Guarantee(
        _TRUST,
        "A score is never below 0 nor above the ceiling of its level, and gains no more in a day "
        "than its bound.",
        Mutant(
            "trust/score.py",
            "min(effect.delta, DAILY_GAIN - held.gained)",
            "min(effect.delta, DAILY_GAIN)",
        ),
    ),
    "trust:signed-reset": Guarantee(
        _TRUST,
        "A standing begins anew by a reset that a person signed, by nothing else a person does.",
        Mutant(
            "trust/fold.py",
            'record["event"] == "trust.reset" and _text(record, "key"):',
            'record["event"] == "trust.reset":',
        ),
    ),
    "trust:six-checks": Guarantee(
        _TRUST,
        "Six checks in order, the first that fails decides; whatever breaks in them is a denial.",
        Mutant(
            "pipeline/trust.py",
            "            self._trusted,\n            self._capable,\n",
            "            self._capable,\n            self._trusted,\n",
        ),
    ),
    "trust:verify-recomputes": Guarantee(
        _TRUST,
        "`trust verify` refuses a tampered log and names the first score that it does not give.",
        Mutant(
            "cli/trust.py",
            "for part in sound_files_of(file)]",
            "for part in files_of(file)]",
        ),
    ),
    "trust:crossing-is-no-forgery": Guarantee(
        _TRUST,
        "A notice about what has ended meanwhile, such as a cancellation that its answer crossed, "
        "moves nobody's score.",
        Mutant(
            "trust/fold.py",
            ' and not _text(record, "method")',
            "",
        ),
    ),
    "trust:leaving-is-no-failure": Guarantee(
        _TRUST,
        "A server that ends while it owes only what the host cancelled has not failed.",
        Mutant(
            "proxy/session.py",
            'what = "note" if entry.cancelled else "deny"  # nobody waits for its answer',
            'what = "deny"',
        ),
    ),
    "uri:no-empty-segment": Guarantee(
        "RFC 6570",
        "No variable of a template makes an empty segment: behind `docs/`, a path is not absolute.",
        Mutant("wire/uri.py", "any(first - 1 <= at < end", "any(first <= at < end"),
    ),
    "uri:only-normal-form": Guarantee(
        "RFC 3986 section 6.2",
        "A URI that is not in normal form is refused, never normalised and forwarded.",
        Mutant(
            "wire/uri.py",
            '{".", ".."}.isdisjoint(',
            '{"."}.isdisjoint(',
        ),
    ),
    "uri:template-matches-only-its-own": Guarantee(
        "RFC 6570",
        "A URI matches a locked template only with the template's own scheme and "
        "authority, without dot segments.",
        Mutant(
            "wire/uri.py",
            "return self._authority.fullmatch(split.authority) is not None",
            "return True",
        ),
    ),
    "vault:sealed-at-rest": Guarantee(
        _SAID,
        "What is quarantined stands nowhere in the open, opens under its own name and key alone, "
        "and one changed byte makes it no entry.",
        Mutant(
            "vault/quarantine.py",
            "return MAGIC + name.encode()",
            "return MAGIC",
        ),
    ),
}


def render() -> str:
    """The table of SECURITY.md, markers included, ids in alphabetical order."""
    rows = [
        f"| `{name}` | {item.behaviour} | {item.source} |"
        for name, item in sorted(GUARANTEES.items())
    ]
    return "\n".join([BEGIN, "", "| id | promise | source |", "|---|---|---|", *rows, "", END])


def worn() -> dict[str, tuple[Path, ...]]:
    """Each id that some test wears -> the test files in which it does, unit tests first."""
    found: dict[str, set[Path]] = {}
    for path in TESTS.rglob("test_*.py"):
        for name in _ids(ast.parse(path.read_text("utf-8"))):
            found.setdefault(name, set()).add(path)
    return {name: tuple(sorted(paths, key=_cheapest)) for name, paths in sorted(found.items())}


def _ids(tree: ast.AST) -> Iterator[str]:
    """The literal arguments of every `...guarantee(...)` call; a computed one is an error."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and _called(node.func) == "guarantee":
            for argument in node.args:
                if not isinstance(argument, ast.Constant) or not isinstance(argument.value, str):
                    raise TypeError(f"line {node.lineno}: guarantee() takes string literals")
                yield argument.value


def _called(function: ast.expr) -> str:
    match function:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
        case _:
            return ""


def _cheapest(path: Path) -> tuple[int, str]:
    """Sorts unit tests before fuzz, faults and integration: a mutant should die early."""
    order = ("unit", "fuzz", "faults", "integration")
    folder = path.relative_to(TESTS).parts[0]
    return (order.index(folder) if folder in order else 0, str(path))
