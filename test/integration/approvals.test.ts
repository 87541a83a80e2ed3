import { approvalTag } from '@fso/shared/rollout';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { RunningHub } from '../../hub/hub.ts';
import { clusterReport } from '../../hub/serve/testing/fleet.ts';
import { accepted, type HubHarness, openHubHarness, takeOffer } from '../harness/hub-harness.ts';
import { basicRepository, policyFile } from '../harness/policy-files.ts';
import type { StreamClient } from '../harness/stream-client.ts';
import { eventually } from '../harness/waiting.ts';

/** Tags of a real Git server on their way to agents, which are driven by hand. */

let bench: HubHarness;
beforeAll(async () => {
  bench = await openHubHarness();
});
afterAll(() => bench.close());

/** Reports that a commit waits for an approval. */
const hold = async (
  stream: StreamClient,
  hub: RunningHub,
  { cluster, before, revision, seq }: { cluster: string; before: string; revision: string; seq: number },
): Promise<void> => {
  const held = { revision, tag: approvalTag(revision, 'production'), missing: 1, approvers: ['bob@example.org'], problems: [] };
  stream.send({ type: 'report', seq, full: true, cluster: { ...clusterReport(before), held }, policies: [], removed: [], events: [] });
  await eventually(async () => (await hub.ledger.cluster(cluster))?.report?.held?.revision === revision);
};

const tag = async (name: string, revision: string, message = 'Approve'): Promise<string> => {
  await bench.repository.git('tag', '--force', '--annotate', '--message', message, name, revision);
  await bench.repository.git('push', '--quiet', '--force', 'origin', `refs/tags/${name}`);
  return bench.repository.git('cat-file', 'tag', name);
};
const textsOf = ({ tags }: { tags: readonly string[] }): string[] => tags.map((each) => Buffer.from(each, 'base64').toString().trim());

it('passes tags about the newest commit on to agents that wait for them, over restarts', async () => {
  const first = await bench.repository.commit(basicRepository(), 'first');
  const hub = await bench.startHub();
  const eu = await bench.agent(hub, 'eu');
  expect((await takeOffer(eu, hub, 'eu')).revision).toBe(first);
  const second = await bench.repository.commit({ 'policies/finance.yaml': policyFile('finance', ['eu-central-1']) }, 'second');
  const name = approvalTag(second, 'production');
  // Without an agent that waits nobody looks for tags.
  const early = await tag(name, second);
  hub.source.hint();
  await accepted(hub, second);
  await eu.next('offer');
  await hold(eu, hub, { cluster: 'eu', before: first, revision: second, seq: 1 });
  expect([textsOf(await eu.next('approvals')), hub.source.approvals.of(first)]).toEqual([[early], undefined]);

  // Whatever is pushed under such names: what is no tag, or too large, is left out.
  await bench.repository.git('push', '--quiet', 'origin', `HEAD:refs/tags/${name}+light`);
  await tag(`${name}+large`, second, 'x'.repeat(20_000));
  await tag(approvalTag(first, 'production'), first);
  const late = await tag(`${name}+bob`, second);
  hub.source.hint();
  expect(textsOf(await eu.next('approvals'))).toEqual([early, late]);
  await hub.stop();

  const next = await bench.startHub();
  const again = await bench.agent(next, 'eu');
  expect(textsOf(await again.next('approvals'))).toEqual([early, late]);
  // An agent that is offered the commit later gets them with it.
  const us = await bench.agent(next, 'us');
  expect(textsOf(await us.next('approvals'))).toEqual([early, late]);
  expect((await us.next('offer')).revision).toBe(second);
  expect(us.frames.map(({ type }) => type).filter((type) => type === 'approvals' || type === 'offer')).toEqual(['approvals', 'offer']);
});
