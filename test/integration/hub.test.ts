import { createHmac } from 'node:crypto';
import { rm } from 'node:fs/promises';
import { compileCluster } from '@fso/shared/compile';
import { EMPTY_DIGEST, type GitObject } from '@fso/shared/protocol';
import { afterEach, describe, expect, it } from 'vitest';
import { accepted, type HubHarness, openHubHarness, takeOffer } from '../harness/hub-harness.ts';
import { basicRepository, clusterFile, policyFile } from '../harness/policy-files.ts';
import { connectStream } from '../harness/stream-client.ts';
import { eventually, printMs } from '../harness/waiting.ts';

let bench: HubHarness;
const open = async (...args: Parameters<typeof openHubHarness>): Promise<HubHarness> => {
  bench = await openHubHarness(...args);
  return bench;
};
afterEach(() => bench.close());

const kindOf = (object: GitObject): string => ('type' in object ? object.type : 'edits');

describe('from a push to an offer', () => {
  it('offers a new agent all that concerns it and then only changes, soon after a hint', async () => {
    const { repository, startHub, agent } = await open();
    const first = await repository.commit(basicRepository(), 'first');
    const hub = await startHub();
    const eu = await agent(hub, 'eu');
    expect((await eu.next('welcome')).hubVersion).toBe('test');
    const whole = await takeOffer(eu, hub, 'eu');
    expect(whole.revision).toBe(first);
    expect(whole.chain).toEqual([first]);
    expect(whole.objects.map(kindOf).sort()).toEqual(['blob', 'blob', 'commit', 'tree', 'tree', 'tree']);

    const second = await repository.commit({ 'policies/hr.yaml': policyFile('hr') }, 'second');
    const third = await repository.commit({ 'policies/hr.yaml': policyFile('hr', ['us-east-1']) }, 'third');
    const began = performance.now();
    hub.source.hint();
    const delta = await takeOffer(eu, hub, 'eu');
    printMs('hint → offer', performance.now() - began);
    expect(delta.chain).toEqual([second, third]);
    // Both commits and their root folders, policies/ and the one file of the newer commit. Of its
    // folders the agent has an older version.
    expect(delta.objects.map(kindOf).sort()).toEqual(['blob', 'commit', 'commit', 'edits', 'edits', 'tree']);
    const record = await hub.ledger.cluster('eu');
    expect(record?.offeredRevision).toBe(third);
    expect((await hub.ledger.events({ limit: 10 })).map((event) => event.reason)).not.toContain('DigestMismatch');
    // The hub sends the digest of the expected state, which is the acked one.
    eu.send({ type: 'digest', seq: 0, digest: EMPTY_DIGEST });
    expect((await eu.next('digest')).digest).toBe(record?.acked?.digest);
  });

  it('sends nothing to an agent that is up to date, and everything after a rewrite of the history', async () => {
    const { repository, startHub, agent } = await open();
    const first = await repository.commit(basicRepository(), 'first');
    const hub = await startHub();
    await accepted(hub, first);
    const eu = await connectStream(hub.agentUrl, 'token-of-eu-0123456789', 'eu');
    eu.hello({ revision: first, holds: first });
    await eu.next('welcome');
    await repository.git('checkout', '--quiet', '--orphan', 'other');
    await repository.git('commit', '--quiet', '--message', 'rewritten');
    await repository.git('push', '--quiet', '--force', 'origin', 'HEAD:main');
    const rewritten = await repository.git('rev-parse', 'HEAD');
    hub.source.hint();
    const offer = await eu.next('offer');
    expect(eu.frames.filter((frame) => frame.type === 'offer')).toHaveLength(1);
    expect(offer.revision).toBe(rewritten);
    expect(offer.chain).toEqual([rewritten]);
    // The commit, three folders, the registration of the cluster and a policy.
    expect(offer.objects).toHaveLength(6);
    const late = await agent(hub, 'us');
    expect((await late.next('offer')).objects).toHaveLength(6);
    eu.close();
  });

  it('withdraws a commit that it offered and that the agent has not acked', async () => {
    const { repository, startHub, agent } = await open();
    const first = await repository.commit(basicRepository(), 'first');
    const hub = await startHub();
    const eu = await agent(hub, 'eu');
    await takeOffer(eu, hub, 'eu');
    const second = await repository.commit({ 'policies/hr.yaml': policyFile('hr') }, 'second');
    hub.source.hint();
    expect((await eu.next('offer')).revision).toBe(second);
    await repository.git('push', '--quiet', '--force', 'origin', `${first}:main`);
    hub.source.hint();
    const back = await eu.next('offer');
    expect([back.revision, back.chain]).toEqual([first, [first]]);
    eu.send({ type: 'ack', revision: second, digest: 'of the second' });
    const { set } = await eventually(() => hub.ledger.desired());
    const { digest } = compileCluster(set, 'eu');
    eu.send({ type: 'ack', revision: first, digest });
    await eventually(async () => (await hub.ledger.cluster('eu'))?.acked?.digest === digest);
    expect((await hub.ledger.cluster('eu'))?.acked?.revision).toBe(first);
  });

  it('accepts a hello instead of an ack that was lost with the previous stream', async () => {
    const { repository, startHub, agent } = await open();
    await repository.commit(basicRepository(), 'first');
    const hub = await startHub();
    const before = await agent(hub, 'eu');
    await takeOffer(before, hub, 'eu');
    const second = await repository.commit({ 'policies/hr.yaml': policyFile('hr') }, 'second');
    hub.source.hint();
    await before.next('offer');
    before.close();
    const after = await connectStream(hub.agentUrl, 'token-of-eu-0123456789', 'eu');
    after.hello({ revision: second, holds: second });
    await after.next('welcome');
    await eventually(async () => (await hub.ledger.cluster('eu'))?.acked?.revision === second);
    expect(after.frames.map(({ type }) => type)).not.toContain('offer');
    after.close();
  });

  it('serialises a revision once for all agents with the same state', async () => {
    const { repository, startHub, agent } = await open();
    await repository.commit(basicRepository(), 'first');
    const hub = await startHub();
    const eu = await agent(hub, 'eu');
    const us = await agent(hub, 'us');
    await Promise.all([takeOffer(eu, hub, 'eu'), takeOffer(us, hub, 'us')]);
    expect(hub.offersMade()).toBe(1);
    await repository.commit({ 'policies/hr.yaml': policyFile('hr') }, 'second');
    hub.source.hint();
    const [one, other] = await Promise.all([takeOffer(eu, hub, 'eu'), takeOffer(us, hub, 'us')]);
    expect(one).toEqual(other);
    expect(hub.offersMade()).toBe(2);
  });

  it('fetches on a signed webhook and refuses an unsigned one', async () => {
    const { repository, startHub, agent } = await open();
    await repository.commit(basicRepository(), 'first');
    const secret = 'webhook-secret-0123456789';
    const hub = await startHub({ config: { webhookSecret: secret } });
    const eu = await agent(hub, 'eu');
    await takeOffer(eu, hub, 'eu');
    const second = await repository.commit({ 'policies/hr.yaml': policyFile('hr') }, 'second');
    const body = JSON.stringify({ ref: 'refs/heads/main' });
    const post = (signature: string) =>
      fetch(`${hub.url}/api/v1/webhooks/git`, {
        method: 'POST',
        body,
        headers: { 'Content-Type': 'application/json', 'X-Hub-Signature-256': `sha256=${signature}` },
      });
    expect((await post('0'.repeat(64))).status).toBe(403);
    const answer = await post(createHmac('sha256', secret).update(body).digest('hex'));
    expect(answer.status).toBeLessThan(300);
    expect((await eu.next('offer')).revision).toBe(second);
  });

  it('any number of hints during a fetch cause exactly one more', async () => {
    let fetches = 0;
    let release = (): void => undefined;
    let arrived = (): void => undefined;
    const held = new Promise<void>((resolve) => {
      release = resolve;
    });
    const atServer = new Promise<void>((resolve) => {
      arrived = resolve;
    });
    const { repository, startHub } = await open({
      onRequest: (request) => {
        if (!request.url?.includes('service=git-upload-pack')) return;
        fetches += 1;
        arrived();
        return held;
      },
    });
    const first = await repository.commit(basicRepository(), 'first');
    const hub = await startHub();
    await atServer;
    for (let i = 0; i < 5; i += 1) hub.source.hint();
    let lastFetches = 0;
    hub.source.onChange((view) => {
      if (view.lastFetch !== null) lastFetches += 1;
    });
    release();
    await accepted(hub, first);
    await eventually(async () => lastFetches >= 2);
    // The next hint causes a separate fetch; if the five had caused more than one, it would not be
    // the third.
    hub.source.hint();
    await eventually(async () => fetches >= 3);
    await hub.stop();
    expect(fetches).toBe(3);
  });
});

