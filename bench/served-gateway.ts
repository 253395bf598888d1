/** The gateway as its users run it: `p2prc serve` in a process of its own. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type Client, createClient, type Transport } from "@connectrpc/connect";
import { createGrpcTransport, Http2SessionManager } from "@connectrpc/connect-node";
import { Health, HealthCheckResponse_ServingStatus } from "../src/gen/grpc/health/v1/health_pb.js";
import { ClientService } from "../src/gen/p2prc/client/v1/client_service_pb.js";

const program = fileURLToPath(new URL("../dist/cli/main.js", import.meta.url));
/** For whoever looks into it: `BENCH_PROFILE=FOLDER` keeps a processor profile of each gateway. */
const profileFolder = process.env["BENCH_PROFILE"] ?? "";
const profiling = profileFolder === "" ? [] : ["--cpu-prof", "--cpu-prof-dir", profileFolder];
const stallWatch = new URL("stall-watch.mjs", import.meta.url).href;

export interface ServeOptions {
  /** Puts files into the base folder before the gateway opens on it. */
  readonly prepare?: (baseDir: string) => Promise<void>;
  /** A folder of the caller's, which stays. @default one of its own, gone with the gateway */
  readonly baseDir?: string;
  /** As `p2prc serve` takes them, beside those that every gateway here has. */
  readonly flags?: readonly string[];
}

export interface ServedGateway {
  readonly baseDir: string;
  /** `http://host:port`. */
  readonly url: string;
  readonly client: Client<typeof ClientService>;
  /** From the start of the process until health answers SERVING. */
  readonly healthyAfterMs: number;
  readonly pid: number;
  /** Another client, on a connection of its own. */
  connect(): Client<typeof ClientService>;
  /** Resident memory now. */
  rssMib(): Promise<number>;
  /** The longest that the gateway's event loop stood still since it was asked last, in milliseconds. */
  longestStallMs(): Promise<number>;
  close(): Promise<void>;
  /** Ends it as a crash does; its folder stays. */
  kill(): Promise<void>;
}

export async function serveGateway(options: ServeOptions = {}): Promise<ServedGateway> {
  const { prepare, flags: ownFlags = [] } = options;
  const baseDir = options.baseDir ?? (await mkdtemp(join(tmpdir(), "p2prc-bench-")));
  await prepare?.(baseDir);
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const always = ["--public-ip", "off", "--log-level", "error", "--allow-cidr", "127.0.0.0/8"];
  const flags = ["--listen", `127.0.0.1:${port}`, "--base", baseDir, ...always, ...ownFlags];
  const startMs = performance.now();
  const child = spawn(process.execPath, [...profiling, "--import", stallWatch, program, "serve", ...flags], {
    stdio: ["ignore", "ignore", "inherit", "ipc"],
  });
  const sessions: Http2SessionManager[] = [];
  const openTransport = (): Transport => {
    const sessionManager = new Http2SessionManager(url);
    sessions.push(sessionManager);
    return createGrpcTransport({ baseUrl: url, sessionManager });
  };
  const transport = openTransport();
  await untilHealthy(createClient(Health, transport), child);
  return {
    baseDir,
    url,
    client: createClient(ClientService, transport),
    healthyAfterMs: performance.now() - startMs,
    pid: child.pid ?? 0,
    connect: () => createClient(ClientService, openTransport()),
    rssMib: () => rssMibOf(child),
    longestStallMs: () => longestStallOf(child),
    async kill() {
      for (const session of sessions) session.abort();
      await end(child, "SIGKILL");
    },
    async close() {
      for (const session of sessions) session.abort();
      await end(child);
      if (options.baseDir === undefined) await rm(baseDir, { recursive: true, force: true });
    },
  };
}

/** Time and memory of a Node process that does nothing: what no gateway can go below. */
export async function bareNode(): Promise<{ startMs: number; rssMib: number }> {
  const startMs = performance.now();
  const child = spawn(process.execPath, ["-e", "console.log(1); setInterval(() => {}, 1000)"]);
  await new Promise((resolve) => child.stdout.once("data", resolve));
  const elapsedMs = performance.now() - startMs;
  const rssMib = await rssMibOf(child);
  await end(child);
  return { startMs: elapsedMs, rssMib };
}

async function untilHealthy(health: Client<typeof Health>, child: ChildProcess): Promise<void> {
  for (;;) {
    if (child.exitCode !== null) throw new Error(`the gateway ended with ${child.exitCode}`);
    const status = await health.check({}).then(
      (response) => response.status,
      () => undefined,
    );
    if (status === HealthCheckResponse_ServingStatus.SERVING) return;
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

async function rssMibOf(child: ChildProcess): Promise<number> {
  const status = await readFile(`/proc/${child.pid ?? 0}/status`, "utf8");
  return Number(/VmRSS:\s+(\d+)/.exec(status)?.[1] ?? Number.NaN) / 1024;
}

async function longestStallOf(child: ChildProcess): Promise<number> {
  const answer = once(child, "message");
  child.send("longest stall");
  return Number((await answer)[0]);
}

async function end(child: ChildProcess, signal: NodeJS.Signals = "SIGTERM"): Promise<void> {
  const gone = new Promise((resolve) => child.once("exit", resolve));
  child.kill(signal);
  await gone;
}

async function freePort(): Promise<number> {
  const { createServer } = await import("node:net");
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  return typeof address === "object" && address !== null ? address.port : 0;
}
