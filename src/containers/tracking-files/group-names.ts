/** Two names are in use for the file of groups; this says which one is written. */
import { dirname } from "node:path";
import { stat } from "node:fs/promises";
import type { Logger } from "../../observability/logger.js";
import type { FilePair } from "./file-pair.js";
import type { Ledger } from "./ledger.js";
import type { GroupDocument } from "./group-document.js";
import type { TrackingFile } from "./tracking-file.js";

export interface GroupNames {
  /** What the original writes. It wins as soon as it exists. */
  readonly plural: string;
  /** What the documentation says, and what we write where neither exists. */
  readonly singular: string;
}

/** Which of both is written at first. */
export async function firstGroupsPath({ plural, singular }: GroupNames): Promise<string> {
  return (await exists(plural)) ? plural : singular;
}

export interface GroupNameOptions {
  readonly names: GroupNames;
  readonly openFile: (path: string) => TrackingFile<GroupDocument>;
  readonly ledger: Ledger;
  readonly logger: Logger;
}

/** Sees to it that one file of groups is left. */
export class GroupFileNames {
  readonly #options: GroupNameOptions;
  /** Its groups are in the state; it goes once the other file holds them. */
  #retiring: TrackingFile<GroupDocument> | undefined;

  constructor(options: GroupNameOptions) {
    this.#options = options;
  }

  /** To be called when what stands in the written file is merged. @returns whether there is something to write */
  async settle(pair: FilePair): Promise<boolean> {
    if (this.#retiring !== undefined) return true;
    const { names, openFile, ledger } = this.#options;
    if (pair.groups.path === names.singular) {
      if (!(await exists(names.plural))) return false;
      this.#retiring = pair.groups;
      pair.groups = openFile(names.plural);
      ledger.renameGroups();
      return true;
    }
    if (!(await exists(names.singular))) return false;
    const singular = openFile(names.singular);
    const sight = await singular.look(true);
    if (sight.kind !== "foreign") return false;
    await pair.takeOver(sight);
    singular.adopt(sight.document, sight.mark);
    this.#retiring = singular;
    return true;
  }

  /** To be called when the written file says all that the state says. */
  async retire(): Promise<void> {
    const retiring = this.#retiring;
    if (retiring === undefined) return;
    const sight = await retiring.look(true);
    // Somebody has written it since: what they wrote is taken over first.
    this.#retiring = undefined;
    if (sight.kind !== "same") return;
    const name = await retiring.moveAside("merged");
    if (name === undefined) return;
    const folder = dirname(retiring.path);
    this.#options.logger.info(
      { folder, name },
      "two files of groups joined in one; the other has another name now",
    );
  }
}

export const exists = async (path: string): Promise<boolean> =>
  await stat(path).then(
    () => true,
    () => false,
  );
