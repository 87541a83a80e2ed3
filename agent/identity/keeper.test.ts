import type { ClusterEvent } from '@fso/shared/api';
import { FakeClock } from '@fso/shared/fake-clock';
import type { KubeClient } from '@fso/shared/kube';
import { identityUri } from '@fso/shared/protocol';
import { createLogger } from '@fso/shared/runtime';
import { describe, expect, it } from 'vitest';
import { forgeAlone } from '../../test/trust/forgeries.ts';
import { IdentityKeeper } from './keeper.ts';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const REASON = 'hub.example.com shows a certificate of another CA than that of the hub';

/**
 * A keeper with a stored identity that is valid for a day, a hub that is not there, and the events
 * that it raises.
 */
const start = async (clock: FakeClock, signal: AbortSignal) => {
  const now = clock.now().getTime();
  const lifetime = { notBefore: new Date(now - HOUR), notAfter: new Date(now + 24 * HOUR) };
  const { cert, key, ca } = await forgeAlone({ names: [{ type: 'url', value: identityUri('eu') }], generation: '1', lifetime });
  const encode = (text: string): string => Buffer.from(text).toString('base64');
  const data = { 'tls.crt': encode(cert), 'tls.key': encode(key), 'ca.crt': encode(ca) };
  const client = { get: async () => ({ data }) } as unknown as KubeClient;
  const events: Omit<ClusterEvent, 'time'>[] = [];
  const keeper = new IdentityKeeper(
    { cluster: 'eu', hubUrl: 'wss://127.0.0.1:1', enrolToken: undefined, ca: undefined },
    { client, clock, random: () => 0.5, logger: createLogger({ name: 'test', level: 'silent' }) },
    { onEvent: (event) => events.push(event), onRenewed: () => undefined, onExpiry: () => undefined },
  );
  keeper.run(signal).catch(() => undefined);
  await keeper.current(signal);
  return { keeper, events };
};

describe('a hub that shows a certificate of another CA', () => {
  it('raises an alert after a minute, and again after another connection', async () => {
    const stop = new AbortController();
    const clock = new FakeClock();
    const { keeper, events } = await start(clock, stop.signal);
    for (const [waitMs, alerts] of [
      [0, 0],
      [MINUTE - 1, 0],
      [1, 1],
      [MINUTE, 1],
    ] as const) {
      await clock.advance(waitMs);
      keeper.recordUntrusted(REASON);
      expect(events).toHaveLength(alerts);
    }
    expect(events[0]).toMatchObject({ severity: 'alert', reason: 'NotEnrolled', message: expect.stringContaining(REASON) });
    keeper.recordConnected();
    keeper.recordUntrusted(REASON);
    expect(events).toHaveLength(1);
    await clock.advance(MINUTE);
    keeper.recordUntrusted(REASON);
    expect(events).toHaveLength(2);
    stop.abort();
  });
});
