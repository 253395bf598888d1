/** Serves one request: read it, decide on the answer, write the call into the ledger, answer after the delay. */

import type { IncomingMessage, ServerResponse } from "node:http";
import { answerTo, type Call, record, sendAfter, type Stage } from "./call.js";
import { containerRouteOf } from "./container-routes.js";
import { serveContainerCall } from "./container-serving.js";
import { uploadBytesReadWith } from "./faults.js";
import { isMapCall, servePortMap } from "./port-map-serving.js";
import { readBody } from "./request-body.js";
import { isSpeedUpload, route, routeSpeedUpload, type Routed } from "./routes.js";
import { statusOf } from "./sending.js";
import type { Site } from "./sites.js";
import { readUploadBody } from "./upload-reading.js";

export function serve(site: Site, request: IncomingMessage, response: ServerResponse, stage: Stage): void {
  const { method = "", url: path = "", headers } = request;
  const call: Call = { site, method, path, response, stage, tally: { sentBytes: 0 } };
  if (isSpeedUpload(call)) {
    serveSpeedUpload(call, request);
    return;
  }
  readBody(request, (body) => {
    const containerRoute = containerRouteOf(site.host, method, path);
    if (containerRoute !== undefined) {
      void serveContainerCall(call, containerRoute, body.length);
      return;
    }
    if (site.portMaps !== undefined && isMapCall(call)) {
      void servePortMap(call, site.portMaps, body.length);
      return;
    }
    const routed = route(site, { method, path, contentType: headers["content-type"], body });
    const answer = answerTo(call, routed);
    const [status, requestBytes] = [statusOf(answer), body.length];
    if (routed.purpose === "download") {
      response.once("close", () => {
        const { sentBytes } = call.tally;
        record(call, { status: response.headersSent ? status : null, requestBytes, sentBytes });
      });
    } else {
      record(call, { status, requestBytes, ...uploadOf(routed, stage) });
    }
    sendAfter(call, answer);
  });
}

/** The call is over, and recorded, when it is answered, when it breaks off, or when the node stops reading. */
function serveSpeedUpload(call: Call, request: IncomingMessage): void {
  const { site, response } = call;
  const stopAfterBytes = uploadBytesReadWith(site.fault);
  const note = (status: number | null): void => {
    const part = reading.file.part();
    record(call, {
      status,
      requestBytes: reading.bodyBytes(),
      ...(part === undefined ? {} : { partBytes: part.bytes }),
    });
  };
  let status: number | null = null;
  const onClose = (): void => note(response.headersSent ? status : null);
  const onRead = (): void => {
    const answer = answerTo(call, routeSpeedUpload(reading.file));
    status = statusOf(answer);
    if (stopAfterBytes !== Infinity) {
      // A node that does not read does not notice either when its caller leaves.
      response.off("close", onClose);
      note(status);
      // Nor does it close the connection, whatever the caller asked for.
      response.shouldKeepAlive = true;
    }
    sendAfter(call, answer);
  };
  response.once("close", onClose);
  const reading = readUploadBody(request, { line: site.uploadLine, stopAfterBytes, onRead });
}

function uploadOf(
  routed: Routed,
  stage: Stage,
): { rows: readonly unknown[] | null; partBytes: number } | undefined {
  if (routed.upload === undefined) return undefined;
  return { rows: stage.readRows(routed.upload), partBytes: routed.upload.length };
}
