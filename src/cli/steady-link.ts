/** A connection that outlives the gateway at its other end, as far as that does no harm. */
import { setTimeout as delay } from "node:timers/promises";
import type { DescMessage, DescMethodStreaming, DescMethodUnary, MessageInitShape } from "@bufbuild/protobuf";
import { MethodOptions_IdempotencyLevel } from "@bufbuild/protobuf/wkt";
import {
  Code,
  ConnectError,
  type ContextValues,
  type StreamResponse,
  type Transport,
  type UnaryResponse,
} from "@connectrpc/connect";
import { createAsyncIterable } from "@connectrpc/connect/protocol";
import { ErrorInfoSchema } from "../gen/google/rpc/error_details_pb.js";
import { NoGatewayError } from "./errors.js";

/** One connection to one gateway. */
export interface Link {
  readonly transport: Transport;
  /** Where the gateway is, for people. */
  readonly target: string;
  /** Whether the gateway runs in this process. */
  readonly isOwn: boolean;
  /** Ends the connection, and the gateway if it is our own. */
  close(): Promise<void>;
}

export interface SteadyLinkOptions {
  /** Finds the gateway that serves by now, or opens one. */
  readonly relink: () => Promise<Link>;
  /** Told after each call which gateway it has reached, whatever the answer. */
  readonly onReached: (link: Link) => void;
  /** How long a gateway is looked for. An attempt that has begun by then is not cut. @default 5 s */
  readonly reachMs?: number;
}

const defaultReachMs = 5_000;
const pollMs = 50;

type Method = DescMethodUnary | DescMethodStreaming;

/**
 * Makes a call once more, at the next gateway, when the one it went to was closing and nothing can have been done.
 * Calls that run at the same time share the search.
 */
export class SteadyLink implements Transport {
  readonly #options: SteadyLinkOptions;
  #link: Promise<Link>;

  constructor(first: Link, options: SteadyLinkOptions) {
    this.#options = options;
    this.#link = Promise.resolve(first);
  }

  unary<I extends DescMessage, O extends DescMessage>(
    method: DescMethodUnary<I, O>,
    signal: AbortSignal | undefined,
    timeoutMs: number | undefined,
    header: HeadersInit | undefined,
    input: MessageInitShape<I>,
    contextValues?: ContextValues,
  ): Promise<UnaryResponse<I, O>> {
    return this.#reach(method, signal, (transport) =>
      transport.unary(method, signal, timeoutMs, header, input, contextValues),
    );
  }

  async stream<I extends DescMessage, O extends DescMessage>(
    method: DescMethodStreaming<I, O>,
    signal: AbortSignal | undefined,
    timeoutMs: number | undefined,
    header: HeadersInit | undefined,
    input: AsyncIterable<MessageInitShape<I>>,
    contextValues?: ContextValues,
  ): Promise<StreamResponse<I, O>> {
    // It can be read once only. ClientService streams nothing but answers: one message.
    const request: MessageInitShape<I>[] = [];
    for await (const message of input) request.push(message);
    return await this.#reach(method, signal, async (transport) => {
      const again = createAsyncIterable(request);
      const response = await transport.stream(method, signal, timeoutMs, header, again, contextValues);
      return { ...response, message: await withFirst(response.message) };
    });
  }

  async close(): Promise<void> {
    const link = await this.#link.catch(() => undefined);
    await link?.close();
  }

  async #reach<T>(
    method: Method,
    signal: AbortSignal | undefined,
    call: (transport: Transport) => Promise<T>,
  ): Promise<T> {
    const deadlineMs = performance.now() + (this.#options.reachMs ?? defaultReachMs);
    for (;;) {
      const before = this.#link;
      const link = await before;
      let failure: unknown;
      try {
        const answer = await call(link.transport);
        this.#options.onReached(link);
        return answer;
      } catch (error) {
        if (signal?.aborted === true) throw error;
        if (!hasDoneNothing(error, method)) {
          this.#options.onReached(link);
          throw error;
        }
        failure = error;
      }
      // Our own gateway closes with us: there is no next one.
      if (link.isOwn || performance.now() > deadlineMs) throw new NoGatewayError(link.target, failure);
      await delay(pollMs, undefined, signal === undefined ? {} : { signal });
      if (this.#link === before) this.#link = link.close().then(this.#options.relink);
    }
  }
}

/** Whether the call was not begun, or may be made twice and brought no answer. */
function hasDoneNothing(error: unknown, method: Method): boolean {
  if (!(error instanceof ConnectError)) return false;
  const [info] = error.findDetails(ErrorInfoSchema);
  if (info !== undefined) return info.reason === "DRAINING";
  const { code } = (error.cause ?? {}) as NodeJS.ErrnoException;
  if (code === "ENOENT" || code === "ECONNREFUSED") return true;
  // The request may have been read before the connection broke.
  if (code === "ECONNRESET" || code === "EPIPE") {
    return method.idempotency === MethodOptions_IdempotencyLevel.NO_SIDE_EFFECTS;
  }
  // A gateway that drains answers every request with 503, unread. Connect gives the status as text only.
  return error.code === Code.Unavailable && error.rawMessage === "HTTP 503";
}

/** Reads the first message at once: a refusal that comes in its place counts as one of the call. */
async function withFirst<T>(messages: AsyncIterable<T>): Promise<AsyncIterable<T>> {
  const iterator = messages[Symbol.asyncIterator]();
  const first = await iterator.next();
  return (async function* () {
    try {
      for (let next = first; next.done !== true; next = await iterator.next()) yield next.value;
    } finally {
      await iterator.return?.();
    }
  })();
}
