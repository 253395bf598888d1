/** gRPC calls framed by hand: what the callers of a bench cost must not be what is measured. */
import { type ClientHttp2Session, connect, constants, type IncomingHttpHeaders } from "node:http2";
import {
  create,
  type DescMessage,
  fromBinary,
  type MessageInitShape,
  type MessageShape,
  toBinary,
} from "@bufbuild/protobuf";

/** A method with one answer, and what goes both ways. */
export interface RawMethod<Asked extends DescMessage, Answered extends DescMessage> {
  readonly name: string;
  readonly asked: Asked;
  readonly answered: Answered;
}

/** One connection to a gateway. */
export class RawConnection {
  readonly #session: ClientHttp2Session;

  constructor(url: string) {
    this.#session = connect(url);
  }

  /** @throws {Error} the call failed */
  async call<Asked extends DescMessage, Answered extends DescMessage>(
    { name, asked, answered }: RawMethod<Asked, Answered>,
    request: MessageInitShape<Asked>,
  ): Promise<MessageShape<Answered>> {
    const stream = this.#session.request(grpcHeaders(name));
    const pieces: Buffer[] = [];
    let status: unknown;
    stream.on("data", (piece: Buffer) => pieces.push(piece));
    // An error may come with the first headers, and then there are no others.
    for (const event of ["response", "trailers"]) {
      stream.on(event, (headers: IncomingHttpHeaders) => (status ??= headers["grpc-status"]));
    }
    stream.end(framed(toBinary(asked, create(asked, request))));
    await new Promise<void>((resolve, reject) => {
      stream.once("error", reject);
      stream.once("close", resolve);
    });
    if (status !== "0") throw new Error(`${name} ended with status ${String(status)}`);
    return fromBinary(answered, Buffer.concat(pieces).subarray(frameHeadBytes));
  }

  close(): void {
    this.#session.destroy();
  }
}

/** A byte, and the length in four. */
export const frameHeadBytes = 5;

export function framed(message: Uint8Array): Buffer {
  const head = Buffer.alloc(frameHeadBytes);
  head.writeUInt32BE(message.length, 1);
  return Buffer.concat([head, message]);
}

export const grpcHeaders = (method: string) => ({
  [constants.HTTP2_HEADER_METHOD]: "POST",
  [constants.HTTP2_HEADER_PATH]: `/p2prc.client.v1.ClientService/${method}`,
  [constants.HTTP2_HEADER_CONTENT_TYPE]: "application/grpc+proto",
  [constants.HTTP2_HEADER_TE]: "trailers",
});
