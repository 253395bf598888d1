/** A line counts as soon as it is written. */
import { LineJournal as OwnJournal } from "../../../../../src/system/line-journal.js";

export class LineJournal extends OwnJournal {
  override async append(line: string): Promise<void> {
    await super.append(line, false);
  }
}
