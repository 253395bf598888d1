/** Raw calls of the container routes, and what can be heard of the answers. */

import type { Heard } from "./talker.js";

export const request = (path: string): string =>
  `GET ${path} HTTP/1.1\r\nHost: node\r\nConnection: close\r\n\r\n`;
export const startPath = "/startcontainer?ports=1&PublicKey=c3No";
export const start = request(startPath);
export const removeOf = (id: string): string => request(`/RemoveContainer?id=${encodeURIComponent(id)}`);

export interface Vm {
  ID: string;
  TagName: string;
  Ports: { Port: { PortName: string; ExternalPort: number }[] | null };
}

/** The body, its chunks joined. */
export function contentOf({ head, body }: Heard): string {
  if (!head.includes("Transfer-Encoding: chunked")) return body.toString();
  const parts: Buffer[] = [];
  for (let position = 0; ; ) {
    const lineEnd = body.indexOf("\r\n", position);
    const length = parseInt(body.toString("latin1", position, lineEnd), 16);
    if (!(length > 0)) return Buffer.concat(parts).toString();
    parts.push(body.subarray(lineEnd + 2, lineEnd + 2 + length));
    position = lineEnd + 4 + length;
  }
}
export const vmIn = (heard: Heard): Vm => JSON.parse(contentOf(heard)) as Vm;
export const isOk = ({ head }: Heard): boolean => head.startsWith("HTTP/1.1 200 OK\r\n");
export const isError = (heard: Heard, text: string): boolean =>
  heard.head.startsWith("HTTP/1.1 500 ") && heard.head.includes("text/plain") && contentOf(heard) === text;
export const isSilent = ({ head, end }: Heard): boolean => head === "" && end === "open";
export const isReset = ({ head, end }: Heard): boolean => head === "" && end === "ECONNRESET";
