import { describe, expect, it } from 'vitest';
import { baselineOf, EMPTY_BASELINE, emptyReport } from '../../test/harness/baselines.ts';
import { policyReport } from '../../test/harness/policy-reports.ts';
import { MAX_LISTED, standingOf } from '../status/index.ts';
import { decodeAgentFrame, decodeHubFrame, describeReturn, encodeFrame, GOING_AWAY, MAX_INVALID_ENTRIES, readReturn } from './codec.ts';
import { type AgentFrame, type HubFrame, MAX_FRAME_BYTES, MAX_HUB_FRAME_BYTES, MAX_PREVIEW_BYTES } from './frames.ts';
import { EMPTY_DIGEST } from './reports.ts';

const hello: AgentFrame = { type: 'hello', protocol: 1, cluster: 'eu', revision: null, holds: null, anchor: null, agentVersion: '0.1.0' };
const report: AgentFrame = { ...emptyReport(1), full: true };
const reported: HubFrame = { type: 'reported', seq: 1 };
const preview: Extract<HubFrame, { type: 'preview' }> = {
  type: 'preview',
  id: 1,
  list: null,
  put: [{ name: 'finance', spec: { anything: true } }],
  removed: ['old'],
  at: '2027-01-01T00:00:00Z',
  withoutRegions: ['eu-west-1'],
};

describe('frames over the wire', () => {
  it('read the hello of an older agent, so that its version can be refused with a reason', () => {
    const { anchor: _anchor, ...old } = hello as AgentFrame & { type: 'hello' };
    expect(decodeAgentFrame(JSON.stringify(old))).toEqual({ ok: true, frame: { ...old, anchor: null } });
  });

  it('survive encoding, in every form in which the socket delivers them', () => {
    const text = encodeFrame(hello);
    const bytes = Buffer.from(text);
    const copy = new Uint8Array(bytes).buffer;
    for (const data of [text, bytes, copy, [bytes.subarray(0, 7), bytes.subarray(7)]]) {
      expect(decodeAgentFrame(data)).toEqual({ ok: true, frame: hello });
    }
    for (const frame of [reported, preview]) expect(decodeHubFrame(encodeFrame(frame))).toEqual({ ok: true, frame });
  });

  it.each([
    ['no JSON', 'hello'],
    ['no UTF-8', Buffer.from([0x22, 0xff, 0x22])],
    ['an unknown type', '{"type":"shutdown"}'],
    ['an unknown field', JSON.stringify({ ...hello, admin: true })],
    ['a report with an unknown field', JSON.stringify({ ...report, admin: true })],
    ['a report without policies', JSON.stringify({ ...report, policies: undefined })],
    ['a report without a baseline', JSON.stringify({ ...report, baseline: undefined })],
    ['a report of an agent of protocol 6', JSON.stringify({ type: 'report', seq: 1, full: true, policies: [], removed: [], events: [] })],
    ['a list without a digest', JSON.stringify({ type: 'listed', policies: [] })],
    ['a frame of the other side', encodeFrame(reported)],
    ['a wrong object id', JSON.stringify({ ...hello, revision: 'main' })],
  ])('are refused with a reason: %s', (_what, data) => {
    const decoded = decodeAgentFrame(data);
    expect(decoded).toEqual({ ok: false, error: expect.stringMatching(/./) });
  });

  it('are refused by size before they are parsed', () => {
    for (const [decode, max] of [
      [decodeHubFrame, MAX_HUB_FRAME_BYTES],
      [decodeAgentFrame, MAX_FRAME_BYTES],
    ] as const)
      expect(decode(new Uint8Array(max + 1))).toEqual({ ok: false, error: expect.stringContaining(`${max + 1} bytes`) });
  });
});

describe('a frame of a hub', () => {
  it.each([
    ['nesting', '['.repeat(1_000), 'nested more than'],
    ['tiny values', `[${'{},'.repeat(1_000_000)}{}]`, 'values'],
    ['a large question', encodeFrame({ ...preview, put: [{ name: 'a', spec: 'x'.repeat(MAX_PREVIEW_BYTES) }] }), 'the question has'],
    ['policies beyond a thousand', encodeFrame({ ...preview, removed: Array.from({ length: 1_001 }, () => 'a') }), '1000'],
    ['a place that is none', encodeFrame({ ...preview, withoutRegions: ['eu west'] }), 'region'],
  ])('is refused for %s', (_what, text, reason) => {
    expect(decodeHubFrame(text)).toEqual({ ok: false, error: expect.stringContaining(reason) });
  });
});

/** Fields of a report without policies, as text. */
const ENVELOPE = JSON.stringify({ ...report, policies: undefined }).slice(1, -1);
const reportFrame = (policies: readonly string[], more: readonly string[] = []): string =>
  `{${[ENVELOPE, `"policies":[${policies.join(',')}]`, ...more].join(',')}}`;
const times = (count: number, value: string): string[] => Array.from({ length: count }, () => value);

