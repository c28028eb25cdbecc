// A client program on the official TypeScript SDK, driven by a script of steps.
//
//     NODE_MODULES=... node typescript_client.cjs SCRIPT.json
//
// The script and the output are those of python_client.py; "mode": "v1" is @modelcontextprotocol/sdk, "v2" is
// @modelcontextprotocol/client in its default mode.
const { createRequire } = require("node:module");
const { readFileSync } = require("node:fs");

const script = JSON.parse(readFileSync(process.argv[2], "utf8"));
const load = createRequire(process.env.NODE_MODULES + "/loader.js");
const V1 = script.mode === "v1";
const DEADLINE = 60000; // milliseconds a step may take

// The v2 client talks on the console about lists a server does not have: stdout belongs to the transcript.
for (const level of ["debug", "info", "log", "warn"]) console[level] = console.error;

const seen = new Map();
const waiters = [];
const sorted = (value) =>
    Array.isArray(value) ? value.map(sorted)
    : value && typeof value === "object"
        ? Object.fromEntries(Object.keys(value).sort().map((key) => [key, sorted(value[key])]))
    : value;
const write = (line) => process.stdout.write(JSON.stringify(sorted(line)) + "\n");

function event(kind, method, params) {
    write({ event: kind, method, params: params ?? null });
    seen.set(method, (seen.get(method) ?? 0) + 1);
    for (const wake of waiters.splice(0)) wake();
}

async function waitFor(method, count) {
    while ((seen.get(method) ?? 0) < count) await new Promise((wake) => waiters.push(wake));
}

const answers = {
    "sampling/createMessage": () => ({
        role: "assistant", content: { type: "text", text: "A fixed answer." },
        model: "fixed-model", stopReason: "endTurn",
    }),
    "elicitation/create": (params) =>
        params.mode === "url" ? { action: "accept" } : { action: "accept", content: script.form ?? {} },
    "roots/list": () => ({ roots: (script.roots ?? []).map((uri) => ({ uri, name: "work" })) }),
};

function declared() {
    if (script.answers === false) return {};
    return { sampling: {}, elicitation: { form: {}, url: {} }, roots: { listChanged: true } };
}

function makeClient() {
    if (V1) {
        const { Client } = load("@modelcontextprotocol/sdk/client/index.js");
        const { StdioClientTransport } = load("@modelcontextprotocol/sdk/client/stdio.js");
        const types = load("@modelcontextprotocol/sdk/types.js");
        const client = new Client({ name: "script", version: "1" }, { capabilities: declared() });
        const schemas = {
            "sampling/createMessage": types.CreateMessageRequestSchema,
            "elicitation/create": types.ElicitRequestSchema,
            "roots/list": types.ListRootsRequestSchema,
        };
        return { client, StdioClientTransport, types, key: (method) => schemas[method] };
    }
    const { Client } = load("@modelcontextprotocol/client");
    const { StdioClientTransport } = load("@modelcontextprotocol/client/stdio");
    const client = new Client(
        { name: "script", version: "1" },
        { capabilities: declared(), versionNegotiation: { mode: script.negotiation ?? "auto" } },
    );
    return { client, StdioClientTransport, types: null, key: (method) => method };
}

const { client, StdioClientTransport, types, key } = makeClient();

function progress(update) {
    event("progress", "notifications/progress", update);
}

const request = (method, params) =>
    V1 ? client.request({ method, params }, types.ResultSchema.passthrough())
       : client.request({ method, params }, { "~standard": { version: 1, vendor: "open", validate: (value) => ({ value }) } });

async function task(step) {
    const tasks = client.experimental.tasks;
    const made = await request("tools/call", { name: step.name, arguments: step.arguments, task: { ttl: 60000 } });
    const id = made.task.taskId;
    const first = await tasks.getTask(id);
    const result = await tasks.getTaskResult(id, types.CallToolResultSchema);
    return { made, first, result, last: await tasks.getTask(id), listed: await tasks.listTasks() };
}

async function taskCancel(step) {
    const made = await request("tools/call", { name: step.name, arguments: step.arguments, task: { ttl: 60000 } });
    return { made, cancelled: await client.experimental.tasks.cancelTask(made.task.taskId) };
}

