/**
 * Bugs planted from outside: doubles around the parts, never in `src`. Each belongs to an invariant that must catch it.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import type { IntentRecord, SecretRecord } from "../../../src/containers/records.js";
import type { Logger } from "../../../src/observability/logger.js";
import type { PeerApi } from "../../../src/peer-api/contract.js";
import type { Commit, CommitResult, RecordValue, StateStore } from "../../../src/store/contract.js";
import type { FailpointName } from "../../../src/system/failpoint.js";
import { MemoryStore } from "../memory-store.js";
import { roleOf } from "./kill-plan.js";
import type { SeenMessage } from "./history.js";
import type { TrafficApi } from "./traffic.js";

/** Where a bug sits. */
export interface Planted {
  readonly store?: (inner: StateStore, logger: Logger) => StateStore | Promise<StateStore>;
  readonly peerApi?: (inner: PeerApi) => PeerApi;
  /** Between the room and its callers. */
  readonly api?: (own: TrafficApi) => TrafficApi;
  /** Once, before anything is opened but the store. */
  readonly hook?: () => void;
  readonly beforeStart?: (store: StateStore, api: PeerApi) => Promise<void>;
}

type Put = Commit["put"][number];

/** A store whose commits lose something on the way. */
function spoiled(inner: StateStore, spoil: (commit: Commit) => Commit): StateStore {
  return withCommit(inner, (commit) => inner.commit(spoil(commit)));
}

const withCommit = (inner: StateStore, commit: StateStore["commit"]): StateStore => ({
  load: () => inner.load(),
  head: () => inner.head(),
  get: (key) => inner.get(key),
  changes: (after, signal) => inner.changes(after, signal),
  close: () => inner.close(),
  commit,
});

const without = (commit: Commit, drops: (put: Put) => boolean): Commit => ({
  ...commit,
  put: commit.put.filter((put) => !drops(put)),
});

const keeping = (commit: Commit, prefix: string): Commit => ({
  ...commit,
  delete: commit.delete.filter((key) => !key.startsWith(prefix)),
});

const has = (commit: Commit, prefix: string): boolean => commit.put.some(({ key }) => key.startsWith(prefix));
const stateOf = ({ value }: Put): unknown => value["state"];

/** Answers at once, and writes a little later. */
class EarlyStore extends MemoryStore {
  readonly #inner: StateStore;

  constructor(inner: StateStore) {
    super();
    this.#inner = inner;
  }

