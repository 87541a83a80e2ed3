import { MAX_COMMIT_BYTES } from '@fso/shared/git';
import { decodeHubFrame, MAX_HUB_FRAME_BYTES } from '@fso/shared/protocol';
import { describe, expect, it } from 'vitest';
import { ObjectBox } from '../../../shared/trust/testing/commits.ts';
import type { Clone } from '../../source/git/clone.ts';
import type { ObjectAccess } from '../../source/index.ts';
import { createRevisionReader } from '../../source/object-access.ts';
import { createOffers, type EncodedOffer, OfferTooLargeError } from './offers.ts';

const id = (digit: number): string => String(digit).repeat(40);
/** Commits 1 ← 2 ← 3; each has a file of its own (4, 5, 6) and shares file 7 with the others. */
const HISTORY = [id(1), id(2), id(3)];
const CONTENT: Readonly<Record<string, readonly string[]>> = {
  [id(1)]: [id(1), id(4), id(7)],
  [id(2)]: [id(2), id(5), id(7)],
  [id(3)]: [id(3), id(6), id(7)],
};

/** Registrations of two clusters. */
const OWN: Readonly<Record<string, readonly string[]>> = { eu: [id(8)], us: [id(9)] };
/** Agent of a cluster that has no objects of its own. */
const agent = { cluster: 'apac' };

const access = (): ObjectAccess & { reads: number } => {
  const counted = {
    reads: 0,
    partOf: async (revision: string, cluster: string) => {
      const shared = CONTENT[revision];
      return shared === undefined ? null : { key: '', shared, own: OWN[cluster] ?? [] };
    },
    chain: async (from: string, to: string) => {
      const [start, end] = [HISTORY.indexOf(from), HISTORY.indexOf(to)];
      return start >= 0 && start <= end ? HISTORY.slice(start + 1, end + 1) : null;
    },
    proof: async (chain: readonly string[]) => chain,
    counterparts: async () => new Map<string, string>(),
    read: async (object: string) => {
      counted.reads += 1;
      return { id: object, type: 'blob' as const, data: '' };
    },
  };
  return counted;
};

const frameOf = ({ shared, own }: EncodedOffer) => {
  const decoded = decodeHubFrame(Buffer.concat([shared, own]));
  if (!decoded.ok || decoded.frame.type !== 'offer') throw new Error('not an offer');
  return { anchor: decoded.frame.anchor, chain: decoded.frame.chain, objects: decoded.frame.objects.map((object) => object.id) };
};

