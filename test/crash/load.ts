/** Load on a hub that runs until it is paused. */
export interface Load {
  run(): void;
  /** Resolves when nothing is under way any more. */
  pause(): Promise<void>;
}

export const delay = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/**
 * Creates a load that repeats an operation.
 *
 * @param once fails where there is no hub, which is expected
 */
export const createLoad = (once: () => Promise<unknown>, everyMs: number): Load => {
  let wanted = false;
  let running: Promise<void> = Promise.resolve();
  const live = async (): Promise<void> => {
    while (wanted) {
      await once().catch(() => undefined);
      await delay(everyMs);
    }
  };
  return {
    run: () => {
      wanted = true;
      running = live();
    },
    pause: async () => {
      wanted = false;
      await running;
    },
  };
};
