import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { SYSTEM_NAMESPACE } from '@fso/shared/api';
import { EVENT_KIND } from '@fso/shared/kube';
import { encodeFrame, MAX_PREVIEW_BYTES, type Preview } from '@fso/shared/protocol';
import { describe, expect, it } from 'vitest';
import { MAX_AN_HOUR } from '../../agent/preview/previewer.ts';
import { never, waitFor } from '../harness/waiting.ts';
import { CHART, useMaliciousHub } from './malicious-hub-harness.ts';

const bench = useMaliciousHub();
const PLANTED = 'planted';

/** The list that the agent reported last. */
const acceptedList = () => bench.hub.got('report').findLast(({ baseline }) => baseline !== null)?.baseline?.list ?? null;

const questionOf = (id: number, more: Partial<Preview> = {}): Preview => ({
  ...{ type: 'preview', id, list: acceptedList(), put: [], removed: ['finance', 'hr'], at: null, withoutRegions: [] },
  ...more,
});

/** Policies that cost much: with globs, exclusions and regions up to their bounds. */
const costly = (policies: number) =>
  Array.from({ length: policies }, (_, index) => ({
    name: `${PLANTED}-${index}`,
    spec: {
      targetNamespace: '*',
      allowedRegions: Array.from({ length: 100 }, (_, region) => `region-${index}-${region}`),
      excludedNamespaces: Array.from({ length: 100 }, (_, other) => `*${index}-${other}*`),
      description: PLANTED,
      placementInjection: true,
    },
  }));

const answers = (from: number, to: number) => bench.hub.got('previewed').filter(({ id }) => id >= from && id <= to);
const reasonsOf = (from: number, to: number) =>
  answers(from, to).map(({ answer }) => (answer.state === 'Answered' ? answer.state : answer.reason));
const outcome = async (name: string): Promise<number> => {
  const metrics = await (await fetch(`${bench.agent.url}/metrics`)).text();
  return Number(new RegExp(`^fso_agent_previews_total\\{.*outcome="${name}".*\\} (\\d+)$`, 'm').exec(metrics)?.[1]);
};

describe('a hub that asks for everything', () => {
  it('gets an answer to the largest question or a refusal, while enforcement continues', async () => {
    await waitFor(() => expect(acceptedList()).not.toBeNull());
    const text = (count: number) => encodeFrame(questionOf(1, { put: costly(count) }));
    const policies = Math.floor((1_000 * MAX_PREVIEW_BYTES) / text(1_000).length);
    bench.hub.sendRaw(text(Math.min(1_000, policies)));
    await bench.goesOn();
    await waitFor(() => expect(reasonsOf(1, 1)).toHaveLength(1));
    expect(bench.memoryPeakMb()).toBeLessThan(CHART.memoryMb);
  });

  it('loses its connection with a larger one', async () => {
    const hellos = bench.hub.got('hello').length;
    bench.hub.send(questionOf(2, { put: [{ name: 'large', spec: 'x'.repeat(MAX_PREVIEW_BYTES) }] }));
    await bench.greeted(hellos + 1);
    expect(answers(2, 2)).toEqual([]);
  });

  it('gets counts alone, of one question at a time and 30 an hour, and the agent reports it', async () => {
    await waitFor(() => expect(acceptedList()).not.toBeNull());
    const last = 102;
    for (let id = 3; id <= last; id += 1) {
      bench.hub.send(questionOf(id, { put: costly(1) }));
      await waitFor(() => expect(answers(id, id)).toHaveLength(1));
    }
    const reasons = reasonsOf(3, last);
    expect(reasons.filter((reason) => reason === 'Answered').length).toBeLessThanOrEqual(MAX_AN_HOUR);
    expect(reasons.slice(-50)).toEqual(Array.from({ length: 50 }, () => 'TooMany'));
    expect(JSON.stringify(answers(3, last))).not.toContain('owners":[');
    expect(await outcome('TooMany')).toBe(reasons.filter((reason) => reason === 'TooMany').length);
    await waitFor(() => {
      const told = bench.hub.got('report').flatMap(({ events }) => events.filter(({ reason }) => reason === 'PreviewAsked'));
      expect(told.length).toBeGreaterThan(MAX_AN_HOUR);
      expect(told.length).toBeLessThanOrEqual(41);
    });
    // Also in the cluster, as the hub may hide it.
    await waitFor(async () => {
      const events = await bench.client.list(EVENT_KIND, { namespace: SYSTEM_NAMESPACE }, never);
      expect(events.map(({ reason }) => reason)).toContain('PreviewAsked');
      expect(JSON.stringify(events)).not.toContain(PLANTED);
    });
    expect(JSON.stringify(await bench.standing())).not.toContain(PLANTED);
    expect(readFileSync(join(bench.folder, 'agent-eu.log'), 'utf8')).not.toContain(PLANTED);
    await bench.goesOn();
  });

  it('gets nothing where that is turned off', async () => {
    const hellos = bench.hub.got('hello').length;
    await bench.agent.stop();
    bench.agent = await bench.startAgent(bench.hub.url, { preview: 'off' });
    await bench.greeted(hellos + 1);
    await waitFor(() => expect(bench.hub.got('report').length).toBeGreaterThan(0));
    bench.hub.send(questionOf(103));
    await waitFor(() => expect(reasonsOf(103, 103)).toEqual(['Off']));
    expect(await outcome('Off')).toBe(1);
  });
});
