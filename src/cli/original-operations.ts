/** Carries out the original's flags: each is one or two calls of ClientService, and the original's JSON. */
import { loadConfig } from "../config/config.js";
import { Bandwidth_Mode } from "../gen/p2prc/client/v1/ip_table_pb.js";
import { configFlagsOf } from "./config-flags.js";
import { containerOperations } from "./container-operations.js";
import { UsageError } from "./errors.js";
import { followCrawl, requireFinished } from "./follow-crawl.js";
import { listAllNodes } from "./list-nodes.js";
import {
  flagOfSpelling,
  type OriginalFlag,
  type OriginalOperation,
  optionNameOf,
  originalFlags,
  shortSpelling,
} from "./original-flags.js";
import { toOriginalImages, toOriginalSpecs, toOriginalTable } from "./original-shapes.js";
import { isGiven, type Options, type Stage, textOption } from "./original-stage.js";
import { pluginOperations, requireRunForJson } from "./plugin-operations.js";
import { portOperations } from "./port-operations.js";
import { printJson } from "./print-json.js";
import { type GatewayClient, openSession, type Session } from "./session.js";
import type { Surroundings } from "./surroundings.js";
import { withPort } from "./typed-address.js";
import { toConfigView } from "./view-config.js";

/** The original measured download and upload with each update, until 2021. */
const measured = { bandwidth: { mode: Bandwidth_Mode.MEASURE } } as const;

const run = {
  updateIpTable: async ({ client, surroundings }) => {
    const report = await followCrawl(await client(), measured, surroundings);
    await printIpTable(await client(), surroundings);
    requireFinished(report);
  },
  listNodes: async ({ client, surroundings }) => printIpTable(await client(), surroundings),
  addNode: async ({ value, options, client, surroundings: { output, signal } }) => {
    const address = withPort(value, textOption(options, "p"));
    const { node } = await (await client()).addNode({ address }, { signal });
    // The original says nothing on stdout.
    output.stderr.write(`added ${node?.name ?? address}\n`);
  },
  listImages: async ({ value, client, surroundings: { output, signal } }) => {
    const { images } = await (await client()).listImages({ node: value }, { signal });
    printJson(output.stdout, toOriginalImages(images));
  },
  specs: async ({ value, client, surroundings: { output, signal } }) => {
    const { specs } = await (await client()).getSpecs({ node: value }, { signal });
    if (specs !== undefined) printJson(output.stdout, toOriginalSpecs(specs));
  },
  viewConfig: ({ options, surroundings: { output, env, cwd } }) => {
    if (options["gateway"] !== undefined)
      throw new UsageError("--vc shows this machine's configuration: --gateway has no part in it");
    printJson(output.stdout, toConfigView(loadConfig({ flags: configFlagsOf(options), env, cwd })));
    return Promise.resolve();
  },
  addRootNode: async ({ options, client, surroundings: { output, signal } }) => {
    const address = withPort(textOption(options, "ip") ?? "", textOption(options, "p"));
    await (await client()).addNode({ address, replaceAll: true }, { signal });
    output.stdout.write("Success\n");
  },
  ...containerOperations,
  ...pluginOperations,
  ...portOperations,
} as const satisfies Record<OriginalOperation, (stage: Stage) => Promise<void>>;

/** Carries out every operation that was asked for, in the original's order. @returns false if there was none */
export async function runOriginal(options: Options, surroundings: Surroundings): Promise<boolean> {
  const given = originalFlags.filter((flag) => options[optionNameOf(flag)] !== undefined);
  requireCompany(given, options);
  requireRunForJson(
    options,
    given.some(({ does }) => does === "runPlugin"),
  );
  const asked = given.filter(({ does }) => does in run);
  let session: Promise<Session> | undefined;
  const target = { gateway: optionalText(options["gateway"]), flags: configFlagsOf(options) };
  const client = async (): Promise<GatewayClient> =>
    (await (session ??= openSession(target, surroundings))).client;
  try {
    for (const flag of asked) {
      const value = optionalText(options[optionNameOf(flag)]) ?? "";
      await run[flag.does as OriginalOperation]({ value, options, surroundings, client });
    }
  } finally {
    await (await session?.catch(() => undefined))?.close();
  }
  return asked.length > 0;
}

/**
 * Refuses flags that miss the ones they go with, and those that two operations would read differently.
 *
 * @throws {UsageError} before anything is done
 */
function requireCompany(given: readonly OriginalFlag[], options: Options): void {
  for (const flag of given) {
    const missing = flag.needs?.find((spelling) => !isGiven(options, spelling));
    if (missing !== undefined) throw new UsageError(`${shortSpelling(flag)} needs ${usageOf(missing)}`);
  }
  for (const flag of given) {
    if (flag.completes === undefined) continue;
    const completed = given.filter(({ does }) => flag.completes?.some((operation) => operation === does));
    if (completed.length === 0)
      throw new UsageError(`${shortSpelling(flag)} belongs to ${spelled(flagsOf(flag.completes), "or")}`);
    // --as and --arn read the same port; how many ports --touch wants is another matter, as is what --rm removes.
    const isTwofold = completed.some(({ does }) =>
      ["createContainer", "removeContainer", "runPlugin"].includes(does),
    );
    if (completed.length > 1 && isTwofold)
      throw new UsageError(`${shortSpelling(flag)} goes with only one of ${spelled(completed, "and")}`);
  }
}

const flagsOf = (operations: readonly OriginalOperation[]): readonly OriginalFlag[] =>
  operations.flatMap((operation) => originalFlags.filter(({ does }) => does === operation));

/** `--ip HOST`. */
function usageOf(spelling: string): string {
  const flag = flagOfSpelling(spelling);
  return [shortSpelling(flag), ...(flag.argument === undefined ? [] : [flag.argument])].join(" ");
}

/** `--as, --arn or --touch`. */
function spelled(flags: readonly OriginalFlag[], joint: string): string {
  const names = flags.map(shortSpelling);
  const last = names.pop() ?? "";
  return names.length === 0 ? last : `${names.join(", ")} ${joint} ${last}`;
}

async function printIpTable(client: GatewayClient, { output, signal }: Surroundings): Promise<void> {
  printJson(output.stdout, toOriginalTable(await listAllNodes(client, signal)));
}

const optionalText = (value: unknown): string | undefined => (typeof value === "string" ? value : undefined);
