import { setTimeout as delay } from 'node:timers/promises';
import { now } from './orders.ts';

const PAGES = ['/api/v1/policy-summaries?limit=50', '/api/v1/clusters?limit=50', '/api/v1/status'];
const EACH_MS = 100;
/**
 * Number of concurrent requests that the hub handles for one caller. Further ones would wait there,
 * and their wait would be measured.
 */
const MAX_AT_ONCE = 4;

const readPage = async (url: string, token: string): Promise<void> => {
  const answer = await fetch(url, { headers: { Authorization: `Bearer ${token}` } });
  if (!answer.ok) throw new Error(`the hub answers ${answer.status} for ${url}`);
  await answer.arrayBuffer();
};

/**
 * Reads pages, ten a second, until a promise settles. The time of each starts when it is due, so
 * that waiting for unanswered requests counts.
 *
 * @returns response times in ms
 */
export const readPages = async (hubUrl: string, token: string, until: Promise<unknown>): Promise<readonly number[]> => {
  const times: number[] = [];
  const reading = new Set<Promise<void>>();
  let isOver = false;
  const end = (): void => {
    isOver = true;
  };
  until.then(end, end);
  const begin = now();
  for (let turn = 0; !isOver; turn += 1) {
    const due = begin + turn * EACH_MS;
    await delay(Math.max(0, due - now()));
    while (reading.size >= MAX_AT_ONCE) await Promise.race(reading);
    const read: Promise<void> = readPage(`${hubUrl}${PAGES[turn % PAGES.length]}`, token).then(() => {
      times.push(now() - due);
      reading.delete(read);
    });
    reading.add(read);
  }
  await Promise.all(reading);
  return times;
};
