import { type AlertView, CLI_SESSION, type RoleGrant, type SourceView } from '@fso/shared/api';
import { EventSourceParserStream } from 'eventsource-parser/stream';
import { describe, expect, it } from 'vitest';
import { principalOf } from '../../access/index.ts';
import { packSteps, writeRollout } from '../../rollout/index.ts';
import { type ApiHarness, commitRollout, startApiHarness } from '../testing/api-harness.ts';
import { MAX_SCOPES } from './scope-views.ts';
import {
  eventsOf,
  fillMarkedLedger,
  MARKED_ALERTS,
  MARKED_SCOPES,
  markedAgents,
  reportOf,
  setMarkedDesired,
} from './testing/marked-fleet.ts';

const STATIC = 'static-token-0123456789';
const BLUE: RoleGrant = { role: 'viewer', clusters: { clusterSelector: { matchLabels: { team: 'blue' } } } };

const started = async (): Promise<ApiHarness> => {
  const server = await startApiHarness({ apiToken: STATIC, agents: markedAgents });
  await fillMarkedLedger(server.ledger);
  return server;
};

const signIn = async (server: ApiHarness, grants: readonly RoleGrant[]): Promise<string> => {
  const principal = principalOf({ kind: 'user', id: JSON.stringify(grants).slice(0, 200), name: 'scoped' }, grants);
  return CLI_SESSION + (await server.access.sessions.begin(principal, { byCookie: false }));
};

/** @param lastId position at which the stream resumes */
const openStream = async (server: ApiHarness, token: string, lastId?: string) => {
  const aborter = new AbortController();
  const headers = { Authorization: `Bearer ${token}`, ...(lastId !== undefined && { 'Last-Event-ID': lastId }) };
  const response = await fetch(`${server.url}/api/v1/stream`, { headers, signal: aborter.signal });
  const body = response.body ?? new ReadableStream<Uint8Array>();
  const messages = body.pipeThrough(new TextDecoderStream()).pipeThrough(new EventSourceParserStream()).values();
  const read: { readonly id: string | undefined; readonly event: string | undefined; readonly data: string }[] = [];
  return {
    read,
    text: () => JSON.stringify(read),
    /** Reads up to a message that says this. */
    until: async (event: string, text = ''): Promise<string> => {
      for (;;) {
        const { value, done } = await messages.next();
        if (done) throw new Error('the stream has ended');
        read.push({ id: value.id, event: value.event, data: value.data });
        if (value.event === event && value.data.includes(text)) return value.id ?? '';
      }
    },
    /** Resolves when the hub has ended it. */
    ended: async (): Promise<void> => {
      for (;;) {
        const next = await messages.next().catch(() => undefined);
        if (next === undefined || next.done) return;
        read.push({ id: next.value.id, event: next.value.event, data: next.value.data });
      }
    },
    close: () => aborter.abort(),
  };
};

/** Changes all that there is, and lets every reader know the end of it. */
const changeEverything = async ({ ledger }: ApiHarness, end: string): Promise<void> => {
  for (const [at, cluster] of ['us-xcluster', 'eu-1', 'eu-2'].entries()) {
    await ledger.setConnected(cluster, false);
    await ledger.setConnected(cluster, true);
    await ledger.applyReport(cluster, { ...reportOf(cluster, 10 + at, eventsOf(cluster, 'Live')), full: true });
  }
  await ledger.addEvent(null, { time: end, severity: 'alert', reason: 'AccessAudit', message: 'live xglobal' });
  const commit = { revision: 'c3'.repeat(20), author: 'live xglobal', subject: 'live xglobal', time: end };
  await writeRollout(ledger.records, commitRollout({ sequence: 3, commit, steps: packSteps([['us-xcluster', [1, 2, 3, 4]]]) }));
  const source = (await ledger.source()) as SourceView;
  await ledger.setSource({ ...source, lastFetch: end });
};

type Stream = Awaited<ReturnType<typeof openStream>>;

