/** `p2prc run PLUGIN TARGET`, and what `--plugin` shares with it. */
import { type MessageInitShape, toJson } from "@bufbuild/protobuf";
import { type Command, Option } from "commander";
import {
  type RunPluginRequestSchema,
  RunPluginResponseSchema,
  type RunSummary,
  RunSummary_EndReason,
} from "../gen/p2prc/client/v1/plugin_pb.js";
import { configFlagsOf, repeatable } from "./config-flags.js";
import { OutcomeError, UsageError } from "./errors.js";
import { findContainer } from "./list-containers.js";
import { readDuration, readWhole } from "./measures.js";
import { plainText } from "./plain-text.js";
import { printJsonLine } from "./print-json.js";
import { runLines, summaryText } from "./run-text.js";
import { type GatewayClient, withSession } from "./session.js";
import type { Surroundings } from "./surroundings.js";
import { addGatewayFlags } from "./tracked.js";

type RunRequest = MessageInitShape<typeof RunPluginRequestSchema>;

interface RunFlags {
  readonly var?: readonly string[];
  readonly concurrency?: string;
  readonly maxFailures?: string;
  readonly timeout?: string;
  readonly resume?: string;
  readonly validateOnly?: boolean;
  readonly json?: boolean;
  readonly gateway?: string;
}

export function addRunFlags(command: Command): Command {
  command
    .addOption(repeatable(new Option("--var <NAME=VALUE>", "a variable of the playbook (repeatable)")))
    .option("--concurrency <N>", "containers worked on at once, up to 64 (default 10)")
    .option("--max-failures <N>", "start no other container after so many failures (default: try all)")
    .option("--timeout <DURATION>", "for the tasks of one container, such as 90s (default 10m)")
    .option("--resume <TOKEN>", "only the containers of an earlier run that have not gone well")
    .option("--validate-only", "only check, and say which containers and ports it would be")
    .option("--json", "print each event as a line of JSON");
  return addGatewayFlags(command);
}

/** @param target a container's id or name, a group's, or `filter:FILTER` */
export async function runRun(
  plugin: string,
  target: string,
  options: Readonly<Record<string, unknown>>,
  surroundings: Surroundings,
): Promise<number> {
  const flags: RunFlags = options;
  const { concurrency, maxFailures, timeout } = flags;
  const request: Omit<RunRequest, "$typeName" | "target"> = {
    plugin,
    variables: variablesOf(flags.var ?? []),
    failurePolicy: {
      maxConcurrency: concurrency === undefined ? 0 : readWhole("--concurrency", concurrency),
      maxFailureCount: maxFailures === undefined ? 0 : readWhole("--max-failures", maxFailures),
      ...(timeout === undefined ? {} : { targetTimeout: readDuration("--timeout", timeout) }),
    },
    resumeToken: flags.resume ?? "",
    validateOnly: flags.validateOnly === true,
  };
  const session = { gateway: flags.gateway, flags: configFlagsOf(options) };
  await withSession(session, surroundings, async ({ client }) => {
    const named = await targetOf(client, target, "TARGET", surroundings.signal);
    await followRun(client, { ...request, target: named }, flags.json === true, surroundings);
  });
  return 0;
}

/** Finds what somebody means by a text. @throws {UsageError}; {OutcomeError} no such container is tracked */
export async function targetOf(
  client: GatewayClient,
  typed: string,
  what: string,
  signal: AbortSignal,
): Promise<NonNullable<RunRequest["target"]>> {
  if (typed.startsWith("filter:")) return { case: "filter", value: typed.slice("filter:".length) };
  // As the original tells them apart.
  if (/^(?:groups\/)?grp/.test(typed)) return { case: "group", value: typed };
  return { case: "container", value: await findContainer(client, typed, what, signal) };
}

/**
 * Runs a plugin and shows each step: on stderr for people, as lines of JSON on stdout for programs.
 *
 * @throws {OutcomeError} a container did not go well, or the stream ended without its last event
 */
export async function followRun(
  client: GatewayClient,
  request: RunRequest,
  isJson: boolean,
  { output, signal }: Surroundings,
): Promise<void> {
  let summary: RunSummary | undefined;
  let resumeToken = "";
  for await (const response of client.runPlugin(request, { signal })) {
    if (isJson) printJsonLine(output.stdout, toJson(RunPluginResponseSchema, response));
    else for (const line of runLines(response)) output.stderr.write(`${line}\n`);
    if (response.event.case === "summary") summary = response.event.value;
    ({ resumeToken } = response);
  }
  if (summary === undefined) throw new OutcomeError("the stream of the run ended before the run did");
  if (summary.failedCount > 0 || summary.endReason === RunSummary_EndReason.INTERRUPTED)
    throw new OutcomeError(
      `${summaryText(summary)}; run again what failed: --resume ${plainText(resumeToken)}`,
    );
}

function variablesOf(given: readonly string[]): Record<string, string> {
  const pairs = given.map((text) => {
    const [, name, value] = /^([^=]+)=(.*)$/s.exec(text) ?? [];
    if (name === undefined) throw new UsageError(`--var "${text}": not NAME=VALUE`);
    return [name, value ?? ""];
  });
  return Object.fromEntries(pairs) as Record<string, string>;
}
