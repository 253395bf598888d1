import type { ServerResponse } from "node:http";
import { constants, type Http2ServerResponse } from "node:http2";
import type { GatewayLimits } from "./limits.js";

export type NodeResponse = ServerResponse | Http2ServerResponse;

/**
 * Passes a response body on and cuts a client that does not take it.
 *
 * The next piece is asked for when the last one has found room, so the time between the two is the client's. A stream
 * that has nothing to say waits for us, not for the client, and lives on.
 */
export async function* limitStalls(
  body: AsyncIterable<Uint8Array>,
  response: NodeResponse,
  timeoutMs: number,
): AsyncGenerator<Uint8Array> {
  let timer: NodeJS.Timeout | undefined;
  const cut = () => {
    reset(response, constants.NGHTTP2_CANCEL);
  };
  const stop = () => {
    clearTimeout(timer);
  };
  response.once("close", stop);
  writableOf(response).once("finish", stop);
  try {
    for await (const piece of body) {
      timer = setTimeout(cut, timeoutMs);
      yield piece;
      stop();
    }
  } finally {
    // Left from outside when the client is gone, which may be after 'close'.
    stop();
  }
  // The end has to be taken as well.
  if (!writableOf(response).destroyed) timer = setTimeout(cut, timeoutMs);
}

/**
 * Ends an HTTP/2 stream whose response is complete while the client still has its side open (RFC 9113, 8.1). A client
 * that never finishes a request which was refused would hold the stream, and with it the connection.
 *
 * Not at once: 'finish' comes before the trailers are on the wire, and a reset would overtake them.
 */
export function endStreamAfterResponse(response: NodeResponse, limits: GatewayLimits): void {
  if (!("stream" in response)) return;
  const { stream } = response;
  stream.once("finish", () => {
    const timer = setTimeout(() => {
      reset(response, constants.NGHTTP2_NO_ERROR);
    }, limits.farewellTimeoutMs);
    stream.once("close", () => {
      clearTimeout(timer);
    });
  });
}

function reset(response: NodeResponse, http2Code: number): void {
  if ("stream" in response) response.stream.close(http2Code);
  else response.destroy();
}

/** The compatibility response of node:http2 says 'finish' only when the stream is closed; the stream itself is exact. */
function writableOf(response: NodeResponse) {
  return "stream" in response ? response.stream : response;
}
