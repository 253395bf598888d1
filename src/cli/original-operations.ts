/** Carries out the original's flags: each is one or two calls of ClientService, and the original's JSON. */
import { Bandwidth_Mode } from "../gen/p2prc/client/v1/ip_table_pb.js";
import { isIPv6 } from "node:net";
import { loadConfig } from "../config/config.js";
import { configFlagsOf } from "./config-flags.js";
import { UsageError } from "./errors.js";
import { followCrawl, requireFinished } from "./follow-crawl.js";
import { listAllNodes } from "./list-nodes.js";
import { type OriginalFlag, type OriginalOperation, optionNameOf, originalFlags } from "./original-flags.js";
import { toOriginalImages, toOriginalSpecs, toOriginalTable } from "./original-shapes.js";
import { printJson } from "./print-json.js";
import { type GatewayClient, type Session, openSession } from "./session.js";
import type { Surroundings } from "./surroundings.js";
import { toConfigView } from "./view-config.js";

type Options = Readonly<Record<string, unknown>>;

interface Stage {
  /** Of the flag itself; empty for a switch. */
  readonly value: string;
  readonly options: Options;
  readonly surroundings: Surroundings;
  /** Opens the session when the first operation needs it. */
  readonly client: () => Promise<GatewayClient>;
}

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
    const host = textOption(options, "ip");
    if (host === undefined) throw new UsageError("--arn needs --ip HOST");
    const address = withPort(host, textOption(options, "p"));
    await (await client()).addNode({ address, replaceAll: true }, { signal });
    output.stdout.write("Success\n");
  },
} as const satisfies Record<OriginalOperation, (stage: Stage) => Promise<void>>;

/** Carries out every operation that was asked for, in the original's order. @returns false if there was none */
export async function runOriginal(options: Options, surroundings: Surroundings): Promise<boolean> {
  const asked = originalFlags.filter((flag) => flag.does in run && options[keyOf(flag)] !== undefined);
  requireCompany(asked, options);
  let session: Promise<Session> | undefined;
  const target = { gateway: textOption(options, "gateway"), flags: configFlagsOf(options) };
  const client = async (): Promise<GatewayClient> =>
    (await (session ??= openSession(target, surroundings))).client;
  try {
    for (const flag of asked) {
      const { [keyOf(flag)]: value } = options;
      const stage = { value: typeof value === "string" ? value : "", options, surroundings, client };
      await run[flag.does as OriginalOperation](stage);
    }
  } finally {
    await (await session?.catch(() => undefined))?.close();
  }
  return asked.length > 0;
}

/** Refuses flags that complete another one when that one is missing: they would do nothing, silently. */
function requireCompany(asked: readonly OriginalFlag[], options: Options): void {
  const isAsked = (...operations: OriginalOperation[]): boolean =>
    asked.some(({ does }) => operations.some((operation) => operation === does));
  if (textOption(options, "ip") !== undefined && !isAsked("addRootNode"))
    throw new UsageError("--ip belongs to --arn");
  if (textOption(options, "p") !== undefined && !isAsked("addRootNode", "addNode")) {
    throw new UsageError("-p belongs to --as or --arn");
  }
}

async function printIpTable(client: GatewayClient, { output, signal }: Surroundings): Promise<void> {
  printJson(output.stdout, toOriginalTable(await listAllNodes(client, signal)));
}

/** Joins address and port; without a port the gateway takes 8088. @throws {UsageError} there are two ports */
export function withPort(host: string, port: string | undefined): string {
  const bracketed = isIPv6(host) ? `[${host}]` : host;
  if (port === undefined) return bracketed;
  if (!/^[0-9]{1,5}$/.test(port)) throw new UsageError(`-p "${port}": not a port`);
  if (/^(?:\[[^\]]*\]|[^:[\]]+):/.test(bracketed))
    throw new UsageError(`"${host}" has a port, and -p ${port} names another`);
  return `${bracketed}:${port}`;
}

/** Its key among the options that commander parsed. */
const keyOf = optionNameOf;

function textOption(options: Options, spelling: string): string | undefined {
  const flag = originalFlags.find(({ spellings }) => spellings[0] === spelling);
  const value = options[flag === undefined ? spelling : keyOf(flag)];
  return typeof value === "string" ? value : undefined;
}
