/** Which answer a route has. Source: shared protocol notes, "Server routes". */

import type { HealthyAnswer, Purpose } from "./answers.js";
import { replyWith } from "./answers.js";
import { readUpload } from "./multipart.js";
import type { PartCounter } from "./part-counter.js";
import { notFound, panicked, textReply, type Reply } from "./replies.js";
import type { Site } from "./sites.js";

export interface NodeRequest {
  readonly method: string;
  /** With the query. */
  readonly path: string;
  readonly contentType: string | undefined;
  readonly body: Buffer;
}

export interface Routed {
  /** What a healthy node answers. */
  readonly healthy: HealthyAnswer;
  readonly purpose: Purpose;
  /** The uploaded file of an exchange. */
  readonly upload?: Buffer;
}

export function route(site: Site, request: NodeRequest): Routed {
  const { dialect } = site;
  switch (routeOf(request)) {
    case "POST /IpTable":
      return exchange(site, request);
    case "GET /IpTable":
      return plain(dialect.readsTableWithGet === true ? site.table : notFound);
    case "GET /server_info":
      return plain(dialect.isForeign === true ? notFound : site.specs);
    case "GET /server_specs":
      return plain(dialect.isForeign === true ? site.specs : notFound);
    case "GET /ShowImages":
      return plain(dialect.showsImages === false ? notFound : site.images);
    case "GET /50":
      // A version without the route has no file to be spoiled.
      return dialect.offersDownload === false
        ? plain(notFound)
        : { healthy: site.speedFile, purpose: "download" };
    default:
      return plain(notFound);
  }
}

/** Whether the body is a speed test's, which is counted and never held. Every dialect has the route. */
export const isSpeedUpload = (request: Pick<NodeRequest, "method" | "path">): boolean =>
  routeOf(request) === "GET /upload";

/** A form without the file makes the handler panic, and so does one that breaks off. */
export function routeSpeedUpload(file: PartCounter): Routed {
  const part = file.isClosed() ? file.part() : undefined;
  const reply = part === undefined ? panicked : textReply(200, `'${baseName(part.fileName)}' uploaded!`);
  return { healthy: replyWith(reply), purpose: "upload" };
}

const routeOf = ({ method, path }: Pick<NodeRequest, "method" | "path">): string =>
  `${method} ${path.split("?", 1)[0] ?? ""}`;

/** As Go reads a file name: quotes are unescaped, folders left out. */
const baseName = (fileName: string): string =>
  fileName
    .replace(/\\(["\\])/g, "$1")
    .split("/")
    .at(-1) ?? "";

const plain = (reply: Reply): Routed => ({ healthy: replyWith(reply), purpose: "other" });

/** Errors are text with status 200; a file that is no JSON is ignored and the table comes back all the same. */
function exchange(site: Site, request: NodeRequest): Routed {
  const upload = readUpload(request.contentType, request.body);
  if (upload.kind === "error")
    return { healthy: replyWith(textReply(200, upload.text)), purpose: "exchange" };
  return { healthy: replyWith(site.table), purpose: "exchange", upload: upload.content };
}
