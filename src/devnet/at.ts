/** Takes what is known to be there. @throws {RangeError} it is not: a mistake of ours, not of a caller */
export function at<T>(list: readonly T[], position: number): T {
  const found = list[position];
  if (found === undefined) throw new RangeError(`nothing at position ${position} of ${list.length}`);
  return found;
}
