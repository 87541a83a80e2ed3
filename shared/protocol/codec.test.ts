import { describe, expect, it } from 'vitest';
import { policyReport } from '../../test/harness/policy-reports.ts';
import { decodeAgentFrame, decodeHubFrame, describeReturn, encodeFrame, GOING_AWAY, MAX_INVALID_ENTRIES, readReturn } from './codec.ts';
import { type AgentFrame, type HubFrame, MAX_FRAME_BYTES, MAX_HUB_FRAME_BYTES } from './frames.ts';

const hello: AgentFrame = { type: 'hello', protocol: 1, cluster: 'eu', revision: null, holds: null, anchor: null, agentVersion: '0.1.0' };
const reported: HubFrame = { type: 'reported', seq: 1 };

describe('frames over the wire', () => {
  it('read the hello of an older agent, so that it can be told that its version is refused', () => {
    const { anchor: _anchor, ...old } = hello as AgentFrame & { type: 'hello' };
    expect(decodeAgentFrame(JSON.stringify(old))).toEqual({ ok: true, frame: { ...old, anchor: null } });
  });

  it('come back as they were sent, in whatever form the socket hands them over', () => {
    const text = encodeFrame(hello);
    const bytes = Buffer.from(text);
    const copy = new Uint8Array(bytes).buffer;
    for (const data of [text, bytes, copy, [bytes.subarray(0, 7), bytes.subarray(7)]]) {
      expect(decodeAgentFrame(data)).toEqual({ ok: true, frame: hello });
    }
    expect(decodeHubFrame(encodeFrame(reported))).toEqual({ ok: true, frame: reported });
  });

  it.each([
    ['no JSON', 'hello'],
    ['no UTF-8', Buffer.from([0x22, 0xff, 0x22])],
    ['an unknown type', '{"type":"shutdown"}'],
    ['an unknown field', JSON.stringify({ ...hello, admin: true })],
    [
      'a report with an unknown field',
      JSON.stringify({ type: 'report', seq: 1, full: true, policies: [], removed: [], events: [], admin: true }),
    ],
    ['a report without policies', JSON.stringify({ type: 'report', seq: 1, full: true, removed: [], events: [] })],
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
  ])('is refused for %s before it is parsed', (_what, text, reason) => {
    expect(decodeHubFrame(text)).toEqual({ ok: false, error: expect.stringContaining(reason) });
  });
});

const reportFrame = (policies: readonly string[], more: readonly string[] = []): string =>
  `{${['"type":"report","seq":1,"full":true,"removed":[],"events":[]', `"policies":[${policies.join(',')}]`, ...more].join(',')}}`;
const times = (count: number, value: string): string[] => Array.from({ length: count }, () => value);

describe('frames that are made to cost', () => {
  it('of nested values are refused, as deep as they may be', () => {
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

  it('of more than a million values, or 300,000 keys, are refused before they are parsed', () => {
    expect(decodeAgentFrame(reportFrame(times(300_000, '{"a":0}')))).toEqual({ ok: false, error: expect.stringContaining('300000 keys') });
    expect(decodeAgentFrame(reportFrame(times(1_000_000, '{}')))).toEqual({ ok: false, error: expect.stringContaining('1000000 values') });
    expect(decodeAgentFrame(reportFrame(['{}'], [`"x":"${'[,'.repeat(1_000_000)}\\\\\\""`]))).toEqual({
      ok: false,
      error: expect.not.stringContaining('values'),
    });
  });

  it('of many fields, entries or keys are refused', () => {
    const many = Array.from({ length: 50_000 }, (_, n) => `"k${n}":0`);
    expect(decodeAgentFrame(reportFrame([], many))).toEqual({ ok: false, error: expect.stringContaining('at most 16 fields') });
    expect(decodeAgentFrame(reportFrame(times(20_001, '0')))).toEqual({ ok: false, error: expect.stringContaining('policies') });
    const wrongKeys = `"kept":[${times(20_000, '0').join(',')}]`;
    const { error } = decodeAgentFrame(reportFrame([], [wrongKeys])) as { error: string };
    // Five places of twenty thousand are named.
    expect(error.match(/kept\[\d+\]/g)).toEqual([0, 1, 2, 3, 4].map((index) => `kept[${index}]`));
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

describe('the close of a hub that stops', () => {
  it('tells an agent for how long the hub spreads its agents', () => {
    expect(readReturn(GOING_AWAY, describeReturn(1_250))).toBe(1_250);
  });

  it.each([
    [GOING_AWAY, ''],
    [GOING_AWAY, 'the hub stops'],
    [GOING_AWAY, 'come back within -5 ms'],
    [GOING_AWAY, `come back within ${'9'.repeat(100)} ms`],
    [1011, describeReturn(1_250)],
  ])('says nothing of a return: %i %s', (code, reason) => {
    expect(readReturn(code, reason)).toBeUndefined();
  });
});
