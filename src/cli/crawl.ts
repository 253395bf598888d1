/** `p2prc crawl`: a crawl with every knob, for people and for scripts. */
import { type MessageInitShape, toJson } from "@bufbuild/protobuf";
import { type Command, Option } from "commander";
import {
  Bandwidth_Mode,
  type UpdateIpTableRequestSchema,
  type UpdateIpTableResponse,
  UpdateIpTableResponseSchema,
} from "../gen/p2prc/client/v1/ip_table_pb.js";
import { addConfigFlags, clientSettings, configFlagsOf, repeatable } from "./config-flags.js";
import { addressOf } from "./crawl-text.js";
import { type CrawlReport, followCrawl, requireFinished, requireValidated } from "./follow-crawl.js";
import { listAllNodes } from "./list-nodes.js";
import { readDuration, readWhole } from "./measures.js";
import { printJsonLine } from "./print-json.js";
import { printNodes } from "./print-table.js";
import { withSession } from "./session.js";
import type { Surroundings, TextSink } from "./surroundings.js";

interface CrawlFlags {
  readonly hops?: string;
  readonly concurrency?: string;
  readonly nodeTimeout?: string;
  readonly exchangeTimeout?: string;
  readonly sharedRows?: string;
  /** False with `--no-bandwidth`. */
  readonly bandwidth?: boolean;
  readonly seed?: readonly string[];
  readonly validateOnly?: boolean;
  readonly json?: boolean;
  readonly gateway?: string;
}

export function addCrawlFlags(command: Command): void {
  command
    .option("--hops <N>", "table look-ups away from the local table, 0..10 (default 3)")
    .option("--concurrency <N>", "visits at once, up to 1024 (default 256)")
    .option("--node-timeout <DURATION>", "one probe, such as 500ms (default 3s)")
    .option("--exchange-timeout <DURATION>", "one table exchange, such as 90s (default 60s)")
    .option("--shared-rows <N>", "rows of our table sent to each node, up to 4096 (default 16)")
    .option("--no-bandwidth", "download and upload are not measured")
    .addOption(
      repeatable(
        new Option("--seed <HOST:PORT>", "a node to start from besides the local table (repeatable)"),
      ),
    )
    .option("--validate-only", "only check, and print which nodes would be asked first; nobody is contacted")
    .option("--json", "print each event as a line of JSON in place of the table")
    .option("--gateway <URL>", "a gateway that runs; else the one of the base folder");
  addConfigFlags(command, clientSettings);
}

export async function runCrawl(
  options: Readonly<Record<string, unknown>>,
  surroundings: Surroundings,
): Promise<number> {
  const flags: CrawlFlags = options;
  const request = crawlRequestOf(flags);
  const { stdout } = surroundings.output;
  const session = { gateway: flags.gateway, flags: configFlagsOf(options) };
  await withSession(session, surroundings, async ({ client }) => {
    if (flags.json === true) {
      const print = (event: UpdateIpTableResponse): void =>
        printJsonLine(stdout, toJson(UpdateIpTableResponseSchema, event));
      requireEnd(flags, await followCrawl(client, request, surroundings, print));
      return;
    }
    if (flags.validateOnly === true) {
      requireEnd(
        flags,
        await followCrawl(client, request, surroundings, (event) => printFirst(stdout, event)),
      );
      return;
    }
    const report = await followCrawl(client, request, surroundings);
    printNodes(stdout, await listAllNodes(client, surroundings.signal));
    requireFinished(report);
  });
  return 0;
}

function requireEnd({ validateOnly }: CrawlFlags, report: CrawlReport): void {
  if (validateOnly === true) requireValidated(report);
  else requireFinished(report);
}

/** One address a line, in the order of the visits. */
function printFirst(stdout: TextSink, { event }: UpdateIpTableResponse): void {
  if (event.case === "nodeDiscovered") stdout.write(`${addressOf(event.value.node?.name ?? "")}\n`);
}

/** What is not given is left to the gateway. @throws {UsageError} */
function crawlRequestOf(flags: CrawlFlags): MessageInitShape<typeof UpdateIpTableRequestSchema> {
  const { hops, concurrency, nodeTimeout, exchangeTimeout, sharedRows, seed } = flags;
  return {
    ...(hops === undefined ? {} : { maxHops: readWhole("--hops", hops) }),
    ...(concurrency === undefined ? {} : { maxConcurrency: readWhole("--concurrency", concurrency) }),
    ...(nodeTimeout === undefined ? {} : { nodeTimeout: readDuration("--node-timeout", nodeTimeout) }),
    ...(exchangeTimeout === undefined
      ? {}
      : { exchangeTimeout: readDuration("--exchange-timeout", exchangeTimeout) }),
    ...(sharedRows === undefined ? {} : { maxSharedRows: readWhole("--shared-rows", sharedRows) }),
    bandwidth: { mode: flags.bandwidth === false ? Bandwidth_Mode.OFF : Bandwidth_Mode.MEASURE },
    seedAddresses: [...(seed ?? [])],
    validateOnly: flags.validateOnly === true,
  };
}
