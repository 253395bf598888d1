/** What runs in a container: an SSH server that lets its owner in, as the version of the node would have it. */

export interface StartCommandOptions {
  /** Lines of authorized_keys. */
  readonly publicKey: string;
  /** Whether its version knows keys: before, there was a user with a password. */
  readonly takesKey: boolean;
  /** How long nobody serves SSH. */
  readonly sshDelayMs: number;
}

/**
 * The keys are an argument, never a part of the script: what a stranger sends is no program here.
 *
 * One host key per container, made as it starts: clients that pin it see each container as itself.
 */
export function startCommand({ publicKey, takesKey, sshDelayMs }: StartCommandOptions): readonly string[] {
  const script = [
    "set -e",
    'sleep "$1"',
    "mkdir -p -m 755 /run/sshd",
    ...(takesKey ? rootWithKeys : masterWithPassword),
    'ssh-keygen -q -t ed25519 -N "" -f /etc/ssh/ssh_host_ed25519_key',
    "exec /usr/sbin/sshd -D -e",
  ];
  return ["/bin/sh", "-c", script.join("\n"), "start", String(sshDelayMs / 1_000), publicKey];
}

/** Source: shared protocol notes, "Measured on a real node": what came was written to authorized_keys as it was. */
const rootWithKeys = ["mkdir -p -m 700 /root/.ssh", 'printf %s "$2" >/root/.ssh/authorized_keys'];

/** Source: shared protocol notes, "Structs: DockerVM": credentials. */
const masterWithPassword = [
  "useradd --create-home --shell /bin/bash --groups sudo master",
  "echo master:password | chpasswd",
];
