import { createHmac } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { commitSpanOf, offerSpanOf, openTelemetry } from '@fso/shared/telemetry';
import pino from 'pino';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { RunningHub } from '../../hub/hub.ts';
import { CommitTracer } from '../../hub/rollout/history/commit-tracer.ts';
import { Collector } from '../harness/collector.ts';
import { accepted, type HubHarness, openHubHarness, TOKENS, takeOffer } from '../harness/hub-harness.ts';
import { createHubProcess } from '../harness/hub-process.ts';
import { connectStream, type StreamClient } from '../harness/stream-client.ts';
import { eventually, never, waitFor } from '../harness/waiting.ts';

/** Traces of a hub, with agents by hand. Real agents: test/e2e/federation.test.ts. */

const SECRET = 'secret-of-webhooks';
const cluster = (name: string): string =>
  `apiVersion: compliance.federated.io/v1\nkind: ManagedCluster\nmetadata: { name: ${name} }\nspec: { regions: [eu-west-1] }\n`;
const policy = (name: string): string =>
  `apiVersion: compliance.federated.io/v1\nkind: SovereignPolicy\nmetadata: { name: ${name} }\nspec: { targetNamespace: x, allowedRegions: [eu-west-1] }\n`;
const REGISTERED = { 'clusters/eu.yaml': cluster('eu'), 'clusters/us.yaml': cluster('us') };

let harness: HubHarness;

beforeAll(async () => {
  harness = await openHubHarness();
});
afterAll(() => harness?.close());

const connect = async (hub: Pick<RunningHub, 'agentUrl'>, name: string): Promise<StreamClient> => {
  const stream = await connectStream(hub.agentUrl, TOKENS.get(name) ?? '', name);
  stream.hello();
  await stream.next('welcome');
  return stream;
};

describe('a hub with a collector', () => {
  let collector: Collector;
  let hub: RunningHub;
  const streams: StreamClient[] = [];

  beforeAll(async () => {
    collector = await Collector.start(join(harness.folder, 'collector'), never);
    const config = { url: `${collector.url}/v1/traces`, headers: () => ({}), ca: undefined, serviceName: undefined, attributes: {} };
    const sampler = { name: 'parentbased_always_on', ratio: 1 } as const;
    const logger = pino({ level: 'silent' });
    const tracer = new CommitTracer(await openTelemetry({ ...config, sampler }, { name: 'fso-hub', version: 'test' }, logger));
    const first = await harness.repository.commit(REGISTERED, 'Register the clusters');
    hub = await harness.startHub({ config: { webhookSecret: SECRET }, deps: { tracer } });
    await accepted(hub, first);
    for (const name of ['eu', 'us']) {
      const stream = await connect(hub, name);
      streams.push(stream);
      await takeOffer(stream, hub, name);
    }
  });
  afterAll(async () => {
    for (const stream of streams) stream.close();
    await collector.stop();
  });

  it('has the ids that follow from the commit, and the refusal of an agent as an error', async () => {
    const [refusing, other] = streams as [StreamClient, StreamClient];
    const revision = await harness.repository.commit({ 'policies/a.yaml': policy('a') }, 'Add a policy');
    hub.source.hint();
    for (const stream of [refusing, other]) expect((await stream.next('offer')).revision).toBe(revision);
    refusing.send({ type: 'nack', revision, reasons: [{ code: 'unsigned', message: 'the commit is not signed' }] });
    other.close();
    const spans = await waitFor(async () => {
      const found = await collector.traceOf(revision);
      expect(found.map(({ name, error }) => (error === undefined ? name : `${name} ! ${error}`)).toSorted()).toEqual([
        'commit ! unsigned',
        'compile',
        'fetch',
        'judge',
        'offer ! unsigned',
        'release',
      ]);
      return found;
    });
    const idsOf = (name: string) => spans.flatMap((span) => (span.name === name ? [[span.traceId, span.spanId]] : []));
    const { spanId: offer, traceId } = offerSpanOf(revision, 'eu');
    expect(idsOf('offer')).toEqual([[traceId, offer]]);
    expect(idsOf('commit')).toEqual([[traceId, commitSpanOf(revision).spanId]]);
  });

  it('links to the trace of an authenticated webhook that names the commit, and to no other', async () => {
    const revision = await harness.repository.commit({ 'policies/b.yaml': policy('b') }, 'Add a policy');
    const body = JSON.stringify({ ref: 'refs/heads/main', after: revision });
    const send = (key: string, parent: string): Promise<Response> =>
      fetch(`${hub.url}/api/v1/webhooks/git`, {
        method: 'POST',
        body,
        headers: {
          'x-hub-signature-256': `sha256=${createHmac('sha256', key).update(body).digest('hex')}`,
          traceparent: `00-${'1'.repeat(32)}-${parent.repeat(16)}-01`,
        },
      });
    expect((await send('another secret', '3')).status).toBe(403);
    expect((await send(SECRET, '2')).status).toBe(202);
    await accepted(hub, revision);
    const root = commitSpanOf(revision);
    await waitFor(async () => {
      const found = (await collector.spans()).filter(({ name }) => name === 'webhook');
      expect(found).toMatchObject([{ traceId: root.traceId, parentSpanId: root.spanId, links: ['2'.repeat(16)] }]);
    });
  });
});

describe('a hub whose collector does not answer', () => {
  it('delivers commits all the same, and stops on request', async () => {
    let asked = 0;
    const deaf = createServer((request) => {
      asked += 1;
      request.resume();
    }).listen(0, '127.0.0.1');
    await once(deaf, 'listening');
    const first = await harness.repository.commit({ ...REGISTERED, 'policies/c.yaml': policy('c') }, 'Add a policy');
    const folder = join(harness.folder, 'deaf');
    const env = { OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${(deaf.address() as AddressInfo).port}`, FSO_GIT_POLL_MS: '500' };
    const gitUrl = harness.git.url('policies.git');
    const hub = await createHubProcess({ name: 'hub', folder, gitUrl, tokens: TOKENS, env });
    await hub.start();
    try {
      const stream = await connect(hub, 'eu');
      expect((await stream.next('offer')).revision).toBe(first);
      for (const name of ['d', 'e', 'f']) {
        const revision = await harness.repository.commit({ [`policies/${name}.yaml`]: policy(name) }, `Add ${name}`);
        expect((await stream.next('offer')).revision).toBe(revision);
      }
      await eventually(() => asked > 0);
      await eventually(() => hub.logged('traces cannot be exported'));
    } finally {
      await hub.stop();
      deaf.closeAllConnections();
      deaf.close();
    }
    expect(hub.logged('hub stopped')).toBe(true);
  });
});
