/** Limits of this room. docs/limits.md lists the same rows; a test compares both ways. */
export const pluginLimits = {
  /** Folders that are listed. */
  maxPlugins: 1_000,
  /** The file `site.yml`, in bytes. */
  maxPlaybookBytes: 1024 * 1024,
  /** `description.txt`, `ports.json` and `hosts`, each in bytes. */
  maxSmallFileBytes: 64 * 1024,
  /** What is shown of a description, in bytes. */
  maxDescriptionBytes: 1024,
  /** Files and folders of one plugin. */
  maxFiles: 10_000,
  /** All of them together, in bytes. */
  maxFolderBytes: 64 * 1024 * 1024,
  /** Ports that a plugin takes of each container. */
  maxPorts: 64,
  /** Targets of one run. */
  maxTargets: 1_000,
  /** Targets worked on at once, without `max_concurrency`. */
  defaultConcurrency: 10,
  /** Of them at most. */
  maxConcurrency: 64,
  /** Without `target_timeout`. */
  defaultTargetTimeoutMs: 10 * 60_000,
  /** From the time-out of a target's connections to the end of its whole batch, should Ansible not let go of it. */
  timeoutGraceMs: 5_000,
  /** Runs at once. */
  maxRuns: 4,
  /** How long the processes of a run have to end by themselves. */
  terminateMs: 2_000,
  /** One event of Ansible, in bytes; a longer one is left out. */
  maxEventBytes: 2 * 1024 * 1024,
  /** Shown of a task's name, in characters. */
  maxTaskNameLength: 256,
  /** Output of one container in a run that is passed on, in bytes. */
  maxOutputBytes: 1024 * 1024,
  /** Events that wait for the reader of a run; more, and Ansible waits. */
  maxQueuedEvents: 64,
  /** Fetching a plugin. */
  installMs: 120_000,
  /** What a repository may take up on the disk while it is fetched, in bytes. */
  maxRepositoryBytes: 256 * 1024 * 1024,
  /** How long the results of a run are kept. */
  runKeptMs: 24 * 60 * 60_000,
  /** Runs whose results are kept; the oldest go first. */
  maxKeptRuns: 1_000,
  /** Targets of them together; the oldest runs go first. */
  maxKeptTargets: 20_000,
  /** One connection of ssh, until it stands, in seconds. */
  connectTimeoutSeconds: 10,
} as const;
