import type { Socket } from "node:net";

/** What every HTTP/2 client with prior knowledge sends first (RFC 9113, section 3.4). */
const PREFACE = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "latin1");

export type Protocol = "http1" | "http2";

/**
 * Reads until the first bytes tell HTTP/2 from HTTP/1.1, puts them back and reports once.
 *
 * Anything that is not the whole preface is HTTP/1.1, whose parser answers nonsense with 400. A client that stays
 * silent, stops within the preface or leaves is cut, and nothing is reported.
 */
export function sniffProtocol(
  socket: Socket,
  timeoutMs: number,
  onKnown: (protocol: Protocol) => void,
): void {
  let head: Buffer = Buffer.alloc(0);

  const cut = () => void socket.destroy();
  const look = () => {
    for (let piece = readPiece(socket); piece !== null; piece = readPiece(socket)) {
      head = Buffer.concat([head, piece]);
    }
    const compared = Math.min(head.length, PREFACE.length);
    const isHttp2 = head.subarray(0, compared).equals(PREFACE.subarray(0, compared));
    if (isHttp2 && compared < PREFACE.length) return;
    stop();
    // Put back once, after the decision: each unshift fires 'readable' again, and a client that sends "P" alone
    // would spin the event loop for ever.
    socket.unshift(head);
    onKnown(isHttp2 ? "http2" : "http1");
  };
  const timer = setTimeout(cut, timeoutMs);
  const stop = () => {
    clearTimeout(timer);
    socket.off("readable", look).off("end", cut).off("close", stop);
  };
  socket.on("readable", look).on("end", cut).on("close", stop);
}

function readPiece(socket: Socket): Buffer | null {
  return socket.read() as Buffer | null;
}
