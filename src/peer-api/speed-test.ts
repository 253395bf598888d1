/** GET /50 and GET /upload, streamed: nothing is held in memory. Source: shared protocol notes, "Server routes". */
import { randomBytes } from "node:crypto";
import type { ClientRequest, IncomingMessage } from "node:http";
import { PassThrough, Readable } from "node:stream";
import FormData from "form-data";
import type { OptionsInit, Request } from "got";
import type { Transfer, TransferOptions } from "./contract.js";
import { Departure, onceConnected } from "./departure.js";
import { PeerError } from "./errors.js";
import { toPeerError } from "./failures.js";
import { routeLimits, speedLimits } from "./limits.js";
import { nodeGot, outOfTime, refuseHead, requireOk, tooLarge } from "./node-request.js";
import { canceled, type NodeSockets } from "./sockets.js";

const chunkBytes = 64 * 1024;

/**
 * Reads a node's file until so many bytes have come, so much time has passed, or the file is over.
 *
 * @throws {PeerError}
 */
export async function download(
  url: string,
  sockets: NodeSockets,
  options: TransferOptions,
): Promise<Transfer> {
  const { maxBytes, maxDurationMs = speedLimits.defaultDurationMs, signal, onActivity } = options;
  if (signal?.aborted === true) throw canceled({ wasSent: false });
  const limit = limitsOf(options, routeLimits.download.timeoutMs);
  const stream = nodeGot.stream(url, gotOptions(sockets, signal));
  const timers = new Timers();
  try {
    return await new Promise((resolve, reject) => {
      const departure = new Departure();
      // Whatever the cut made of the streams: it is a cancellation.
      const fail = (error: unknown): void =>
        reject(toPeerError(signal?.aborted === true ? canceled() : error, { wasSent: departure.hasLeft }));
      stream.once("request", (request: ClientRequest) => departure.follow(request));
      let startMs = 0;
      let bytes = 0;
      const end = (): void => {
        if (startMs === 0) fail(outOfTime());
        else resolve(transferOf(bytes, performance.now() - startMs));
      };
      timers.add(end, limit.wholeMs);
      timers.add(() => startMs === 0 && end(), limit.firstByteMs);
      takeHead(stream, fail, onActivity);
      stream.on("data", (chunk: Buffer) => {
        onActivity?.();
        if (startMs === 0) {
          startMs = performance.now();
          timers.add(end, maxDurationMs);
        }
        bytes = Math.min(bytes + chunk.length, maxBytes);
        if (bytes === maxBytes) end();
      });
      stream.once("end", () => {
        // An empty file is a complete answer that says nothing of the line.
        if (startMs === 0) startMs = performance.now();
        end();
      });
    });
  } finally {
    timers.clear();
    stream.destroy();
  }
}

/**
 * Sends a node random bytes as the file of a form, until so many have gone or so much time has passed, closes the form,
 * and waits for the answer.
 *
 * @throws {PeerError}
 */
export async function upload(url: string, sockets: NodeSockets, options: TransferOptions): Promise<Transfer> {
  const { maxDurationMs = speedLimits.defaultDurationMs, signal, onActivity } = options;
  if (signal?.aborted === true) throw canceled({ wasSent: false });
  const limit = limitsOf(options, routeLimits.upload.timeoutMs);
  const timers = new Timers();
  const file = new UploadFile(options.maxBytes, maxDurationMs);
  const stream = nodeGot.stream(url, {
    ...gotOptions(sockets, signal),
    allowGetBody: true,
    body: file.body,
    // Node frames the body of a GET only when told how; chunked, because it may end early.
    headers: { "content-type": file.contentType, "transfer-encoding": "chunked" },
  });
  try {
    return await new Promise((resolve, reject) => {
      const departure = new Departure();
      // Whatever the cut made of the streams: it is a cancellation.
      const fail = (error: unknown): void =>
        reject(toPeerError(signal?.aborted === true ? canceled() : error, { wasSent: departure.hasLeft }));
      timers.add(() => fail(outOfTime()), limit.wholeMs);
      timers.add(() => !file.isFlowing && fail(outOfTime()), limit.firstByteMs);
      let sent: ClientRequest | undefined;
      stream.once("request", (request: ClientRequest) => {
        sent = request;
        departure.follow(request);
        onceConnected(request, () => {
          file.flow();
          timers.add(() => fail(outOfTime()), maxDurationMs + speedLimits.answerMs);
        });
      });
      file.body.on("error", fail);
      let transfer: Transfer | undefined;
      takeHead(stream, fail, onActivity, (head) => {
        const elapsedMs = performance.now() - file.startMs;
        // It may have sent that before a single byte arrived: no rate of the line.
        if (sent?.writableFinished !== true)
          fail(
            new PeerError("BAD_BODY", "answered before the body was taken", { httpStatus: head.statusCode }),
          );
        transfer = transferOf(file.bytes, elapsedMs);
      });
      let bodyBytes = 0;
      stream.on("data", (chunk: Buffer) => {
        onActivity?.();
        bodyBytes += chunk.length;
        if (bodyBytes > routeLimits.upload.maxBodyBytes) fail(tooLarge(200));
      });
      stream.once("end", () => {
        if (transfer === undefined)
          fail(new PeerError("CONNECTION_RESET", "the connection ended without an answer"));
        else resolve(transfer);
      });
    });
  } finally {
    timers.clear();
    stream.destroy();
    file.close();
  }
}