describe('frames that are made to cost', () => {
  it('are refused with nested values of any depth', () => {
    for (const depth of [33, 1_000, 1_000_000]) {
      const nested = '['.repeat(depth) + ']'.repeat(depth);
      for (const text of [
        nested,
        reportFrame([nested]),
        reportFrame([`{"namespace":"a","name":"b","message":${nested}}`]),
        '['.repeat(depth),
      ]) {
        expect(decodeAgentFrame(text)).toEqual({ ok: false, error: expect.stringMatching(/nested/) });
        expect(decodeHubFrame(text)).toEqual({ ok: false, error: expect.stringMatching(/nested/) });
      }
    }
  });

  it('are refused with more than a million values or 300,000 keys before they are parsed', () => {
    expect(decodeAgentFrame(reportFrame(times(300_000, '{"a":0}')))).toEqual({ ok: false, error: expect.stringContaining('300000 keys') });
    expect(decodeAgentFrame(reportFrame(times(1_000_000, '{}')))).toEqual({ ok: false, error: expect.stringContaining('1000000 values') });
    expect(decodeAgentFrame(reportFrame(['{}'], [`"x":"${'[,'.repeat(1_000_000)}\\\\\\""`]))).toEqual({
      ok: false,
      error: expect.not.stringContaining('values'),
    });
  });

  it('are refused with many fields, entries or keys', () => {
    const many = Array.from({ length: 50_000 }, (_, n) => `"k${n}":0`);
    expect(decodeAgentFrame(reportFrame([], many))).toEqual({ ok: false, error: expect.stringContaining('at most 16 fields') });
    expect(decodeAgentFrame(reportFrame(times(20_001, '0')))).toEqual({ ok: false, error: expect.stringContaining('policies') });
    const wrongKeys = reportFrame([]).replace('"removed":[]', `"removed":[${times(20_000, '0').join(',')}]`);
    const { error } = decodeAgentFrame(wrongKeys) as { error: string };
    // Five places of twenty thousand are named.
    expect(error.match(/removed\[\d+\]/g)).toEqual([0, 1, 2, 3, 4].map((index) => `removed[${index}]`));
  });

  it('report up to 20 invalid entries; with more the frame is refused', () => {
    const good = JSON.stringify(policyReport('good'));
    const some = decodeAgentFrame(reportFrame([...times(MAX_INVALID_ENTRIES, '{}'), good]));
    expect(some).toMatchObject({ ok: true, frame: { policies: [{ name: 'good' }] }, problems: { length: MAX_INVALID_ENTRIES } });
    const all = decodeAgentFrame(reportFrame(times(20_000, '{}')));
    expect(all).toEqual({ ok: false, error: expect.stringMatching(/^more than 20 entries .*policies\[0\]/) });
    const event = '{"reason":7}';
    const mixed = reportFrame(times(10, '{}')).replace('"events":[]', `"events":[${times(11, event).join(',')}]`);
    expect(decodeAgentFrame(mixed).ok).toBe(false);
  });

  it('describe an entry by the first of its issues', () => {
    const bad = JSON.stringify({ ...policyReport('bad'), namespaces: times(9_000, 'Not a name'), effectiveRegions: times(900, '!') });
    const decoded = decodeAgentFrame(reportFrame([bad]));
    const [entry] = decoded.ok && decoded.frame.type === 'report' ? decoded.frame.policies : [];
    expect(entry).toMatchObject({ name: 'bad', phase: 'Failed', namespaces: [], effectiveRegions: [] });
    expect(entry?.message.match(/effectiveRegions\[\d+\]|namespaces\[\d+\]/g)?.length).toBeLessThanOrEqual(5);
  });

  it('are refused where a parser overflows its stack', () => {
    // The pattern of base64 takes a step back for each four bytes.
    const data = 'A'.repeat(48 * 1024 * 1024);
    const offer = `{"type":"offer","revision":"${'a'.repeat(40)}","anchor":null,"chain":["${'a'.repeat(40)}"],"objects":[{"id":"${'b'.repeat(40)}","type":"blob","data":"${data}!"}]}`;
    expect(decodeHubFrame(offer).ok).toBe(false);
  });
});

