import { FakeClock } from '@fso/shared/fake-clock';
import { expect, it, vi } from 'vitest';
import { createMemoryLedger } from '../ledger/testing/memory-ledger.ts';
import { clusterReport, report } from '../serve/testing/fleet.ts';
import { ApprovalRelay, type ApprovalRelayDeps } from './approval-relay.ts';

it('follows tags while a cluster waits, also where the clusters cannot be read again', async () => {
  const revision = 'b'.repeat(40);
  const memory = createMemoryLedger({ clock: new FakeClock() });
  const lost = { kind: 'lost' } as const;
  let tell: (change: typeof lost) => void = () => undefined;
  const clusters = vi.fn<typeof memory.clusters>(() => memory.clusters());
  let wanted: () => string | null = () => null;
  const tags = { awaited: null as string | null };
  const error = vi.fn<() => void>();
  const deps = {
    ledger: {
      cluster: (name: string) => memory.cluster(name),
      clusters,
      subscribe: (handler: typeof tell) => {
        tell = handler;
      },
    },
    source: {
      hint: () => undefined,
      state: () => ({ revision: { revision } }),
      approvals: {
        follow: (asked: typeof wanted) => {
          wanted = asked;
        },
      },
    },
    targets: { targetOf: () => revision },
    delivery: { connected: () => [], publish: () => undefined },
    tags,
    logger: { error },
  } as unknown as ApprovalRelayDeps;
  await memory.setConnected('eu', true);
  const held = { revision, tag: 'fso/approve', missing: 1, approvers: ['bob'], problems: [] };
  await memory.applyReport('eu', report({ cluster: { ...clusterReport(), held } }));
  new ApprovalRelay(deps).open();
  await expect.poll(() => wanted()).toBe(revision);
  clusters.mockRejectedValueOnce(new Error('no database'));
  tell(lost);
  await expect.poll(() => error.mock.calls.length).toBe(1);
  expect(wanted()).toBe(revision);
  await memory.applyReport('eu', report({ cluster: clusterReport() }));
  tell(lost);
  await expect.poll(() => wanted()).toBeNull();
  tags.awaited = 'c'.repeat(40);
  expect(wanted()).toBeNull();
  tags.awaited = revision;
  expect(wanted()).toBe(revision);
});