/** Changes everything, marked with this end, and reads each stream up to that change. */
const readChange = async (server: ApiHarness, streams: readonly Stream[], end: string): Promise<void> => {
  await changeEverything(server, end);
  for (const stream of streams) await stream.until('source', end);
};

describe('live events', () => {
  it.each(MARKED_SCOPES)('show nothing outside: $title', async ({ grants, outside }) => {
    await using server = await started();
    const own = grants.map((grant): RoleGrant => ({ role: 'viewer', ...grant }));
    const token = await signIn(server, own);
    const [whole, scoped] = [await openStream(server, STATIC), await openStream(server, token)];
    for (const stream of [whole, scoped]) await stream.until('status');
    await readChange(server, [whole, scoped], '2030-01-01T00:00:00.000Z');
    // Once more, for what was gathered with the end.
    await readChange(server, [whole, scoped], '2030-01-02T00:00:00.000Z');
    const missing = ['xcluster', 'xpolicy', 'xboth', 'live xglobal'].filter((mark) => !whole.text().includes(mark));
    expect(missing).toEqual([]);
    expect(outside.exec(scoped.text())?.[0]).toBeUndefined();
    expect(scoped.text()).toContain('"commit"');

    // A position in what others read is none here.
    const again = await openStream(server, token, whole.read.at(-1)?.id);
    await again.until('status');
    expect(again.read[0]?.event).toBe('reset');
    expect(outside.exec(again.text())?.[0]).toBeUndefined();
    for (const stream of [whole, scoped, again]) stream.close();
  });
});

it('count alerts within the scope', async () => {
  await using server = await startApiHarness({ apiToken: STATIC, agents: markedAgents, alertsConfig: MARKED_ALERTS });
  await fillMarkedLedger(server.ledger);
  const token = await signIn(server, [BLUE]);
  const alertsOf = async (credential: string): Promise<readonly AlertView[]> => {
    const answer = await fetch(`${server.url}/api/v1/alerts?limit=500`, { headers: { Authorization: `Bearer ${credential}` } });
    return ((await answer.json()) as { items: AlertView[] }).items;
  };
  await expect
    .poll(async () => (await alertsOf(STATIC)).map(({ name, labels }) => `${name} ${labels.cluster}`))
    .toContain('CommitRefused us-xcluster');
  const [whole, scoped] = [await openStream(server, STATIC), await openStream(server, token)];
  for (const stream of [whole, scoped]) await stream.until('status');
  const body = JSON.stringify({ matchers: ['cluster=us-xcluster'], until: new Date(Date.now() + 3_600_000), reason: 'upgrade' });
  const headers = { Authorization: `Bearer ${STATIC}`, 'Content-Type': 'application/json' };
  expect((await fetch(`${server.url}/api/v1/alerts/silences`, { method: 'POST', headers, body })).status).toBe(201);
  for (const [stream, credential] of [[whole, STATIC] as const, [scoped, token] as const]) {
    const listed = await alertsOf(credential);
    const count = (severity: string): number => listed.filter((alert) => alert.state === 'firing' && alert.severity === severity).length;
    const silenced = listed.filter(({ state }) => state === 'silenced').length;
    await stream.until('alerts');
    const counts = { critical: count('critical'), warning: count('warning'), info: count('info'), silenced };
    expect([JSON.parse(stream.read.at(-1)?.data ?? ''), silenced > 0]).toEqual([counts, stream === whole]);
  }
  for (const stream of [whole, scoped]) stream.close();
});

