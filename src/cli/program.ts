/** The words and flags of `p2prc`, and the exit code of each end. */
import { Command, CommanderError, Option } from "commander";
import { addConfigFlags, clientSettings } from "./config-flags.js";
import { addCrawlFlags, runCrawl } from "./crawl.js";
import { addDemoFlags, runDemo } from "./demo.js";
import { addDevnetFlags, runDevnet } from "./devnet.js";
import { failureOf } from "./failure-text.js";
import { spellOut } from "./go-flags.js";
import { type OriginalFlag, servedFlags } from "./original-flags.js";
import { runOriginal } from "./original-operations.js";
import { addRunFlags, runRun } from "./run-plugin.js";
import { runServe } from "./serve.js";
import { addStateFlags, runStateExport, runStateImport } from "./state.js";
import { addGatewayFlags, addListFlags, runContainers, runForget, runGroups } from "./tracked.js";
import { addWatchFlags, runWatch } from "./watch.js";
import { exitCodeOfSignal, Interruption, type Surroundings } from "./surroundings.js";

type Run = (options: Readonly<Record<string, unknown>>, surroundings: Surroundings) => Promise<number>;

/**
 * Runs the program.
 *
 * @param argv what stands behind the program's name
 * @returns the exit code: 0 only on success, 1 when it did not work, 2 when it makes no sense as typed, 130 after Ctrl-C
 */
export async function runProgram(
  argv: readonly string[],
  version: string,
  surroundings: Surroundings,
): Promise<number> {
  const { output, signal } = surroundings;
  let exitCode = 0;
  const program = buildProgram(version, surroundings, (code) => (exitCode = code));
  try {
    const own = { flags: flagsOf(program), words: [...program.commands.map((word) => word.name()), "help"] };
    await program.parseAsync(spellOut(argv, own), { from: "user" });
    return exitCode;
  } catch (error) {
    const reason: unknown = signal.aborted ? signal.reason : undefined;
    if (reason instanceof Interruption) return exitCodeOfSignal[reason.signalName];
    if (error instanceof CommanderError && error.exitCode === 0) return 0;
    if (error instanceof CommanderError && error.code === "commander.help") return 2;
    const { text, exitCode: failed } = failureOf(error);
    output.stderr.write(`p2prc: ${text}\n`);
    return failed;
  }
}

const demoSummary = "a devnet, the gateway, a crawl of 3 hops and a group of containers; needs no internet";

function buildProgram(version: string, surroundings: Surroundings, end: (exitCode: number) => void): Command {
  const { output } = surroundings;
  const program = new Command("p2prc")
    .description("Finds P2PRC nodes and serves them as one API: gRPC, gRPC-Web and Connect on one port.")
    .version(version, "--version", "print the version")
    .helpOption("-h, --help", "show this help")
    .usage("WORD [flags]\n       p2prc FLAG ...   (the original client's flags, with one dash or two)")
    .helpCommand("help [WORD]", "show the help of a word")
    .exitOverride()
    // Failures are printed in one place, as one line.
    .configureOutput({
      writeOut: (text) => output.stdout.write(text),
      // The help of a word that needs another one; what is wrong is printed below.
      writeErr: (text) => output.stderr.write(text),
      outputError: () => undefined,
    })
    .action(async (options: Readonly<Record<string, unknown>>) => {
      if (await runOriginal(options, surroundings)) return;
      output.stderr.write(program.helpInformation());
      end(2);
    });
  for (const flag of servedFlags) program.addOption(optionOf(flag));
  program.option("--gateway <URL>", "a gateway that runs; else the one of the base folder");
  program.option("--json", "with --plugin: print each event as a line of JSON");
  addConfigFlags(program, clientSettings);
  const addCommand = (name: string, summary: string): Command => program.command(name).description(summary);
  const addWord = (name: string, summary: string, run: Run): Command =>
    addCommand(name, summary).action(async (options: Readonly<Record<string, unknown>>) =>
      end(await run(options, surroundings)),
    );
  addConfigFlags(addWord("serve", "run the gateway until a signal comes", runServe));
  addCrawlFlags(addWord("crawl", "crawl the network, live, and show the nodes by latency", runCrawl));
  addListFlags(addWord("containers", "show the tracked containers", runContainers)).option(
    "--removed",
    "also those that were removed within 7 days",
  );
  addListFlags(addWord("groups", "show the groups of containers", runGroups));
  addWatchFlags(addWord("watch", "show every change of containers and groups until Ctrl-C", runWatch));
  addRunFlags(
    addCommand("run", "run a plugin on a container, a group or whatever a filter finds")
      .argument("<PLUGIN>", "its folder, as `p2prc --vp` prints it")
      .argument("<TARGET>", "a container's id or name, a group's, or filter:FILTER")
      .action(async (plugin: string, target: string, options: Readonly<Record<string, unknown>>) =>
        end(await runRun(plugin, target, options, surroundings)),
      ),
  );
  addGatewayFlags(
    addCommand("forget", "stop tracking a container without asking its node, where it may go on running")
      .argument("<NAME>", "its name, or its id where it has one")
      .action(async (name: string, options: Readonly<Record<string, unknown>>) =>
        end(await runForget(name, options, surroundings)),
      ),
  );
  addStateWords(program, surroundings, end);
  addDevnetFlags(addWord("devnet", "run P2PRC nodes on loopback until a signal comes", runDevnet));
  addDemoFlags(addWord("demo", demoSummary, runDemo));
  return program.enablePositionalOptions();
}

function addStateWords(program: Command, surroundings: Surroundings, end: (exitCode: number) => void): void {
  const state = program.command("state").description("move a state, or make a copy of it");
  const addWord = (name: string, summary: string, run: typeof runStateExport): Command =>
    addStateFlags(
      state
        .command(`${name} <FILE>`)
        .description(summary)
        .action(async (file: string, options: Readonly<Record<string, unknown>>) =>
          end(await run(file, options, surroundings)),
        ),
    );
  addWord("export", "write the state into a new file, secrets too (0600)", runStateExport);
  addWord(
    "import",
    "bring a file into an empty state, which is the folder's from then on",
    runStateImport,
  ).option("--replace", "give up a state that is not empty");
}

function optionOf({ spellings, argument, summary = "" }: OriginalFlag): Option {
  const [short, ...longer] = spellings;
  const long = longer.at(-1);
  const names = long === undefined ? `--${short}` : `${short.length === 1 ? "-" : "--"}${short}, --${long}`;
  return new Option(argument === undefined ? names : `${names} <${argument}>`, summary).helpGroup(
    "The original client's flags:",
  );
}

function flagsOf(program: Command): Map<string, { takesValue: boolean }> {
  const named = (name: string, takesValue: boolean) => [name, { takesValue }] as const;
  const options = program.options.map(({ long, required }) =>
    named((long ?? "").replace(/^--/, ""), required),
  );
  return new Map([...options, named("help", false), named("h", false)]);
}
