import { randomBytes } from 'node:crypto';
import { createServer, type Server, type Socket } from 'node:net';
import { objectId } from '@fso/shared/git';
import { CLOSE_CODES, encodeFrame, MAX_HUB_FRAME_BYTES, type Offer, type WholeObject } from '@fso/shared/protocol';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { makeKey, signSsh } from '../../shared/trust/testing/commits.ts';
import { waitFor } from '../harness/waiting.ts';
import { CHART, useMaliciousHub, weaker } from './malicious-hub-harness.ts';

const bench = useMaliciousHub();

describe('invalid frames', () => {
  /**
   * Checks that the agent closes the connection, reconnects, and has changed nothing. @returns the
   * close code
   */
  const cutOffBy = async (attack: () => void): Promise<number> => {
    const before = await bench.standing();
    const hellos = bench.hub.got('hello').length;
    const closed = new Promise<number>((resolve) => bench.hub.socket?.once('close', resolve));
    attack();
    const code = await closed;
    await bench.greeted(hellos + 1);
    expect(await bench.standing()).toEqual(before);
    await bench.goesOn();
    return code;
  };
  const raw = (change: object): string =>
    JSON.stringify({ type: 'offer', revision: bench.head, anchor: null, chain: [bench.head], objects: [], ...change });

  it.each<[string, () => string | Buffer]>([
    ['an object of unknown type', () => raw({ objects: [{ id: bench.head, type: 'tag', data: '' }] })],
    ['a chain without end', () => raw({ chain: Array.from({ length: 10_001 }, () => bench.head) })],
    ['an unknown field', () => raw({ trust: 'me' })],
    ['another type of frame', () => JSON.stringify({ type: 'obey' })],
    ['text that is not JSON', () => '{'],
    ['nesting without end', () => '['.repeat(1_000_000)],
  ])('%s', async (_what, frame) => {
    expect(await cutOffBy(() => bench.hub.sendRaw(frame()))).toBe(CLOSE_CODES.badFrame);
  });

  it.each<[string, () => string | Buffer, number]>([
    ['one of more bytes than are accepted', () => Buffer.alloc(MAX_HUB_FRAME_BYTES + 1, 'x'), 1009],
    ['one of 64 MiB', () => Buffer.alloc(64 * 1024 * 1024, 'x'), 1009],
    ['nesting, as much as fits', () => '['.repeat(MAX_HUB_FRAME_BYTES), CLOSE_CODES.badFrame],
    ['empty objects, as many as fit', () => `[${'{},'.repeat(MAX_HUB_FRAME_BYTES / 3 - 2)}{}]`, CLOSE_CODES.badFrame],
    ['50,000 objects that are none', () => raw({ objects: Array(50_000).fill({}) }), CLOSE_CODES.badFrame],
    [
      'an object that is not base64',
      () => raw({ objects: [{ id: bench.head, type: 'blob', data: '?'.repeat(16_000_000) }] }),
      CLOSE_CODES.badFrame,
    ],
  ])('giant ones: %s', async (what, frame, code) => {
    expect(await cutOffBy(() => bench.hub.sendRaw(frame()))).toBe(code);
    staysWithinChart(what);
  });

  it('giant ones: fragments without end', async () => {
    const fragments = (): void => {
      for (let count = 0; count < 10_000; count += 1) bench.hub.socket?.send(' ', { binary: false, fin: false });
    };
    expect(await cutOffBy(fragments)).toBe(1008);
    staysWithinChart('fragments');
  });

  it('giant ones: offers of as many bytes as are accepted, faster than the agent judges them', async () => {
    const blobs = Array.from({ length: 16 }, () => objectOf('blob', randomBytes(700 * 1024)));
    const unsigned = bench.aside(weaker, null);
    const offer = await bench.offerOf(unsigned);
    const objects = [...offer.objects, ...blobs];
    const [frame, advance] = [encodeFrame({ ...offer, objects }), encodeFrame({ ...offer, type: 'advance', objects })];
    expect(frame.length).toBeGreaterThan(0.9 * MAX_HUB_FRAME_BYTES);
    await bench.refusalOf(unsigned, () => {
      for (let count = 0; count < 16; count += 1) bench.hub.sendRaw(count % 2 === 0 ? frame : advance);
    });
    // Once the flood has been read.
    await waitFor(() => expect(bench.hub.socket?.bufferedAmount).toBe(0));
    await bench.goesOn();
    staysWithinChart('a flood of offers');
  });
});

const objectOf = (type: WholeObject['type'], data: Buffer): WholeObject => ({
  id: objectId(type, data),
  type,
  data: data.toString('base64'),
});
/** Checks that the agent has not taken more than the chart gives it, ever. */
const staysWithinChart = (what: string): void => {
  const peak = bench.memoryPeakMb();
  console.log(`${what}: the agent has taken at most ${Math.round(peak)} MiB`);
  expect(peak).toBeLessThan(CHART.memoryMb);
};

