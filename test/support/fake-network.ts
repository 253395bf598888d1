import { addressKey } from "../../src/peer-api/address.js";
import type {
  CallOptions,
  ContainerOrder,
  MapAnswer,
  NodeImage,
  NodeSpecs,
  PeerAddress,
  PeerApi,
  PeerRow,
  PortOrder,
  Probe,
  RemoveAnswer,
  StartAnswer,
  TableForm,
  TableReply,
  Transfer,
} from "../../src/peer-api/contract.js";
import { PeerError, type PeerFailure } from "../../src/peer-api/errors.js";
import type { Clock } from "../../src/system/clock.js";
import { aNodeContainer, aProbe, aReply, aRow, someSpecs } from "./peers.js";

/** How a node takes one call: after a delay, for ever silent, or with a failure. */
export interface Manner {
  readonly delayMs?: number;
  readonly hangs?: boolean;
  readonly fails?: PeerFailure;
  /** Of that failure. @default true */
  readonly wasSent?: boolean;
}

export interface FakeNode {
  readonly probe?: Manner & { readonly latencyNs?: number };
  readonly exchange?: Manner;
  /** @default 100 Mbit/s; null = too little data */
  readonly download?: Manner & { readonly mbps?: number | null };
  /** @default 50 Mbit/s; null = too little data */
  readonly upload?: Manner & { readonly mbps?: number | null };
  /** @default a container with the id `container-1`, `container-2`, ... of the network */
  readonly start?: Manner & { readonly answer?: StartAnswer };
  /** @default removed, whatever the id */
  readonly remove?: Manner & { readonly answer?: RemoveAnswer };
  /** @default mapped at 198.51.100.9:40733 */
  readonly map?: Manner & { readonly answer?: MapAnswer };
  /** Its table. */
  readonly rows?: readonly PeerRow[];
}

interface Call {
  readonly kind:
    | "probe"
    | "exchange"
    | "specs"
    | "images"
    | "download"
    | "upload"
    | "start"
    | "remove"
    | "map";
  readonly key: string;
  readonly options: CallOptions;
  readonly form?: TableForm;
  readonly order?: ContainerOrder;
  readonly containerId?: string;
  readonly portOrder?: PortOrder;
}

const aTransfer = (mbps: number | null | undefined, healthy: number): Transfer => ({
  bytes: 1,
  elapsedMs: 1,
  ...(mbps === null ? {} : { megabitsPerSecond: mbps ?? healthy }),
});

