/** Something that makes work for a hub until it is told to stop. */
export interface Load {
  run(): void;
  /** Resolves when nothing is under way any more. */
  pause(): Promise<void>;
}

export const delay = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** Does something again and again. @param once fails where there is no hub: that is the point of it */
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