  override async commit(commit: Commit): Promise<CommitResult> {
    const result = await super.commit(commit);
    if (result.kind === "committed")
      setTimeout(() => void this.#inner.commit({ ...commit, expect: [] }), 60_000).unref();
    return result;
  }
}

/** Writes the first half, and is killed. */
const inHalves = (inner: StateStore): StateStore =>
  withCommit(inner, async (commit) => {
    if (!has(commit, "c/") || !has(commit, "s/")) return await inner.commit(commit);
    const put = commit.put.filter(({ key }) => key.startsWith("c/"));
    await inner.commit({ ...commit, put, delete: [] });
    process.kill(process.pid, "SIGKILL");
    return await new Promise<never>(() => undefined);
  });

function logging(inner: StateStore, logger: Logger): StateStore {
  return withCommit(inner, async (commit) => {
    logger.info({ put: commit.put }, "committed");
    return await inner.commit(commit);
  });
}

const watching = (
  own: TrafficApi,
  through: (messages: AsyncIterable<SeenMessage>, after: string) => AsyncIterable<SeenMessage>,
): TrafficApi => ({
  ...own,
  watch: (watcher, after, signal) => through(own.watch(watcher, after, signal), after),
});

async function* skipping(messages: AsyncIterable<SeenMessage>): AsyncGenerator<SeenMessage> {
  let count = 0;
  for await (const message of messages) if (message.type !== "CHANGES" || ++count % 5 !== 0) yield message;
}

async function* repeating(messages: AsyncIterable<SeenMessage>): AsyncGenerator<SeenMessage> {
  let count = 0;
  for await (const message of messages) {
    yield message;
    if (message.type === "CHANGES" && ++count % 5 === 0) yield message;
  }
}

/** Loses what was committed while nobody watched. */
async function* resumingLate(
  messages: AsyncIterable<SeenMessage>,
  after: string,
): AsyncGenerator<SeenMessage> {
  let isFirst = after !== "";
  for await (const message of messages) {
    if (!isFirst || message.type !== "CHANGES") yield message;
    if (message.type === "CHANGES") isFirst = false;
  }
}

/** The text goes into the file itself, as the original client writes it, and the process dies on the way. */
function writeInPlace(): void {
  const hook = globalThis as { p2prcFailpoint?: (name: FailpointName, subject: string) => void };
  const before = hook.p2prcFailpoint;
  let count = 0;
  hook.p2prcFailpoint = (name, subject) => {
    if (name === "replace.filled" && roleOf(subject) === "tracked" && ++count === 3) {
      const text = readFileSync(subject, "utf8");
      writeFileSync(join(dirname(subject), "trackcontainers.json"), text.slice(0, text.length / 2));
      process.kill(process.pid, "SIGKILL");
    }
    before?.(name, basename(subject));
  };
}

/** Takes a creation without outcome for one that was never sent. */
async function askAgain(store: StateStore, api: PeerApi): Promise<void> {
  for (const { key, value } of (await store.load()).records.values()) {
    if (!key.startsWith("i/")) continue;
    const { address, spec, state } = value as unknown as IntentRecord;
    if (state !== "PENDING") continue;
    const order = { ...spec, sshPublicKey: "" };
    await api.startContainer(address, order, {}).catch(() => undefined);
  }
}

const bare = (value: RecordValue): RecordValue => {
  const secret = value as unknown as SecretRecord;
  return { ...value, dockerVm: { ...(secret.dockerVm as RecordValue), Mystery: null } };
};

const planted = {
  "asks before the intent is written": {
    store: (inner) =>
      spoiled(inner, (commit) =>
        without(commit, (put) => put.key.startsWith("i/") && stateOf(put) === "PENDING"),
      ),
  },
  "tracks nothing once the id is known": {
    store: (inner) =>
      spoiled(inner, (commit) =>
        commit.delete.some((key) => key.startsWith("i/"))
          ? without(commit, ({ key }) => /^[cs]\//.test(key))
          : commit,
      ),
  },
  "answers before the commit is on the disk": { store: (inner) => new EarlyStore(inner) },
  "takes a refused removal for a removal": {
    store: (inner) =>
      spoiled(inner, (commit) => {
        const gone = commit.put.filter((put) => put.key.startsWith("c/") && stateOf(put) === "REMOVE_FAILED");
        const keys = gone.flatMap(({ key }) => [key, `s/${key.slice(2)}`, `m/${key.slice(2)}`]);
        const kept = without(commit, ({ key }) => keys.includes(key));
        return { ...kept, delete: [...kept.delete, ...keys] };
      }),
  },
  "asks a node twice": {
    peerApi: (inner) => ({
      ...inner,
      startContainer: async (...args) => {
        await inner.startContainer(...args).catch(() => undefined);
        return await inner.startContainer(...args);
      },
    }),
  },
  "asks again after a restart": { beforeStart: askAgain },
  "forgets request ids": {
    store: (inner) => spoiled(inner, (commit) => without(commit, ({ key }) => key.startsWith("r/"))),
  },
  "keeps a removed container": { store: (inner) => spoiled(inner, (commit) => keeping(commit, "c/")) },
  "leaves a removed container in its groups": {
    store: (inner) =>
      spoiled(inner, (commit) =>
        commit.delete.some((key) => key.startsWith("c/"))
          ? keeping(
              without(commit, ({ key }) => key.startsWith("g/")),
              "m/",
            )
          : commit,
      ),
  },
  "writes a commit in two halves": { store: inHalves },
  "writes a file in place": { hook: writeInPlace },
  "loses what others wrote": {
    store: (inner) =>
      spoiled(inner, (commit) => without(commit, ({ key }) => /^[cs]\/203\.0\.113\./.test(key))),
  },
  "changes what others wrote": {
    store: (inner) =>
      spoiled(inner, (commit) => ({
        ...commit,
        put: commit.put.map(({ key, value }) => ({
          key,
          value: key.startsWith("s/203.") ? bare(value) : value,
        })),
      })),
  },
  "skips a change for its watchers": { api: (own) => watching(own, skipping) },
  "repeats a change for its watchers": { api: (own) => watching(own, repeating) },
  "resumes a watcher too late": { api: (own) => watching(own, resumingLate) },
  "logs secrets": { store: logging },
  "leaves a timer behind": {
    peerApi: (inner) => ({
      ...inner,
      startContainer: async (...args) => {
        setInterval(() => undefined, 60_000);
        return await inner.startContainer(...args);
      },
    }),
  },
} as const satisfies Record<string, Planted>;

export type BugName = keyof typeof planted;
export const bugs: Readonly<Record<BugName, Planted>> = planted;