describe('offers', () => {
  it('carries every commit on the way and what the newer one adds to the held one', async () => {
    const offer = await createOffers(access()).get({ ...agent, holds: id(1), anchor: id(1) }, id(3));
    expect(frameOf(offer)).toEqual({ anchor: id(1), chain: [id(2), id(3)], objects: [id(2), id(3), id(6)] });
  });

  it('proves descent to an agent that holds nothing, and sends it everything', async () => {
    const offer = await createOffers(access()).get({ ...agent, holds: null, anchor: id(1) }, id(3));
    expect(frameOf(offer)).toEqual({ anchor: id(1), chain: [id(2), id(3)], objects: [id(2), ...(CONTENT[id(3)] ?? [])] });
  });

  it.each([
    ['nothing was accepted', null],
    ['what was accepted is not in the clone', id(9)],
    ['what was accepted is no ancestor', id(3)],
  ])('has no anchor when %s', async (_name, anchor) => {
    const offer = await createOffers(access()).get({ ...agent, holds: anchor, anchor }, id(2));
    expect(frameOf(offer)).toEqual({ anchor: null, chain: [id(2)], objects: CONTENT[id(2)] });
  });

  it('is built once per pair', async () => {
    const objects = access();
    const offers = createOffers(objects);
    const [one, other] = await Promise.all([
      offers.get({ ...agent, holds: id(1), anchor: id(1) }, id(2)),
      offers.get({ ...agent, holds: id(1), anchor: id(1) }, id(2)),
    ]);
    expect(one.shared).toBe(other.shared);
    await offers.get({ ...agent, holds: null, anchor: null }, id(2));
    expect(offers.made()).toBe(2);
    expect(objects.reads).toBe(2 + 3);
  });

  it('is shared in memory by clusters with the same content, and ends with the part of one cluster', async () => {
    const objects = access();
    const offers = createOffers(objects);
    const history = { holds: null, anchor: null };
    const [eu, us] = await Promise.all([
      offers.get({ ...history, cluster: 'eu' }, id(3)),
      offers.get({ ...history, cluster: 'us' }, id(3)),
    ]);
    expect(eu.shared).toBe(us.shared);
    expect([eu, us].map((offer) => frameOf(offer).objects)).toEqual([
      [...(CONTENT[id(3)] ?? []), id(8)],
      [...(CONTENT[id(3)] ?? []), id(9)],
    ]);
    expect(offers.made()).toBe(1);
    // What is held is not sent again, nor is a comma where nothing precedes.
    const again = await offers.get({ cluster: 'eu', holds: id(3), anchor: id(3) }, id(3));
    expect(frameOf(again)).toEqual({ anchor: id(3), chain: [id(3)], objects: [] });
  });

  it('shows the way to a commit without its policies, once for all who have verified the same one', async () => {
    const objects = access();
    const offers = createOffers(objects);
    const [one, other] = await Promise.all([offers.advance(id(1), id(3), null), offers.advance(id(1), id(3), null)]);
    expect(one).toBe(other);
    const decoded = decodeHubFrame(one ?? expect.fail('no frame'));
    expect(decoded).toMatchObject({ ok: true, frame: { type: 'advance', revision: id(3), anchor: id(1), chain: [id(2), id(3)] } });
    expect(decoded.ok && decoded.frame.type === 'advance' && decoded.frame.objects.map((object) => object.id)).toEqual([id(2), id(3)]);
    expect([await offers.advance(id(3), id(1), null), await offers.advance(id(9), id(1), null), objects.reads]).toEqual([
      undefined,
      undefined,
      2,
    ]);
    const through = decodeHubFrame((await offers.advance(id(1), id(3), id(2))) ?? expect.fail('no frame'));
    expect(through).toMatchObject({ ok: true, frame: { anchor: id(1), chain: [id(2), id(3)] } });
    expect(await offers.advance(id(1), id(3), id(9))).toBeDefined();
  });

  it('is built in turn where only the agent names what it holds', async () => {
    const objects = access();
    const gate = Promise.withResolvers<void>();
    const asked: string[] = [];
    const chain: ObjectAccess['chain'] = async (from, to) => {
      asked.push(from);
      await gate.promise;
      return objects.chain(from, to);
    };
    const offers = createOffers({ ...objects, chain });
    const claims = [id(1), id(2), id(8)].map((anchor) => offers.get({ ...agent, holds: null, anchor }, id(3), true));
    // One that the hub knows of does not wait for them.
    expect((await offers.get({ ...agent, holds: null, anchor: null }, id(3))).objects).toBe(3);
    expect(asked).toEqual([id(1)]);
    gate.resolve();
    expect((await Promise.all(claims)).map((offer) => frameOf(offer).anchor)).toEqual([id(1), id(2), null]);
  });

  it('is refused where no frame holds it, before all of it is read', async () => {
    const objects = access();
    const data = Buffer.alloc(MAX_HUB_FRAME_BYTES / 64).toString('base64');
    const proof = async (): Promise<readonly string[]> => Array.from({ length: 1_000 }, (_, index) => String(index));
    let reads = 0;
    const read: ObjectAccess['read'] = async (object) => {
      reads += 1;
      return { id: object, type: 'commit', data };
    };
    const offers = createOffers({ ...objects, proof, read });
    await expect(offers.get({ ...agent, holds: null, anchor: null }, id(3))).rejects.toThrow(OfferTooLargeError);
    expect(reads).toBeLessThan(200);
  });

  it('carries the whole revision without a chain where no frame holds the chain, which is read once', async () => {
    const objects = access();
    const data = Buffer.alloc(MAX_HUB_FRAME_BYTES).toString('base64');
    let reads = 0;
    const read: ObjectAccess['read'] = async (object, base) => {
      if (object !== id(2)) return objects.read(object, base);
      reads += 1;
      return { id: object, type: 'commit', data };
    };
    const offers = createOffers({ ...objects, read });
    for (const cluster of ['eu', 'us']) {
      const offer = await offers.get({ cluster, holds: id(1), anchor: id(1) }, id(3));
      expect(frameOf(offer)).toEqual({ anchor: null, chain: [id(3)], objects: [...(CONTENT[id(3)] ?? []), ...(OWN[cluster] ?? [])] });
    }
    expect(reads).toBe(1);
  });

  it('has no anchor where a commit on the way cannot be parsed', async () => {
    const box = new ObjectBox();
    const first = box.commit({ message: 'first' });
    const large = box.commit({ parents: [first], message: 'x'.repeat(MAX_COMMIT_BYTES) });
    const revision = box.commit({ parents: [large], message: 'revision' });
    const clone = { object: async (object: string) => box.get(object) };
    const offers = createOffers(createRevisionReader(clone as Pick<Clone, 'object'> as Clone, 20));
    expect(frameOf(await offers.get({ ...agent, holds: null, anchor: first }, revision))).toMatchObject({
      anchor: null,
      chain: [revision],
    });
    // Accepted by a version that did not bound commits.
    expect(frameOf(await offers.get({ ...agent, holds: large, anchor: large }, revision))).toMatchObject({
      anchor: null,
      chain: [revision],
    });
  });

  it('differs for different scopes, with any names of folders', async () => {
    const keys: Readonly<Record<string, string>> = {
      [`${id(1)} eu`]: 'a b',
      [`${id(3)} eu`]: 'c',
      [`${id(1)} us`]: 'a',
      [`${id(3)} us`]: 'b c',
    };
    const objects = access();
    const offers = createOffers({
      ...objects,
      partOf: async (revision, cluster) => ({ key: keys[`${revision} ${cluster}`] ?? '', shared: CONTENT[revision] ?? [], own: [] }),
    });
    const history = { holds: id(1), anchor: id(1) };
    const [eu, us] = await Promise.all(['eu', 'us'].map((cluster) => offers.get({ ...history, cluster }, id(3))));
    expect(eu?.shared).not.toBe(us?.shared);
    expect(offers.made()).toBe(2);
  });

  it('is tried again after a failure', async () => {
    const objects = access();
    const offers = createOffers(objects);
    const eu = { cluster: 'eu', holds: null, anchor: null };
    await expect(offers.get(eu, id(8))).rejects.toThrow(`objects of revision ${id(8)}`);
    await expect(offers.get(eu, id(8))).rejects.toThrow();
    expect(offers.made()).toBe(0);
  });
});
