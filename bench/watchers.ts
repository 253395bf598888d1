/** A thousand watchers: whether the last of them learns of a commit as early as one alone does, and what they weigh. */
import { type ClientHttp2Session, type ClientHttp2Stream, connect } from "node:http2";
import { create, toBinary } from "@bufbuild/protobuf";
import { WatchRequestSchema } from "../src/gen/p2prc/client/v1/watch_pb.js";
import { framed, frameHeadBytes, grpcHeaders } from "./raw-calls.js";
import { type ServedGateway, serveGateway } from "./served-gateway.js";
import { type BenchRow, rowOf } from "./table.js";

/** Watchers on one connection. */
const perConnection = 100;

interface Fed {
  /** From the first commit until the last watcher has the last one. */
  readonly lastDeliveryMs: number;
  readonly rssMib: number;
}

/** Commits come at a steady rate; the gateway has a core to itself as far as this machine has two. */
export async function benchWatchers(
  watchers: number,
  commits: number,
  commitsPerSecond: number,
  runs: number,
): Promise<BenchRow[]> {
  const alone: Fed[] = [];
  const together: Fed[] = [];
  for (let run = 0; run < runs; run += 1) {
    alone.push(await feed(1, commits, commitsPerSecond));
    together.push(await feed(watchers, commits, commitsPerSecond));
  }
  const of = (fed: readonly Fed[], key: keyof Fed): number[] => fed.map((one) => one[key]);
  const name = `${watchers} watchers, ${commitsPerSecond} commits/s`;
  const against = "one watcher";
  return [
    rowOf(
      { name: `${name}: first commit to last delivery`, unit: "ms", against, target: "<= 1.2" },
      of(together, "lastDeliveryMs"),
      of(alone, "lastDeliveryMs"),
    ),
    rowOf(
      { name: `${name}: gateway, resident`, unit: "MiB", against, target: "(stated)" },
      of(together, "rssMib"),
      of(alone, "rssMib"),
    ),
  ];
}

async function feed(watchers: number, commits: number, commitsPerSecond: number): Promise<Fed> {
  const gateway = await serveGateway({ flags: ["--look-interval", "0"] });
  const readers = await openReaders(gateway, watchers);
  try {
    // The first commits warm up.
    const warmUp = 5;
    await commitAtRate(gateway, warmUp, commitsPerSecond);
    await readers.haveRead(warmUp);
    const startMs = performance.now();
    await commitAtRate(gateway, commits, commitsPerSecond);
    await readers.haveRead(warmUp + commits);
    return { lastDeliveryMs: performance.now() - startMs, rssMib: await gateway.rssMib() };
  } finally {
    readers.close();
    await gateway.close();
  }
}

/** Each commit begins at its time, whether the one before is answered or not. */
async function commitAtRate({ client }: ServedGateway, count: number, perSecond: number): Promise<void> {
  const startMs = performance.now();
  const calls: Promise<unknown>[] = [];
  for (let index = 0; index < count; index += 1) {
    const dueMs = startMs + (index * 1_000) / perSecond;
    await new Promise((resolve) => setTimeout(resolve, Math.max(0, dueMs - performance.now())));
    calls.push(client.createGroup({}));
  }
  await Promise.all(calls);
}

interface Readers {
  /** Resolves when every watcher has read so many messages. */
  haveRead(messages: number): Promise<void>;
  close(): void;
}

/** Watchers that count gRPC messages and decode none: what a thousand programs would do must not be what is measured. */
async function openReaders({ url }: ServedGateway, count: number): Promise<Readers> {
  const sessions: ClientHttp2Session[] = [];
  const counters: MessageCounter[] = [];
  let failure: Error | undefined;
  let wake = (): void => undefined;
  for (let index = 0; index < count; index += 1) {
    if (index % perConnection === 0) sessions.push(connect(url));
    const session = sessions.at(-1);
    if (session === undefined) break;
    const stream = openWatch(session);
    const counter = new MessageCounter();
    counters.push(counter);
    stream.on("data", (piece: Buffer) => {
      counter.take(piece);
      wake();
    });
    stream.on("close", () => {
      failure = new Error("a watcher was cut off");
      wake();
    });
  }
  const haveRead = async (messages: number): Promise<void> => {
    while (counters.some(({ messageCount }) => messageCount < messages)) {
      if (failure !== undefined) throw failure;
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
    }
  };
  // The end of the empty initial state says that a watcher is there.
  await haveRead(1);
  return {
    haveRead: (messages) => haveRead(1 + messages),
    close: () => {
      for (const session of sessions) session.destroy();
    },
  };
}

function openWatch(session: ClientHttp2Session): ClientHttp2Stream {
  const stream = session.request(grpcHeaders("Watch"));
  stream.end(framed(toBinary(WatchRequestSchema, create(WatchRequestSchema, { sendInitialState: true }))));
  return stream;
}

/** Counts the messages in a body of gRPC: a byte, a length of four bytes, and so many bytes. */
class MessageCounter {
  messageCount = 0;
  #rest: Buffer = Buffer.alloc(0);

  take(piece: Buffer): void {
    this.#rest = this.#rest.length === 0 ? piece : Buffer.concat([this.#rest, piece]);
    while (this.#rest.length >= frameHeadBytes) {
      const end = frameHeadBytes + this.#rest.readUInt32BE(1);
      if (this.#rest.length < end) return;
      this.#rest = this.#rest.subarray(end);
      this.messageCount += 1;
    }
  }
}
