"""A client program on the official Python SDK (1.x or 2.x), driven by a script of steps.

    python python_client.py SCRIPT.json

SCRIPT: {"mode": "auto" | "legacy" | "session", "command": [...], "env": {...}, "cwd": "...",
"roots": ["file:///..."], "steps": [{"do": "...", ...}]}. Prints one JSON line for everything the program that uses the
SDK gets to see: the handshake, each step's outcome, each notification, each request it had to answer.
"""

import json
import sys
from collections import Counter
from contextlib import AsyncExitStack
from importlib.metadata import version

import anyio
import mcp
from mcp import ClientSession, StdioServerParameters
from mcp.client.stdio import stdio_client
from pydantic import AnyUrl, BaseModel, TypeAdapter

if version("mcp").startswith("1."):
    from mcp import types
    from mcp.shared.exceptions import McpError as MCPError

    V1 = True
else:
    import mcp_types as types
    from mcp.shared.exceptions import MCPError

    V1 = False

ANY = TypeAdapter(dict)
DEADLINE = 120.0
"""Seconds one step may take: a transcript that hangs says which step hung."""


def plain(value):
    if isinstance(value, BaseModel):
        return value.model_dump(by_alias=True, mode="json", exclude_unset=True)
    return value


class Transcript:
    """Prints, counts, and lets a step wait for an event."""

    def __init__(self):
        self.seen = Counter()
        self.changed = anyio.Event()

    def write(self, **line):
        sys.stdout.write(json.dumps(line, sort_keys=True) + "\n")
        sys.stdout.flush()

    def event(self, kind, method, params):
        self.write(event=kind, method=method, params=plain(params))
        self.seen[method] += 1
        self.changed.set()
        self.changed = anyio.Event()

    async def wait(self, method, count):
        while self.seen[method] < count:
            await self.changed.wait()


