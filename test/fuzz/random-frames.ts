import type { ClusterEvent, ClusterPreview, PolicyReport, PreviewedOwner } from '@fso/shared/api';
import { type AgentFrame, EMPTY_DIGEST, type HubFrame, type NamedTotal, PROTOCOL_VERSION, type Report } from '@fso/shared/protocol';
import { type Baseline, encodeBitmap, groupDeviations, standingOf } from '@fso/shared/status';
import { baselineOf, EMPTY_BASELINE, ReportedNames } from '../harness/baselines.ts';
import { policyReport } from '../harness/policy-reports.ts';

/** 0 ≤ x < 1. */
type Random = () => number;

export type RawFrame = string | Buffer;

const REVISION = 'a'.repeat(40);
const TIME = '2026-01-01T00:00:00Z';

const SPEC = { targetNamespace: '*', allowedRegions: ['eu-west-1'], enforcementAction: 'deny' };

const below = (random: Random, count: number): number => Math.floor(random() * count);
const pick = <T>(random: Random, items: readonly [T, ...T[]]): T => items[below(random, items.length)] ?? items[0];
const some = <T>(random: Random, most: number, make: () => T): T[] => Array.from({ length: below(random, most + 1) }, make);

/** A value by its text, where JSON.stringify would not write it so. */
class JsonText {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }
}

const nested = (depth: number): string => '['.repeat(depth) + ']'.repeat(depth);

/** JSON texts that parsers, schemas, records and databases have had trouble with. */
const ODD_VALUES = [
  ...[
    'null',
    'true',
    '0',
    '-0',
    '1.5',
    '1e999',
    '-1e999',
    '5e-324',
    '9007199254740993',
    '123456789012345678901234567890',
    '9'.repeat(5_000),
  ],
  ...['""', '"\\ud800"', '"\\udfff\\ud800x"', '"\\u0000"', '"../../etc/passwd"', '"\u2028"', '"2026-02-30T00:00:00Z"', '"__proto__"'],
  ...['{}', '[]', '[[[]]]', '[null]', '{"":null}', '{"length":1e9}', '{"toString":1,"valueOf":1,"toJSON":1}', '{"then":1}'],
  ...['{"__proto__":{"polluted":true}}', '{"constructor":{"prototype":{"polluted":true}}}'],
  ...[nested(20), nested(31), nested(64), nested(20_000), `[${'0,'.repeat(3_000)}0]`, `"${'x'.repeat(5_000)}"`, `"${'x'.repeat(80_000)}"`],
] as [string, ...string[]];

const ODD_KEYS = [
  '__proto__',
  'constructor',
  'prototype',
  'toString',
  'hasOwnProperty',
  '',
  '0',
  'type',
  'policies',
  '\ud800',
  'x'.repeat(500),
] as [string, ...string[]];

