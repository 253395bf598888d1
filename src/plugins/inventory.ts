/**
 * What Ansible is told of the targets and of the caller's variables. Both files are YAML in JSON's spelling, but for
 * `!unsafe`: what a node or a caller wrote is never evaluated. Without it a node that calls its password
 * `{{ lookup('pipe', ...) }}` would run commands on the gateway's machine: seen in a trial.
 */
import type { Access } from "../containers/contract.js";
import { PluginError } from "./errors.js";
import { pluginLimits } from "./limits.js";

/** How Ansible reaches one container. */
export interface InventoryHost {
  /** `host1`, `host2`, ...: the original knows a single one, `host1`. */
  readonly alias: string;
  readonly host: string;
  readonly port: number;
  readonly user: string;
  /** Empty = by key. A secret. */
  readonly password: string;
  readonly privateKeyPath: string;
  /** Where the container's host key is remembered. */
  readonly knownHostsPath: string;
}

/** Reads how to log in from what the node told. @throws {PluginError} SSH_NOT_OFFERED */
export function inventoryHost(
  access: Access,
  rest: Pick<InventoryHost, "alias" | "privateKeyPath" | "knownHostsPath">,
): InventoryHost {
  const { host, sshPort: port, sshUsername: user, sshPassword: password } = access;
  if (port === 0) throw new PluginError("SSH_NOT_OFFERED", "its node told no SSH port");
  // It becomes an argument of ssh.
  if (!/^[A-Za-z_][A-Za-z0-9_-]{0,31}$/.test(user))
    throw new PluginError("SSH_NOT_OFFERED", "its node told no user name that is one");
  if (!/^[A-Za-z0-9][A-Za-z0-9.:-]*$/.test(host) && !/^[0-9a-f:.]+$/.test(host))
    throw new PluginError("SSH_NOT_OFFERED", "its node's address is no host");
  return { ...rest, host, port, user, password };
}

/** The names and groups that the original writes into `hosts`; the secrets of ours. */
export function inventoryText(hosts: readonly InventoryHost[], pythonInterpreter: string): string {
  const entries = hosts.map((host) => `${JSON.stringify(host.alias)}: ${hostText(host)}`);
  const all = `"all": {"vars": {"ansible_python_interpreter": ${JSON.stringify(pythonInterpreter)}}}`;
  return `{${all},\n"main": {"hosts": {\n${entries.join(",\n")}\n}}}\n`;
}

function hostText({ host, port, user, password, privateKeyPath, knownHostsPath }: InventoryHost): string {
  const fields = [
    `"ansible_host": ${unsafe(host)}`,
    `"ansible_port": ${port}`,
    `"p2prc_user": ${unsafe(user)}`,
    `"p2prc_ssh_args": ${unsafe(sshArguments(knownHostsPath, password !== ""))}`,
    ...(password === ""
      ? [`"ansible_ssh_private_key_file": ${unsafe(privateKeyPath)}`]
      : [`"ansible_password": ${unsafe(password)}`, `"ansible_become_password": ${unsafe(password)}`]),
  ];
  return `{${fields.join(", ")}}`;
}

/**
 * Of ssh, sftp and scp. The file of host keys is the container's own, and so is the name a key is kept under: a port
 * that a node gives to another container later does not pass for the old one.
 */
function sshArguments(knownHostsPath: string, isByPassword: boolean): string {
  const options: readonly (readonly [string, string])[] = [
    ["LogLevel", "ERROR"],
    ["StrictHostKeyChecking", "accept-new"],
    ["UserKnownHostsFile", `"${knownHostsPath.replaceAll("%", "%%")}"`],
    ["GlobalKnownHostsFile", "/dev/null"],
    ["HashKnownHosts", "no"],
    ["UpdateHostKeys", "no"],
    ["CheckHostIP", "no"],
    ["HostKeyAlias", "p2prc"],
    ["IdentitiesOnly", "yes"],
    ["IdentityAgent", "none"],
    ["ForwardAgent", "no"],
    // One that goes on in the background would outlive the run.
    ["ControlMaster", "no"],
    ["ControlPath", "none"],
    ["ConnectTimeout", String(pluginLimits.connectTimeoutSeconds)],
    ["ConnectionAttempts", "1"],
    ["ServerAliveInterval", "15"],
    ["ServerAliveCountMax", "3"],
    ["NumberOfPasswordPrompts", "1"],
    ["PreferredAuthentications", isByPassword ? "password,keyboard-interactive" : "publickey"],
  ];
  return ["-F none", ...options.map(([key, value]) => `-o '${key}=${value}'`)].join(" ");
}

/**
 * Variables that no playbook can override: an unchanged one that names `remote_user: master`, or sets these itself, logs
 * in all the same. Tried with ansible-core 2.14, 2.18 and 2.19: only extra variables go before a play's own.
 */
export function variablesText(variables: ReadonlyMap<string, string>): string {
  const fields = [...variables].map(([name, value]) => `${JSON.stringify(name)}: ${unsafe(value)}`);
  const own = [`"ansible_user": "{{ p2prc_user }}"`, `"ansible_ssh_common_args": "{{ p2prc_ssh_args }}"`];
  return `{${[...own, ...fields].join(",\n")}}\n`;
}

/** @throws {PluginError} INVALID_VARIABLE */
export function checkVariables(variables: ReadonlyMap<string, string>): void {
  for (const name of variables.keys()) {
    if (/^[A-Za-z][A-Za-z0-9_]{0,63}$/.test(name) && !/^(?:ansible|p2prc)_/i.test(name)) continue;
    throw new PluginError(
      "INVALID_VARIABLE",
      "a variable's name is no name, or begins with ansible_ or p2prc_",
      {
        field: "variables",
        metadata: { variable: name },
      },
    );
  }
}

/** JSON's spelling is YAML's, but for characters that YAML wants escaped and pairs of surrogates that it does not join. */
const unsafe = (text: string): string =>
  `!unsafe ${JSON.stringify(text).replace(/[\u007f-\u009f\u2028\u2029\ufeff\ufffe\uffff]/g, escaped)}`;

const escaped = (unit: string): string => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`;
