import type { ClusterView } from '@fso/shared/api';

export const NOW: number = Date.parse('2026-01-03T10:30:00.000Z');
export const after = (hours: number): string => new Date(NOW + hours * 3_600_000).toISOString();

const REVISION = 'a1'.repeat(20);

/** View of a healthy cluster. */
export const clusterView = (change: Partial<ClusterView> = {}): ClusterView => ({
  name: 'eu',
  provider: null,
  regions: ['eu-west-1'],
  labels: {},
  connection: 'Connected',
  notObserved: null,
  notKept: null,
  lastSeen: after(0),
  offeredRevision: REVISION,
  revision: REVISION,
  provenRevision: REVISION,
  inSync: true,
  nack: null,
  policies: { total: 1, active: 1, failed: 0, pending: 0, expired: 0 },
  violations: 0,
  clockSkewMs: 12,
  certificateExpires: after(20),
  report: {
    revision: REVISION,
    provenRevision: REVISION,
    verification: 'verified',
    agentVersion: '0.1.0',
    kubernetesVersion: 'v1.36.1',
    gatekeeper: { state: 'Ready', version: 'v3.23.0' },
    nodesByRegion: { 'eu-west-1': 3 },
    conditions: [],
  },
  ...change,
});
