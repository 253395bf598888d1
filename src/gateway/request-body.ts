import { Code, ConnectError } from "@connectrpc/connect";

export interface RequestBodyLimit {
  /** Milliseconds the client may take: for all of its request, or between two pieces of it. */
  readonly timeoutMs: number;
  readonly counts: "whole request" | "each piece";
  /** Called when the client was too slow, before the error reaches the handler. */
  readonly onLate: () => void;
}

/**
 * Passes a request body on and fails with DEADLINE_EXCEEDED when the client is too slow with it.
 *
 * Node limits this for HTTP/1.1 only: over HTTP/2 a client could open a stream and never finish its message. Only the
 * waiting for the client is limited; a response may take as long as it likes.
 */
export async function* limitRequestBody(
  body: AsyncIterator<Uint8Array>,
  limit: RequestBodyLimit,
): AsyncGenerator<Uint8Array> {
  const startMs = performance.now();
  try {
    for (;;) {
      const spentMs = limit.counts === "whole request" ? performance.now() - startMs : 0;
      const step = await nextPiece(body, limit.timeoutMs - spentMs, limit);
      if (step.done === true) return;
      yield step.value;
    }
  } finally {
    // Not awaited: while a piece is outstanding, return() waits for it.
    body.return?.().catch(() => undefined);
  }
}

async function nextPiece(body: AsyncIterator<Uint8Array>, timeoutMs: number, limit: RequestBodyLimit) {
  // A race against one long-lived promise would keep a reaction for each piece until the call ends.
  return await new Promise<IteratorResult<Uint8Array, unknown>>((resolve, reject) => {
    const timer = setTimeout(() => {
      limit.onLate();
      reject(new ConnectError(`request not received within ${limit.timeoutMs} ms`, Code.DeadlineExceeded));
    }, timeoutMs);
    body
      .next()
      .then(resolve, reject)
      .finally(() => clearTimeout(timer));
  });
}
