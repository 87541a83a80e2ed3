import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { createDashboard, expectAccessible } from './harness/dashboard.ts';
import { sharedBrowser } from './harness/suite.ts';

/** The other tests rely on this: no error in a page goes unnoticed. */

const servers: Server[] = [];
const serve = async (listener: RequestListener): Promise<string> => {
  const server = createServer(listener);
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
};

const BAD_PAGE = (elsewhere: string): string => `<!doctype html><html lang="en"><head><title>Bad</title>
  <script nonce="own">console.error('something is wrong'); setTimeout(() => { throw new Error('thrown') });</script>
  <script>document.title = 'inline'</script>
  </head><body><main><h1>Bad</h1><img src="${elsewhere}/picture"></main></body></html>`;

let origin: string;
let elsewhere: string;
beforeAll(async () => {
  elsewhere = await serve((_request, response) => response.writeHead(204).end());
  origin = await serve((request, response) => {
    if (request.url !== '/') {
      response.writeHead(204).end();
      return;
    }
    const policy = "default-src 'self'; script-src 'nonce-own'; img-src *";
    response.writeHead(200, { 'Content-Type': 'text/html', 'Content-Security-Policy': policy }).end(BAD_PAGE(elsewhere));
  });
});
afterAll(() => {
  for (const server of servers) server.close();
});

it('notices errors, refusals of the Content-Security-Policy, and requests to elsewhere', async () => {
  const dashboard = createDashboard(await sharedBrowser(), origin);
  const page = await dashboard.open('/');
  await expect.poll(() => page.title()).toBe('Bad');
  const troubles = dashboard.takeTroubles();
  expect(troubles).toEqual(
    expect.arrayContaining([
      expect.stringContaining('something is wrong'),
      expect.stringContaining('thrown'),
      expect.stringContaining('Content-Security-Policy: script-src-elem refuses inline'),
      expect.stringContaining(`request to elsewhere: GET ${elsewhere}/picture`),
    ]),
  );
  await expect(expectAccessible(page)).rejects.toThrow('image-alt');
  await dashboard.closePages();
  expect(dashboard.takeTroubles()).toEqual([]);
});

it('leaves out what a test allows', async () => {
  const dashboard = createDashboard(await sharedBrowser(), origin);
  await dashboard.open('/', { allow: [/./] });
  expect(dashboard.takeTroubles()).toEqual([]);
  await dashboard.closePages();
});
