/**
 * `p2prc demo`: a network of nodes and the gateway on this machine; over gRPC a crawl of it, then containers and a group.
 * Needs no internet.
 */
import type { Command } from "commander";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openApp } from "../app/app.js";
import { loadConfig } from "../config/config.js";
import { startDevnetProcess } from "../devnet/devnet-process.js";
import type { DevnetOptions, DevnetView } from "../devnet/contract.js";
import type { DevnetOptionText } from "../devnet/option-text.js";
import { Bandwidth_Mode } from "../gen/p2prc/client/v1/ip_table_pb.js";
import { silentLogger } from "../observability/logger.js";
import { failedNodeText } from "./crawl-text.js";
import { showContainers } from "./demo-containers.js";
import { addRuntimeFlags, readOptions, withDockerHost } from "./devnet.js";
import { judgeDemo } from "./demo-verdict.js";
import { OutcomeError } from "./errors.js";
import { followCrawl } from "./follow-crawl.js";
import { listAllNodes } from "./list-nodes.js";
import { durationOfMs } from "./measures.js";
import { printNodes, printSpecs, sortByLatency } from "./print-table.js";
import { connectToUrl, type GatewayClient } from "./session.js";
import { type Surroundings, untilAborted } from "./surroundings.js";

const network: DevnetOptions = {
  nodes: 40,
  delayMs: 20,
  bandwidthMbps: 200,
  uploadMbps: 100,
  seed: 7,
  faults: { refuse: 1, reset: 1, hang: 1, garbage: 1, "status500-exchange": 2 },
};
const maxHops = 3;
/** Shorter than the defaults: the hanging node is waited for, and answers here take milliseconds. */
const nodeTimeoutMs = 2_000;
const exchangeTimeoutMs = 5_000;
/** Enough for the nearest nodes. */
const maxBandwidthMs = 5_000;

/** With `--runtime docker` a Docker Engine runs the containers, and the demo logs in to them. */
export function addDemoFlags(command: Command): void {
  addRuntimeFlags(command).option("--keep", "leave the gateway and the nodes running until Ctrl-C");
}

/** @throws {OutcomeError} something was not as it should be; everything is cleaned up all the same */
export async function runDemo(
  options: Readonly<Record<string, unknown>>,
  surroundings: Surroundings,
): Promise<number> {
  const { output, cwd, env, signal } = surroundings;
  const { containers } = readOptions(withDockerHost(runtimeTextOf(options), env));
  const endings: (() => Promise<unknown>)[] = [];
  try {
    const baseDir = await mkdtemp(join(tmpdir(), "p2prc-demo-"));
    endings.push(() => rm(baseDir, { recursive: true, force: true }));
    const devnet = await startDevnetProcess({ ...network, containers });
    endings.push(() => devnet.close());
    const config = loadConfig({
      flags: { base: baseDir, listen: "127.0.0.1:0", allowCidr: ["127.0.0.0/8"], publicIp: "off" },
      env: {},
      cwd,
    });
    const app = await openApp({ config, logger: silentLogger, listen: true });
    endings.push(() => app.close());
    const url = app.url ?? "";
    const session = connectToUrl(url);
    endings.push(() => session.close());
    signal.throwIfAborted();
    output.stdout.write(
      `${devnet.nodes.length} nodes on loopback, port ${devnet.port}; gateway at ${url}\n\n`,
    );
    const nearest = await showNetwork(session.client, devnet, surroundings);
    const files = {
      ...config.original,
      ...(containers?.docker === undefined ? {} : { privateKeyPath: join(baseDir, ".p2prc", "id_ed25519") }),
    };
    await showContainers(session.client, devnet, nearest, files, surroundings);
    output.stdout.write(howToRepeat(url, devnet, options["keep"] === true));
    if (options["keep"] === true) await untilAborted(signal);
    return 0;
  } finally {
    for (const end of endings.reverse()) await end();
  }
}

/** Only what says who runs containers. */
const runtimeTextOf = ({ runtime, dockerSocket, dockerImage }: DevnetOptionText): DevnetOptionText => ({
  runtime,
  dockerSocket,
  dockerImage,
});

/** @returns the names of the nodes, nearest first */
async function showNetwork(
  client: GatewayClient,
  devnet: DevnetView,
  surroundings: Surroundings,
): Promise<readonly string[]> {
  const { output, signal } = surroundings;
  for (const address of devnet.entryAddresses) await client.addNode({ address }, { signal });
  const nodeTimeout = durationOfMs(nodeTimeoutMs);
  const exchangeTimeout = durationOfMs(exchangeTimeoutMs);
  const bandwidth = { mode: Bandwidth_Mode.MEASURE, maxDuration: durationOfMs(maxBandwidthMs) };
  const request = { maxHops, nodeTimeout, exchangeTimeout, bandwidth };
  const report = await followCrawl(client, request, surroundings);
  const nodes = sortByLatency(await listAllNodes(client, signal));
  printNodes(output.stdout, nodes);
  output.stdout.write(`\n${report.failures.length} steps failed:\n`);
  for (const failure of report.failures) output.stdout.write(`  ${failedNodeText(failure)}\n`);
  const complaints = judgeDemo({ devnet, report, nodes, maxHops });
  if (complaints.length > 0) throw new OutcomeError(`the demo went wrong: ${complaints.join("; ")}`);
  const nearest = nodes[0]?.name ?? "";
  const { specs } = await client.getSpecs({ node: nearest }, { signal });
  if (specs === undefined) throw new OutcomeError(`the demo went wrong: ${nearest} has no specs`);
  output.stdout.write(`\nspecs of ${nearest}:\n`);
  printSpecs(output.stdout, specs);
  return nodes.map(({ name }) => name);
}

/** Lines to paste into another terminal. */
function howToRepeat(url: string, { entryAddresses }: DevnetView, isKept: boolean): string {
  const service = "p2prc.client.v1.ClientService";
  const crawl = JSON.stringify({
    maxHops,
    nodeTimeout: `${nodeTimeoutMs / 1_000}s`,
    exchangeTimeout: `${exchangeTimeoutMs / 1_000}s`,
    bandwidth: { mode: "MODE_MEASURE", maxDuration: `${maxBandwidthMs / 1_000}s` },
  });
  const node = JSON.stringify({ node: entryAddresses[0] ?? "" });
  const watch = JSON.stringify({ sendInitialState: true });
  return `
The same by hand${isKept ? " (the gateway runs until Ctrl-C)" : ", while the gateway runs (\`p2prc demo --keep\`; it ends with this demo)"}:
  grpcurl -plaintext -d '${crawl}' ${new URL(url).host} ${service}/UpdateIpTable
  grpcurl -plaintext -d '${node}' ${new URL(url).host} ${service}/GetSpecs
  grpcurl -plaintext -d '${watch}' ${new URL(url).host} ${service}/Watch
  p2prc --gateway ${url} --tc
  curl -s -H 'Content-Type: application/json' -d '{}' ${url}/${service}/ListNodes
  curl -s -H 'Content-Type: application/json' -d '${node}' ${url}/${service}/GetSpecs
`;
}
