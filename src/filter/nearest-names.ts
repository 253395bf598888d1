/** Longer names are compared by their beginning only: a hostile one costs no more than a misspelt one. */
const maxCompared = 48;
const maxNames = 3;

/** Finds the known names that a misspelt one may have meant, best first: whole, or without what is before the last dot. */
export function nearestNames(met: string, known: readonly string[]): readonly string[] {
  const wanted = folded(met);
  const ranked = known.map((name) => {
    const last = name.slice(name.lastIndexOf(".") + 1);
    return {
      name,
      distance: Math.min(editDistance(wanted, folded(name)), editDistance(wanted, folded(last))),
    };
  });
  ranked.sort((a, b) => a.distance - b.distance);
  return ranked.slice(0, maxNames).map(({ name }) => name);
}

/** `memoryMib`, as protobuf's JSON has it, is meant to be `memory_mib`. */
const folded = (name: string): string => name.slice(0, maxCompared).toLowerCase().replaceAll("_", "");

/** How many letters have to be put in, taken out or changed (Levenshtein), row by row. */
function editDistance(from: string, to: string): number {
  let row = Array.from({ length: to.length + 1 }, (_, index) => index);
  for (let i = 1; i <= from.length; i += 1) {
    const next = [i];
    for (let j = 1; j <= to.length; j += 1) {
      const replaced = (row[j - 1] ?? 0) + (from[i - 1] === to[j - 1] ? 0 : 1);
      next.push(Math.min(replaced, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row[to.length] ?? 0;
}
