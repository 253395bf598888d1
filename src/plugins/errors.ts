/** Why a whole call, or the work on one target, failed. `rpc/errors.ts` gives each its gRPC code. */
export type PluginReason =
  | "INVALID_PLUGIN_NAME"
  | "INVALID_VARIABLE"
  | "INVALID_FAILURE_POLICY"
  | "INVALID_RESUME_TOKEN"
  | "RESUME_EXPIRED"
  | "REQUEST_ID_REUSED"
  | "PLUGIN_NOT_FOUND"
  /** Its folder is not what a plugin is. */
  | "PLUGIN_BROKEN"
  | "TOO_MANY_TARGETS"
  | "TOO_MANY_RUNS"
  /** A run with the same request id goes on. */
  | "RUN_UNDER_WAY"
  /** A run with the same request id was begun at another gateway that shares the state. */
  | "RUN_ELSEWHERE"
  | "PERMISSION"
  | "INVALID_PLUGIN_URL"
  | "PLUGIN_EXISTS"
  | "GIT_MISSING"
  /** The repository could not be fetched, or holds no plugin. */
  | "INSTALL_FAILED"
  | "ANSIBLE_MISSING"
  | "PLUGIN_PATH_UNREADABLE"
  /** The journal of the runs cannot be written. */
  | "DISK_FULL"
  | "STATE_READ_ONLY"
  | "DRAINING"
  // -- of one target
  /** It has neither SSH port nor a user name that can be used. */
  | "SSH_NOT_OFFERED"
  | "SSHPASS_MISSING"
  | "SSH_UNREACHABLE"
  | "CONTAINER_KEY_NOT_HELD"
  | "SSH_PASSWORD_REFUSED"
  | "HOST_KEY_CHANGED"
  | "TASK_FAILED"
  | "TARGET_TIMEOUT"
  | "TARGET_NOT_STARTED"
  /** No play of the playbook is about it. */
  | "NO_PLAY_FOR_TARGET"
  /** Ansible ended before the target was done: the playbook cannot be read, or Ansible failed. */
  | "PLAYBOOK_FAILED"
  | "RUN_INTERRUPTED";

export interface PluginErrorOptions {
  /** Request field at fault, in the contract's spelling. */
  readonly field?: string;
  /** Ids involved; short, and never a secret. */
  readonly metadata?: Readonly<Record<string, string>>;
  readonly cause?: unknown;
}

/** The failure of a whole call to this room, or of one target of a run. */
export class PluginError extends Error {
  override readonly name = "PluginError";
  readonly reason: PluginReason;
  readonly field: string | undefined;
  readonly metadata: Readonly<Record<string, string>>;

  constructor(reason: PluginReason, message: string, options: PluginErrorOptions = {}) {
    super(message, { cause: options.cause });
    this.reason = reason;
    this.field = options.field;
    this.metadata = options.metadata ?? {};
  }
}

/** Of one target. */
export const interrupted = (): PluginError =>
  new PluginError("RUN_INTERRUPTED", "the run ended before the target was done");
