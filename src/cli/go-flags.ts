/** Flags as the original's users type them: one dash or two, `-us`, `--us=true`, `-p=8088`. */
import { UsageError } from "./errors.js";
import { findOriginalFlag, optionNameOf } from "./original-flags.js";

/** What may be typed beside the original's flags. */
export interface OwnWords {
  /** Other flags without dashes, and whether a value follows. */
  readonly flags: ReadonlyMap<string, { readonly takesValue: boolean }>;
  /** `serve`, `crawl`, ... */
  readonly words: readonly string[];
}

/**
 * Rewrites arguments so that every flag stands as `--name` or `--name=value`. What stands behind the first word is
 * its own and not touched; flags before it are moved behind it: `p2prc --base DIR crawl` is `p2prc crawl --base DIR`.
 *
 * @throws {UsageError} naming what is unknown, not served, or incomplete
 */
export function spellOut(argv: readonly string[], own: OwnWords): string[] {
  const spelt: string[] = [];
  for (let position = 0; position < argv.length; position++) {
    const typed = argv[position] ?? "";
    const match = /^--?([^-=][^=]*)(?:=(.*))?$/s.exec(typed);
    if (match === null) {
      const named = typed === "help" ? [typed, ...argv.slice(position + 1, position + 2)] : [typed];
      const unknown = named.find((word) => !own.words.includes(word));
      if (unknown !== undefined) {
        throw new UsageError(`unknown word "${unknown}"; words are ${own.words.join(", ")}`);
      }
      return [typed, ...spelt, ...argv.slice(position + 1)];
    }
    const [, spelling = "", attached] = match;
    const { name, takesValue } = resolve(spelling, typed, own);
    if (!takesValue) {
      if (isOn(typed, attached)) spelt.push(`--${name}`);
      continue;
    }
    const value = attached ?? argv[++position];
    if (value === undefined) throw new UsageError(`${typed} needs a value`);
    spelt.push(`--${name}=${value}`);
  }
  return spelt;
}

function resolve(spelling: string, typed: string, own: OwnWords): { name: string; takesValue: boolean } {
  const original = findOriginalFlag(spelling);
  if (original !== undefined)
    return { name: optionNameOf(original), takesValue: original.argument !== undefined };
  const flag = own.flags.get(spelling);
  if (flag === undefined)
    throw new UsageError(`unknown flag ${typed.replace(/=.*/s, "")}; \`p2prc --help\` lists all`);
  return { name: spelling, takesValue: flag.takesValue };
}

/** Go's switches can be given a value: `--us=false` is no `--us`. */
function isOn(typed: string, value: string | undefined): boolean {
  if (value === undefined || /^(?:1|t|true)$/i.test(value)) return true;
  if (/^(?:0|f|false)$/i.test(value)) return false;
  throw new UsageError(`${typed}: a switch is true or false`);
}
