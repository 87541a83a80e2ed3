import { createHmac } from 'node:crypto';
import { rm } from 'node:fs/promises';
import { compileCluster } from '@fso/shared/compile';
import { digestOfReports } from '@fso/shared/protocol';
import { afterEach, describe, expect, it } from 'vitest';
import type { RunningHub } from '../../hub/hub.ts';
import { type HubHarness, openHubHarness } from '../harness/hub-harness.ts';
import { basicRepository, clusterFile, policyFile } from '../harness/policy-files.ts';
import { connectStream, type StreamClient } from '../harness/stream-client.ts';
import { eventually, printMs } from '../harness/waiting.ts';

let bench: HubHarness;
const open = async (...args: Parameters<typeof openHubHarness>): Promise<HubHarness> => {
  bench = await openHubHarness(...args);
  return bench;
};
afterEach(() => bench.close());

const accepted = (hub: RunningHub, revision: string) => eventually(async () => hub.source.state().revision?.revision === revision);
const rejected = (hub: RunningHub, revision: string) =>
  eventually(async () => {
    const state = hub.source.state().rejected;
    return state?.commit.revision === revision && state;
  });
const takeOffer = async (stream: StreamClient, hub: RunningHub, cluster: string) => {
  const offer = await stream.next('offer');
  const desired = await eventually(async () => {
    const now = await hub.ledger.desired();
    return now?.revision === offer.revision && now;
  });
  stream.send({ type: 'ack', revision: offer.revision, digest: compileCluster(desired.set, cluster).digest });
  await eventually(async () => (await hub.ledger.cluster(cluster))?.acked?.revision === offer.revision);
  return offer;
};

