import { CLI_SESSION, describeScope, ROLES, type Role } from '@fso/shared/api';
import type { SourceFile } from '@fso/shared/decode';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { eventually } from '../../../test/harness/waiting.ts';
import { principalOf } from '../../access/index.ts';
import { scriptedBranches } from '../../plans/testing/scripted-branches.ts';
import type { Route } from '../http/route.ts';
import { ROUTES } from '../openapi.ts';
import { type ApiHarness, startApiHarness } from '../testing/api-harness.ts';
import { ScopeViews } from './scope-views.ts';
import {
  fillMarkedLedger,
  MARKED_ALERTS,
  MARKED_SCOPES,
  MARKED_SILENCES,
  type MarkedScope,
  markedAgents,
  markedFiles,
} from './testing/marked-fleet.ts';
import { bodyOf, type Call, callsOf, comparable, NOWHERE, queriesOf, saidIn, urlOf } from './testing/route-examples.ts';

/**
 * Role × scope × every route and export: nothing outside of the scope is seen. Routes come from the
 * route table and their parameters from their schemas: one that comes is in here by itself, or
 * fails for want of an example. Streams: scoped-stream.test.ts.
 */

const STATIC = 'static-token-0123456789';
let server: ApiHarness;
let count = 0;

interface Answer {
  readonly status: number;
  /** All that it says, headers included. */
  readonly text: string;
}

const ask = async (path: string, token: string, init: RequestInit = {}): Promise<Answer> => {
  count += 1;
  const headers = {
    Authorization: `Bearer ${token}`,
    'X-Request-Id': 'r',
    // Another address each time: refused calls of one are limited.
    'X-Forwarded-For': `10.${count >> 16}.${(count >> 8) & 255}.${count & 255}`,
    ...(init.body !== undefined && { 'Content-Type': 'application/json' }),
  };
  const response = await fetch(server.url + path, { ...init, headers, redirect: 'manual' });
  const lines = [...response.headers].map((header) => header.join(': '));
  return { status: response.status, text: [response.status, ...lines, await response.text()].join('\n') };
};

/** A credential of a person with this role for each part of the scope. */
const signIn = async (role: Role, { title, grants }: MarkedScope): Promise<string> => {
  const own = grants.map((grant) => ({ role, ...grant }));
  const principal = principalOf(
    { kind: 'user', id: `${role} ${MARKED_SCOPES.findIndex((scope) => scope.title === title)}`, name: 'scoped' },
    own,
  );
  return CLI_SESSION + (await server.access.sessions.begin(principal, { byCookie: false }));
};

beforeAll(async () => {
  server = await startApiHarness({
    apiToken: STATIC,
    agents: markedAgents,
    branches: scriptedBranches(new Map([['tighten', { revision: 'c'.repeat(40), files: changedFiles() }]])),
    trustedProxies: ['127.0.0.1'],
    alertsConfig: MARKED_ALERTS,
  });
  await fillMarkedLedger(server.ledger);
  await eventually(async () => (await ask('/api/v1/alerts?cluster=us-xcluster', STATIC)).text.includes('CommitRefused'));
  for (const silence of MARKED_SILENCES) {
    const body = JSON.stringify({ ...silence, until: new Date(Date.now() + 3_600_000) });
    expect((await ask('/api/v1/alerts/silences', STATIC, { method: 'POST', body })).status).toBe(201);
  }
  for (const cluster of ['eu-1', 'eu-2', 'us-xcluster', 'retired-xcluster']) await server.identity.issueToken(cluster, 60_000);
});
afterAll(() => server[Symbol.asyncDispose]());

/** A change of every policy. */
const changedFiles = (): readonly SourceFile[] =>
  markedFiles().map(({ path, text }) => ({ path, text: text.replace(/allowedRegions: [^\]]+\]/, 'allowedRegions: [ap-south-1]') }));

