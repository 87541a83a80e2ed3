import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { stringify } from 'yaml';
import { createLogger, listen } from '../../runtime/index.ts';
import { FakeClock } from '../../runtime/testing/fake-clock.ts';
import { createKubeClient } from '../client/client.ts';
import { CONFIG_MAP_KIND } from '../kinds.ts';
import type { KubeClient } from '../types.ts';
import { createInformers } from './informer.ts';

/** Answers of the server in the order of the requests; the last one stays open. */
type Answer = (url: URL, response: ServerResponse) => unknown;

const json = (body: unknown, status = 200, headers: Record<string, string> = {}): Answer => {
  return (_, response) => response.writeHead(status, headers).end(JSON.stringify(body));
};
const object = (name: string, resourceVersion: string, value = '') => ({
  metadata: { namespace: 'a', name, resourceVersion },
  data: { value },
});
const list = (resourceVersion: string, items: unknown[], next?: string): Answer =>
  json({ metadata: { resourceVersion, continue: next }, items });
const failure = (code: number, reason: string, headers = {}): Answer =>
  json({ kind: 'Status', code, reason, message: reason }, code, headers);
/** A watch that sends its events and ends, or stays open. */
const events = (entries: unknown[], end: boolean): Answer => {
  return (_, response) => {
    response.writeHead(200);
    for (const entry of entries) response.write(`${JSON.stringify(entry)}\n`);
    if (end) response.end();
  };
};
const gone = { type: 'ERROR', object: { kind: 'Status', code: 410, reason: 'Expired', message: 'too old resource version' } };

const logger = createLogger({ name: 'test', level: 'silent' });
let folder: string;
let stop: AbortController;
let client: KubeClient;
let script: Answer[];
let requests: string[];

beforeEach(async () => {
  stop = new AbortController();
  script = [];
  requests = [];
  const { signal } = stop;
  const answer = (request: IncomingMessage, response: ServerResponse): void => {
    // A request of the previous test.
    if (signal.aborted) {
      response.destroy();
      return;
    }
    const url = new URL(request.url ?? '/', 'http://x');
    const { searchParams: query } = url;
    const verb = query.has('watch') ? `watch ${query.get('resourceVersion')}` : `list ${query.get('continue') ?? ''}`.trim();
    requests.push(verb);
    (script.shift() ?? events([], false))(url, response);
  };
  const { url } = await listen(createServer(answer), '127.0.0.1:0', stop.signal);
  folder = mkdtempSync(join(tmpdir(), 'fso-reflector-'));
  const kubeconfig = join(folder, 'config');
  const clusters = [{ name: 'k', cluster: { server: url } }];
  const users = [{ name: 'u', user: { token: 't' } }];
  const contexts = [{ name: 'c', context: { cluster: 'k', user: 'u' } }];
  writeFileSync(kubeconfig, stringify({ clusters, users, contexts, 'current-context': 'c' }));
  client = createKubeClient({ kubeconfig });
});

afterEach(async () => {
  stop.abort();
  await client.close();
  rmSync(folder, { recursive: true, force: true });
});

/** Every wait ends at once: the tests check which requests come, not when. */
const clock = {
  now: () => new Date(),
  monotonicMs: () => performance.now(),
  sleep: () => new Promise<void>((resolve) => setImmediate(resolve)),
};
const informers = () => createInformers(client, { logger, clock, random: () => 0 }, stop.signal);

/** Guards against hanging alone, as long as in test/harness/waiting.ts. */
const HANG_MS = 300_000;
const soon = (check: () => void): Promise<void> => vi.waitFor(check, { timeout: HANG_MS, interval: 20 });

