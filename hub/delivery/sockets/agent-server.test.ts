import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { rm } from 'node:fs/promises';
import { type AddressInfo, connect as connectPlain, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect } from 'node:tls';
import { DEFAULT_CONNECTION_LIMITS, systemClock } from '@fso/shared/runtime';
import { pino } from 'pino';
import { afterAll, afterEach, expect, it } from 'vitest';
import WebSocket from 'ws';
import { authenticateByToken, openIdentity } from '../../identity/index.ts';
import { createAuditKey, createCheckpoints } from '../../ledger/index.ts';
import { createMemoryLedger } from '../../ledger/testing/memory-ledger.ts';
import { AGENT_PATH, Delivery } from '../delivery.ts';
import { RevisionTargets } from '../offers/revision-targets.ts';
import { DEFAULT_AGENT_LIMITS } from '../pacing/agent-budget.ts';
import type { DeliveryLimits } from '../types.ts';
import { type AgentServer, createAgentServer, DEFAULT_LISTENER_LIMITS, type ListenerLimits } from './agent-server.ts';
import { DEFAULT_DELIVERY_LIMITS } from './default-limits.ts';

const TOKENS = new Map([['eu', 'token-of-eu-0123456789']]);
const nothing = (): void => undefined;

let server: AgentServer;
const clients: Socket[] = [];
afterEach(async () => {
  for (const socket of clients.splice(0)) socket.destroy();
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
});

const [clock, logger] = [systemClock, pino({ level: 'silent' })];
const folder = join(tmpdir(), `fso-test-${randomUUID()}`);
afterAll(() => rm(folder, { recursive: true, force: true }));

/** A listener over TLS, as agents that enrol have it. */
const secure = () =>
  openIdentity(
    {
      dataDir: folder,
      ca: undefined,
      agentTls: undefined,
      agentListen: { host: '127.0.0.1', port: 0 },
      hostnames: [],
      agentTokens: TOKENS,
    },
    { clock, logger, records: createMemoryLedger({ clock }).records, onEvent: async () => undefined },
  );

const start = async (
  change: Partial<ListenerLimits>,
  identity?: Awaited<ReturnType<typeof secure>>,
  limits: Partial<DeliveryLimits> = {},
) => {
  const listener = { ...DEFAULT_LISTENER_LIMITS, ...change };
  const ledger = createMemoryLedger({ clock });
  const delivery = new Delivery(
    identity?.authenticate ?? authenticateByToken(TOKENS),
    { version: 'test', limits: { ...DEFAULT_DELIVERY_LIMITS, ...limits, listener } },
    {
      ledger,
      checkpoints: createCheckpoints({ ledger, key: createAuditKey(), clock, logger }),
      offers: { get: () => Promise.reject(new Error('no offers')), advance: async () => undefined, made: () => 0 },
      targets: new RevisionTargets(),
      approvals: { of: () => undefined },
      clock,
      logger,
      metrics: { connected: nothing, offered: nothing, nacked: nothing, reported: nothing },
    },
  );
  server = createAgentServer(undefined, identity, listener);
  delivery.attach(server);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  /** Connections, the hub's side of them. */
  const open = (): Promise<number> =>
    new Promise((resolve, reject) => server.getConnections((error, n) => (error ? reject(error) : resolve(n))));
  return { port, open };
};

/** A client that never closes by itself; it stays half open where the hub only ends its side. */
const keep = (socket: Socket): Socket => {
  clients.push(socket);
  socket.on('error', nothing);
  return socket;
};

const connectAgent = async (url: string): Promise<WebSocket> => {
  const agent = new WebSocket(`${url}${AGENT_PATH}`, {
    headers: { Authorization: `Bearer ${TOKENS.get('eu')}` },
    rejectUnauthorized: false,
  });
  await once(agent, 'open');
  return agent;
};

it('closes refused upgrades, with any behaviour of their clients', async () => {
  const { port, open } = await start({ unproven: { ...DEFAULT_CONNECTION_LIMITS, perHolder: 1_000, total: 1_000, graceMs: 0 } });
  const REQUEST = `GET ${AGENT_PATH} HTTP/1.1\r\nHost: hub\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n`;
  const refuse = async (): Promise<string> => {
    const socket = keep(connectPlain({ host: '127.0.0.1', port, allowHalfOpen: true }));
    socket.write(REQUEST);
    const [data] = (await once(socket, 'data')) as [Buffer];
    return data.toString('latin1', 0, 12);
  };
  const answers = await Promise.all(Array.from({ length: 500 }, refuse));
  expect(new Set(answers)).toEqual(new Set(['HTTP/1.1 401']));
  await expect.poll(open).toBe(0);
});

it('closes an upgrade whose answer is not read', async () => {
  const { port, open } = await start({});
  const socket = keep(connectPlain({ host: '127.0.0.1', port, allowHalfOpen: true }));
  socket.pause();
  socket.write('GET /elsewhere HTTP/1.1\r\nHost: hub\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n');
  await expect.poll(open).toBe(0);
});

it('closes silent connections in time, and lets an agent of the same network connect meanwhile', async () => {
  const unproven = { ...DEFAULT_CONNECTION_LIMITS, perHolder: 20, total: 40, graceMs: 0 };
  const { port, open } = await start({ headersMs: 500, checkMs: 50, unproven }, await secure());
  const silent = (): Promise<unknown> => {
    const socket = keep(connect({ host: '127.0.0.1', port, rejectUnauthorized: false }));
    return Promise.race([once(socket, 'secureConnect'), once(socket, 'close')]);
  };
  await Promise.all(Array.from({ length: 200 }, silent));
  expect(await open()).toBeLessThanOrEqual(20);
  const agent = await connectAgent(`wss://127.0.0.1:${port}`);
  await Promise.all(Array.from({ length: 40 }, silent));
  // It has proven who it is: others take no place of its.
  await expect.poll(open).toBe(1);
  expect(agent.readyState).toBe(WebSocket.OPEN);
  agent.terminate();
});

it('accepts more agents of one address at a time than connections without a proof', async () => {
  const { port, open } = await start({ unproven: { ...DEFAULT_CONNECTION_LIMITS, perHolder: 2, total: 2, graceMs: 60_000 } });
  const agents: WebSocket[] = [];
  // Four streams without a hello are what one cluster may have.
  for (let n = 0; n < 4; n += 1) agents.push(await connectAgent(`ws://127.0.0.1:${port}`));
  expect(await open()).toBe(4);
  for (const agent of agents) agent.terminate();
});

it('accepts the handshakes of agents that arrive at once one after the other, and refuses none', async () => {
  const unproven = { ...DEFAULT_CONNECTION_LIMITS, perHolder: 3, total: 3, graceMs: 60_000 };
  const agent = { ...DEFAULT_AGENT_LIMITS, connections: { burst: 1_000, perSecond: 1 } };
  const { port } = await start({ unproven }, await secure(), { agent, maxSilent: 1_000 });
  const agents = await Promise.all(Array.from({ length: 60 }, () => connectAgent(`wss://127.0.0.1:${port}`)));
  expect(agents.filter(({ readyState }) => readyState === WebSocket.OPEN)).toHaveLength(60);
  for (const each of agents) each.terminate();
});