const write = (value: unknown): string => {
  if (value instanceof JsonText) return value.text;
  if (Array.isArray(value)) return `[${value.map(write).join(',')}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  const fields = Object.entries(value).filter(([, field]) => field !== undefined);
  return `{${fields.map(([key, field]) => `${JSON.stringify(key)}:${write(field)}`).join(',')}}`;
};

type Container = Record<string, unknown> | unknown[];

const isContainer = (value: unknown): value is Container => typeof value === 'object' && value !== null && !(value instanceof JsonText);

const containersOf = (value: unknown): Container[] => (isContainer(value) ? [value, ...Object.values(value).flatMap(containersOf)] : []);

/** Defined, not assigned: a key may be `__proto__`. */
const put = (into: Container, key: string, value: unknown): void =>
  void Object.defineProperty(into, key, { value, enumerable: true, configurable: true, writable: true });

const mutate = (random: Random, frame: object): void => {
  const container = containersOf(frame)[below(random, containersOf(frame).length)] ?? {};
  const keys = Object.keys(container);
  const key = keys[below(random, keys.length)] ?? pick(random, ODD_KEYS);
  const odd = new JsonText(pick(random, ODD_VALUES));
  switch (below(random, 4)) {
    case 0:
      put(container, key, odd);
      break;
    case 1:
      if (Array.isArray(container)) container.splice(below(random, keys.length), 1);
      else Reflect.deleteProperty(container, key);
      break;
    case 2:
      if (Array.isArray(container)) container.push(odd);
      else put(container, pick(random, ODD_KEYS), odd);
      break;
    default:
      if (Array.isArray(container)) container.push(...Array.from({ length: below(random, 300) }, () => container[0] ?? odd));
      else put(container, key, Reflect.get(container, pick(random, ['type', ...keys])));
  }
};

/** Bytes that no sender would send: cut, doubled, turned around, not of UTF-8. */
const garble = (random: Random, text: string): Buffer => {
  const bytes = Buffer.from(text);
  const at = below(random, bytes.length);
  switch (below(random, 4)) {
    case 0:
      return bytes.subarray(0, at);
    case 1:
      return Buffer.concat([bytes, bytes.subarray(at)]);
    case 2:
      return Buffer.concat([
        bytes.subarray(0, at),
        Buffer.from(pick(random, ['ff', 'c0af', 'eda080', 'f4908080', '00', 'efbbbf']), 'hex'),
        bytes.subarray(at),
      ]);
    default:
      for (let n = 0; n < 8; n += 1) bytes[below(random, bytes.length)] = below(random, 256);
      return bytes;
  }
};

/** A frame as it was made, or with a few changes. */
const spoil = (random: Random, frame: object): RawFrame => {
  const changed = structuredClone(frame);
  for (let left = below(random, 5); left > 0; left -= 1) mutate(random, changed);
  const text = write(changed);
  return random() < 0.1 ? garble(random, text) : text;
};

const reportOf = (random: Random): PolicyReport => {
  const { lastUpdated, ...short } = policyReport(`policy-${below(random, 50)}`, {
    namespaces: some(random, 5, () => `namespace-${below(random, 100)}`),
    violations: below(random, 3),
    phase: pick(random, ['Active', 'Failed', 'Pending']),
  });
  return random() < 0.5 ? short : { ...short, lastUpdated };
};

const eventOf = (random: Random): ClusterEvent => ({
  time: TIME,
  severity: pick(random, ['info', 'warning', 'alert']),
  reason: 'Fuzz',
  message: `event ${below(random, 1_000_000)}`,
});

const hash = '0'.repeat(64);
/** Digests of lists that no hub knows. */
const UNKNOWN_LISTS = ['a', 'b', 'c'].map((digit) => digit.repeat(64)) as [string, ...string[]];

const baseline = (random: Random): Baseline | null =>
  pick(random, [
    null,
    EMPTY_BASELINE,
    baselineOf(pick(random, [EMPTY_BASELINE.list, ...UNKNOWN_LISTS]), {
      profile: {
        floor: random() < 0.5,
        gatekeeper: random() < 0.5,
        injection: random() < 0.5,
        gatekeeperNamespace: `namespace-${below(random, 9)}`,
      },
      asOf: new Date(Date.parse(TIME) + below(random, 1_000_000_000)).toISOString(),
      missing: encodeBitmap(below(random, 100), () => random() < 0.5),
      namespaces: some(random, 9, () => `namespace-${below(random, 100)}`),
    }),
  ]);

/** Those of the reports, or others, as after a report that was lost. */
const total = (random: Random, policies: PolicyReport[], deviations: Report['deviations']): NamedTotal =>
  random() < 0.5
    ? new ReportedNames().take({ full: true, policies, removed: [], deviations })
    : { count: below(random, 9), root: pick(random, [EMPTY_DIGEST, hash, ...UNKNOWN_LISTS]) };

const agentReport = (random: Random): AgentFrame => {
  const policies = some(random, 30, () => reportOf(random));
  const named = some(random, 30, () => [`policy-${below(random, 50)}`, standingOf(reportOf(random))] as const);
  const deviations = groupDeviations(new Map(named));
  return {
    type: 'report',
    seq: 1 + below(random, 9),
    full: random() < 0.5,
    ...(random() < 0.2 ? { more: true } : {}),
    baseline: baseline(random),
    total: total(random, policies, deviations),
    ...(random() < 0.2
      ? { ack: { revision: pick(random, [REVISION, 'b'.repeat(40)]), digest: 'digest', heldMs: below(random, 2_000) } }
      : {}),
    ...(random() < 0.2
      ? { revision: { revision: REVISION, provenRevision: pick(random, [REVISION, null]), verification: 'unverified' } }
      : {}),
    deviations,
    policies,
    removed: some(random, 5, () => `policy-${below(random, 50)}`),
    events: some(random, 3, () => eventOf(random)),
  };
};

const OFF: ClusterPreview = { state: 'NotAnswered', reason: 'Off', message: '' };

const answerOf = (random: Random): ClusterPreview => {
  const name = (): PreviewedOwner => ({ kind: 'Pod', namespace: 'a', name: 'a', reason: '', fix: '', policies: ['a'] });
  const classOf = () => ({ now: 0, after: below(random, 9), begins: below(random, 9), ends: 0, owners: some(random, 3, name) });
  const lookedAt = { namespaces: 1, owners: below(random, 9), pods: 0 };
  return { state: 'Answered', observedAt: TIME, lookedAt, omitted: 0, outside: classOf(), refused: classOf(), pending: classOf() };
};

const agentFrame = (random: Random): AgentFrame => {
  const revision = pick(random, [REVISION, 'b'.repeat(40)]);
  switch (below(random, 9)) {
    case 0:
      return { type: 'ack', revision, digest: 'digest' };
    case 1:
      return { type: 'nack', revision, reasons: [{ message: 'no', path: 'policies/a.yaml', line: 1 + below(random, 9) }] };
    case 2:
      return { type: 'digest', digest: EMPTY_DIGEST, seq: below(random, 9) };
    case 3:
      return { type: 'inspected', id: 1 + below(random, 9), report: reportOf(random) };
    case 4:
      return { type: 'located', id: 1 + below(random, 9), processing: pick(random, [null, { rows: [], omitted: below(random, 9) }]) };
    case 5:
      return {
        type: 'listed',
        list: pick(random, [EMPTY_BASELINE.list, ...UNKNOWN_LISTS]),
        policies: some(random, 50, () => [`policy-${below(random, 50)}`, pick(random, [hash, ...UNKNOWN_LISTS])]),
      };
    case 6:
      return { type: 'previewed', id: 1 + below(random, 9), answer: pick(random, [OFF, answerOf(random)]) };
    default:
      return agentReport(random);
  }
};

const previewOf = (random: Random): HubFrame => ({
  type: 'preview',
  id: 1 + below(random, 9),
  list: pick(random, [null, EMPTY_BASELINE.list]),
  put: some(random, 5, () => ({
    name: `policy-${below(random, 50)}`,
    spec: pick<unknown>(random, [{}, SPEC, { ...SPEC, allowedRegions: [] }]),
  })),
  removed: some(random, 5, () => `policy-${below(random, 50)}`),
  at: pick(random, [null, TIME]),
  withoutRegions: some(random, 2, () => 'eu-west-1'),
});

const hubFrame = (random: Random): HubFrame => {
  const data = Buffer.from('x'.repeat(below(random, 200))).toString('base64');
  switch (below(random, 9)) {
    case 0:
      return { type: 'reported', seq: 1 + below(random, 9) };
    case 1:
      return { type: 'digest', digest: EMPTY_DIGEST, seq: below(random, 9) };
    case 2:
      return { type: 'resync' };
    case 3:
      return pick(random, [
        { type: 'inspect', id: 1 + below(random, 9), policy: 'policy' },
        { type: 'locate', id: 1 + below(random, 9) },
        previewOf(random),
      ]);
    case 4:
      return {
        type: 'checkpoint',
        checkpoint: { sequence: 1, hash, time: TIME, key: 'k'.repeat(43), signature: 's'.repeat(86) },
        after: 0,
        digests: some(random, 5, () => hash),
      };
    case 5:
      return {
        type: 'welcome',
        protocol: PROTOCOL_VERSION,
        hubVersion: 'fuzz',
        time: TIME,
        reported: { seq: 0, policies: EMPTY_DIGEST, cluster: null, baseline: pick(random, [null, hash]) },
      };
    case 6:
      if (random() < 0.5) return { type: 'approvals', revision: REVISION, tags: some(random, 40, () => data) };
      return { type: 'list', list: pick(random, [hash, ...UNKNOWN_LISTS]) };
    default:
      return {
        type: pick(random, ['offer', 'advance']),
        revision: REVISION,
        anchor: null,
        chain: some(random, 5, () => REVISION),
        objects: some(random, 9, () => ({ id: REVISION, type: pick(random, ['commit', 'tree', 'blob']), data })),
      };
  }
};

/** A frame of an agent, right or wrong. The same numbers give the same frame. */
export const randomAgentFrame = (random: Random): RawFrame => spoil(random, agentFrame(random));

/** A frame of a hub, right or wrong. */
export const randomHubFrame = (random: Random): RawFrame => spoil(random, hubFrame(random));
