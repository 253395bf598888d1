/** What the journal has left is not told to the state. */
export const replaySeen = async (): Promise<void> => await Promise.resolve();
export const forgetRemoved = (): void => undefined;
