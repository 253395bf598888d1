/** The HTTP server behind all addresses. */

import { createServer } from "node:http";
import type { Socket } from "node:net";
import type { Stage } from "./call.js";
import { serve } from "./serving.js";
import type { Site } from "./sites.js";

export interface HttpServer {
  /** Takes a connection to a site. */
  admit(socket: Socket, site: Site): void;
}

/** It never listens itself: its connections are handed to it. */
export function createHttpServer(stage: Stage): HttpServer {
  const siteBySocket = new WeakMap<Socket, Site>();
  // No time limits, as in Go's server: nodes that hang must be able to.
  const http = createServer(
    { keepAliveTimeout: 0, headersTimeout: 0, requestTimeout: 0 },
    (request, response) => {
      const site = siteBySocket.get(request.socket);
      if (site === undefined) request.socket.destroy();
      else serve(site, request, response, stage);
    },
  );
  http.on("clientError", (_error, socket) => socket.destroy());
  return {
    admit: (socket, site) => {
      if (site.fault === "reset") {
        socket.resetAndDestroy();
        return;
      }
      siteBySocket.set(socket, site);
      http.emit("connection", socket);
    },
  };
}
