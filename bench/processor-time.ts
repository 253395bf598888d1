import { readFile } from "node:fs/promises";

/** A tick of the kernel's clock, in milliseconds: a hundred a second wherever Linux runs Node. */
const tickMs = 10;

/** What a process has used of the processors so far, in milliseconds, all its threads together. Linux only. */
export async function processorMsOf(pid: number): Promise<number> {
  const text = await readFile(`/proc/${pid}/stat`, "utf8");
  // The second field is a name in brackets, which may hold anything.
  const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[11]) + Number(fields[12])) * tickMs;
}
