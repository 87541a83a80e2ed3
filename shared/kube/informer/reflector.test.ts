import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { createLogger } from '../../runtime/index.ts';
import { FakeClock } from '../../runtime/testing/fake-clock.ts';
import { CONFIG_MAP_KIND } from '../kinds.ts';
import { type Answer, events, failure, gone, list, object, ScriptedServer } from '../testing/scripted-server.ts';
import { createInformers } from './informer.ts';

const logger = createLogger({ name: 'test', level: 'silent' });
let server: ScriptedServer;
beforeEach(async () => {
  server = await ScriptedServer.open();
});
afterEach(() => server.close());

/** Every wait ends at once: the tests check which server.requests come, not when. */
const clock = {
  now: () => new Date(),
  monotonicMs: () => performance.now(),
  sleep: () => new Promise<void>((resolve) => setImmediate(resolve)),
};
const informers = () => createInformers(server.client, { logger, clock, random: () => 0 }, server.signal);

/** Guards against hanging alone, as long as in test/harness/waiting.ts. */
const HANG_MS = 300_000;
const soon = (check: () => void): Promise<void> => vi.waitFor(check, { timeout: HANG_MS, interval: 20 });

describe('reflector', () => {
  it('continues from the last version after a watch ends, also from that of a bookmark', async () => {
    const bookmark = { type: 'BOOKMARK', object: { metadata: { resourceVersion: '9' } } };
    server.script = [list('5', [object('x', '4')]), events([{ type: 'ADDED', object: object('y', '6') }, bookmark], true)];
    const informer = informers().informer(CONFIG_MAP_KIND);
    await soon(() => expect(server.requests).toEqual(['list', 'watch 5', 'watch 9']));
    expect(informer.list().map(({ metadata }) => metadata.name)).toEqual(['x', 'y']);
  });

  it('lists again when its version expired, and reports the difference', async () => {
    server.script = [
      list('5', [object('stays', '1'), object('changes', '2', 'old'), object('goes', '3')]),
      events([gone], true),
      list('9', [object('stays', '1'), object('changes', '8', 'new'), object('comes', '9')]),
    ];
    const changes: string[] = [];
    const informer = informers().informer(CONFIG_MAP_KIND);
    await informer.ready(server.signal);
    informer.onChange((key, current, previous) => changes.push(`${key} ${previous?.data?.['value']}→${current?.data?.['value']}`));
    await soon(() => expect(server.requests).toEqual(['list', 'watch 5', 'list', 'watch 9']));
    expect(informer.list().map(({ metadata }) => metadata.name)).toEqual(['stays', 'changes', 'comes']);
    expect(changes.slice(-3)).toEqual(['a/goes →undefined', 'a/changes old→new', 'a/comes undefined→']);
  });

  it('lists again on request, with any progress of the watch', async () => {
    server.script = [list('5', [object('old', '1')]), events([], false), list('7', [object('new', '2')])];
    const informer = informers().informer(CONFIG_MAP_KIND);
    await informer.ready(server.signal);
    await soon(() => expect(server.requests).toEqual(['list', 'watch 5']));
    await informer.relist(server.signal);
    expect(informer.list().map(({ metadata }) => metadata.name)).toEqual(['new']);
    await soon(() => expect(server.requests).toEqual(['list', 'watch 5', 'list', 'watch 7']));
  });

  it('reads from a list what differs in a known version', async () => {
    server.script = [
      list('5', [object('x', '4', 'wrong'), object('y', '4', 'same')]),
      events([gone], true),
      list('5', [object('x', '4', 'right'), object('y', '4', 'same')]),
    ];
    const changes: string[] = [];
    const informer = informers().informer(CONFIG_MAP_KIND);
    await informer.ready(server.signal);
    informer.onChange((key, current, previous) => changes.push(`${key} ${previous?.data?.['value']}→${current?.data?.['value']}`));
    await soon(() => expect(server.requests).toEqual(['list', 'watch 5', 'list', 'watch 5']));
    expect(changes.slice(2)).toEqual(['a/x wrong→right']);
  });

  it('lists again after a watch without events, also where an earlier one had some', async () => {
    server.script = [list('5', []), events([{ type: 'ADDED', object: object('x', '6') }], false), list('7', [object('y', '7')])];
    // Long enough for a request to reach the server of a busy machine.
    const options = { logger, clock, random: () => 0, watchSilenceMs: 1_000 };
    const informer = createInformers(server.client, options, server.signal).informer(CONFIG_MAP_KIND);
    await soon(() => expect(server.requests.slice(0, 4)).toEqual(['list', 'watch 5', 'list', 'watch 7']));
    expect(informer.list().map(({ metadata }) => metadata.name)).toEqual(['y']);
  });

  it('starts a list over when it expires between two pages', async () => {
    server.script = [list('5', [object('old', '1')], 'next'), failure(410, 'Expired'), list('6', [object('new', '2')])];
    const informer = informers().informer(CONFIG_MAP_KIND);
    await informer.ready(server.signal);
    expect(informer.list().map(({ metadata }) => metadata.name)).toEqual(['new']);
    expect(server.requests.slice(0, 3)).toEqual(['list', 'list next', 'list']);
  });

  it('requests a page again in halves until it is short enough, and keeps only the reduced objects', async () => {
    const sizes: (string | null)[] = [];
    const all = Array.from({ length: 8 }, (_, index) => object(`o${index}`, `${index}`, 'x'.repeat(2_500_000)));
    const page: Answer = (url, response) => {
      const { searchParams: query } = url;
      sizes.push(query.get('limit'));
      const start = Number(query.get('continue') ?? 0);
      const end = start + Number(query.get('limit'));
      list('9', all.slice(start, end), end < all.length ? String(end) : undefined)(url, response);
    };
    server.script = Array.from({ length: 7 }, () => page);
    const informer = informers().informer(CONFIG_MAP_KIND, {
      pageSize: 16,
      transform: ({ metadata, data }) => ({ metadata, data: { length: String(data?.['value']?.length) } }),
    });
    await soon(() => expect(server.requests.at(-1)).toBe('watch 9'));
    expect(sizes).toEqual(['16', '8', '4', '2', '2', '2', '2']);
    expect(informer.list().map(({ metadata, data }) => [metadata.name, data])).toEqual(
      all.map(({ metadata }) => [metadata.name, { length: '2500000' }]),
    );
  });

  it('requests longer pages again after large objects', async () => {
    const sizes: number[] = [];
    // As those of the first namespace by name.
    const all = Array.from({ length: 100 }, (_, index) => object(`o${index}`, `${index}`, 'x'.repeat(index < 2 ? 5_000_000 : 10)));
    const page: Answer = (url, response) => {
      const { searchParams: query } = url;
      if (query.has('watch')) return events([], false)(url, response);
      const [start, limit] = [Number(query.get('continue') ?? 0), Number(query.get('limit'))];
      sizes.push(limit);
      return list('9', all.slice(start, start + limit), start + limit < all.length ? String(start + limit) : undefined)(url, response);
    };
    server.script = Array.from({ length: 100 }, () => page);
    const informer = informers().informer(CONFIG_MAP_KIND, { pageSize: 16, transform: ({ metadata }) => ({ metadata }) });
    await informer.ready(server.signal);
    expect(informer.list()).toHaveLength(all.length);
    // A size that was too large is tried again after 16 pages.
    expect(sizes).toEqual([16, 8, 4, 2, ...Array.from({ length: 16 }, () => 1), 2, 4, 8, 16, 16, 16, 16, 16]);
  });

  it('gives up on a response that stops in the middle', async () => {
    server.script = [(_, response) => response.writeHead(200).write('{"items":')];
    const request = { method: 'GET', path: '/api/v1/configmaps', silenceMs: 50 } as const;
    await expect(server.client.raw(request, server.signal)).rejects.toMatchObject({ timedOut: true });
  });

  it('keeps its objects when it may no longer read, and on the first "not found"', async () => {
    server.script = [
      list('5', [object('x', '1')]),
      events([gone], true),
      failure(403, 'Forbidden'),
      failure(404, 'NotFound'),
      failure(403, 'Forbidden'),
    ];
    // Stays unanswered, so that the test can look at the state before it.
    server.script.push(() => undefined);
    const informer = informers().informer(CONFIG_MAP_KIND);
    await soon(() => expect(server.requests).toHaveLength(6));
    expect(informer).toMatchObject({ served: false, synced: true, failure: { cause: 'forbidden' } });
    expect(informer.get('a/x')).toBeDefined();
  });

  it('does not read 403 as absent', async () => {
    server.script = Array.from({ length: 5 }, () => failure(403, 'Forbidden'));
    server.script.push(() => undefined);
    const informer = informers().informer(CONFIG_MAP_KIND);
    // It is ready all the same: what cannot be read must not keep the client from all else.
    await informer.ready(server.signal);
    await soon(() => expect(server.requests).toHaveLength(6));
    expect(informer).toMatchObject({ served: true, synced: false, seenAtMs: undefined, failure: { cause: 'forbidden' } });
  });

  it('ignores a list that is older than what it has read, except for a store that stays behind', async () => {
    const moving = new FakeClock();
    const deleted = { type: 'DELETED', object: object('x', '9') };
    server.script = [
      list('5', [object('x', '1')]),
      events([deleted], true),
      events([gone], true),
      ...Array.from({ length: 200 }, () => list('5', [object('x', '1')])),
    ];
    const informer = createInformers(
      server.client,
      { logger, clock: moving, random: () => 0, outdatedListMs: 60_000 },
      server.signal,
    ).informer(CONFIG_MAP_KIND);
    await informer.ready(server.signal);
    let refused = 0;
    await expect
      .poll(async () => {
        await moving.advance(5_000);
        if (informer.failure?.message.includes('was read before') === true && informer.get('a/x') === undefined) refused += 1;
        return informer.get('a/x') !== undefined && refused > 0;
      })
      .toBe(true);
    expect(server.requests.filter((verb) => verb === 'list').length).toBeGreaterThan(3);
  });

  describe('the time at which a kind was last seen', () => {
    const broken: Answer = (_, response) => response.destroy();
    const open: Answer = (_, response) => response.writeHead(200).flushHeaders();

    /** An informer with a clock that only `pass` moves. */
    const start = (options: object = {}, list_: object = {}) => {
      const moving = new FakeClock();
      const informer = createInformers(server.client, { logger, clock: moving, random: () => 0, ...options }, server.signal).informer(
        CONFIG_MAP_KIND,
        list_,
      );
      const pass = async (): Promise<number> => {
        await moving.advance(5_000);
        return moving.monotonicMs();
      };
      const age = (): number => moving.monotonicMs() - (informer.seenAtMs ?? Number.NEGATIVE_INFINITY);
      return { informer, pass, age };
    };

    it.each([
      ['503', failure(503, 'ServiceUnavailable'), 'failing'],
      ['403', failure(403, 'Forbidden'), 'forbidden'],
      ['410 for every list', failure(410, 'Expired'), undefined],
      ['broken connections', broken, 'unreachable'],
    ])('does not change by an answer of %s', async (_, cause, expected) => {
      server.script = [list('5', [object('x', '1')]), events([], true), ...Array.from({ length: 500 }, () => cause)];
      const { informer, pass, age } = start();
      await informer.ready(server.signal);
      await expect.poll(async () => (await pass()) && age()).toBeGreaterThan(60_000);
      // No object counts as deleted because of it.
      expect(informer).toMatchObject({ served: true, synced: true });
      expect(informer.failure?.cause).toBe(expected);
      expect(informer.get('a/x')).toBeDefined();
      server.script = [list('6', [object('x', '1')]), open];
      await expect.poll(async () => (await pass()) && age()).toBeLessThan(60_000);
      expect(informer.failure).toBeUndefined();
    });

    it('does not change by a watch that only opens', async () => {
      server.script = [list('5', [object('x', '1')]), open, ...Array.from({ length: 500 }, () => broken)];
      const { informer, pass, age } = start({ watchSilenceMs: 50 });
      await informer.ready(server.signal);
      await expect.poll(async () => (await pass()) && age()).toBeGreaterThan(60_000);
    });

    it('changes by a list after a watch without events', async () => {
      server.script = Array.from({ length: 100 }, (_, index) => (index % 2 === 0 ? list('5', [object('x', '1')]) : open));
      const { pass } = start({ watchSilenceMs: 300 });
      await expect.poll(async () => (await pass()) && server.requests.length).toBeGreaterThan(6);
      expect(server.requests.slice(0, 6)).toEqual(['list', 'watch 5', 'list', 'watch 5', 'list', 'watch 5']);
    });

    it('changes by reading one object in between where lists are expensive', async () => {
      const limits: (string | null)[] = [];
      const answer: Answer = (url, response) => {
        const { searchParams: query } = url;
        if (!query.has('watch')) limits.push(query.get('limit'));
        (query.has('watch') ? open : list('5', [object('x', '1')]))(url, response);
      };
      server.script = Array.from({ length: 100 }, () => answer);
      const { pass } = start({ watchSilenceMs: 50 }, { listEveryMs: 1_000_000_000 });
      await expect.poll(async () => (await pass()) && limits.length).toBeGreaterThan(2);
      expect(limits.slice(0, 3)).toEqual(['500', '1', '1']);
    });

    it('changes for a kind that is not served by the second answer', async () => {
      server.script = [failure(404, 'NotFound'), failure(404, 'NotFound'), () => undefined];
      const { informer, pass } = start();
      await expect.poll(async () => (await pass()) && informer.seenAtMs !== undefined).toBe(true);
      expect(informer).toMatchObject({ served: false, failure: undefined });
      expect(server.requests.length).toBeGreaterThanOrEqual(2);
    });
  });

  it('continues when a handler throws', async () => {
    server.script = [list('5', [object('x', '1')])];
    const informer = informers().informer(CONFIG_MAP_KIND);
    informer.onChange(() => {
      throw new Error('handler');
    });
    await informer.ready(server.signal);
    expect(informer.get('a/x')).toBeDefined();
  });
});