it('registers a cluster by a commit', async () => {
  const { repository, startHub } = await open();
  await repository.commit(basicRepository(), 'first');
  const hub = await startHub();
  const second = await repository.commit({ 'clusters/apac.yaml': clusterFile('apac', ['ap-southeast-1']) }, 'second');
  hub.source.hint();
  await accepted(hub, second);
  await eventually(async () => (await hub.ledger.cluster('apac'))?.connected === false);
});

it('ends with the reason when a part of it fails, instead of listening without effect', async () => {
  const own = await openHubHarness();
  await own.repository.commit(basicRepository(), 'first');
  let draws = 0;
  // Drawn by the source after each fetch.
  const random = (): number => {
    draws += 1;
    throw new Error('no randomness left');
  };
  const hub = await own.startHub({ deps: { random } });
  const { url, agentUrl } = hub;
  await expect(hub.stopped).rejects.toThrow('no randomness left');
  expect(draws).toBe(1);
  await expect(fetch(`${url}/healthz`)).rejects.toThrow();
  await expect(connectStream(agentUrl, 'token-of-eu-0123456789', 'eu')).rejects.toThrow('ECONNREFUSED');
  await expect(hub.stop()).rejects.toThrow('no randomness left');
  // The harness stops its hubs too.
  await expect(own.close()).rejects.toThrow('no randomness left');
  await own.git.stop();
  await rm(own.folder, { recursive: true, force: true });
});
