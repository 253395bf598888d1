import { Code, ConnectError, type ConnectRouter } from "@connectrpc/connect";
import { Health, HealthCheckResponse_ServingStatus as Status } from "../gen/grpc/health/v1/health_pb.js";

/** Whether the gateway serves. One state for all services: they share their fate. */
export class ServingState {
  #isServing = true;
  #isEnding = false;
  readonly #watchers = new Set<() => void>();

  get isServing(): boolean {
    return this.#isServing && !this.#isEnding;
  }

  /** No more changes will come; watchers leave after they told the last one. */
  get isEnding(): boolean {
    return this.#isEnding;
  }

  set(isServing: boolean): void {
    this.#isServing = isServing;
    this.#wake();
  }

  end(): void {
    this.#isEnding = true;
    this.#wake();
  }

  /** Resolves at the next change, or when `signal` aborts. */
  async change(signal: AbortSignal): Promise<void> {
    if (signal.aborted) return;
    await new Promise<void>((resolve) => {
      const wake = () => {
        this.#watchers.delete(wake);
        signal.removeEventListener("abort", wake);
        resolve();
      };
      this.#watchers.add(wake);
      signal.addEventListener("abort", wake);
    });
  }

  #wake(): void {
    for (const wake of this.#watchers) wake();
  }
}

/** Registers grpc.health.v1 for the given services and for "", which means the gateway as a whole. */
export function registerHealth(
  router: ConnectRouter,
  state: ServingState,
  serviceNames: ReadonlySet<string>,
): void {
  const names = new Set(["", ...serviceNames]);
  const status = () => (state.isServing ? Status.SERVING : Status.NOT_SERVING);

  router.service(Health, {
    check: ({ service }) => {
      if (names.has(service)) return { status: status() };
      throw new ConnectError("no such service", Code.NotFound);
    },

    async *watch({ service }, { signal }) {
      let told: Status | undefined;
      for (;;) {
        // Unknown is an answer here, not an error: the client may wait for the service to appear.
        const current = names.has(service) ? status() : Status.SERVICE_UNKNOWN;
        if (current !== told) {
          told = current;
          yield { status: current };
        } else {
          if (state.isEnding || signal.aborted) return;
          await state.change(signal);
        }
      }
    },

    list: () => ({ statuses: Object.fromEntries([...names].map((name) => [name, { status: status() }])) }),
  });
}
