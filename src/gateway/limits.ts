/** Every limit of the gateway's doors. Each one has a test that lowers it and waits for its effect. */
export interface GatewayLimits {
  /** Largest request message, unpacked. Larger ones answer RESOURCE_EXHAUSTED. @default 1 MiB */
  readonly maxRequestMessageBytes: number;
  /** Largest response message; the default is what gRPC clients accept. @default 4 MiB */
  readonly maxResponseMessageBytes: number;
  /** All header fields of one request together, the request line included. @default 16 KiB */
  readonly maxHeaderBytes: number;
  /** Connections open at once, for each door. A connection beyond it is closed unread. @default 1024 */
  readonly maxConnections: number;
  /** Calls open at once on one connection: HTTP/2 streams, or pipelined HTTP/1.1 requests. @default 100 */
  readonly maxCallsPerConnection: number;
  /** From connect until the first bytes tell which protocol the client speaks. @default 10 s */
  readonly protocolTimeoutMs: number;
  /** From the first byte of an HTTP/1.1 request until its headers are complete. @default 10 s */
  readonly headersTimeoutMs: number;
  /**
   * From the headers until the request is complete. It limits what the client sends, never how long it listens.
   * Methods that stream requests have no such end: for them `idleTimeoutMs` between two pieces counts. @default 30 s
   */
  readonly requestTimeoutMs: number;
  /** A connection without a call, PINGs or not; a request stream without a message. @default 60 s */
  readonly idleTimeoutMs: number;
  /** Response bytes wait and the client takes none of them. @default 30 s */
  readonly stalledResponseTimeoutMs: number;
  /** We have said good-bye (GOAWAY, end of response) and the client does not close its side. @default 1 s */
  readonly farewellTimeoutMs: number;
}

export const defaultLimits: GatewayLimits = {
  maxRequestMessageBytes: 1024 * 1024,
  maxResponseMessageBytes: 4 * 1024 * 1024,
  maxHeaderBytes: 16 * 1024,
  maxConnections: 1024,
  maxCallsPerConnection: 100,
  protocolTimeoutMs: 10_000,
  headersTimeoutMs: 10_000,
  requestTimeoutMs: 30_000,
  idleTimeoutMs: 60_000,
  stalledResponseTimeoutMs: 30_000,
  farewellTimeoutMs: 1_000,
};
