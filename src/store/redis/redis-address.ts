/** A server that is there, and is not what `--redis` says of it: no waiting helps, and the words say what to change. */

/** The address leads to something else. */
export class RedisAddressError extends Error {
  override readonly name = "RedisAddressError";
}

const untrusted = "is not trusted: give the gateway its CA in NODE_EXTRA_CA_CERTS";
/** By what Node.js says of the certificate that was shown. */
const certificateFaultOf: Readonly<Record<string, string>> = {
  DEPTH_ZERO_SELF_SIGNED_CERT: untrusted,
  SELF_SIGNED_CERT_IN_CHAIN: untrusted,
  UNABLE_TO_GET_ISSUER_CERT: untrusted,
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: untrusted,
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: untrusted,
  CERT_HAS_EXPIRED: "has expired",
  CERT_NOT_YET_VALID: "is not valid yet",
  ERR_TLS_CERT_ALTNAME_INVALID: "is for another host than --redis names",
};

/** Says what is wrong with an address; undefined if the same may go well in a moment. */
export function addressError(failure: unknown): RedisAddressError | undefined {
  const { code, message } = (failure ?? {}) as { code?: unknown; message?: unknown };
  const fault = certificateFaultOf[String(code)];
  if (fault !== undefined)
    return new RedisAddressError(`the certificate of Redis ${fault} (${String(code)})`, { cause: failure });
  if (code === "ERR_SSL_WRONG_VERSION_NUMBER")
    return new RedisAddressError("what --redis names speaks no TLS: redis://, not rediss://", {
      cause: failure,
    });
  if (String(message).startsWith("Unknown RESP type"))
    return new RedisAddressError("what --redis names answers, and is no Redis", { cause: failure });
  return undefined;
}

/** What may be behind a connection that was never made: each end waits for the other, or hangs up without a word. */
export const hintFor = (url: string): string =>
  url.startsWith("rediss:")
    ? "a Redis without TLS looks so behind rediss://"
    : "a Redis with TLS looks so behind redis://";
