import { get } from 'node:http';

/**
 * Order for the reading process: the address, the paths, the requests per second, and the duration.
 */
export interface ReadOrder {
  readonly url: string;
  readonly paths: readonly string[];
  readonly perSecond: number;
  readonly seconds: number;
}

/** Response times in milliseconds, by path. */
export type ReadTimes = Readonly<Record<string, readonly number[]>>;

/** Reads a path on a new connection, like a separate reader. */
const read = (url: string, path: string): Promise<number> => {
  const begin = performance.now();
  return new Promise((resolve, reject) => {
    get(`${url}/api/v1/${path}`, { agent: false }, (response) => {
      if (response.statusCode !== 200) reject(new Error(`${path}: ${response.statusCode}`));
      response.resume().once('end', () => resolve(performance.now() - begin));
    }).once('error', reject);
  });
};

/**
 * Sends each request when it is due, even if previous ones are unanswered: a hub that stalls delays
 * all requests that are due meanwhile.
 */
const run = async ({ url, paths, perSecond, seconds }: ReadOrder): Promise<ReadTimes> => {
  const times: Record<string, number[]> = Object.fromEntries(paths.map((path) => [path, []]));
  const reads: Promise<void>[] = [];
  const begin = performance.now();
  for (let turn = 0; turn < perSecond * seconds; turn += 1) {
    const dueMs = (turn * 1000) / perSecond - (performance.now() - begin);
    if (dueMs > 0) await new Promise((resolve) => setTimeout(resolve, dueMs));
    const path = paths[turn % paths.length] ?? '';
    reads.push(read(url, path).then((ms) => void times[path]?.push(ms)));
  }
  await Promise.all(reads);
  return times;
};

process.once('message', async (order: ReadOrder) => {
  process.send?.(await run(order));
  process.disconnect();
});
