/** A gateway with plugins, and containers that are sshd processes on loopback. */
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { existsSync } from "node:fs";
import { tmpdir } from "node:os";
import { fileURLToPath } from "node:url";
import { dirname, join } from "node:path";
import { type Client, createClient } from "@connectrpc/connect";
import { createGrpcTransport, Http2SessionManager } from "@connectrpc/connect-node";
import { type App, openApp } from "../../src/app/app.js";
import { loadConfig } from "../../src/config/config.js";
import { ClientService } from "../../src/gen/p2prc/client/v1/client_service_pb.js";
import type { RunPluginRequestSchema, RunPluginResponse } from "../../src/gen/p2prc/client/v1/plugin_pb.js";
import type { MessageInitShape } from "@bufbuild/protobuf";
import { CliProcess } from "./cli.js";
import { makeKey, SshBench, type SshServer } from "./ssh-servers.js";

const ansibleFolder = fileURLToPath(new URL("../../.cache/e2e/ansible/bin", import.meta.url));

/** Whether scripts/install-e2e.sh has put Ansible there. */
export const hasAnsible = (): boolean => existsSync(join(ansibleFolder, "ansible-playbook"));

/** Where programs are found: Ansible as scripts/install-e2e.sh puts it, and the system's. */
export const searchPath = `${ansibleFolder}:/usr/bin:/bin`;

/** @returns a PATH with Ansible. @throws it is missing, saying how to install it: that is never a passed test */
export function requireAnsiblePath(): string {
  if (!hasAnsible()) throw new Error("Ansible is missing: run scripts/install-e2e.sh ansible");
  return searchPath;
}

export interface TrackedServer {
  readonly id: string;
  readonly port: number;
  /** Ports besides SSH. */
  readonly ports?: readonly number[];
  /** Of the years when nodes told passwords; absent = by key. */
  readonly password?: string;
  readonly username?: string;
}

/** Where the containers' node would be: nobody listens there. */
export const nodeAddress = "127.0.0.1:9";
export const nameOf = (id: string): string => `nodes/${nodeAddress}/containers/${id}`;
export const groupId = "grp11111111-2222-3333-4444-555555555555";

export const onGroup = { case: "group", value: groupId } as const;
export const onContainer = (id: string) => ({ case: "container", value: nameOf(id) }) as const;

/** Jinja as a playbook that is a Go template writes it. */
export const jinja = (expression: string): string => `{{"{{"}} ${expression} {{"}}"}}`;

export class PluginBench {
  readonly baseDir: string;
  readonly ssh = new SshBench();
  readonly keyPath: string;
  readonly publicKey: string;
  #app: App | undefined;
  #sessions: Http2SessionManager[] = [];
  #processes: CliProcess[] = [];
  #logged = "";

  private constructor(baseDir: string, keyPath: string, publicKey: string) {
    this.baseDir = baseDir;
    this.keyPath = keyPath;
    this.publicKey = publicKey;
  }

  static async open(): Promise<PluginBench> {
    requireAnsiblePath();
    const baseDir = await mkdtemp(join(tmpdir(), "plugins-"));
    await mkdir(join(baseDir, ".p2prc"));
    const keyPath = makeKey(join(baseDir, ".p2prc"), "id_ed25519");
    return new PluginBench(baseDir, keyPath, await readFile(`${keyPath}.pub`, "utf8"));
  }

  /** Containers that let the gateway's key in. */
  async servers(count: number): Promise<readonly SshServer[]> {
    const opened = Array.from({ length: count }, () => this.ssh.open({ authorizedKeys: this.publicKey }));
    return await Promise.all(opened);
  }

  /** Writes a plugin as the network has them. */
  async plugin(name: string, tasks: string, files: Readonly<Record<string, string>> = {}): Promise<void> {
    const site = `- hosts: all\n  gather_facts: false\n  tasks:\n${tasks.replace(/^/gm, "    ")}\n`;
    const all = {
      "description.txt": `${name}\n`,
      "ports.json": '{"NumOfPorts": 0}',
      "site.yml": site,
      ...files,
    };
    for (const [file, text] of Object.entries(all)) {
      const path = join(this.baseDir, "plugin/deploy", name, file);
      await mkdir(dirname(path), { recursive: true });
      await writeFile(path, text);
    }
  }

  /** Writes the tracking files, with every container in one group. */
  async track(servers: readonly TrackedServer[]): Promise<void> {
    const entries = servers.map((server) => ({
      ID: server.id,
      Container: vmOf(server),
      IpAddress: nodeAddress,
    }));
    const folder = join(this.baseDir, "client/trackcontainers");
    await mkdir(folder, { recursive: true });
    await writeFile(join(folder, "trackcontainers.json"), JSON.stringify({ TrackContainer: entries }));
    const groups = { Groups: [{ ID: groupId, TrackContainer: entries }] };
    await writeFile(join(folder, "grouptrackcontainers.json"), JSON.stringify(groups));
  }

