/** Bodies that no node should send. Built once per devnet: some are large. */

import { gzipSync } from "node:zlib";
import type { Random } from "./random.js";

export interface BadBodies {
  /** 4 KiB of random bytes. */
  readonly noise: Buffer;
  /** A login page, as a captive portal puts it in front of everything. */
  readonly html: Buffer;
  /** What /IpTable says in a 200 when the look-up of its own address fails. */
  readonly errorText: Buffer;
  /** 100,000 lists in one another, where a list of rows or a GPU is expected. */
  readonly deep: Buffer;
  /** About 260 KB that inflate to 256 MiB: the beginning of a text that never ends. */
  readonly gzipBomb: Buffer;
}

const mebibyte = 2 ** 20;

export function buildBadBodies(random: Random): BadBodies {
  const lookUp = 'Get "http://ip-api.com/json/": dial tcp: lookup ip-api.com: no such host';
  const lists = `${"[".repeat(100_000)}${"]".repeat(100_000)}`;
  return {
    noise: Buffer.from(Array.from({ length: 4096 }, () => random.below(256))),
    html: Buffer.from(
      "<!DOCTYPE html><html><head><title>Log in</title></head><body>Log in to go on.</body></html>\n",
    ),
    errorText: Buffer.from(`${lookUp}${lookUp}null`),
    deep: Buffer.from(`{"Hostname":"deep","GPU":${lists},"DockerContainer":${lists},"ip_address":${lists}}`),
    gzipBomb: gzipBomb(256),
  };
}

/** gzip members may follow one another: one mebibyte is compressed once and repeated. */
function gzipBomb(mebibytes: number): Buffer {
  const opening = gzipSync('{"Hostname":"');
  const filling = gzipSync(Buffer.alloc(mebibyte, "a"), { level: 9 });
  return Buffer.concat([opening, ...Array.from({ length: mebibytes }, () => filling)]);
}