/** Routes that can be read to their end, which a stream does not have. */
const READ = ROUTES.filter(({ method, slots }: Route) => method === 'get' && slots !== 'stream');
const SCOPED = READ.filter(({ scope }) => scope === 'scoped');
const each = <T>(routes: readonly Route[], calls: (route: Route) => readonly T[]): { route: Route; call: T }[] =>
  routes.flatMap((route) => calls(route).map((call) => ({ route, call })));

it('declares for every route how it treats scopes, and makes none public that needs a role', () => {
  for (const { path, access, scope } of ROUTES)
    expect([path, scope === 'public']).toEqual([path, access === 'open' || access === 'signed-in']);
  const { ledger } = server;
  const views = new ScopeViews({}, ledger, () => ({}));
  const [route] = ROUTES.filter(({ scope }: Route) => scope === 'scoped');
  for (const wrong of [{ access: 'signed-in' }, { access: 'open' }, { scope: 'public' }] as const)
    expect(() => views.handlerOf({ ...(route as unknown as Route<object>), ...wrong })).toThrow('and for');
});

it('shows hidden objects to callers without a scope', async () => {
  const texts: string[] = [];
  for (const { call } of each(READ, callsOf)) texts.push((await ask(urlOf(call), STATIC)).text);
  const all = texts.join('\n');
  for (const mark of [
    'xcluster',
    'xpolicy',
    'xboth',
    'xglobal',
    'retired-xcluster',
    'pod-xboth',
    'owner-xboth',
    'signer xglobal',
    'subject xglobal',
  ])
    expect([mark, all.includes(mark)]).toEqual([mark, true]);
  const { text: alerts } = await ask('/api/v1/alerts?limit=500', STATIC);
  for (const mark of ['us-xcluster', 'payroll-xpolicy', 'audit-xboth', 'error xglobal', 'nack xglobal', 'namespace xboth'])
    expect([mark, alerts.includes(mark)]).toEqual([mark, true]);
  for (const { reason } of MARKED_SILENCES) expect(all).toContain(reason);
});

