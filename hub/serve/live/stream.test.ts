import type { EventSourceMessage } from 'eventsource-parser';
import { EventSourceParserStream } from 'eventsource-parser/stream';
import { describe, expect, it } from 'vitest';
import { type ApiHarness, fillLedger, startApiHarness } from '../testing/api-harness.ts';
import { policyReport, reportChange } from '../testing/fleet.ts';

const open = async (server: ApiHarness, lastEventId?: string, more: Record<string, string> = {}) => {
  const headers: Record<string, string> = { ...more, ...(lastEventId === undefined ? {} : { 'Last-Event-ID': lastEventId }) };
  const aborter = new AbortController();
  const response = await fetch(`${server.url}/api/v1/stream`, { headers, signal: aborter.signal });
  const body = response.body ?? new ReadableStream<Uint8Array>();
  const messages = body.pipeThrough(new TextDecoderStream()).pipeThrough(new EventSourceParserStream()).values();
  /** Reads up to the first message that fits. */
  const until = async (fits: (message: EventSourceMessage) => boolean): Promise<EventSourceMessage[]> => {
    const read: EventSourceMessage[] = [];
    for (;;) {
      const { value, done } = await messages.next();
      if (done) throw new Error(`the stream ended after ${read.map(({ event }) => event).join(', ')}`);
      read.push(value);
      if (fits(value)) return read;
    }
  };
  return { response, until, close: () => aborter.abort() };
};

const isEvent = (reason: string) => (message: EventSourceMessage) =>
  message.event === 'event' && JSON.parse(message.data).reason === reason;
const hubEvent = (reason: string) => ({ time: new Date().toISOString(), severity: 'info' as const, reason, message: reason });

