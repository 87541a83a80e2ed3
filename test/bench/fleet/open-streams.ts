import { systemClock } from '@fso/shared/runtime';
import { Connection, createReadPace } from '../../../agent/stream/connection.ts';
import type { BenchAgent } from './bench-agent.ts';
import { type News, now } from './orders.ts';

/**
 * Streams that a process opens at a time: enough to keep both sides busy, and few enough for each
 * handshake to end in its time.
 */
const AT_ONCE = 64;

/**
 * Opens a stream of an agent with the product's own client. Resolves once it is open, or ended
 * before.
 */
const openStream = async (agent: BenchAgent, hubUrl: string, signal: AbortSignal): Promise<News> => {
  const opened = Promise.withResolvers<News>();
  const { config, certificate } = agent.identity;
  const { cluster } = agent;
  const connection = new Connection(
    { ...config, hubUrl },
    {
      hello: () => {
        opened.resolve({ type: 'shaken', cluster, at: now() });
        return agent.hello();
      },
      ages: () => ({ oldestPartMs: 0, oldestKindMs: 0, outOfDate: [] }),
      onWelcome: () => undefined,
      onFrame: () => undefined,
    },
    createReadPace(systemClock),
    certificate,
  );
  void connection.ended(signal).then(({ reason }) => opened.resolve({ type: 'shaken', cluster, at: now(), failed: reason }));
  return opened.promise;
};

/**
 * Opens a stream of each agent to a server that only accepts them, and closes them all once the
 * last one is open.
 */
export const openStreams = async (agents: readonly BenchAgent[], url: string, tell: (news: News) => void): Promise<void> => {
  const close = new AbortController();
  const waiting = [...agents];
  const work = async (): Promise<void> => {
    for (let agent = waiting.shift(); agent !== undefined; agent = waiting.shift()) tell(await openStream(agent, url, close.signal));
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
  close.abort();
};