async function cancel(step) {
    const controller = new AbortController();
    const onprogress = (update) => { progress(update); controller.abort("changed my mind"); };
    const options = { onprogress, signal: controller.signal };
    const params = { name: step.name, arguments: step.arguments };
    try {
        return await (V1 ? client.callTool(params, undefined, options) : client.callTool(params, options));
    } catch (error) {
        return { cancelled: String(error) };
    }
}

const camel = (filter) =>
    Object.fromEntries(Object.entries(filter).map(([key, value]) => [key.replace(/_([a-z])/g, (_, c) => c.toUpperCase()), value]));

// Open a subscriptions/listen stream, run the inner steps, wait for the events they cause.
async function listen(step) {
    const stream = await client.listen(camel(step.filter));
    let wanted = 0;
    for (const inner of step.steps) {
        const before = [...seen.values()].reduce((sum, count) => sum + count, 0);
        wanted = before + (inner.expect_event ? 1 : 0);
        await run(inner);
        while ([...seen.values()].reduce((sum, count) => sum + count, 0) < wanted)
            await new Promise((wake) => waiters.push(wake));
    }
    await stream.close();
    return { honored: stream.honoredFilter ?? stream.honored ?? null };
}

const steps = {
    listen,
    ping: () => client.ping(),
    list_tools: () => client.listTools(),
    list_prompts: () => client.listPrompts(),
    list_resources: () => client.listResources(),
    list_templates: () => client.listResourceTemplates(),
    call: (step) => {
        const options = step.progress ? { onprogress: progress } : undefined;
        const params = { name: step.name, arguments: step.arguments ?? {} };
        return V1 ? client.callTool(params, undefined, options) : client.callTool(params, options);
    },
    cancel,
    prompt: (step) => client.getPrompt({ name: step.name, arguments: step.arguments }),
    read: (step) => client.readResource({ uri: step.uri }),
    subscribe: (step) => client.subscribeResource({ uri: step.uri }),
    unsubscribe: (step) => client.unsubscribeResource({ uri: step.uri }),
    complete: (step) => client.complete({
        ref: step.prompt ? { type: "ref/prompt", name: step.prompt } : { type: "ref/resource", uri: step.template },
        argument: step.argument,
        ...(step.context ? { context: { arguments: step.context } } : {}),
    }),
    log_level: (step) => client.setLoggingLevel(step.level),
    roots_changed: async () => { await client.sendRootsListChanged(); return {}; },
    request: (step) => request(step.method, step.params ?? {}),
    task,
    task_cancel: taskCancel,
    await: async (step) => { await waitFor(step.method, step.count ?? 1); return {}; },
};

const timeout = () => new Promise((_, reject) => setTimeout(() => reject(new Error("step timed out")), DEADLINE).unref());

async function run(step) {
    try {
        write({ step, result: (await Promise.race([steps[step.do](step), timeout()])) ?? null });
    } catch (error) {
        if (error.code !== undefined && Number.isInteger(error.code))
            write({ step, error: { code: error.code, message: error.message, data: error.data ?? null } });
        else write({ step, raised: error.name, text: String(error.message).slice(0, 2000) });
    }
}

async function main() {
    if (script.answers !== false)
        for (const [method, answer] of Object.entries(answers))
            client.setRequestHandler(key(method), (asked) => {
                event("request", method, asked.params);
                return answer(asked.params);
            });
    client.fallbackNotificationHandler = async (notice) => event("notification", notice.method, notice.params);
    client.onerror = (error) => write({ event: "exception", method: error.name, params: error.message });
    const [command, ...args] = script.command;
    const transport = new StdioClientTransport({ command, args, env: script.env, cwd: script.cwd, stderr: "inherit" });
    await client.connect(transport);
    write({ handshake: {
        serverInfo: client.getServerVersion() ?? null, capabilities: client.getServerCapabilities() ?? null,
        instructions: client.getInstructions() ?? null,
        protocolVersion: V1 ? null : client.getNegotiatedProtocolVersion?.() ?? null,
    } });
    for (const step of script.steps) await run(step);
    await client.close();
    write({ end: true });
}

main();
