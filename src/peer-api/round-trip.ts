import { type IncomingMessage, request as httpRequest } from "node:http";
import type { PeerAddress } from "./contract.js";
import { Departure } from "./departure.js";
import { PeerError } from "./errors.js";
import { toPeerError } from "./failures.js";
import { maxHeaderBytes } from "./limits.js";
import { refuseHead, tooLarge } from "./node-request.js";
import type { NodeSockets } from "./sockets.js";

export interface RoundTrip {
  readonly httpStatus: number;
  readonly body: Buffer;
  readonly elapsedNs: number;
}

export interface RoundTripOptions {
  readonly maxBodyBytes: number;
  readonly onActivity?: (() => void) | undefined;
  /** Hands out what ends the request, for whoever owns the time limit. */
  readonly onRequest: (end: (error: PeerError) => void) => void;
}

/**
 * Makes one small GET and times it to the last byte.
 *
 * Plain node:http over the same sockets as got, because a crawl makes three of these per node and got costs about twice
 * the processor time there (`npm run bench` prints both). The rules are those of `node-request.ts`; the time limit is
 * the caller's, since it spans several round trips.
 *
 * A kept connection may have been closed by the node just now: then, and only before an answer began, the GET is made
 * once more. It has no effects.
 *
 * @throws {PeerError}
 */
export async function roundTrip(
  sockets: NodeSockets,
  address: PeerAddress,
  path: string,
  options: RoundTripOptions,
): Promise<RoundTrip> {
  const attempt = { reusedSocket: false, answered: false, departure: new Departure() };
  try {
    return await once(sockets, address, path, options, attempt);
  } catch (error) {
    const failure = toPeerError(error, { wasSent: attempt.departure.hasLeft });
    const wasStale = attempt.reusedSocket && !attempt.answered && failure.failure === "CONNECTION_RESET";
    if (!wasStale) throw failure;
    sockets.distrust(address);
    return await once(sockets, address, path, options, attempt);
  }
}

function once(
  sockets: NodeSockets,
  address: PeerAddress,
  path: string,
  options: RoundTripOptions,
  attempt: { reusedSocket: boolean; answered: boolean; readonly departure: Departure },
): Promise<RoundTrip> {
  return new Promise((resolve, reject) => {
    const startNs = process.hrtime.bigint();
    const request = httpRequest({
      agent: sockets.agent,
      host: address.host,
      port: address.port,
      path,
      headers: { "accept-encoding": "identity", "user-agent": "p2prc-gateway" },
      maxHeaderSize: maxHeaderBytes,
    });
    attempt.departure.follow(request);
    const fail = (error: unknown): void => reject(toPeerError(error, { wasSent: attempt.departure.hasLeft }));
    options.onRequest((error) => {
      request.destroy(error);
      // A request that still waits for a socket says nothing of its end.
      fail(error);
    });
    // Not once: a socket that is cut may report more than one error.
    request.on("error", (error) => {
      attempt.reusedSocket = request.reusedSocket;
      fail(error);
    });
    request.once("response", (response) => {
      attempt.answered = true;
      options.onActivity?.();
      readBody(response, options).then(
        (body) =>
          resolve({
            httpStatus: response.statusCode ?? 0,
            body,
            elapsedNs: Math.max(1, Number(process.hrtime.bigint() - startNs)),
          }),
        (error: unknown) => {
          request.destroy();
          fail(error);
        },
      );
    });
    // An answer that switches protocols is no response and no error: the connection just ends.
    request.once("close", () => {
      if (!attempt.answered)
        fail(new PeerError("CONNECTION_RESET", "the connection ended without an answer"));
    });
    request.end();
  });
}

async function readBody(response: IncomingMessage, options: RoundTripOptions): Promise<Buffer> {
  const refusal = refuseHead(response, options.maxBodyBytes);
  if (refusal !== undefined) throw refusal;
  return await new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let size = 0;
    response.on("data", (chunk: Buffer) => {
      options.onActivity?.();
      size += chunk.length;
      if (size > options.maxBodyBytes) reject(tooLarge(response.statusCode));
      else chunks.push(chunk);
    });
    response.once("end", () => resolve(Buffer.concat(chunks)));
    response.once("error", reject);
    response.once("close", () => {
      if (!response.complete) reject(new PeerError("CONNECTION_RESET", "the node cut the connection"));
    });
  });
}
