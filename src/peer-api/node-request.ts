import type { Agent, ClientRequest, IncomingMessage } from "node:http";
import type { Agent as TlsAgent } from "node:https";
import type { Duplex } from "node:stream";
import got, { type OptionsInit, type Request } from "got";
import type { CallOptions, TableForm } from "./contract.js";
import { Departure } from "./departure.js";
import { PeerError } from "./errors.js";
import { toPeerError } from "./failures.js";
import { maxHeaderBytes, type RouteLimit } from "./limits.js";
import { canceled, type NodeSockets } from "./sockets.js";

/** A complete answer, whatever its status. */
export interface NodeAnswer {
  readonly httpStatus: number;
  readonly contentType: string;
  readonly body: Buffer;
  readonly elapsedMs: number;
}

/**
 * Makes one request with got, held to one time limit and one size limit.
 *
 * No retry: GETs of this API have effects. No redirect: a node could point us at our own network. No decompression: a
 * small body could become a huge one. No cookies.
 *
 * @throws {PeerError}
 */
export async function request(
  url: string,
  sockets: NodeSockets,
  limit: RouteLimit,
  options: CallOptions,
  { form, agent = sockets.agent }: { readonly form?: TableForm; readonly agent?: Agent } = {},
): Promise<NodeAnswer> {
  const startMs = performance.now();
  // Whatever reason the caller gave: it is a cancellation.
  if (options.signal?.aborted === true) throw canceled({ wasSent: false });
  const stream = nodeGot.stream(url, gotOptions(agent, sockets.tlsAgent, options.signal, form));
  // Not got's time limit: it forgets a request that still waits for one of the two sockets.
  const timer = setTimeout(() => stream.destroy(outOfTime()), options.timeoutMs ?? limit.timeoutMs);
  const { response, body } = await readWhole(stream, limit.maxBodyBytes, options).finally(() =>
    clearTimeout(timer),
  );
  return {
    httpStatus: response.statusCode ?? 0,
    contentType: response.headers["content-type"] ?? "",
    body,
    elapsedMs: performance.now() - startMs,
  };
}

/** What every call has in common, settled once: got takes longer to settle options than to send a request. */
export const nodeGot = got.extend({
  headers: { "accept-encoding": "identity", "user-agent": "p2prc-gateway" },
  retry: { limit: 0 },
  followRedirect: false,
  decompress: false,
  throwHttpErrors: false,
  maxHeaderSize: maxHeaderBytes,
});

function gotOptions(
  agent: Agent,
  tlsAgent: TlsAgent,
  signal: AbortSignal | undefined,
  form: TableForm | undefined,
): OptionsInit & { isStream: true } {
  return {
    isStream: true,
    agent: { http: agent, https: tlsAgent },
    ...(form === undefined
      ? {}
      : { method: "POST", body: form.body, headers: { "content-type": form.contentType } }),
    ...(signal === undefined ? {} : { signal }),
  };
}

function readWhole(
  stream: Request,
  maxBodyBytes: number,
  { signal, onActivity }: CallOptions,
): Promise<{ response: IncomingMessage; body: Buffer }> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let size = 0;
    let response: IncomingMessage | undefined;
    const departure = new Departure();
    stream.once("request", (sent: ClientRequest) => departure.follow(sent));
    const fail = (error: unknown): void => {
      // Whatever reason the caller gave, and whatever the cut made of the stream: it is a cancellation.
      reject(toPeerError(signal?.aborted === true ? canceled() : error, { wasSent: departure.hasLeft }));
      stream.destroy();
    };
    stream.on("response", (head: IncomingMessage) => {
      response = head;
      onActivity?.();
      const refusal = refuseHead(head, maxBodyBytes);
      if (refusal !== undefined) fail(refusal);
    });
    stream.on("data", (chunk: Buffer) => {
      onActivity?.();
      size += chunk.length;
      if (size > maxBodyBytes) fail(tooLarge(response?.statusCode));
      else chunks.push(chunk);
    });
    stream.once("end", () => {
      if (response === undefined)
        fail(new PeerError("CONNECTION_RESET", "the connection ended without an answer"));
      else resolve({ response, body: Buffer.concat(chunks) });
    });
    stream.on("error", fail);
    // Nobody asked for another protocol, and HTTP has let go of the socket.
    stream.on("upgrade", (_head: IncomingMessage, socket: Duplex) => {
      socket.destroy();
      fail(new PeerError("CONNECTION_RESET", "the connection ended without an answer"));
    });
  });
}

/** Judges an answer by its head, so that a body which cannot be taken is not read. */
export function refuseHead(head: IncomingMessage, maxBodyBytes: number): PeerError | undefined {
  const encoding = head.headers["content-encoding"] ?? "identity";
  if (encoding.toLowerCase() !== "identity") {
    return new PeerError("BAD_BODY", "the answer is compressed, and nobody asked for that", {
      httpStatus: head.statusCode,
    });
  }
  return Number(head.headers["content-length"] ?? 0) > maxBodyBytes ? tooLarge(head.statusCode) : undefined;
}

export const tooLarge = (httpStatus: number | undefined): PeerError =>
  new PeerError("TOO_LARGE", "the answer is larger than the limit", { httpStatus });

/** Makes the error of a call whose time is over. */
export const outOfTime = (): PeerError => new PeerError("TIMEOUT", "no complete answer in time");

/** Takes an answer of status 200. @throws {PeerError} HTTP_STATUS */
export function requireOk(answer: { readonly httpStatus: number }): void {
  if (answer.httpStatus !== 200) {
    throw new PeerError("HTTP_STATUS", `the node answered with status ${answer.httpStatus}`, {
      httpStatus: answer.httpStatus,
    });
  }
}
