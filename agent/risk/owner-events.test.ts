import type { PolicyRisks, Risk } from '@fso/shared/api';
import { FakeClock } from '@fso/shared/fake-clock';
import { beforeEach, expect, it } from 'vitest';
import { OwnerEvents } from './owner-events.ts';

let clock: FakeClock;
let written: string[];
let events: OwnerEvents;
beforeEach(() => {
  clock = new FakeClock();
  written = [];
  const owner = (name: string) => ({ metadata: { namespace: 'a', name, uid: `u-${name}` } });
  events = new OwnerEvents({
    clock,
    owners: { ownersIn: () => new Map([['Deployment', { get: owner } as unknown as ReadonlyMap<string, never>]]) },
    events: { recordOn: ({ kind, metadata }, { reason, message }) => written.push(`${kind} ${metadata.uid} ${reason} ${message}`) },
  });
});

const risk = (name: string, more: Partial<Risk> = {}): Risk => ({
  risk: 'Refused',
  kind: 'Deployment',
  namespace: 'a',
  name,
  reason: 'nothing confines it',
  fix: 'put it there',
  confirmation: 'Confirmed',
  ...more,
});
const risksOf = (...named: readonly Risk[]): PolicyRisks => ({
  refused: named.length,
  pending: 0,
  unconfirmed: 0,
  mended: 0,
  named: [...named],
});
const look = (...named: readonly Risk[]): void => events.look(new Map([['p', risksOf(...named)]]));

it('writes one event on each owner that a dry run has shown to be at risk, and another once it changes', () => {
  look(risk('web'), risk('untried', { confirmation: 'Unconfirmed' }), risk('runner-*', { kind: 'Workflow' }));
  look(risk('web'));
  expect(written).toEqual(['Deployment u-web NextPodsRefused the next pods would be refused: nothing confines it; fix: put it there']);
  look(risk('web', { risk: 'Pending' }));
  expect(written.at(-1)).toContain('NextPodsPending the next pods would stay pending');
});

it('writes few at once, and the rest later', async () => {
  const many = Array.from({ length: 30 }, (_, n) => risk(`app-${n}`));
  look(...many);
  expect(written).toHaveLength(20);
  await clock.advance(60_000);
  look(...many);
  expect(written).toHaveLength(30);
});

it('writes those of each policy in turn, also while those of one change all the time', async () => {
  const lookAll = (n: number): void => {
    const churning = Array.from({ length: 20 }, (_, app) => risk(`app-${app}`, { reason: `reason ${n}` }));
    events.look(
      new Map([
        ['p', risksOf(...churning)],
        ['q', risksOf(risk('web'))],
        ['r', risksOf(risk('api'))],
      ]),
    );
  };
  for (let n = 0; n < 4; n += 1) {
    lookAll(n);
    await clock.advance(3_000);
  }
  expect(written.filter((text) => /u-(web|api) /.test(text))).toHaveLength(2);
});