describe('reflector', () => {
  it('continues from the last version after a watch ends, also from that of a bookmark', async () => {
    const bookmark = { type: 'BOOKMARK', object: { metadata: { resourceVersion: '9' } } };
    script = [list('5', [object('x', '4')]), events([{ type: 'ADDED', object: object('y', '6') }, bookmark], true)];
    const informer = informers().informer(CONFIG_MAP_KIND);
    await soon(() => expect(requests).toEqual(['list', 'watch 5', 'watch 9']));
    expect(informer.list().map(({ metadata }) => metadata.name)).toEqual(['x', 'y']);
  });

  it('lists again when its version expired, and reports the difference', async () => {
    script = [
      list('5', [object('stays', '1'), object('changes', '2', 'old'), object('goes', '3')]),
      events([gone], true),
      list('9', [object('stays', '1'), object('changes', '8', 'new'), object('comes', '9')]),
    ];
    const changes: string[] = [];
    const informer = informers().informer(CONFIG_MAP_KIND);
    await informer.ready(stop.signal);
    informer.onChange((key, current, previous) => changes.push(`${key} ${previous?.data?.['value']}→${current?.data?.['value']}`));
    await soon(() => expect(requests).toEqual(['list', 'watch 5', 'list', 'watch 9']));
    expect(informer.list().map(({ metadata }) => metadata.name)).toEqual(['stays', 'changes', 'comes']);
    expect(changes.slice(-3)).toEqual(['a/goes →undefined', 'a/changes old→new', 'a/comes undefined→']);
  });

  it('lists again on request, whatever the watch reports', async () => {
    script = [list('5', [object('old', '1')]), events([], false), list('7', [object('new', '2')])];
    const informer = informers().informer(CONFIG_MAP_KIND);
    await informer.ready(stop.signal);
    await soon(() => expect(requests).toEqual(['list', 'watch 5']));
    await informer.relist(stop.signal);
    expect(informer.list().map(({ metadata }) => metadata.name)).toEqual(['new']);
    await soon(() => expect(requests).toEqual(['list', 'watch 5', 'list', 'watch 7']));
  });

  it('takes from a list what differs in a version that it knows', async () => {
    script = [
      list('5', [object('x', '4', 'wrong'), object('y', '4', 'same')]),
      events([gone], true),
      list('5', [object('x', '4', 'right'), object('y', '4', 'same')]),
    ];
    const changes: string[] = [];
    const informer = informers().informer(CONFIG_MAP_KIND);
    await informer.ready(stop.signal);
    informer.onChange((key, current, previous) => changes.push(`${key} ${previous?.data?.['value']}→${current?.data?.['value']}`));
    await soon(() => expect(requests).toEqual(['list', 'watch 5', 'list', 'watch 5']));
    expect(changes.slice(2)).toEqual(['a/x wrong→right']);
  });

  it('lists again after a watch that fell silent, also where that one had brought something', async () => {
    script = [list('5', []), events([{ type: 'ADDED', object: object('x', '6') }], false), list('7', [object('y', '7')])];
    const options = { logger, clock, random: () => 0, watchSilenceMs: 50 };
    const informer = createInformers(client, options, stop.signal).informer(CONFIG_MAP_KIND);
    await soon(() => expect(requests.slice(0, 4)).toEqual(['list', 'watch 5', 'list', 'watch 7']));
    expect(informer.list().map(({ metadata }) => metadata.name)).toEqual(['y']);
  });

  it('starts a list over when it expires between two pages', async () => {
    script = [list('5', [object('old', '1')], 'next'), failure(410, 'Expired'), list('6', [object('new', '2')])];
    const informer = informers().informer(CONFIG_MAP_KIND);
    await informer.ready(stop.signal);
    expect(informer.list().map(({ metadata }) => metadata.name)).toEqual(['new']);
    expect(requests.slice(0, 3)).toEqual(['list', 'list next', 'list']);
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
    script = Array.from({ length: 7 }, () => page);
    const informer = informers().informer(CONFIG_MAP_KIND, {
      pageSize: 16,
      transform: ({ metadata, data }) => ({ metadata, data: { length: String(data?.['value']?.length) } }),
    });
    await soon(() => expect(requests.at(-1)).toBe('watch 9'));
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
    script = Array.from({ length: 100 }, () => page);
    const informer = informers().informer(CONFIG_MAP_KIND, { pageSize: 16, transform: ({ metadata }) => ({ metadata }) });
    await informer.ready(stop.signal);
    expect(informer.list()).toHaveLength(all.length);
    // A size that was too large is tried again after 16 pages.
    expect(sizes).toEqual([16, 8, 4, 2, ...Array.from({ length: 16 }, () => 1), 2, 4, 8, 16, 16, 16, 16, 16]);
  });

  it('gives up on a response that stops in the middle', async () => {
    script = [(_, response) => response.writeHead(200).write('{"items":')];
    const request = { method: 'GET', path: '/api/v1/configmaps', silenceMs: 50 } as const;
    await expect(client.raw(request, stop.signal)).rejects.toMatchObject({ timedOut: true });
  });

  it('keeps its objects when it may no longer read, and on the first "not found"', async () => {
    script = [
      list('5', [object('x', '1')]),
      events([gone], true),
      failure(403, 'Forbidden'),
      failure(404, 'NotFound'),
      failure(403, 'Forbidden'),
    ];
    // Stays unanswered, so that the test can look at the state before it.
    script.push(() => undefined);
    const informer = informers().informer(CONFIG_MAP_KIND);
    await soon(() => expect(requests).toHaveLength(6));
    expect(informer).toMatchObject({ served: false, synced: true, failure: { cause: 'forbidden' } });
    expect(informer.get('a/x')).toBeDefined();
  });

  it('does not read 403 as absent', async () => {
    script = Array.from({ length: 5 }, () => failure(403, 'Forbidden'));
    script.push(() => undefined);
    const informer = informers().informer(CONFIG_MAP_KIND);
    // It is ready all the same: what cannot be read must not keep the client from all else.
    await informer.ready(stop.signal);
    await soon(() => expect(requests).toHaveLength(6));
    expect(informer).toMatchObject({ served: true, synced: false, seenAtMs: undefined, failure: { cause: 'forbidden' } });
  });

  it('takes no list that is older than what it has read, but for a store that stays behind', async () => {
    const moving = new FakeClock();
    const deleted = { type: 'DELETED', object: object('x', '9') };
    script = [
      list('5', [object('x', '1')]),
      events([deleted], true),
      events([gone], true),
      ...Array.from({ length: 200 }, () => list('5', [object('x', '1')])),
    ];
    const informer = createInformers(client, { logger, clock: moving, random: () => 0, outdatedListMs: 60_000 }, stop.signal).informer(
      CONFIG_MAP_KIND,
    );
    await informer.ready(stop.signal);
    let refused = 0;
    await expect
      .poll(async () => {
        await moving.advance(5_000);
        if (informer.failure?.message.includes('was read before') === true && informer.get('a/x') === undefined) refused += 1;
        return informer.get('a/x') !== undefined && refused > 0;
      })
      .toBe(true);
    expect(requests.filter((verb) => verb === 'list').length).toBeGreaterThan(3);
  });

  describe('knows when it last seen a kind', () => {
    const broken: Answer = (_, response) => response.destroy();
    const open: Answer = (_, response) => response.writeHead(200).flushHeaders();

    /** An informer with a clock that only `pass` moves. */
    const start = (options: object = {}, list_: object = {}) => {
      const moving = new FakeClock();
      const informer = createInformers(client, { logger, clock: moving, random: () => 0, ...options }, stop.signal).informer(
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
    ])('which an answer of %s does not change', async (_, cause, expected) => {
      script = [list('5', [object('x', '1')]), events([], true), ...Array.from({ length: 500 }, () => cause)];
      const { informer, pass, age } = start();
      await informer.ready(stop.signal);
      await expect.poll(async () => (await pass()) && age()).toBeGreaterThan(60_000);
      // No object counts as deleted because of it.
      expect(informer).toMatchObject({ served: true, synced: true });
      expect(informer.failure?.cause).toBe(expected);
      expect(informer.get('a/x')).toBeDefined();
      script = [list('6', [object('x', '1')]), open];
      await expect.poll(async () => (await pass()) && age()).toBeLessThan(60_000);
      expect(informer.failure).toBeUndefined();
    });

    it('which a watch that only opens does not change', async () => {
      script = [list('5', [object('x', '1')]), open, ...Array.from({ length: 500 }, () => broken)];
      const { informer, pass, age } = start({ watchSilenceMs: 50 });
      await informer.ready(stop.signal);
      await expect.poll(async () => (await pass()) && age()).toBeGreaterThan(60_000);
    });

    it('and lists it again where a watch brought nothing', async () => {
      script = Array.from({ length: 100 }, (_, index) => (index % 2 === 0 ? list('5', [object('x', '1')]) : open));
      const { pass } = start({ watchSilenceMs: 300 });
      await expect.poll(async () => (await pass()) && requests.length).toBeGreaterThan(6);
      expect(requests.slice(0, 6)).toEqual(['list', 'watch 5', 'list', 'watch 5', 'list', 'watch 5']);
    });

    it('by one object in between where lists are dear', async () => {
      const limits: (string | null)[] = [];
      const answer: Answer = (url, response) => {
        const { searchParams: query } = url;
        if (!query.has('watch')) limits.push(query.get('limit'));
        (query.has('watch') ? open : list('5', [object('x', '1')]))(url, response);
      };
      script = Array.from({ length: 100 }, () => answer);
      const { pass } = start({ watchSilenceMs: 50 }, { listEveryMs: 1_000_000_000 });
      await expect.poll(async () => (await pass()) && limits.length).toBeGreaterThan(2);
      expect(limits.slice(0, 3)).toEqual(['500', '1', '1']);
    });

    it('of one that is not served by the second answer', async () => {
      script = [failure(404, 'NotFound'), failure(404, 'NotFound'), () => undefined];
      const { informer, pass } = start();
      await expect.poll(async () => (await pass()) && informer.seenAtMs !== undefined).toBe(true);
      expect(informer).toMatchObject({ served: false, failure: undefined });
      expect(requests.length).toBeGreaterThanOrEqual(2);
    });
  });

  it('continues when a handler throws', async () => {
    script = [list('5', [object('x', '1')])];
    const informer = informers().informer(CONFIG_MAP_KIND);
    informer.onChange(() => {
      throw new Error('handler');
    });
    await informer.ready(stop.signal);
    expect(informer.get('a/x')).toBeDefined();
  });
});

