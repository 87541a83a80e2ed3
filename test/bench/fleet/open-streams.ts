import { systemClock } from '@fso/shared/runtime';
import { Connection, createReadPace } from '../../../agent/stream/connection.ts';
import { openHubSocket } from '../../../agent/stream/hub-socket.ts';
import type { BenchAgent } from './bench-agent.ts';
import { type News, now, type Order } from './orders.ts';

/**
 * Number of streams that a process opens concurrently: enough to keep both sides busy, and few
 * enough that handshakes do not time out.
 */
const AT_ONCE = 64;

/**
 * Opens a stream of an agent with the product's own client. Resolves once it is open, or has ended
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
 * Opens a stream of each agent to a server that only accepts them. Closes all of them once the last
 * one is open.
 */
export const openStreams = async (agents: readonly BenchAgent[], url: string, tell: (news: News) => void): Promise<void> => {
  const close = new AbortController();
  await forSomeAtOnce(agents, async (agent) => tell(await openStream(agent, url, close.signal)));
  close.abort();
};

/**
 * Opens a stream that answers each message with the same one. Resolves once it is open, or has
 * failed.
 */
const openEcho = async (agent: BenchAgent, hubUrl: string, answer: string): Promise<News> => {
  const { config, certificate } = agent.identity;
  const { cluster } = agent;
  const opened = Promise.withResolvers<News>();
  const socket = openHubSocket({ ...config, hubUrl }, certificate, () => undefined);
  socket.on('message', () => socket.send(answer));
  socket.on('open', () => opened.resolve({ type: 'shaken', cluster, at: now() }));
  socket.on('error', ({ message }) => opened.resolve({ type: 'shaken', cluster, at: now(), failed: message }));
  return opened.promise;
};

/** Opens a stream of each agent that answers messages, until the server closes it. */
export const openEchoes = async (
  agents: readonly BenchAgent[],
  { url, bytes }: Extract<Order, { type: 'echo' }>,
  tell: (news: News) => void,
): Promise<void> => {
  const answer = 'x'.repeat(bytes);
  await forSomeAtOnce(agents, async (agent) => tell(await openEcho(agent, url, answer)));
};

const forSomeAtOnce = async (agents: readonly BenchAgent[], work: (agent: BenchAgent) => Promise<void>): Promise<void> => {
  const waiting = [...agents];
  const workOn = async (): Promise<void> => {
    for (let agent = waiting.shift(); agent !== undefined; agent = waiting.shift()) await work(agent);
  };
  await Promise.all(Array.from({ length: AT_ONCE }, workOn));
};