describe('what a hub makes itself, and no signer has seen', () => {
  const stranger = makeKey();
  const AUTHOR = 'Eve <eve@example.org> 1767433800 +0000';
  /** @param more further headers */
  const commitOf = (tree: string, parent: string, { message = '', more = '' } = {}): string =>
    `tree ${tree}\nparent ${parent}\nauthor ${AUTHOR}\ncommitter ${AUTHOR}\n${more}\n${message}\n`;
  const signed = (commit: string): string => {
    const signature = signSsh(stranger, Buffer.from(commit)).replaceAll('\n', '\n ');
    return commit.replace('\n\n', `\ngpgsig ${signature}\n\n`);
  };
  /**
   * A root folder with the signers of the accepted commit, so that no commit with it need be
   * signed.
   */
  const treeOf = (entries: number): WholeObject => {
    const sha = Buffer.alloc(20, 7);
    const files = Array.from({ length: entries }, (_, n) => Buffer.concat([Buffer.from(`100644 ${n.toString(36)}\0`), sha]));
    const signers = Buffer.from(bench.repository.git('rev-parse', `${bench.head}:signers`), 'hex');
    return objectOf('tree', Buffer.concat([...files, Buffer.from('40000 signers\0'), signers]));
  };
  /**
   * A chain on top of what was accepted; the last commit is signed by a stranger, so that only the
   * way to it could say that it may.
   */
  const chainOf = (length: number, tree: WholeObject, more?: string): Offer => {
    const commits: WholeObject[] = [];
    for (let count = 0; count < length; count += 1) {
      const text = commitOf(tree.id, commits.at(-1)?.id ?? bench.head, { message: `${count}`, ...(more === undefined ? {} : { more }) });
      commits.push(objectOf('commit', Buffer.from(count === length - 1 ? signed(text) : text)));
    }
    const chain = commits.map(({ id }) => id);
    return { type: 'offer', revision: chain.at(-1) ?? '', anchor: bench.head, chain, objects: [...commits, tree] };
  };

  beforeAll(() => bench.goesOn({ 'signers/allowed_signers': `x ${bench.ana?.line}\n` }));

  it.each<[string, () => Offer, string]>([
    ['a root folder of 350,000 entries', () => chainOf(2, treeOf(350_000)), 'proof-too-large'],
    ['a commit of 12 MB of headers', () => chainOf(1, treeOf(1), 'a b\n'.repeat(3_000_000)), 'proof-too-large'],
    ['a commit of 12 MB in one header', () => chainOf(1, treeOf(1), `a ${'b'.repeat(12_000_000)}\n`), 'proof-too-large'],
    [
      'a commit in place of a root folder',
      () => chainOf(2, objectOf('commit', Buffer.from(commitOf(bench.head, bench.head)))),
      'chain-incomplete',
    ],
    ['100 commits with one folder of 32,000 entries', () => chainOf(100, treeOf(32_000)), 'signer-unknown'],
    ['10,000 commits', () => chainOf(10_000, treeOf(1)), 'signer-unknown'],
    ['60 commits of 100 KB of headers', () => chainOf(60, treeOf(1), 'a b\n'.repeat(25_000)), 'signer-unknown'],
    ['commits of more than 10 MiB together', () => chainOf(110, treeOf(1), 'a b\n'.repeat(25_000)), 'proof-too-large'],
  ])('is refused without a strain on the agent: %s', async (what, make, code) => {
    const offer = make();
    expect(await bench.refusalOf(offer.revision, () => bench.hub.send(offer))).toEqual([code]);
    await bench.goesOn();
    staysWithinChart(what);
  });
});

describe('a hub that is slow on purpose', () => {
  let server: Server;
  const sockets: Socket[] = [];
  let dials = 0;
  afterAll(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });

  it('delays the agent, and changes nothing: the agent enforces, answers, and reconnects', async () => {
    const before = await bench.standing();
    await bench.agent.stop();
    server = createServer((socket) => {
      sockets.push(socket);
      dials += 1;
      socket.on('error', () => undefined);
      // One byte of the response every 100 ms.
      const answer = 'HTTP/1.1 101 Switching Protocols\r\n';
      let at = 0;
      const drip = setInterval(() => socket.write(answer[at++ % answer.length] ?? ''), 100);
      socket.on('close', () => clearInterval(drip));
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as { port: number };
    bench.agent = await bench.startAgent(`ws://127.0.0.1:${port}`);
    await waitFor(() => expect(dials).toBeGreaterThanOrEqual(2));
    expect((await fetch(`${bench.agent.url}/readyz`)).status).toBe(200);
    expect(await bench.standing()).toEqual(before);
    await bench.agent.stop();
    const hellos = bench.hub.got('hello').length;
    bench.agent = await bench.startAgent(bench.hub.url);
    await bench.greeted(hellos + 1);
    expect(bench.hub.got('hello').at(-1)).toMatchObject({ revision: bench.head, anchor: bench.head });
  });
});