describe('a baseline', () => {
  const decodeWith = (baseline: unknown) => decodeAgentFrame(JSON.stringify({ ...report, baseline }));
  const HASH = 'a'.repeat(64);

  it.each([
    ['none, of an agent without a list', null],
    ['a large one', baselineOf(HASH, { missing: 'A'.repeat(3_332), namespaces: times(10_000, 'n'.repeat(63)) })],
    ['one of the first year', baselineOf(HASH, { asOf: '0000-01-01T00:00:00Z' })],
    ['one beyond the last year', baselineOf(HASH, { asOf: '9999-12-31T23:59:59-23:59' })],
  ])('is accepted unchanged: %s', (_what, baseline) => {
    expect(decodeWith(baseline)).toEqual({ ok: true, frame: { ...report, baseline } });
  });

  it.each([
    ['a list by its name', { list: 'main' }],
    ['no profile', { profile: undefined }],
    ['a field of a later version', { more: true }],
    ['a bitmap of more bits than a list has', { missing: 'A'.repeat(3_340) }],
    ['a bitmap that is none', { missing: '?' }],
    ['more namespaces than are named', { namespaces: times(10_001, 'n') }],
    ['what is no namespace', { namespaces: ['*'] }],
    ['a day that is none', { asOf: '2026-02-30T00:00:00Z' }],
    ['a time of a thousand digits', { asOf: `2026-01-01T00:00:00.${'1'.repeat(1_000)}Z` }],
  ])('makes the whole frame invalid where it is invalid: %s', (_what, change) => {
    expect(decodeWith({ ...EMPTY_BASELINE, ...change })).toEqual({ ok: false, error: expect.stringContaining('baseline') });
  });

  it('is refused without what the hub must have by name', () => {
    for (const deviations of [undefined, { count: -1, root: EMPTY_DIGEST }, { count: 0, root: '' }])
      expect(decodeAgentFrame(JSON.stringify({ ...report, deviations }))).toEqual({
        ok: false,
        error: expect.stringContaining('deviations'),
      });
  });
});

describe('the policies of a list', () => {
  const HASH = 'a'.repeat(64);
  const frameOf = (entry: string, count: number) => `{"type":"listed","list":"${HASH}","policies":[${times(count, entry).join(',')}]}`;

  it('are names and digests, of the largest list as well', () => {
    expect(decodeAgentFrame(frameOf(`["finance","${HASH}"]`, 20_000))).toMatchObject({ ok: true, frame: { policies: { length: 20_000 } } });
    expect(decodeAgentFrame(frameOf(`["finance","${HASH}"]`, 20_001))).toEqual({ ok: false, error: expect.stringContaining('policies') });
  });

  it.each(['["","x"]', '{}', `["finance","${HASH}","more"]`])('are judged up to the first invalid one: %s', (entry) => {
    const { error } = decodeAgentFrame(frameOf(entry, 20_000)) as { error: string };
    expect(error.match(/policies\[\d+\]/g)).toEqual(['policies[0]']);
  });
});

describe('the close of a hub that stops', () => {
  it('gives an agent the time over which the hub spreads its agents', () => {
    expect(readReturn(GOING_AWAY, describeReturn(1_250))).toBe(1_250);
  });

  it.each([
    [GOING_AWAY, ''],
    [GOING_AWAY, 'the hub stops'],
    [GOING_AWAY, 'come back within -5 ms'],
    [GOING_AWAY, `come back within ${'9'.repeat(100)} ms`],
    [1011, describeReturn(1_250)],
  ])('gives no time to return: %i %s', (code, reason) => {
    expect(readReturn(code, reason)).toBeUndefined();
  });
});

describe('names of deviations', () => {
  const deviation = standingOf(policyReport('any', { phase: 'Failed' }));
  const names = (count: number, prefix = 'p') => Array.from({ length: count }, (_, n) => `${prefix}${n}`);
  const decodeGroups = (groups: readonly (readonly unknown[])[], change: object = {}) =>
    decodeAgentFrame(JSON.stringify({ ...report, deviations: groups.map((policies) => ({ deviation, policies })), ...change }));

  it('are accepted up to the size of a list, over all groups and beside whole reports', () => {
    const policies = [policyReport('local', { namespace: 'policies', managedBy: 'local' })];
    expect(decodeGroups([names(MAX_LISTED - 2), ['a']], { policies }).ok).toBe(true);
    expect(decodeGroups([names(MAX_LISTED - 2), ['a', 'b']], { policies })).toEqual({
      ok: false,
      error: expect.stringContaining(`names ${MAX_LISTED + 1} policies`),
    });
  });

  it.each([
    ['one group', [names(MAX_LISTED + 1)]],
    ['a group and one more name', [names(MAX_LISTED), ['a']]],
    ['45 groups, each as large as a group may be', Array.from({ length: 45 }, (_, at) => names(MAX_LISTED, `p${at}-`))],
    ['a group of what are no names', [Array.from({ length: MAX_LISTED + 1 }, () => 0)]],
  ])('are refused by their number, before any is looked at: %s', (_what, groups) => {
    expect(decodeGroups(groups)).toEqual({ ok: false, error: expect.stringContaining('must name at most 20000 policies') });
  });

  it.each([
    ['in one group', [['a', 'b', 'a']]],
    ['in two', [['a', 'b'], ['a']]],
  ])('are refused where one is listed twice: %s', (_what, groups) => {
    expect(decodeGroups(groups)).toEqual({ ok: false, error: expect.stringContaining('must name each policy once') });
  });

  it.each([
    ['no name', [['A b']]],
    ['no list', [{} as unknown[]]],
    ['an empty group', [[]]],
  ])('are refused where there is %s', (_what, groups) => {
    expect(decodeGroups(groups)).toEqual({ ok: false, error: expect.stringContaining('deviations') });
  });
});
