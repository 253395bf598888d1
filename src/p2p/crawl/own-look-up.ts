import type { OwnAddress, OwnAddressSource } from "../own-address.js";

/** How one crawl looks our own address up: beside all else, and made anew after a pause, which cuts it short. */
export class OwnLookUp {
  /** Resolves when the address is known or given up, and `onSettled` has heard. */
  readonly settled: Promise<OwnAddress>;
  readonly #source: OwnAddressSource;
  readonly #onSettled: (found: OwnAddress) => void;
  #settle: (found: OwnAddress) => void = () => undefined;
  /** There while the look-up is under way, or cut short. */
  #cut: AbortController | undefined;

  constructor(source: OwnAddressSource, onSettled: (found: OwnAddress) => void) {
    this.#source = source;
    this.#onSettled = onSettled;
    this.settled = new Promise((resolve) => {
      this.#settle = resolve;
    });
  }

  start(): void {
    const cut = new AbortController();
    this.#cut = cut;
    void this.#source.find(cut.signal).then((found) => {
      if (found === undefined || this.#cut !== cut) return;
      this.#cut = undefined;
      this.#onSettled(found);
      this.#settle(found);
    });
  }

  /** Nobody watches the crawl: nobody may be asked on its behalf. */
  pause(): void {
    this.#cut?.abort();
  }

  resume(): void {
    if (this.#cut !== undefined) this.start();
  }
}
