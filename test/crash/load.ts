import type { StreamClient } from '../harness/stream-client.ts';

/** Load on a hub, which runs until it is paused. */
export interface Load {
  run(): void;
  /** Resolves when no operation is in flight any more. */
  pause(): Promise<void>;
}

export const delay = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/**
 * Creates a load that repeats an operation.
 *
 * @param once operation, which may fail while there is no hub
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

const RETRY_MS = 50;

/** Load by successive streams, to whichever hub runs. */
export class StreamLoad implements Load {
  readonly #load: Load;
  #stream: StreamClient | undefined;
  #isWanted: boolean = false;

  /**
   * @param connect opens a stream; may fail while there is no hub
   * @param serve works until the stream ends
   */
  constructor(connect: () => Promise<StreamClient>, serve: (stream: StreamClient) => Promise<void>) {
    this.#load = createLoad(async () => {
      try {
        this.#stream = await connect();
        await serve(this.#stream);
      } finally {
        this.#stream?.close();
      }
    }, RETRY_MS);
  }

  get isWanted(): boolean {
    return this.#isWanted;
  }

  run(): void {
    this.#isWanted = true;
    this.#load.run();
  }

  pause(): Promise<void> {
    return this.#end((stream) => stream.close());
  }

  /** Destroys the stream without closing it. */
  die(): Promise<void> {
    return this.#end((stream) => stream.terminate());
  }

  async #end(leave: (stream: StreamClient) => void): Promise<void> {
    this.#isWanted = false;
    const ended = this.#load.pause();
    if (this.#stream !== undefined) leave(this.#stream);
    await ended;
  }
}