describe('a cluster whose labels change', () => {
  it('leaves a scope at once: open streams end, and nothing of it is sent again', async () => {
    await using server = await started();
    const token = await signIn(server, [BLUE]);
    const stream = await openStream(server, token);
    await stream.until('status');
    await server.ledger.applyReport('eu-2', reportOf('eu-2', 5, eventsOf('eu-2', 'Before')));
    const position = await stream.until('event', 'Before');
    expect(stream.text()).toContain('eu-2');
    await setMarkedDesired(server.ledger, '{team: red}');
    await stream.ended();
    await server.ledger.applyReport('eu-2', reportOf('eu-2', 6, eventsOf('eu-2', 'After')));

    const again = await openStream(server, token, position);
    await again.until('status');
    await server.ledger.applyReport('eu-1', reportOf('eu-1', 5, eventsOf('eu-1', 'After')));
    await again.until('event', 'After');
    expect(again.read[0]?.event).toBe('reset');
    expect(again.text()).not.toContain('eu-2');
    const answer = await fetch(`${server.url}/api/v1/clusters/eu-2`, { headers: { Authorization: `Bearer ${token}` } });
    expect(answer.status).toBe(404);
    again.close();
  });

  it('comes into a scope at once, on an open stream', async () => {
    await using server = await started();
    await setMarkedDesired(server.ledger, '{team: red}');
    const stream = await openStream(server, await signIn(server, [BLUE]));
    await stream.until('status');
    expect(stream.text()).not.toContain('eu-2');
    await setMarkedDesired(server.ledger, '{team: blue}');
    await stream.until('cluster', '"eu-2"');
    stream.close();
  });
});

it('a scope with an open stream stays, and where all of them have one, another is refused for a while', async () => {
  await using server = await started();
  const named = (name: string): Promise<string> => signIn(server, [{ role: 'viewer', clusters: { clusterNames: [name] } }]);
  const status = async (name: string): Promise<number> =>
    (await fetch(`${server.url}/api/v1/status`, { headers: { Authorization: `Bearer ${await named(name)}` } })).status;
  const open = async (name: string) => {
    const stream = await openStream(server, await named(name));
    await stream.until('status');
    return stream;
  };
  const first = await open('eu-1');
  for (let at = 1; at <= MAX_SCOPES + 3; at += 1) expect(await status(`cluster-${at}`)).toBe(200);
  await server.ledger.applyReport('eu-1', reportOf('eu-1', 5, eventsOf('eu-1', 'Still')));
  await first.until('event', 'Still');
  const others = [];
  for (let at = 1; at < MAX_SCOPES; at += 1) others.push(await open(`cluster-${at}`));
  expect([await status('one-more'), await status('eu-1')]).toEqual([429, 200]);
  others[0]?.close();
  await expect.poll(() => status('one-more')).toBe(200);
  for (const stream of [first, ...others]) stream.close();
});

it('a revoked token and an ended session end the streams of their scope', async () => {
  await using server = await started();
  const created = await server.access.tokens.create(
    { name: 'ci', expiresInDays: 1, ...BLUE },
    principalOf({ kind: 'local', id: 'local', name: 'local' }, [{ role: 'admin' }]),
  );
  const session = await signIn(server, [BLUE]);
  const [byToken, bySession] = [await openStream(server, created.token), await openStream(server, session)];
  for (const stream of [byToken, bySession]) await stream.until('status');
  await server.access.tokens.revoke(created.view.id);
  await byToken.ended();
  await server.access.sessions.end(session.slice(CLI_SESSION.length));
  await bySession.ended();
});

it('records in the audit log for which part of the fleet a role is', async () => {
  await using server = await started();
  const token = await signIn(server, [{ ...BLUE, role: 'admin' }]);
  const headers = { Authorization: `Bearer ${token}` };
  await fetch(`${server.url}/api/v1/clusters/eu-1/enrolment-token`, { method: 'POST', headers });
  await fetch(`${server.url}/api/v1/clusters/us-xcluster/revoke`, { method: 'POST', headers });
  const roles = ['admin for clusters labelled team=blue'];
  expect(server.audit).toMatchObject([
    { actor: { roles }, action: 'createEnrolmentToken', subject: 'eu-1', outcome: 'done' },
    { actor: { roles }, action: 'revokeCluster', subject: 'us-xcluster', outcome: 'refused' },
  ]);
});
