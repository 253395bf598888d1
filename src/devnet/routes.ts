/** Which answer a route has. Source: shared protocol notes, "Server routes". */

import { readUpload } from "./multipart.js";
import { notFound, textReply, type Reply } from "./replies.js";
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
  readonly reply: Reply;
  /** POST /IpTable, whatever its body is like. */
  readonly isExchange: boolean;
  /** The uploaded file of an exchange. */
  readonly upload?: Buffer;
}

export function route(site: Site, request: NodeRequest): Routed {
  const [path = ""] = request.path.split("?", 1);
  const { dialect } = site;
  switch (`${request.method} ${path}`) {
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
    default:
      return plain(notFound);
  }
}

const plain = (reply: Reply): Routed => ({ reply, isExchange: false });

/** Errors are text with status 200; a file that is no JSON is ignored and the table comes back all the same. */
function exchange(site: Site, request: NodeRequest): Routed {
  const upload = readUpload(request.contentType, request.body);
  if (upload.kind === "error") return { reply: textReply(200, upload.text), isExchange: true };
  return { reply: site.table, isExchange: true, upload: upload.content };
}
