import { FakeClock } from '@fso/shared/fake-clock';
import { expect, it } from 'vitest';
import { MalformedLog } from './malformed-log.ts';

it('logs each object once, through any number of deletions and returns', async () => {
  const clock = new FakeClock();
  const messages: string[] = [];
  const log = new MalformedLog({ ofCluster: ({ message }) => messages.push(message) }, clock);
  const broken = new Map([['K8sGeoResidency/geo-canary', 'status.byPod: expected array']]);
  for (let turn = 0; turn < 5; turn += 1) {
    log.look(broken);
    log.look(new Map());
  }
  expect(messages).toEqual(['K8sGeoResidency/geo-canary cannot be read: status.byPod: expected array; nothing is released because of it']);
  await clock.advance(600_000);
  log.look(new Map());
  log.look(broken);
  expect(messages).toHaveLength(2);
});

it('counts objects beyond a readable number', () => {
  const messages: string[] = [];
  const log = new MalformedLog({ ofCluster: ({ message }) => messages.push(message) }, new FakeClock());
  log.look(new Map(Array.from({ length: 500 }, (_, index) => [`Pod/team/${index}`, 'spec: expected object'])));
  expect(messages).toHaveLength(21);
  expect(messages.at(-1)).toContain('480 more objects');
});