/** A network in memory. A node that is not in it refuses connections. */
export class FakeNetwork {
  readonly nodes = new Map<string, FakeNode>();
  readonly calls: Call[] = [];
  openCalls = 0;
  openApis = 0;
  readonly #clock: Clock;
  #containerCount = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  add(address: PeerAddress, node: FakeNode = {}): PeerRow {
    this.nodes.set(addressKey(address), node);
    return aRow({ address });
  }

  /** Keys of the nodes that got a call of this kind, sorted. */
  called(kind: Call["kind"]): string[] {
    return this.calls
      .filter((call) => call.kind === kind)
      .map(({ key }) => key)
      .sort();
  }

  open(): PeerApi {
    this.openApis += 1;
    const closing = new AbortController();
    const call = <T>(
      kind: Call["kind"],
      address: PeerAddress,
      options: CallOptions = {},
      answer: (node: FakeNode) => { manner: Manner | undefined; value: T },
      sent: Pick<Call, "form" | "order" | "containerId" | "portOrder"> = {},
    ): Promise<T> => this.#call({ kind, key: addressKey(address), options, ...sent }, closing.signal, answer);
    return {
      probe: (address, options) =>
        call<Probe>("probe", address, options, ({ probe }) => ({
          manner: probe,
          value: aProbe(probe?.latencyNs === undefined ? {} : { latencyNs: probe.latencyNs }),
        })),
      exchangeTable: (address, form, options) =>
        call<TableReply>(
          "exchange",
          address,
          options,
          ({ exchange, rows = [] }) => ({ manner: exchange, value: aReply(rows) }),
          { form },
        ),
      specs: (address, options) =>
        call<NodeSpecs>("specs", address, options, ({ probe }) => ({ manner: probe, value: someSpecs })),
      images: (address, options) =>
        call<readonly NodeImage[]>("images", address, options, ({ probe }) => ({
          manner: probe,
          value: [{ name: "a", description: "" }],
        })),
      download: (address, options) =>
        call<Transfer>("download", address, options, ({ download }) => ({
          manner: download,
          value: aTransfer(download?.mbps, 100),
        })),
      upload: (address, options) =>
        call<Transfer>("upload", address, options, ({ upload }) => ({
          manner: upload,
          value: aTransfer(upload?.mbps, 50),
        })),
      startContainer: (address, order, options) =>
        call<StartAnswer>(
          "start",
          address,
          options,
          ({ start }) => ({ manner: start, value: start?.answer ?? this.#created() }),
          { order },
        ),
      removeContainer: (address, containerId, options) =>
        call<RemoveAnswer>(
          "remove",
          address,
          options,
          ({ remove }) => ({
            manner: remove,
            value: remove?.answer ?? { kind: "removed", message: "success" },
          }),
          { containerId },
        ),
      mapPort: (address, portOrder, options) =>
        call<MapAnswer>(
          "map",
          address,
          options,
          ({ map }) => ({
            manner: map,
            value: map?.answer ?? { kind: "mapped", host: "198.51.100.9", port: 40733 },
          }),
          { portOrder },
        ),
      release: () => undefined,
      close: () => {
        if (!closing.signal.aborted) this.openApis -= 1;
        closing.abort();
      },
    };
  }

  #created(): StartAnswer {
    this.#containerCount += 1;
    return { kind: "created", container: aNodeContainer({ ID: `container-${this.#containerCount}` }) };
  }

  async #call<T>(
    made: Call,
    closing: AbortSignal,
    answer: (node: FakeNode) => { manner: Manner | undefined; value: T },
  ): Promise<T> {
    const host = made.key.replace(/:[0-9]+$/, "").replace(/^\[|\]$/g, "");
    if (made.options.isAllowed?.(host) === false)
      throw new PeerError("ADDRESS_BLOCKED", "blocked", { wasSent: false });
    this.calls.push(made);
    const node = this.nodes.get(made.key);
    if (node === undefined)
      throw new PeerError("CONNECTION_REFUSED", "nothing listens there", { wasSent: false });
    const { manner = {}, value } = answer(node);
    this.openCalls += 1;
    try {
      await this.#wait(manner, made.options, closing);
    } finally {
      this.openCalls -= 1;
    }
    if (manner.fails !== undefined) {
      throw new PeerError(manner.fails, "failed as scripted", { wasSent: manner.wasSent ?? true });
    }
    made.options.onActivity?.();
    return value;
  }

  /** Waits as long as the node takes, the caller's time limit, or until one of them leaves. */
  #wait(
    { delayMs = 0, hangs = false }: Manner,
    { signal, timeoutMs = 60_000 }: CallOptions,
    closing: AbortSignal,
  ): Promise<void> {
    return new Promise((resolve, reject) => {
      const isLate = hangs || delayMs > timeoutMs;
      const end = isLate ? () => reject(new PeerError("TIMEOUT", "no complete answer in time")) : resolve;
      if (!isLate && delayMs === 0) {
        resolve();
        return;
      }
      const cancel = this.#clock.after(isLate ? timeoutMs : delayMs, end);
      for (const source of [signal, closing]) {
        const leave = (): void => {
          cancel();
          reject(new PeerError("CANCELED", "canceled"));
        };
        if (source?.aborted === true) leave();
        source?.addEventListener("abort", leave, { once: true });
      }
    });
  }
}
