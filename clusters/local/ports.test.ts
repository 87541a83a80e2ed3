import { createServer } from 'node:net';
import { expect, it } from 'vitest';
import { BLOCK, claimPorts } from './ports.ts';

it('claims free ports and keeps the block from others until it is released', async () => {
  const claim = await claimPorts();
  const base = claim.ports.apiServer;
  await expect(claimPorts(base)).rejects.toThrow(`port ${base + BLOCK - 1} of 127.0.0.1 cannot be used (EADDRINUSE)`);
  await claim.release();
  const again = await claimPorts(base);
  expect(again.ports).toEqual(claim.ports);
  await again.release();
});

it('names the port that is in use and what to do', async () => {
  const claim = await claimPorts();
  await claim.release();
  const server = createServer().listen(claim.ports.etcd, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  await expect(claimPorts(claim.ports.apiServer)).rejects.toThrow(new RegExp(`port ${claim.ports.etcd} .*choose another --base-port`));
  await new Promise((resolve) => server.close(resolve));
});
