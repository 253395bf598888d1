/** The two calls of a speed test, as a client of the devnet makes them: GET /50, and GET /upload with a body. */
import { Agent, type IncomingHttpHeaders, type IncomingMessage, request } from "node:http";

export interface Heard {
  /** Undefined if no answer came. */
  status: number | undefined;
  headers: IncomingHttpHeaders;
  /** Bytes of the body. */
  bytes: number;
  /** The beginning of the body. */
  text: string;
  /** `complete`, `left` by us, or a system error. */
  end: string;
}

export interface CallOptions {
  /** Leaves once so many bytes of the answer have come. @default never */
  leaveAfterBytes?: number;
  /** Leaves when nothing has come or gone for so long. @default 10000 */
  silenceMs?: number;
  /** Leaves so long after it is connected. @default 60000 */
  leaveAfterMs?: number;
  /** Called when the head of the answer has come. */
  onHead?: () => void;
}

type Send = (write: (bytes: Buffer | string) => Promise<void>) => Promise<void>;

function call(
  address: string,
  path: string,
  headers: Record<string, string>,
  send: Send,
  options: CallOptions,
): Promise<Heard> {
  const { leaveAfterBytes = Infinity, silenceMs = 10_000 } = options;
  const heard: Heard = { status: undefined, headers: {}, bytes: 0, text: "", end: "" };
  return new Promise((resolve) => {
    const agent = new Agent({ keepAlive: false });
    const calling = request(`http://${address}${path}`, { headers, agent });
    let leaving: NodeJS.Timeout | undefined;
    const settle = (end: string): void => {
      clearTimeout(leaving);
      calling.destroy();
      resolve({ ...heard, end: heard.end === "" ? end : heard.end });
    };
    calling.setTimeout(silenceMs, () => settle("left"));
    calling.once("socket", (socket) =>
      socket.once("connect", () => {
        leaving = setTimeout(() => settle("left"), options.leaveAfterMs ?? 60_000);
      }),
    );
    calling.on("error", (error: NodeJS.ErrnoException) => settle(error.code ?? error.message));
    calling.on("response", (response: IncomingMessage) => {
      heard.status = response.statusCode;
      heard.headers = response.headers;
      options.onHead?.();
      response.on("data", (chunk: Buffer) => {
        if (heard.text.length < 200) heard.text += chunk.toString("latin1", 0, 200);
        heard.bytes += chunk.length;
        if (heard.bytes >= leaveAfterBytes) settle("left");
      });
      response.on("error", (error: NodeJS.ErrnoException) => settle(error.code ?? error.message));
      response.on("end", () => settle("complete"));
    });
    const write = (bytes: Buffer | string): Promise<void> =>
      new Promise((written) => {
        if (calling.destroyed) written();
        else calling.write(bytes, () => written());
      });
    void send(write).then(() => calling.end());
  });
}

export const download = (address: string, options: CallOptions = {}): Promise<Heard> =>
  call(address, "/50", {}, async () => undefined, options);

export interface Form {
  /** @default "file" */
  partName?: string;
  /** @default "/home/user/50.bin" */
  fileName?: string;
  /** Of the file. */
  bytes: number;
}

/** Streams a form with one file; the body is a multiple of one shared chunk and never held. */
export function upload(address: string, form: Form, options: CallOptions = {}): Promise<Heard> {
  const { partName = "file", fileName = "/home/user/50.bin", bytes } = form;
  const chunk = Buffer.alloc(256 * 1024, "-\r\n-");
  const send: Send = async (write) => {
    await write(
      `--line\r\nContent-Disposition: form-data; name="${partName}"; filename="${fileName}"\r\n\r\n`,
    );
    for (let left = bytes; left > 0; left -= chunk.length) await write(chunk.subarray(0, left));
    await write("\r\n--line--\r\n");
  };
  const headers = {
    "content-type": "multipart/form-data; boundary=line",
    // Node frames the body of a GET only when told how.
    "transfer-encoding": "chunked",
  };
  return call(address, "/upload", headers, send, options);
}