describe('client', () => {
  it('sends a read again after the wait that the server asks for, but not forever', async () => {
    script = [failure(429, 'TooManyRequests', { 'retry-after': '0' }), json(object('x', '1'))];
    expect(await client.get(CONFIG_MAP_KIND, { namespace: 'a', name: 'x' }, stop.signal)).toMatchObject({ data: { value: '' } });
    script = Array.from({ length: 10 }, () => failure(503, 'ServiceUnavailable', { 'retry-after': '0' }));
    await expect(client.version(stop.signal)).rejects.toMatchObject({ status: 503, reason: 'ServiceUnavailable' });
    expect(script).toHaveLength(6);
  });

  it('never sends a write again', async () => {
    script = [failure(429, 'TooManyRequests', { 'retry-after': '3' }), json({})];
    const write = client.create(CONFIG_MAP_KIND, { metadata: { namespace: 'a', name: 'x' } }, {}, stop.signal);
    await expect(write).rejects.toMatchObject({ status: 429, retryAfterMs: 3_000 });
  });

  it('keeps the text of a response that is not a Status', async () => {
    script = [(_, response) => response.writeHead(502).end('bad gateway\n')];
    await expect(client.version(stop.signal)).rejects.toMatchObject({ status: 502, message: 'bad gateway' });
  });

  it('ends a request in time, and at once when aborted', async () => {
    script = [() => undefined, () => undefined];
    const slow = client.raw({ method: 'GET', path: '/version', timeoutMs: 20 }, stop.signal);
    await expect(slow).rejects.toMatchObject({ name: 'KubeConnectionError', timedOut: true });
    const reason = new Error('no longer wanted');
    await expect(client.version(AbortSignal.abort(reason))).rejects.toBe(reason);
  });
});
