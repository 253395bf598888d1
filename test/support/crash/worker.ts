/**
 * The small process that is killed: a store, the room of containers, real calls to nodes, and callers. Started by
 * `workers.ts` with its job as argument; says on stdout what it came to.
 */
import { join } from "node:path";
import { openGatewayKey } from "../../../src/containers/keys/gateway-key.js";
import { openContainerService } from "../../../src/containers/service.js";
import { createRandom } from "../../../src/devnet/random.js";
import { openLogger } from "../../../src/observability/open-logger.js";
import { parseTypedAddress } from "../../../src/peer-api/address.js";
import { openPeerApi } from "../../../src/peer-api/peer-api.js";
import { RecordView } from "../../../src/store/view.js";
import { systemClock } from "../../../src/system/clock.js";
import { backendNamed } from "./backends.js";
import { type BugName, bugs, type Planted } from "./bugs.js";
import { lastRevisionOf, openHistory, readHistory, type WatcherName, watchers } from "./history.js";
import { type Leftovers, leftoversOf, restOf } from "./leftovers.js";
import { roomApi } from "./room-api.js";
import { runTraffic, runWatcher } from "./traffic.js";

export interface WorkerJob {
  readonly folder: string;
  readonly backend: string;
  readonly place: string;
  readonly historyPath: string;
  readonly nodes: readonly string[];
  readonly seed: number;
  /** By how much its wall clock is ahead: the process before ended so long ago. */
  readonly clockAheadMs: number;
  readonly round: string;
  readonly callers: number;
  readonly calls: number;
  /** Stays, once its callers are answered, until stdin ends; then ends in order. */
  readonly endsInOrder: boolean;
  readonly bug?: BugName;
}

/** Lines of stdout. */
export type WorkerWord =
  | { readonly word: "ready" }
  /** Every call is answered, and this is what was held before and is held now. */
  | { readonly word: "calm"; readonly before: Leftovers; readonly after: Leftovers };

const say = (word: WorkerWord): void => void process.stdout.write(`${JSON.stringify(word)}\n`);

const job = JSON.parse(process.argv[2] ?? "") as WorkerJob;
const planted: Planted = job.bug === undefined ? {} : bugs[job.bug];
const logger = openLogger("debug", process.stderr);
const newId = idsOf(job.round);
const clock = { ...systemClock, nowMs: () => Date.now() + job.clockAheadMs };
const draining = new AbortController();

const past = readHistory(job.historyPath);
const history = openHistory(job.historyPath);
const { isShared, open } = backendNamed(job.backend);
const opened = await open(job.place);
const store = (await planted.store?.(opened, logger)) ?? opened;
planted.hook?.();
const openApi = (): ReturnType<typeof openPeerApi> => planted.peerApi?.(openPeerApi()) ?? openPeerApi();
await planted.beforeStart?.(store, openApi());
const view = await RecordView.open(store, logger);
const ownKey = openGatewayKey({
  privateKeyPath: join(job.folder, "p2prc.privateKey"),
  publicKeyPath: join(job.folder, "p2prc.publicKey"),
  fallbackFolder: join(job.folder, ".p2prc"),
});
const tracking = join(job.folder, "client/trackcontainers");
const room = await openContainerService({
  store,
  view,
  clock,
  random: Math.random,
  logger,
  directory: {
    locate: async (node) => {
      const { host, port = 0 } = parseTypedAddress(node) ?? { host: "" };
      return await Promise.resolve({ address: { host, port }, isAsTyped: true });
    },
    allowsConnected: () => true,
  },
  openPeerApi: openApi,
  lookAtPort: () => Promise.reject(new Error("nobody looks at ports here")),
  livenessIntervalMs: 0,
  newId,
  ownPublicKey: async () => (await ownKey).publicKeyLine,
  gatewayId: job.round,
  isOwnerGone: () => true,
  ...(isShared ? { sharing: { journalPath: join(job.folder, ".p2prc", "seen.journal") } } : {}),
  trackingFiles: {
    containersPath: join(tracking, "trackcontainers.json"),
    groups: {
      plural: join(tracking, "grouptrackcontainers.json"),
      singular: join(tracking, "grouptrackcontainer.json"),
    },
    ledgerPath: join(job.folder, ".p2prc", "tracking.side.json"),
  },
  acceptsLoss: false,
  draining: draining.signal,
});
const own = roomApi(room);
const api = planted.api?.(own) ?? own;
const leaving = new AbortController();
const watching = (Object.keys(watchers) as WatcherName[]).map((watcher) =>
  runWatcher({ api, history }, watcher, lastRevisionOf(past, watcher), leaving.signal),
);
say({ word: "ready" });
const before = job.endsInOrder ? await restOf() : undefined;
await runTraffic({ ...job, api, history, past, random: createRandom(job.seed) });
if (before !== undefined) {
  say({ word: "calm", before, after: await leftoversOf(before) });
  process.stdin.resume();
  await new Promise((resolve) => process.stdin.once("end", resolve));
  leaving.abort();
  await Promise.all(watching);
  draining.abort();
  await room.close();
  await view.close();
  await store.close();
  history.close();
  process.exit(0);
}
// Whoever was to be killed on the way and was not: its starter finds out.
process.exit(70);

/** Ids that no other process of this state makes. */
function idsOf(round: string): () => string {
  let count = 0;
  return () => `${round.replaceAll(".", "-")}-${String(++count)}`;
}
