import { type FSWatcher, watch } from "node:fs";
import { basename, dirname } from "node:path";

/**
 * Tells that a file may have changed. It only speeds up the regular look: folders that cannot be watched, and
 * events that do not come, are no fault.
 *
 * @returns what ends it
 */
export function watchFiles(paths: readonly string[], onChange: () => void): () => void {
  const watchers: FSWatcher[] = [];
  for (const folder of new Set(paths.map((path) => dirname(path)))) {
    const names = paths.filter((path) => dirname(path) === folder).map((path) => basename(path));
    try {
      const watcher = watch(folder, { persistent: false }, (_, name) => {
        if (name === null || names.includes(name)) onChange();
      });
      watcher.on("error", () => watcher.close());
      watchers.push(watcher);
    } catch {
      // The regular look finds out.
    }
  }
  return () => {
    for (const watcher of watchers) watcher.close();
  };
}
