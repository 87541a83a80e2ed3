import { FakeClock } from '@fso/shared/fake-clock';
import { createLogger } from '@fso/shared/runtime';
import { expect, it } from 'vitest';
import { capabilitiesOf, untilUpgraded } from './capabilities.ts';

/** @returns after how many minutes the watch ended; undefined: it goes on */
const watch = async (answers: readonly (string | undefined)[]): Promise<number | undefined> => {
  const clock = new FakeClock();
  const stop = new AbortController();
  let [asked, endedAt]: [number, number | undefined] = [0, undefined];
  const client = {
    version: () => {
      const answer = answers[asked];
      asked += 1;
      return answer === undefined ? Promise.reject(new Error('down')) : Promise.resolve(answer);
    },
  };
  const options = {
    client,
    clock,
    logger: createLogger({ name: 'test', level: 'silent' }),
    known: capabilitiesOf('v1.34.2'),
    capabilitiesOf,
  };
  const watching = untilUpgraded(options, stop.signal).then(
    () => {
      endedAt = asked;
    },
    () => undefined,
  );
  for (let minute = 0; minute < answers.length; minute += 1) await clock.advance(60_000);
  stop.abort();
  await watching;
  return endedAt;
};

it('ends when the API server has other capabilities three times in a row', async () => {
  expect(await watch(['v1.34.2', 'v1.35.0', 'v1.35.0', 'v1.35.0'])).toBe(4);
});

it('survives patch releases, alternating answers of two versions, and outages', async () => {
  expect(await watch(['v1.34.9', 'v1.34.9', 'v1.34.9', 'v1.34.9'])).toBeUndefined();
  expect(await watch(['v1.35.0', 'v1.35.0', 'v1.34.2', 'v1.35.0', 'v1.35.0'])).toBeUndefined();
  expect(await watch([undefined, undefined, undefined, undefined])).toBeUndefined();
});

it('derives the capabilities of a version, and trusts an administrator who configures that bindings carry no region', () => {
  expect(capabilitiesOf('v1.29.0')).toMatchObject({ floor: false });
  expect(capabilitiesOf('v1.34.0+k3s1')).toMatchObject({ floor: true, bindGate: 'list', injection: 'v1beta1' });
  expect(capabilitiesOf('v1.36.3')).toMatchObject({ floor: true, bindGate: 'label', injection: 'v1' });
  expect(capabilitiesOf('v1.36.3', 'list')).toMatchObject({ bindGate: 'list' });
});
