import { inspect } from "node:util";
import { type Client, type Code, ConnectError, createClient } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-node";
import {
  BadRequestSchema,
  ErrorInfoSchema,
  RetryInfoSchema,
} from "../../src/gen/google/rpc/error_details_pb.js";
import { ClientService } from "../../src/gen/p2prc/client/v1/client_service_pb.js";
import {
  type GatewayOnDevnet,
  type GatewayOnDevnetOptions,
  openGatewayOnDevnet,
} from "./gateway-on-devnet.js";

export type Api = Client<typeof ClientService>;

export interface OpenBench extends GatewayOnDevnet {
  /** Over TCP: a remote caller. */
  readonly api: Api;
  /** Over the socket of the base folder. */
  readonly operator: Api;
  /** Names of the nodes; all of them are in the IP table. */
  readonly nodes: readonly string[];
}

/** Opens gateways on devnets for tests of containers; `release` takes them all away again. */
export class ContainerBench {
  #opened: GatewayOnDevnet[] = [];

  /** Three nodes of today that know each other, unless `devnet` says otherwise. */
  async open(options: GatewayOnDevnetOptions = {}): Promise<OpenBench> {
    const bench = await openGatewayOnDevnet({
      ...options,
      devnet: { nodes: 3, shape: "mesh", dialects: ["2026-01"], ...options.devnet },
    });
    this.#opened.push(bench);
    const addresses = bench.devnet.nodes.map(({ address }) => address);
    const api = createClient(
      ClientService,
      createConnectTransport({ baseUrl: bench.url, httpVersion: "1.1" }),
    );
    const operator = createClient(
      ClientService,
      createConnectTransport({
        baseUrl: "http://localhost",
        httpVersion: "1.1",
        nodeOptions: { socketPath: bench.socketPath },
      }),
    );
    for (const address of addresses) await api.addNode({ address });
    return { ...bench, api, operator, nodes: addresses.map((address) => `nodes/${address}`) };
  }

  async release(): Promise<void> {
    for (const bench of this.#opened.splice(0)) await bench.close();
  }
}

/** Places a container on a node. */
export const at = (node: string): { placement: { case: "node"; value: string } } => ({
  placement: { case: "node", value: node },
});

/** Reads why a call was refused. @throws if it was not */
export async function refusal(
  call: Promise<unknown>,
): Promise<{ reason: string; metadata: Readonly<Record<string, string>> }> {
  const error: unknown = await call.then(
    () => undefined,
    (failure: unknown) => failure,
  );
  if (error === undefined) throw new Error("the call went well");
  const [info] = ConnectError.from(error).findDetails(ErrorInfoSchema);
  return { reason: info?.reason ?? "", metadata: info?.metadata ?? {} };
}

/** All that a caller can read of a refusal. */
export interface Failure {
  readonly code: Code;
  readonly reason: string;
  readonly domain: string;
  readonly metadata: Readonly<Record<string, string>>;
  /** Of the BadRequest. */
  readonly fields: readonly string[];
  readonly isRetryable: boolean;
  /** Of all details together. */
  readonly detailBytes: number;
  /** Everything in it as one text, to look for what must not be there. */
  readonly text: string;
}

/** Reads a refusal to the last detail. @throws if the call went well */
export async function failureOf(call: Promise<unknown>): Promise<Failure> {
  const thrown: unknown = await call.then(
    () => undefined,
    (failure: unknown) => failure,
  );
  if (thrown === undefined) throw new Error("the call went well");
  const error = ConnectError.from(thrown);
  const [info] = error.findDetails(ErrorInfoSchema);
  const violations = error.findDetails(BadRequestSchema)[0]?.fieldViolations ?? [];
  const incoming = error.details.filter((detail): detail is IncomingDetail => "type" in detail);
  return {
    code: error.code,
    reason: info?.reason ?? "",
    domain: info?.domain ?? "",
    metadata: info?.metadata ?? {},
    fields: violations.map(({ field }) => field),
    isRetryable: error.findDetails(RetryInfoSchema).length === 1,
    detailBytes: incoming.reduce((sum, { value }) => sum + value.length, 0),
    text: [
      error.message,
      ...incoming.map(({ value }) => Buffer.from(value).toString()),
      inspect(error.metadata, { depth: 5 }),
    ].join(" "),
  };
}

type IncomingDetail = Extract<ConnectError["details"][number], { type: string }>;

/** Tries until an assertion holds. @throws its last failure after 30 s */
export async function eventually(assertion: () => Promise<unknown>): Promise<void> {
  const deadlineMs = performance.now() + 30_000;
  for (;;) {
    try {
      await assertion();
      return;
    } catch (error) {
      if (performance.now() > deadlineMs) throw error;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
}