  /** Opens the gateway in this process. */
  async gateway(options: { readonly searchPath?: string } = {}): Promise<Client<typeof ClientService>> {
    const flags = { listen: "127.0.0.1:0", base: this.baseDir, publicIp: "off", lookInterval: "0" };
    const env = { PATH: options.searchPath ?? searchPath, HOME: this.baseDir };
    const config = loadConfig({ flags, env, cwd: this.baseDir });
    const logger = { debug: this.#log, info: this.#log, warn: this.#log, error: this.#log };
    this.#app = await openApp({ config, logger, listen: true });
    return this.client(this.#app.url ?? "");
  }

  client(url: string): Client<typeof ClientService> {
    const sessionManager = new Http2SessionManager(url);
    this.#sessions.push(sessionManager);
    return createClient(ClientService, createGrpcTransport({ baseUrl: url, sessionManager }));
  }

  /** The gateway in a process of its own. */
  async gatewayProcess(): Promise<{
    readonly client: Client<typeof ClientService>;
    readonly pid: number;
    kill(): Promise<unknown>;
  }> {
    const argv = ["serve", "--listen", "127.0.0.1:0", "--public-ip", "off", "--look-interval", "0"];
    const started = new CliProcess(argv, this.baseDir, { PATH: searchPath });
    this.#processes.push(started);
    const [url] = await started.until(/http:\/\/127\.0\.0\.1:[0-9]+/);
    return {
      client: this.client(url),
      pid: started.child.pid ?? 0,
      kill: () => {
        started.child.kill("SIGKILL");
        return started.ended;
      },
    };
  }

  async write(name: string, text: string): Promise<void> {
    await writeFile(join(this.baseDir, name), text);
  }

  /** What the gateway of this process logged. */
  get logged(): string {
    return this.#logged;
  }

  readonly #log = (fields: object, message: string): void => {
    const { err } = fields as { err?: Error };
    this.#logged += `${message} ${JSON.stringify(fields)} ${err?.stack ?? ""}\n`;
  };

  async closeGateway(): Promise<void> {
    for (const session of this.#sessions.splice(0)) session.abort();
    await this.#app?.close();
    this.#app = undefined;
    for (const { child, ended } of this.#processes.splice(0)) {
      child.kill("SIGKILL");
      await ended;
    }
  }

  async release(): Promise<void> {
    await this.closeGateway();
    await this.ssh.release();
    await rm(this.baseDir, { recursive: true, force: true });
  }
}

/** A whole run, sorted out. */
export interface HeardRun {
  readonly events: readonly RunPluginResponse[];
  readonly targets: readonly { readonly container: string; readonly ports: readonly number[] }[];
  /** Reason per container; empty = it went well. */
  readonly results: Readonly<Record<string, string>>;
  readonly summary: { readonly succeededCount: number; readonly failedCount: number } | undefined;
  readonly resumeToken: string;
  /** What the containers printed on standard output. */
  readonly printed: Readonly<Record<string, string>>;
}

export async function hear(
  client: Client<typeof ClientService>,
  request: MessageInitShape<typeof RunPluginRequestSchema>,
): Promise<HeardRun> {
  const events: RunPluginResponse[] = [];
  for await (const event of client.runPlugin(request)) events.push(event);
  return sortOut(events);
}

export function sortOut(events: readonly RunPluginResponse[]): HeardRun {
  const results: Record<string, string> = {};
  const printed: Record<string, string> = {};
  let targets: HeardRun["targets"] = [];
  let summary: HeardRun["summary"];
  for (const { container, event } of events) {
    if (event.case === "started") ({ targets } = event.value);
    if (event.case === "finished") results[container] = event.value.error?.reason ?? "";
    if (event.case === "output") printed[container] = `${printed[container] ?? ""}${event.value.text}\n`;
    if (event.case === "summary") summary = event.value;
  }
  return { events, targets, results, summary, printed, resumeToken: events.at(-1)?.resumeToken ?? "" };
}

function vmOf({ id, port, ports = [], password, username }: TrackedServer): object {
  const portList = [
    {
      PortName: "SSH",
      InternalPort: 22,
      Type: "tcp",
      ExternalPort: port,
      IsUsed: true,
      Description: "SSH Port",
    },
    ...ports.map((number) => ({
      PortName: "AutoGen Port",
      InternalPort: number,
      Type: "tcp",
      ExternalPort: number,
      IsUsed: false,
      Description: "Auto generated TCP port",
    })),
  ];
  const login =
    password === undefined
      ? { SSHUsername: username ?? "root", SSHPublicKey: "ssh-ed25519 AAAA\n", SSHCommand: "" }
      : { SSHUsername: username ?? "master", SSHPassword: password };
  return { ...login, ID: id, TagName: "t", ImagePath: "/tmp", Ports: { Port: portList }, GPU: "false" };
}
