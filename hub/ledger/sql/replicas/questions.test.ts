import { randomBytes } from 'node:crypto';
import { type Clock, systemClock } from '@fso/shared/runtime';
import { expect, it } from 'vitest';
import { type AnswerQuestion, Questions } from './questions.ts';

/** Hubs whose notifications all of them get, in whole messages. */
const startHubs = (answers: Readonly<Record<string, AnswerQuestion>>, clock: Clock = systemClock) => {
  const hubs: Questions[] = [];
  const sizes: number[] = [];
  const notify = async (payload: string): Promise<void> => {
    sizes.push(payload.length);
    for (const hub of hubs) void hub.take(payload);
  };
  for (const [replica, answer] of Object.entries(answers)) {
    const hub = new Questions({ replica, clock, notify });
    hub.onAsked(answer);
    hubs.push(hub);
  }
  return { hubs, sizes };
};
const unknown: AnswerQuestion = async () => undefined;

it('asks the other hubs, and returns an answer of any length from the one that knows', async () => {
  const long = randomBytes(30_000).toString('hex');
  const { hubs, sizes } = startHubs({
    asks: async () => 'asks itself',
    knows: async (question) => (question === 'what?' ? long : undefined),
    too: async () => long,
    other: unknown,
  });
  expect(await hubs[0]?.ask('what?')).toBe(long);
  expect(Math.max(...sizes)).toBeLessThan(8_000);
});

it('ends without an answer where no hub has one, and ignores other messages', async () => {
  const { hubs } = startHubs({ asks: unknown, other: unknown }, { ...systemClock, sleep: async () => undefined });
  for (const odd of ['', '{', '{"id":1}', JSON.stringify({ id: 'x', to: 'asks', piece: 0, pieces: 1, data: '' })]) await hubs[0]?.take(odd);
  expect(await hubs[0]?.ask('what?')).toBeUndefined();
});
