import { describe, expect, it } from 'vitest';
import { decodeAgentFrame, decodeHubFrame, describeReturn, encodeFrame, GOING_AWAY, readReturn } from './codec.ts';
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