describe('from a push to an offer', () => {
  it('offers a new agent everything and then only what changed, soon after a hint', async () => {
    const { repository, startHub, agent } = await open();
    const first = await repository.commit(basicRepository(), 'first');
    const hub = await startHub();
    const eu = await agent(hub, 'eu');
    expect((await eu.next('welcome')).hubVersion).toBe('test');
    const whole = await takeOffer(eu, hub, 'eu');
    expect(whole.revision).toBe(first);
    expect(whole.chain).toEqual([first]);
    expect(whole.objects.map((object) => object.type).sort()).toEqual(['blob', 'blob', 'blob', 'commit', 'tree', 'tree', 'tree']);

    const second = await repository.commit({ 'policies/hr.yaml': policyFile('hr') }, 'second');
    const third = await repository.commit({ 'policies/hr.yaml': policyFile('hr', ['us-east-1']) }, 'third');
    const began = performance.now();
    hub.source.hint();
    const delta = await takeOffer(eu, hub, 'eu');
    printMs('hint → offer', performance.now() - began);
    expect(delta.chain).toEqual([second, third]);
    // Both commits and their root folders, policies/ and the one file of the newer commit.
    expect(delta.objects.map((object) => object.type).sort()).toEqual(['blob', 'commit', 'commit', 'tree', 'tree', 'tree']);
    const record = await hub.ledger.cluster('eu');
    expect(record?.offeredRevision).toBe(third);
    expect((await hub.ledger.events({ limit: 10 })).map((event) => event.reason)).not.toContain('DigestMismatch');
    // The hub says by digest what the agent should have, which is what it acked.
    eu.send({ type: 'digest', seq: 0, digest: digestOfReports([]) });
    expect((await eu.next('digest')).digest).toBe(record?.acked?.digest);
  });

  it('says nothing to an agent that is up to date, and sends everything after a history was rewritten', async () => {
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
    expect(offer.objects).toHaveLength(7);
    const late = await agent(hub, 'us');
    expect((await late.next('offer')).objects).toHaveLength(7);
    eu.close();
  });

  it('calls an agent back from a commit that it was offered and has not acked', async () => {
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

  it('takes a hello for the ack that was lost with the stream before', async () => {
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

  it('serialises a revision once for all agents that hold the same', async () => {
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

  it('fetches at a signed webhook and refuses an unsigned one', async () => {
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

  it('any number of hints during a fetch make exactly one more', async () => {
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
    // The next hint is a fetch of its own; had the five left more than one, it would not be the third.
    hub.source.hint();
    await eventually(async () => fetches >= 3);
    await hub.stop();
    expect(fetches).toBe(3);
  });

  it('says that a rollout strategy is not followed', async () => {
    const { repository, startHub } = await open();
    const rollout = `apiVersion: compliance.federated.io/v1\nkind: RolloutStrategy\nmetadata: {name: careful}\nspec: {waves: [{name: all, clusterSelector: {}}]}\n`;
    await repository.commit({ ...basicRepository(), 'rollout/careful.yaml': rollout }, 'first');
    const hub = await startHub();
    const event = await eventually(async () => (await hub.ledger.events({ limit: 10 })).find((e) => e.reason === 'RolloutStrategyIgnored'));
    expect(event.message).toContain('rollout/careful.yaml:1');
  });
});

describe('a commit that is refused', () => {
  const ALIAS_BOMB = `a: &a [x, x, x, x, x, x, x, x, x]\nb: &b [*a, *a, *a, *a, *a, *a, *a, *a, *a]\nc: [*b, *b, *b, *b, *b, *b, *b, *b, *b]\n`;

  it.each([
    ['broken YAML', { 'policies/bad.yaml': 'apiVersion: v1\nkind: [\n' }, { path: 'policies/bad.yaml', line: 3, reason: /./ }],
    [
      'an unknown field',
      { 'policies/bad.yaml': `${policyFile('bad')}  regoin: eu-west-1\n` },
      { path: 'policies/bad.yaml', line: 8, reason: /regoin/ },
    ],
    ['a duplicate policy', { 'policies/copy.yaml': policyFile('finance') }, { path: /finance|copy/, line: 4, reason: /finance/ }],
    [
      'an unknown region group',
      { 'policies/bad.yaml': policyFile('bad', ['group:nowhere']) },
      { path: 'policies/bad.yaml', line: 7, reason: /nowhere/ },
    ],
    ['an alias bomb', { 'policies/bad.yaml': ALIAS_BOMB }, { path: 'policies/bad.yaml', line: 1, reason: /alias|anchor/ }],
    ['an oversized file', { 'policies/bad.yaml': `# ${'x'.repeat(300_000)}\n` }, { path: 'policies/bad.yaml', line: 1, reason: /bytes/ }],
  ])('%s: the last good one stays, the place is named', async (_name, files, problem) => {
    const { repository, startHub, agent } = await open();
    const good = await repository.commit(basicRepository(), 'good');
    const hub = await startHub();
    const eu = await agent(hub, 'eu');
    await takeOffer(eu, hub, 'eu');
    const bad = await repository.commit(files, 'bad');
    hub.source.hint();
    const state = await rejected(hub, bad);
    const first = state.problems[0];
    expect(first?.path).toMatch(problem.path);
    expect(first?.line).toBe(problem.line);
    expect(first?.column).toBeGreaterThan(0);
    expect(first?.reason).toMatch(problem.reason);
    expect(hub.source.state().revision?.revision).toBe(good);
    expect((await hub.ledger.desired())?.revision).toBe(good);
    await expect
      .poll(async () => (await hub.ledger.events({ limit: 1 }))[0])
      .toMatchObject({ reason: 'CommitRejected', severity: 'alert', revision: bad });

    const fixed = await repository.commit(Object.fromEntries(Object.keys(files).map((path) => [path, null])), 'fixed');
    hub.source.hint();
    // The bad commit was never offered.
    expect((await eu.next('offer')).revision).toBe(fixed);
    expect(hub.source.state().rejected).toBeNull();
  });

  it('a symbolic link among the policies', async () => {
    const { repository, startHub } = await open();
    await repository.commit(basicRepository(), 'good');
    const hub = await startHub();
    await repository.git(
      'update-index',
      '--add',
      '--cacheinfo',
      `120000,${await repository.git('hash-object', '-w', 'policies/finance.yaml')},policies/link.yaml`,
    );
    await repository.git('commit', '--quiet', '--message', 'link');
    await repository.git('push', '--quiet', 'origin', 'HEAD:main');
    hub.source.hint();
    const state = await rejected(hub, await repository.git('rev-parse', 'HEAD'));
    expect(state.problems[0]).toMatchObject({ path: 'policies/link.yaml', reason: expect.stringContaining('symbolic link') });
  });

  it('is still refused, and the last good one still found, after a restart', async () => {
    const { repository, startHub, agent } = await open();
    const good = await repository.commit(basicRepository(), 'good');
    const before = await startHub();
    await accepted(before, good);
    const bad = await repository.commit({ 'policies/bad.yaml': 'x' }, 'bad');
    before.source.hint();
    await rejected(before, bad);
    await before.stop();
    const after = await startHub();
    await rejected(after, bad);
    expect(after.source.state().revision?.revision).toBe(good);
    const eu = await agent(after, 'eu');
    expect((await eu.next('offer')).revision).toBe(good);
  });
});

describe('a repository that cannot be read', () => {
  it('unreachable: said with since when, the last good one stays, and found again by itself', async () => {
    const faults = new Set<'cut'>();
    const { repository, startHub } = await open({
      onRequest: (request) => {
        if (faults.has('cut')) request.socket.destroy();
      },
    });
    const good = await repository.commit(basicRepository(), 'good');
    const hub = await startHub({ gitConfig: { pollMs: 200 } });
    await accepted(hub, good);
    faults.add('cut');
    const error = await eventually(async () => hub.source.state().error);
    expect(error.message).toMatch(/cannot reach the Git server/);
    expect(hub.source.state().revision?.revision).toBe(good);
    faults.delete('cut');
    const next = await repository.commit({ 'policies/hr.yaml': policyFile('hr') }, 'next');
    await accepted(hub, next);
    await eventually(async () => hub.source.state().error === null);
    await expect
      .poll(async () => (await hub.ledger.events({ limit: 10 })).map((event) => event.reason))
      .toEqual(expect.arrayContaining(['SourceUnreachable', 'SourceReachable']));
  });

  it.each([
    ['nothing listens there', { url: 'http://127.0.0.1:9/policies.git' }, /connection refused/],
    ['no such ref', { ref: 'production' }, /no ref production/],
    ['wrong credentials', { credentials: { username: 'git', password: 'wrong' } }, /refuses the credentials \(HTTP 401\)/],
  ])('%s', async (_name, gitConfig, reason) => {
    const { repository, startHub } = await open({ credentials: { username: 'git', password: 'right' } });
    await repository.commit(basicRepository(), 'good');
    const hub = await startHub({ gitConfig });
    const error = await eventually(async () => hub.source.state().error);
    expect(error.message).toMatch(reason);
    expect(JSON.stringify(hub.source.state())).not.toMatch(/wrong|right/);
    expect(await hub.ledger.desired()).toBeNull();
  });

  it('no such repository, and one without commits', async () => {
    const { git, startHub, folder } = await open();
    const none = await startHub({ gitConfig: { url: git.url('none.git') }, config: { dataDir: `${folder}/none` } });
    expect((await eventually(async () => none.source.state().error)).message).toMatch(/no such repository/);
    const empty = await startHub();
    expect((await eventually(async () => empty.source.state().error)).message).toMatch(/no commits/);
  });

  it('makes a damaged clone anew', async () => {
    const { repository, startHub, folder } = await open();
    const good = await repository.commit(basicRepository(), 'good');
    const before = await startHub();
    await accepted(before, good);
    await before.stop();
    const { readdir, writeFile } = await import('node:fs/promises');
    const packs = `${folder}/hub/git/objects/pack`;
    for (const name of await readdir(packs)) await writeFile(`${packs}/${name}`, 'damaged');
    const after = await startHub();
    await accepted(after, good);
  });
});

describe('agents that are not let in, or not kept', () => {
  const prepare = async (...args: Parameters<HubHarness['startHub']>) => {
    await open();
    await bench.repository.commit(basicRepository(), 'first');
    return bench.startHub(...args);
  };

  it('a wrong token is refused before the stream opens', async () => {
    const hub = await prepare();
    await expect(connectStream(hub.agentUrl, 'not-the-token-of-anyone', 'eu')).rejects.toThrow('HTTP 401');
    expect(await hub.ledger.cluster('eu').then((record) => record?.lastSeen ?? null)).toBeNull();
  });

  it.each([
    ['the hello of another cluster', { cluster: 'us' }, 4401],
    ['another protocol', { protocol: 99 }, 4406],
  ])('%s', async (_name, change, code) => {
    const hub = await prepare();
    const eu = await connectStream(hub.agentUrl, 'token-of-eu-0123456789', 'eu');
    eu.hello(change);
    expect((await eu.closed).code).toBe(code);
    expect(eu.frames).toEqual([]);
    expect((await hub.ledger.clusters()).every((record) => record.lastSeen === null)).toBe(true);
  });

  it.each([
    ['text that is no frame', '{"type":"take-over"}'],
    ['binary data', Buffer.from([1, 2, 3])],
    ['a report before the hello', JSON.stringify({ type: 'report', seq: 1, full: true, policies: [], removed: [], events: [] })],
  ])('%s', async (_name, data) => {
    const hub = await prepare();
    const eu = await connectStream(hub.agentUrl, 'token-of-eu-0123456789', 'eu');
    eu.sendRaw(data);
    const closed = await eu.closed;
    expect(closed.code).toBe(4422);
    expect(closed.reason).not.toBe('');
  });

  it('a ping answered without a hello does not make a cluster connected', async () => {
    const hub = await prepare();
    const eu = await connectStream(hub.agentUrl, 'token-of-eu-0123456789', 'eu');
    eu.pong();
    eu.sendRaw('{}');
    await eu.closed;
    expect((await hub.ledger.cluster('eu'))?.lastSeen ?? null).toBeNull();
  });

  it('the same cluster connects again: the older stream ends, the cluster stays connected', async () => {
    const hub = await prepare();
    const older = await bench.agent(hub, 'eu');
    await older.next('offer');
    const newer = await bench.agent(hub, 'eu');
    await newer.next('offer');
    expect((await older.closed).code).toBe(4409);
    expect((await hub.ledger.cluster('eu'))?.connected).toBe(true);
    newer.close();
    await eventually(async () => (await hub.ledger.cluster('eu'))?.connected === false);
  });

  it('a cluster with a token that is not registered gets the commit, is shown, and has nothing compiled', async () => {
    const hub = await prepare();
    const stray = await bench.agent(hub, 'stray');
    await stray.next('offer');
    await eventually(async () => (await hub.ledger.cluster('stray'))?.connected);
    expect((await hub.ledger.desired())?.clusters.has('stray')).toBe(false);
  });

  it('an agent that does not answer pings is taken for gone', async () => {
    const hub = await prepare({ deps: { deliveryLimits: { heartbeatMs: 100 } } });
    const eu = await bench.agent(hub, 'eu');
    await takeOffer(eu, hub, 'eu');
    eu.pause();
    await eventually(async () => (await hub.ledger.cluster('eu'))?.connected === false);
    eu.resume();
    expect((await eu.closed).code).toBe(1006);
  });

  it('a slow agent is let go while a fast one gets its offer', async () => {
    const hub = await prepare({ deps: { deliveryLimits: { stallMs: 500 } } });
    const slow = await bench.agent(hub, 'us');
    const fast = await bench.agent(hub, 'eu');
    await Promise.all([takeOffer(slow, hub, 'us'), takeOffer(fast, hub, 'eu')]);
    slow.pause();
    // More than the buffers of a connection hold.
    const big = Object.fromEntries(
      Array.from({ length: 80 }, (_, i) => [`policies/p${i}.yaml`, `${policyFile(`p${i}`)}# ${String(i % 10).repeat(240_000)}\n`]),
    );
    const revision = await bench.repository.commit(big, 'big');
    hub.source.hint();
    expect((await takeOffer(fast, hub, 'eu')).revision).toBe(revision);
    await eventually(async () => (await hub.ledger.cluster('us'))?.connected === false);
    expect((await hub.ledger.cluster('eu'))?.connected).toBe(true);
    slow.resume();
    await slow.closed;
  });
});

describe('what agents say', () => {
  const connect = async () => {
    await open();
    await bench.repository.commit(basicRepository(), 'first');
    const hub = await bench.startHub();
    const eu = await bench.agent(hub, 'eu');
    const offer = await eu.next('offer');
    return { hub, eu, offer };
  };
  const report = (seq: number, full: boolean) => ({ type: 'report' as const, seq, full, policies: [], removed: [], events: [] });

  it('a nack is kept with its reasons until the next ack', async () => {
    const { hub, eu, offer } = await connect();
    eu.send({
      type: 'nack',
      revision: offer.revision,
      reasons: [{ path: 'policies/finance.yaml', line: 7, message: 'cannot be enforced here' }],
    });
    const record = await eventually(async () => {
      const now = await hub.ledger.cluster('eu');
      return now?.nack && now;
    });
    expect(record.nack?.reasons[0]?.message).toBe('cannot be enforced here');
    await expect
      .poll(async () => (await hub.ledger.events({ limit: 1 }))[0])
      .toMatchObject({ cluster: 'eu', reason: 'RevisionRefused', severity: 'alert' });
    // What an agent holds after a refusal is not known, so the next offer is whole.
    const next = await bench.repository.commit({ 'policies/hr.yaml': policyFile('hr') }, 'next');
    hub.source.hint();
    const whole = await eu.next('offer');
    expect(whole.objects).toHaveLength(8);
    eu.send({ type: 'ack', revision: next, digest: 'other' });
    await eventually(async () => (await hub.ledger.cluster('eu'))?.nack === null);
    await eventually(async () => (await hub.ledger.events({ limit: 10 })).find((event) => event.reason === 'DigestMismatch'));
  });

  it('an ack of something that was not offered changes nothing', async () => {
    const { hub, eu, offer } = await connect();
    eu.send({ type: 'ack', revision: 'f'.repeat(40), digest: 'x' });
    eu.send({ type: 'ack', revision: offer.revision, digest: 'x' });
    const acked = await eventually(async () => (await hub.ledger.cluster('eu'))?.acked);
    expect(acked.revision).toBe(offer.revision);
  });

  it('reports are confirmed in order; a gap and a wrong digest ask for everything', async () => {
    const { hub, eu } = await connect();
    eu.send(report(1, true));
    expect((await eu.next('reported')).seq).toBe(1);
    eu.send(report(2, false));
    expect((await eu.next('reported')).seq).toBe(2);
    eu.send(report(4, false));
    await eu.next('resync');
    expect((await hub.ledger.cluster('eu'))?.reportedSeq).toBe(2);
    // Already on its way when the hub asked: neither taken nor asked for again.
    eu.send(report(5, false));
    eu.send(report(6, true));
    expect((await eu.next('reported')).seq).toBe(6);
    eu.send({ type: 'digest', seq: 6, digest: digestOfReports([]) });
    eu.send({ type: 'digest', seq: 6, digest: 'wrong' });
    await eu.next('resync');
    expect(eu.frames.filter((frame) => frame.type === 'resync')).toHaveLength(2);
    eu.send(report(1, true));
    expect((await eu.next('reported')).seq).toBe(1);
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

it('ends, and says why, when a part of it fails: it does not listen on and do nothing', async () => {
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
  // The bench stops its hubs too.
  await expect(own.close()).rejects.toThrow('no randomness left');
  await own.git.stop();
  await rm(own.folder, { recursive: true, force: true });
});
