import { once } from 'node:events';
import { createServer, type IncomingMessage, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { buffer } from 'node:stream/consumers';
import { afterEach, describe, expect, it } from 'vitest';
import { createLogger } from '../runtime/index.ts';
import type { SamplerConfig } from './settings.ts';
import { openTelemetry } from './telemetry.ts';

const stops: (() => void)[] = [];
afterEach(() => {
  for (const stop of stops.splice(0)) stop();
});

/** Starts a collector that answers wrongly; test/e2e/ has a right one. */
const startCollector = async (answer: RequestListener): Promise<string> => {
  const server = createServer(answer).listen(0, '127.0.0.1');
  await once(server, 'listening');
  stops.push(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1/traces`;
};

const open = async (url: string, sampler: SamplerConfig = { name: 'parentbased_always_on', ratio: 1 }, token = () => 'secret') => {
  const lines: string[] = [];
  const logger = createLogger({ name: 'x', destination: { write: (line) => void lines.push(line) } });
  const config = {
    url,
    headers: () => ({ authorization: `Bearer ${token()}` }),
    ca: undefined,
    serviceName: undefined,
    attributes: { team: 'a' },
    sampler,
  };
  const telemetry = await openTelemetry(config, { name: 'fso-hub', version: '1.2.3' }, logger);
  const messages = () => lines.map((line) => (JSON.parse(line) as { msg: string }).msg);
  return { ...telemetry, messages, logged: () => lines.join('') };
};

describe('the export of traces', () => {
  it('sends what waits before the end, with headers and the resource', async () => {
    const got: { request: IncomingMessage; body: Buffer }[] = [];
    const url = await startCollector((request, response) => {
      void buffer(request).then((body) => {
        got.push({ request, body });
        response.end();
      });
    });
    const { tracer, stop, messages } = await open(url);
    tracer.startSpan('commit').end();
    await stop();
    expect(got.map(({ request: { headers, url: path } }) => [path, headers.authorization, headers['content-type']])).toEqual([
      ['/v1/traces', 'Bearer secret', 'application/x-protobuf'],
    ]);
    for (const text of ['commit', 'service.name', 'fso-hub', 'service.version', '1.2.3', 'team'])
      expect(got[0]?.body.includes(text)).toBe(true);
    expect(messages()).toEqual([]);
  });

  it('sends the headers of the moment', async () => {
    const got: (string | undefined)[] = [];
    const url = await startCollector((request, response) => {
      got.push(request.headers.authorization);
      request.resume().on('end', () => response.end());
    });
    let token = 'old';
    const { tracer, stop } = await open(url, undefined, () => token);
    tracer.startSpan('first').end();
    await expect.poll(() => got).toEqual(['Bearer old']);
    token = 'new';
    tracer.startSpan('second').end();
    await stop();
    expect(got).toEqual(['Bearer old', 'Bearer new']);
  });

  it('ends when the collector does not answer, and reports it once, without the headers', async () => {
    const url = await startCollector((request) => void request.resume());
    const { tracer, stop, messages, logged } = await open(url);
    // More than are kept.
    for (let at = 0; at < 10_000; at += 1) tracer.startSpan('commit').end();
    await stop();
    expect(messages()).toEqual(['traces cannot be exported']);
    expect(logged()).not.toContain('secret');
  });

  it('continues when the collector is back', async () => {
    let status = 400;
    const url = await startCollector((request, response) => {
      request.resume();
      response.writeHead(status).end('secret of the collector');
    });
    const { tracer, stop, messages } = await open(url);
    tracer.startSpan('commit').end();
    await expect.poll(messages).toEqual(['traces cannot be exported']);
    status = 200;
    tracer.startSpan('commit').end();
    await expect.poll(messages).toEqual(['traces cannot be exported', 'traces are exported again']);
    await stop();
  });

  it.each([
    ['always_on', true],
    ['always_off', false],
    ['traceidratio', false],
    ['parentbased_always_on', true],
    ['parentbased_always_off', false],
    ['parentbased_traceidratio', false],
  ] as const)('samples a root as %s asks', async (name, isKept) => {
    const { tracer, stop } = await open('http://127.0.0.1:9/v1/traces', { name, ratio: 0 });
    expect(tracer.startSpan('commit').isRecording()).toBe(isKept);
    await stop();
  });
});
