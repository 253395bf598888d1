/** docker-compose.yml with nodes beside it, on the Docker Engine of end-to-end tests. */
import { type ChildProcess, execFile, spawn } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { type Call, callsTo } from "../e2e/grpcurl-calls.js";
import { projectDir, requireTool } from "../e2e/foreign-tools.js";
import type { ContainerLedger } from "../../src/devnet/container-ledger.js";
import { readContainerLedger } from "../../src/devnet/ledger.js";
import { requireEngineSocket } from "./docker-engine.js";
import { freePort } from "./free-port.js";

const run = promisify(execFile);

export const gateways = ["gateway-a", "gateway-b"] as const;
export type GatewayName = (typeof gateways)[number];
export type ServiceName = GatewayName | "redis" | "nodes";

export class ComposeProject {
  readonly #command: readonly string[];
  readonly #env: NodeJS.ProcessEnv;
  readonly #ports: Readonly<Record<GatewayName, number>>;

  private constructor(command: readonly string[], name: string, ports: readonly [number, number]) {
    this.#command = command;
    this.#ports = { "gateway-a": ports[0], "gateway-b": ports[1] };
    this.#env = {
      ...process.env,
      COMPOSE_PROJECT_NAME: name,
      PORT_A: String(ports[0]),
      PORT_B: String(ports[1]),
      PUBLIC_IP: "off",
      // Where an engine puts its networks.
      ALLOW_CIDR: "10.0.0.0/8,172.16.0.0/12,192.168.0.0/16",
    };
  }

  /** Its name is no other project's: `down` takes volumes away. @throws there is no engine */
  static async open(): Promise<ComposeProject> {
    requireEngineSocket("test:compose");
    const name = process.env["P2PRC_PROOF_PROJECT"] ?? `p2prcproof${String(process.pid)}`;
    return new ComposeProject(await findCompose(), name, [await freePort(), await freePort()]);
  }

  async compose(...args: readonly string[]): Promise<string> {
    const [program = "", ...first] = this.#command;
    const { stdout } = await run(program, [...first, "--profile", "devnet", ...args], {
      cwd: projectDir,
      env: this.#env,
      maxBuffer: 2 ** 26,
    });
    return stdout;
  }

  /** `docker ACTION CONTAINER`, faster than compose. */
  async docker(action: readonly string[], service: ServiceName): Promise<string> {
    return await docker(...action, await this.containerOf(service));
  }

  async containerOf(service: ServiceName): Promise<string> {
    const project = `label=com.docker.compose.project=${this.#env["COMPOSE_PROJECT_NAME"] ?? ""}`;
    const label = `label=com.docker.compose.service=${service}`;
    return (await docker("ps", "--all", "--quiet", "--filter", project, "--filter", label)).trim();
  }

  /** Runs a program in a service's container. */
  async execute(service: ServiceName, ...argv: readonly string[]): Promise<string> {
    return await docker("exec", await this.containerOf(service), ...argv);
  }

  /** A part of what the engine knows of a service's container, in Go's template language. */
  async inspect(service: ServiceName, template: string): Promise<string> {
    return (await this.docker(["inspect", "--format", template], service)).trim();
  }

  urlOf(gateway: GatewayName): string {
    return `http://127.0.0.1:${String(this.#ports[gateway])}`;
  }

  callsTo(gateway: GatewayName): Call {
    return callsTo(this.urlOf(gateway));
  }

  /** What a gateway says of itself; undefined = it does not answer. */
  async health(gateway: GatewayName): Promise<string | undefined> {
    const url = `${this.urlOf(gateway)}/grpc.health.v1.Health/Check`;
    const request = { method: "POST", headers: { "content-type": "application/json" }, body: "{}" };
    const signal = AbortSignal.timeout(2_000);
    const answer = await fetch(url, { ...request, signal }).catch(() => undefined);
    return ((await answer?.json().catch(() => ({}))) as { status?: string } | undefined)?.status;
  }

  /** Brings back whatever a test has stopped or paused, and waits until both gateways serve. */
  async settle(): Promise<void> {
    for (const service of ["nodes", "redis", ...gateways] as const) {
      const state = await this.inspect(service, "{{.State.Status}}");
      if (state === "paused") await this.docker(["unpause"], service);
      else if (state !== "running") await this.docker(["start"], service);
    }
    for (const gateway of gateways) await until(async () => (await this.health(gateway)) === "SERVING");
  }

  /** What a gateway's Watch tells from now on. Resolves once the stream is open. */
  async watch(gateway: GatewayName): Promise<Watched> {
    const address = new URL(this.urlOf(gateway)).host;
    const request = JSON.stringify({ sendInitialState: true });
    const watched = new Watched(
      spawn(requireTool("grpcurl"), [
        "-plaintext",
        "-d",
        request,
        address,
        "p2prc.client.v1.ClientService/Watch",
      ]),
    );
    await until(() => watched.text.includes("TYPE_INITIAL_DONE"));
    return watched;
  }

  /** Address of the first node, as the gateways reach it. */
  async nodeAddress(): Promise<string> {
    return `${(await this.execute("nodes", "hostname", "-i")).trim()}:8078`;
  }

  /** What the nodes were asked for, and did. */
  async ledger(): Promise<ContainerLedger> {
    const folder = await mkdtemp(join(tmpdir(), "ledger-"));
    try {
      await writeFile(join(folder, "ledger"), await this.execute("nodes", "cat", "/tmp/ledger.jsonl"));
      return await readContainerLedger(join(folder, "ledger"));
    } finally {
      await rm(folder, { recursive: true });
    }
  }

  async down(): Promise<void> {
    await this.compose("down", "--volumes", "--rmi", "local", "--timeout", "0");
  }
}

/** A stream that is read while other things happen. */
export class Watched {
  text = "";
  readonly #child: ChildProcess;

  constructor(child: ChildProcess) {
    this.#child = child;
    child.stdout?.on("data", (piece: Buffer) => (this.text += piece.toString()));
  }

  end(): void {
    this.#child.kill("SIGKILL");
  }
}

/** Waits for what comes soon; a test that waits in vain runs into its time limit. */
export async function until(isSo: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await isSo())) await new Promise((resolve) => setTimeout(resolve, 100));
}

export async function docker(...args: readonly string[]): Promise<string> {
  return (await run("docker", args)).stdout;
}

/** The compose that Docker's command knows, else the older program of that name. */
async function findCompose(): Promise<readonly string[]> {
  return await run("docker", ["compose", "version"]).then(
    () => ["docker", "compose"],
    () => ["docker-compose"],
  );
}