describe('stream', () => {
  it('is open a bounded number of times at once for one caller', async () => {
    await using server = await startApiHarness();
    const streams = await Promise.all(Array.from({ length: 51 }, () => open(server)));
    expect(streams.map(({ response }) => response.status).sort()).toEqual([...Array.from({ length: 50 }, () => 200), 429]);
    for (const { close } of streams) close();
    // Room again, without a wait for anything but the ends of the others.
    await expect.poll(async () => (await open(server)).response.status).toBe(200);
  });

  it('begins with the status, and reports every kind of change', async () => {
    await using server = await startApiHarness();
    const stream = await open(server);
    expect(stream.response.headers.get('content-type')).toContain('text/event-stream');
    const [first] = await stream.until(({ event }) => event === 'status');
    expect(first?.event).toBe('status');
    await fillLedger(server.ledger);
    await server.ledger.addEvent(null, hubEvent('Done'));
    const read = await stream.until(isEvent('Done'));
    expect(new Set(read.map(({ event }) => event))).toEqual(new Set(['source', 'commit', 'cluster', 'policy', 'status', 'event']));
    stream.close();
  });

  it('reports changed alerts and silences, by count', async () => {
    await using server = await startApiHarness({ apiToken: 'static-token-0123456789' });
    const authorization = 'Bearer static-token-0123456789';
    const stream = await open(server, undefined, { authorization });
    await stream.until(({ event }) => event === 'status');
    const until = new Date(Date.now() + 3_600_000).toISOString();
    const body = JSON.stringify({ matchers: ['cluster=eu'], until, reason: 'work' });
    const headers = { authorization, 'content-type': 'application/json' };
    expect((await fetch(`${server.url}/api/v1/alerts/silences`, { method: 'POST', headers, body })).status).toBe(201);
    const [told] = (await stream.until(({ event }) => event === 'alerts')).slice(-1);
    expect(JSON.parse(told?.data ?? '')).toEqual({ critical: 0, warning: 0, info: 0, silenced: 0 });
    stream.close();
  });

  it('sends after the status what happened while it was read', async () => {
    await using server = await startApiHarness();
    const witness = await open(server);
    await witness.until(({ event }) => event === 'status');
    const [reading, release] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    const { source } = server.ledger;
    server.ledger.source = async () => {
      server.ledger.source = source;
      const before = await source();
      reading.resolve();
      await release.promise;
      return before;
    };
    const opening = open(server);
    await reading.promise;
    await server.ledger.addEvent(null, hubEvent('Meanwhile'));
    await witness.until(isEvent('Meanwhile'));
    release.resolve();
    const stream = await opening;
    await server.ledger.addEvent(null, hubEvent('After'));
    const read = await stream.until(isEvent('After'));
    expect(read.map(({ event, data }) => JSON.parse(data).reason ?? event)).toEqual(['status', 'Meanwhile', 'After']);
    witness.close();
    stream.close();
  });

  it('is refused while the status cannot be read', async () => {
    await using server = await startApiHarness();
    const { source } = server.ledger;
    server.ledger.source = () => {
      server.ledger.source = source;
      return Promise.reject(new Error('no database'));
    };
    const failed = await fetch(`${server.url}/api/v1/stream`);
    expect(failed.status).toBe(500);
    expect(failed.headers.get('content-type')).toContain('json');
  });

  it('names the policies that a report changed', async () => {
    await using server = await startApiHarness();
    await fillLedger(server.ledger);
    const stream = await open(server);
    await server.ledger.addEvent(null, hubEvent('Before'));
    await stream.until(isEvent('Before'));
    await reportChange(server.ledger, 'eu', { policies: [policyReport('hr', { phase: 'Failed' })] });
    const read = await stream.until(({ event }) => event === 'policy');
    expect(JSON.parse(read.at(-1)?.data ?? '')).toEqual({ cluster: 'eu', policies: ['hr'] });
    stream.close();
  });

  it('continues from the last received id', async () => {
    await using server = await startApiHarness();
    const first = await open(server);
    await server.ledger.addEvent(null, hubEvent('One'));
    const id = (await first.until(isEvent('One'))).at(-1)?.id;
    first.close();
    await server.ledger.addEvent(null, hubEvent('Missed'));
    const witness = await open(server);
    await server.ledger.addEvent(null, hubEvent('Two'));
    await witness.until(isEvent('Two'));
    witness.close();
    const second = await open(server, id);
    const read = await second.until(isEvent('Two'));
    expect(read.map(({ event, data }) => [event, JSON.parse(data).reason])).toEqual([
      ['event', 'Missed'],
      ['event', 'Two'],
    ]);
    second.close();
  });

  it.each([
    ['of another process', 'deadbeef-3'],
    ['that is none', 'x'],
  ])('resets after an id %s', async (_what, id) => {
    await using server = await startApiHarness();
    const stream = await open(server, id);
    const read = await stream.until(({ event }) => event === 'status');
    expect(read.map(({ event }) => event)).toEqual(['reset', 'status']);
    stream.close();
  });

  it('resets when too much was missed', async () => {
    await using server = await startApiHarness({}, { windowMs: 1, keep: 2 });
    const stream = await open(server);
    await server.ledger.addEvent(null, hubEvent('E0'));
    const id = (await stream.until(isEvent('E0'))).at(-1)?.id;
    for (const reason of ['E1', 'E2', 'E3', 'E4']) await server.ledger.addEvent(null, hubEvent(reason));
    await stream.until(isEvent('E4'));
    stream.close();
    const again = await open(server, id);
    expect((await again.until(({ event }) => event === 'status')).map(({ event }) => event)).toEqual(['reset', 'status']);
    again.close();
  });

  it('sends a returning reader the missed changes, or a reset when there were too many', async () => {
    await using server = await startApiHarness();
    await fillLedger(server.ledger);
    const first = await open(server);
    await server.ledger.addEvent(null, hubEvent('One'));
    const id = (await first.until(isEvent('One'))).at(-1)?.id;
    first.close();
    const { clusters } = server.ledger;
    let looks = 0;
    server.ledger.clusters = () => {
      looks += 1;
      return clusters();
    };
    await expect.poll(() => server.connections()).toBe(0);
    for (const violations of [1, 2, 3]) {
      await reportChange(server.ledger, 'eu', { policies: [policyReport('finance', { violations })] });
    }
    await server.ledger.addEvent(null, hubEvent('Two'));
    // Nobody asked for a view.
    expect(looks).toBe(0);
    const second = await open(server, id);
    const read = await second.until(isEvent('Two'));
    expect(read.map(({ event }) => event)).toEqual(expect.arrayContaining(['cluster', 'policy', 'event']));
    expect(read.map(({ event }) => event)).not.toContain('reset');
    const last = read.at(-1)?.id;
    second.close();
    await expect.poll(() => server.connections()).toBe(0);
    for (let n = 0; n < 1_001; n += 1) await server.ledger.addEvent(null, hubEvent(`E${n}`));
    const third = await open(server, last);
    expect((await third.until(({ event }) => event === 'reset')).map(({ event }) => event)).toEqual(['status', 'reset']);
    third.close();
  });

  it('sends a new reader no earlier changes', async () => {
    await using server = await startApiHarness();
    const first = await open(server);
    await server.ledger.addEvent(null, hubEvent('One'));
    const id = (await first.until(isEvent('One'))).at(-1)?.id;
    first.close();
    await expect.poll(() => server.connections()).toBe(0);
    await server.ledger.addEvent(null, hubEvent('Last night'));
    const second = await open(server);
    await second.until(({ event }) => event === 'status');
    await server.ledger.addEvent(null, hubEvent('Now'));
    expect((await second.until(isEvent('Now'))).map(({ data }) => JSON.parse(data).reason)).toEqual(['Now']);
    // Who read before gets it.
    const third = await open(server, id);
    expect((await third.until(isEvent('Now'))).map(({ event, data }) => [event, JSON.parse(data).reason])).toEqual([
      ['event', 'Last night'],
      ['event', 'Now'],
    ]);
    for (const { close } of [second, third]) close();
  });

  it('reports changes of many clusters as a reset, and of a few by name', async () => {
    await using server = await startApiHarness();
    const stream = await open(server);
    await stream.until(({ event }) => event === 'status');
    const names = Array.from({ length: 300 }, (_, n) => `c${n}`);
    await Promise.all(names.map((name) => server.ledger.setConnected(name, true)));
    const read = await stream.until(({ event }) => event === 'reset');
    expect(read.filter(({ event }) => event === 'cluster').length).toBeLessThanOrEqual(1);
    await server.ledger.setConnected('c7', false);
    const later = await stream.until(({ event }) => event === 'cluster');
    expect(JSON.parse(later.at(-1)?.data ?? '')).toMatchObject({ name: 'c7', connection: 'Disconnected' });
    stream.close();
  });

  it('resets a slow reader instead of sending everything that it missed', async () => {
    await using server = await startApiHarness({}, { windowMs: 1 });
    const [slow, quick] = [await open(server), await open(server)];
    // Fills what the network takes, and then what the hub keeps for it.
    const message = 'x'.repeat(4_000);
    const count = 6_000;
    for (let n = 0; n < count; n += 1) {
      await server.ledger.addEvent(null, { ...hubEvent(`E${n}`), message });
      if (n % 100 === 99) await quick.until(isEvent(`E${n}`));
    }
    const read = await slow.until(({ event }) => event === 'reset');
    expect(read.length).toBeLessThan(count);
    await server.ledger.addEvent(null, hubEvent('After'));
    await slow.until(isEvent('After'));
    slow.close();
    quick.close();
  });

  it('resets when a change could not be read', async () => {
    await using server = await startApiHarness();
    const stream = await open(server);
    await stream.until(({ event }) => event === 'status');
    const { clusters } = server.ledger;
    server.ledger.clusters = () => {
      server.ledger.clusters = clusters;
      return Promise.reject(new Error('no database'));
    };
    await server.ledger.setConnected('eu', true);
    await stream.until(({ event }) => event === 'reset');
    await server.ledger.setConnected('eu', false);
    await stream.until(({ event }) => event === 'cluster');
    stream.close();
  });

  it('sends heartbeats while nothing happens', async () => {
    await using server = await startApiHarness({}, { heartbeatMs: 5 });
    const response = await fetch(`${server.url}/api/v1/stream`);
    const decoder = new TextDecoder();
    let text = '';
    for await (const chunk of response.body ?? []) {
      text += decoder.decode(chunk);
      if (text.includes(': heartbeat')) break;
    }
    expect(text).toContain('retry: 1000');
  });

  it('ends when the hub stops', async () => {
    const [draining, closing] = [new AbortController(), new AbortController()];
    await using server = await startApiHarness({ shutdown: { draining: draining.signal, closing: closing.signal } });
    const streams = await Promise.all(Array.from({ length: 12 }, () => open(server)));
    for (const { until } of streams) await until(({ event }) => event === 'status');
    const ends = streams.map(({ until }) => until(() => false).catch(String));
    closing.abort();
    for (const end of await Promise.all(ends)) expect(end).toContain('the stream ended');
  });
});
