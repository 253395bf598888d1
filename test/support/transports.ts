import type { Transport } from "@connectrpc/connect";
import {
  createConnectTransport,
  createGrpcTransport,
  createGrpcWebTransport,
  Http2SessionManager,
} from "@connectrpc/connect-node";

export interface WireForm {
  readonly protocol: "gRPC" | "gRPC-Web" | "Connect" | "Connect GET";
  readonly format: "binary" | "JSON";
  readonly http: "HTTP/1.1" | "HTTP/2";
}

const formats = ["binary", "JSON"] as const;
const https = ["HTTP/1.1", "HTTP/2"] as const;

/** Every form a call can take on the wire; gRPC exists over HTTP/2 only. */
export const wireForms: readonly WireForm[] = [
  ...formats.map((format): WireForm => ({ protocol: "gRPC", format, http: "HTTP/2" })),
  ...(["gRPC-Web", "Connect", "Connect GET"] as const).flatMap((protocol) =>
    formats.flatMap((format) => https.map((http): WireForm => ({ protocol, format, http }))),
  ),
];

/** Opens a transport of one form; `close` cuts its connection, which would hold the test run open. */
export function openTransport(form: WireForm, baseUrl: string): { transport: Transport; close: () => void } {
  const useBinaryFormat = form.format === "binary";
  if (form.http === "HTTP/1.1") {
    const options = {
      baseUrl,
      httpVersion: "1.1",
      useBinaryFormat,
      nodeOptions: { agent: undefined },
    } as const;
    const transport =
      form.protocol === "gRPC-Web"
        ? createGrpcWebTransport(options)
        : createConnectTransport({ ...options, useHttpGet: form.protocol === "Connect GET" });
    return { transport, close: () => undefined };
  }
  const sessionManager = new Http2SessionManager(baseUrl);
  const options = { baseUrl, httpVersion: "2", useBinaryFormat, sessionManager } as const;
  const close = (): void => sessionManager.abort();
  switch (form.protocol) {
    case "gRPC":
      return { transport: createGrpcTransport(options), close };
    case "gRPC-Web":
      return { transport: createGrpcWebTransport(options), close };
    case "Connect":
    case "Connect GET":
      return {
        transport: createConnectTransport({ ...options, useHttpGet: form.protocol === "Connect GET" }),
        close,
      };
  }
}