describe.each(MARKED_SCOPES)('$title', (scope) => {
  const { grants, outside, inside } = scope;
  /** A refusal names the own scope, by its own words. */
  const own = grants.map(describeScope);
  const read = async (call: Call, token: string): Promise<Answer> => {
    const { status, text } = await ask(urlOf(call), token);
    return { status, text: comparable(text, ...own, call.value, ...saidIn(call)) };
  };

  it.each(ROLES)('%s: shows nothing outside on any route, and refuses routes of the whole hub', async (role) => {
    const token = await signIn(role, scope);
    const texts: string[] = [];
    for (const { route, call } of each(READ, callsOf)) {
      const { status, text } = await read(call, token);
      // It says what the caller's grants are.
      const seen = route.path === '/auth/session' ? undefined : outside.exec(text)?.[0];
      expect([call.path, status === 403, seen]).toEqual([call.path, route.scope === 'global', undefined]);
      texts.push(text);
    }
    for (const wanted of inside) expect([wanted, wanted.test(texts.join('\n'))]).toEqual([wanted, true]);
  });

  it('reveals nothing outside by any order, filter or text', async () => {
    const token = await signIn('viewer', scope);
    const answers = new Map<string, Answer>();
    for (const { call } of each(SCOPED, queriesOf)) {
      const answer = await read(call, token);
      expect([urlOf(call), outside.exec(answer.text)?.[0]]).toEqual([urlOf(call), undefined]);
      answers.set(`${call.path} ${call.field} ${call.value}`, answer);
    }
    for (const { call } of each(SCOPED, queriesOf).filter(({ call: { value } }) => outside.test(value))) {
      const [answer, none] = [call.value, NOWHERE].map((value) => answers.get(`${call.path} ${call.field} ${value}`));
      // What no schema takes says nothing of the fleet.
      if (answer?.status !== 400) expect([urlOf(call), answer]).toEqual([urlOf(call), none]);
    }
  });

  it('answers for what is outside as for what does not exist', async () => {
    const token = await signIn('viewer', scope);
    for (const route of SCOPED) {
      const answers = new Map<string, Answer>();
      for (const call of callsOf(route)) answers.set(call.value, await read(call, token));
      const none = [...answers].find(([value]) => value.startsWith(NOWHERE))?.[1];
      for (const [value, answer] of [...answers].filter(([name]) => outside.test(name)))
        expect([route.path, value, answer]).toEqual([route.path, value, none]);
    }
  });

  /** Whether the scope has all of a cluster that is there. */
  const hasCluster = inside.length > 0 && grants.some(({ clusters, policies }) => clusters !== undefined && policies === undefined);
  const hasRole = (role: Role, { access }: Route): boolean => ROLES.indexOf(role) >= ROLES.indexOf(access as Role);
  /**
   * Whether a call concerns one cluster, which it names; a silence that is ended is named by its
   * id, which is none here.
   */
  const namesCluster = ({ scope: treated, operationId }: Route): boolean => treated === 'scoped' && operationId !== 'endSilence';
  const isAllowed = (route: Route, role: Role, cluster: string): boolean =>
    namesCluster(route) && hasRole(role, route) && cluster === 'eu-1' && hasCluster;
  const change = async (route: Route, cluster: string, token: string): Promise<Answer> => {
    const path = route.path.replace('{name}', cluster).replace('{id}', '0123456789abcdef');
    const body = JSON.stringify(bodyOf(route, cluster));
    const { status, text } = await ask(path, token, { method: route.method.toUpperCase(), body });
    return { status, text: comparable(text, cluster, ...own) };
  };
  // A plan changes nothing; it is tried below.
  const WRITE = ROUTES.filter(({ method, scope: treated, slots }: Route) => method !== 'get' && treated !== 'public' && slots !== 'plan');

  it.each(ROLES)('%s: plans the change of everything, and sees of it what is inside', async (role) => {
    const token = await signIn(role, scope);
    const files = Object.fromEntries(changedFiles().map(({ path, text }) => [path, text]));
    for (const change of [{ files }, { branch: 'tighten' }]) {
      const { status, text } = await ask('/api/v1/plans', token, { method: 'POST', body: JSON.stringify(change) });
      expect([status, outside.exec(text)?.[0]]).toEqual([200, undefined]);
      expect(/"verdict":"incomparable"/.test(text)).toBe(inside.length > 0);
      expect(/"name":"owner-/.test(text)).toBe(inside.length > 0);
    }
  });

  it('reads no stored plan of everything, nor lists it', async () => {
    const body = JSON.stringify({
      files: Object.fromEntries(markedFiles().map(({ path, text }) => [path, text])),
      withoutRegions: ['eu-west-1'],
    });
    const { id } = JSON.parse((await ask('/api/v1/plans', STATIC, { method: 'POST', body })).text.split('\n').at(-1) ?? '') as {
      id: string;
    };
    expect((await ask(`/api/v1/plans/${id}`, STATIC)).status).toBe(200);
    const token = await signIn('admin', scope);
    expect((await ask(`/api/v1/plans/${id}`, token)).status).toBe(404);
    expect((await ask('/api/v1/plans', token)).text).not.toContain(id);
  });

  it.each(ROLES)('%s: changes nothing of the whole hub nor outside, for existing and missing names', async (role) => {
    const token = await signIn(role, scope);
    const before = server.hints;
    for (const { route, call: cluster } of each(WRITE, () => ['eu-1', 'us-xcluster', 'retired-xcluster', NOWHERE])) {
      const { status, text } = await change(route, cluster, token);
      const seen = outside.exec(text)?.[0];
      expect([role, route.path, cluster, status, seen]).toEqual([
        role,
        route.path,
        cluster,
        isAllowed(route, role, cluster) ? route.response.status : 403,
        undefined,
      ]);
      if (status === 403 && namesCluster(route) && hasRole(role, route))
        expect(text).toContain(`The cluster ${NOWHERE} is outside of your scope`);
    }
    expect(server.hints).toBe(before);
  });
});