class Program:
    """Every step the script may name is one method."""

    def __init__(self, script):
        self.script = script
        self.log = Transcript()
        self.session = None
        self.client = None
        self.task_id = ""

    # what the server asks

    async def sampling(self, _context, params):
        self.log.event("request", "sampling/createMessage", params)
        return types.CreateMessageResult(
            role="assistant",
            content=types.TextContent(type="text", text="A fixed answer."),
            model="fixed-model",
            **({"stopReason": "endTurn"} if V1 else {"stop_reason": "endTurn"}),
        )

    async def elicitation(self, _context, params):
        self.log.event("request", "elicitation/create", params)
        if plain(params).get("mode") == "url":
            return types.ElicitResult(action="accept")
        return types.ElicitResult(action="accept", content=self.script.get("form", {}))

    async def roots(self, _context):
        self.log.event("request", "roots/list", None)
        found = [types.Root(uri=uri, name="work") for uri in self.script.get("roots", [])]
        return types.ListRootsResult(roots=found)

    async def logging(self, params):
        self.log.event("log", "notifications/message", params)

    async def message(self, message):
        notice = message.root if hasattr(message, "root") else message
        if isinstance(message, Exception):
            self.log.event("exception", type(message).__name__, str(message))
        elif getattr(notice, "method", "").startswith("notifications/"):
            if notice.method != "notifications/message":
                self.log.event("notification", notice.method, plain(notice).get("params"))

    # connecting

    def callbacks(self):
        found = {"logging_callback": self.logging, "message_handler": self.message}
        if self.script.get("answers", True):
            found["sampling_callback"] = self.sampling
            found["elicitation_callback"] = self.elicitation
            found["list_roots_callback"] = self.roots
        return found

    async def connect(self, stack):
        command, *rest = self.script["command"]
        server = StdioServerParameters(
            command=command, args=rest, env=self.script.get("env"), cwd=self.script.get("cwd")
        )
        if self.script["mode"] == "session":
            read, write = await stack.enter_async_context(stdio_client(server))
            self.session = await stack.enter_async_context(
                ClientSession(read, write, **self.callbacks())
            )
            self.log.write(handshake=plain(await self.session.initialize()))
            return
        level = {"log_level": self.script["log_level"]} if "log_level" in self.script else {}
        self.client = await stack.enter_async_context(
            mcp.Client(server, mode=self.script["mode"], cache=None, **level, **self.callbacks())
        )
        self.session = self.client.session
        self.log.write(
            handshake={
                "initialize": plain(self.session.initialize_result),
                "discover": plain(self.session.discover_result),
                "protocolVersion": self.session.protocol_version,
            }
        )

    # steps

    @property
    def api(self):
        return self.client or self.session

    async def do_ping(self, _step):
        return await self.session.send_ping()

    async def do_list_tools(self, _step):
        return await self.api.list_tools()

    async def do_list_prompts(self, _step):
        return await self.api.list_prompts()

    async def do_list_resources(self, _step):
        return await self.api.list_resources()

    async def do_list_templates(self, _step):
        return await self.api.list_resource_templates()

    async def do_call(self, step):
        more = {}
        if step.get("progress"):
            more["progress_callback"] = self.progress
        return await self.api.call_tool(step["name"], step.get("arguments", {}), **more)

    async def progress(self, progress, total, message):
        self.log.event("progress", "notifications/progress", [progress, total, message])

    async def do_cancel(self, step):
        """Call, and cancel at the first sign of progress."""
        with anyio.CancelScope() as scope:

            async def first(*seen):
                await self.progress(*seen)
                if V1:
                    params = types.CancelledNotificationParams(
                        requestId=self.session._request_id - 1, reason="changed my mind"
                    )
                    notice = types.CancelledNotification(params=params)
                    await self.session.send_notification(types.ClientNotification(notice))
                scope.cancel()

            await self.api.call_tool(step["name"], step["arguments"], progress_callback=first)
        return {"cancelled": scope.cancelled_caught}

    async def do_prompt(self, step):
        return await self.api.get_prompt(step["name"], step.get("arguments"))

    async def do_read(self, step):
        return await self.api.read_resource(AnyUrl(step["uri"]) if V1 else step["uri"])

    async def do_subscribe(self, step):
        return await self.session.subscribe_resource(AnyUrl(step["uri"]) if V1 else step["uri"])

    async def do_unsubscribe(self, step):
        return await self.session.unsubscribe_resource(AnyUrl(step["uri"]) if V1 else step["uri"])

    async def do_complete(self, step):
        if "prompt" in step:
            ref = types.PromptReference(type="ref/prompt", name=step["prompt"])
        else:
            ref = types.ResourceTemplateReference(type="ref/resource", uri=step["template"])
        more = {"context_arguments": step["context"]} if "context" in step else {}
        return await self.session.complete(ref, step["argument"], **more)

    async def do_log_level(self, step):
        return await self.session.set_logging_level(step["level"])

    async def do_roots_changed(self, _step):
        await self.session.send_roots_list_changed()
        return {}

    async def do_request(self, step):
        """Any request at all, known or not."""
        if V1:

            class Loose(types.Request[dict, str]):
                method: str
                params: dict

            request = types.ClientRequest.model_construct(
                root=Loose(method=step["method"], params=step.get("params", {}))
            )

            class Open(types.Result):
                pass

            return await self.session.send_request(request, Open)

        class Asked(types.Request[dict, str]):
            method: str
            params: dict

        return await self.session.send_request(
            Asked(method=step["method"], params=step.get("params", {})), ANY
        )

    async def do_task(self, step):
        """A call that runs as a task (1.x): its state, its result when it is done, its state then."""
        tasks = self.session.experimental
        made = await tasks.call_tool_as_task(step["name"], step["arguments"], ttl=60_000)
        ident = made.task.taskId
        found = {
            "made": made,
            "first": await tasks.get_task(ident),
            "result": await tasks.get_task_result(ident, types.CallToolResult),
            "last": await tasks.get_task(ident),
            "listed": await tasks.list_tasks(),
        }
        return {name: plain(value) for name, value in found.items()}

    async def do_task_cancel(self, step):
        tasks = self.session.experimental
        made = await tasks.call_tool_as_task(step["name"], step["arguments"], ttl=60_000)
        return {"made": plain(made), "cancelled": plain(await tasks.cancel_task(made.task.taskId))}

    async def do_await(self, step):
        await self.log.wait(step["method"], step.get("count", 1))
        return {}

    async def do_listen(self, step):
        """Open a subscriptions/listen stream, run the inner steps, show the events they caused."""
        seen = []
        async with self.client.listen(**step["filter"]) as stream:
            honored = plain(stream.honored)
            for inner in step["steps"]:
                await self.run(inner)
                if inner.get("expect_event"):
                    seen.append(repr(await anext(aiter(stream))))
        return {"honored": honored, "events": seen}

    async def run(self, step):
        try:
            with anyio.fail_after(DEADLINE):
                self.log.write(
                    step=step, result=plain(await getattr(self, f"do_{step['do']}")(step))
                )
        except MCPError as error:
            self.log.write(step=step, error=plain(error.error))
        except Exception as error:  # noqa: BLE001 - whatever the SDK raises is what its user sees
            self.log.write(step=step, raised=type(error).__name__, text=str(error)[:2000])

    async def main(self):
        async with AsyncExitStack() as stack:
            await self.connect(stack)
            for step in self.script["steps"]:
                await self.run(step)
        self.log.write(end=True)


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        script = json.load(file)
    anyio.run(Program(script).main)


main()