/** The form and its file: one random chunk again and again, made as fast as it leaves. */
class UploadFile {
  readonly body = new PassThrough({ highWaterMark: chunkBytes });
  readonly contentType: string;
  /** Of the file. */
  bytes = 0;
  startMs = 0;
  readonly #source: Readable;
  #flow: () => void = () => undefined;

  constructor(maxBytes: number, maxDurationMs: number) {
    const connected = new Promise<void>((resolve) => {
      this.#flow = resolve;
    });
    this.#source = Readable.from(this.#pieces(connected, maxBytes, maxDurationMs), {
      objectMode: false,
      highWaterMark: chunkBytes,
    });
    const form = new FormData();
    form.append("file", this.#source, { filename: "50.bin", contentType: "application/octet-stream" });
    this.contentType = form.getHeaders()["content-type"] as string;
    form.on("error", (error) => this.body.destroy(error));
    // Through a plain stream: got would ask a form for its length, which nobody knows yet.
    form.pipe(this.body);
  }

  get isFlowing(): boolean {
    return this.startMs > 0;
  }

  /** Begins, and starts the clock: until the connection stands nothing is made. */
  flow(): void {
    this.startMs = performance.now();
    this.#flow();
  }

  close(): void {
    this.#flow();
    this.#source.destroy();
    this.body.destroy();
  }

  async *#pieces(connected: Promise<void>, maxBytes: number, maxDurationMs: number): AsyncGenerator<Buffer> {
    const chunk = randomBytes(chunkBytes);
    await connected;
    while (this.bytes < maxBytes && performance.now() - this.startMs < maxDurationMs) {
      const piece = chunk.subarray(0, maxBytes - this.bytes);
      this.bytes += piece.length;
      yield piece;
    }
  }
}

/** Judges an answer by its head, which must be plain and of status 200. */
function takeHead(
  stream: Request,
  fail: (error: unknown) => void,
  onActivity: TransferOptions["onActivity"],
  take: (head: IncomingMessage) => void = () => undefined,
): void {
  stream.on("error", fail);
  stream.once("response", (head: IncomingMessage) => {
    onActivity?.();
    try {
      requireOk({ httpStatus: head.statusCode ?? 0 });
      const refusal = refuseHead(head, Number.POSITIVE_INFINITY);
      if (refusal !== undefined) throw refusal;
      take(head);
    } catch (error) {
      fail(error);
    }
  });
  // Nobody asked for another protocol, and HTTP has let go of the socket.
  stream.once("upgrade", (_head: IncomingMessage, socket: { destroy: () => unknown }) => {
    socket.destroy();
    fail(new PeerError("CONNECTION_RESET", "the connection ended without an answer"));
  });
}

function gotOptions(sockets: NodeSockets, signal: AbortSignal | undefined): OptionsInit & { isStream: true } {
  return {
    isStream: true,
    agent: { http: sockets.agent },
    ...(signal === undefined ? {} : { signal }),
  };
}

function limitsOf(
  { timeoutMs, maxDurationMs = speedLimits.defaultDurationMs }: TransferOptions,
  routeMs: number,
): { readonly wholeMs: number; readonly firstByteMs: number } {
  // Longer or shorter by as much as the caller lets bytes flow longer or shorter.
  const wholeMs = timeoutMs ?? routeMs + maxDurationMs - speedLimits.defaultDurationMs;
  return { wholeMs, firstByteMs: Math.min(wholeMs, speedLimits.firstByteMs) };
}

/** Bytes counted by time; too few say nothing of the line. */
function transferOf(bytes: number, elapsedMs: number): Transfer {
  const { enoughBytes, enoughMs, minBytes } = speedLimits;
  const isEnough = bytes >= minBytes && (bytes >= enoughBytes || elapsedMs >= enoughMs) && elapsedMs > 0;
  return { bytes, elapsedMs, ...(isEnough ? { megabitsPerSecond: (bytes * 8) / 1_000 / elapsedMs } : {}) };
}

class Timers {
  readonly #timers: NodeJS.Timeout[] = [];

  add(action: () => unknown, delayMs: number): void {
    this.#timers.push(setTimeout(action, delayMs));
  }

  clear(): void {
    for (const timer of this.#timers) clearTimeout(timer);
  }
}
