import { createHash } from 'node:crypto';
import { SYSTEM_NAMESPACE } from '@fso/shared/api';
import { makeKey } from '../../shared/trust/testing/commits.ts';
import type { Release, Values } from './helm.ts';

/** Releases of the charts with the values that matter. */

export const HUB_NAMESPACE = 'fso';

/** Creates a line of an allowed signers file. */
export const signer = (): string => `alice@example.com ${makeKey().line}\n`;

export const TOKEN = `fso1.eu.${Buffer.alloc(32, 7).toString('base64url')}.${'ab'.repeat(32)}`;
export const DIGEST = `sha256:${createHash('sha256').update('image').digest('hex')}`;
export const PEER = { namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': 'ingress' } } };
const PLACE = {
  nodeSelector: { pool: 'system' },
  tolerations: [{ key: 'system', operator: 'Exists' }],
  podAnnotations: { team: 'governance' },
};
const TELEMETRY = { otlpEndpoint: 'https://collector.example.com:4318', headersSecret: { name: 'traces' }, ca: 'a CA of collectors' };
const REGISTRY = { global: { imageRegistry: 'registry.example.com/mirror/', imagePullSecrets: ['registry'] }, image: { digest: DIGEST } };

export const agentWith = (values: Values = {}, namespace = SYSTEM_NAMESPACE): Release => ({
  chart: 'fso-agent',
  namespace,
  values: { cluster: 'eu', ...values },
});
export const FULL_AGENT = agentWith({
  ...REGISTRY,
  ...PLACE,
  platform: 'eks',
  priorityClassName: 'system-cluster-critical',
  trustedBinders: ['system:serviceaccount:batch:scheduler'],
  hub: { url: 'wss://hub.example.com:8443', ca: 'a CA' },
  signers: { ssh: signer() },
  openReports: { enabled: true },
  telemetry: TELEMETRY,
  settings: { FSO_LOG_LEVEL: 'debug', FSO_OWNER_EVENTS: 'true', FSO_PREVIEW: 'names', FSO_VERIFY: 'warn' },
  networkPolicy: {
    apiServer: [{ ipBlock: { cidr: '10.0.0.0/8' } }],
    hub: [{ ipBlock: { cidr: '192.0.2.0/24' } }],
    telemetry: [PEER],
    metricsFrom: [PEER],
  },
});

export const hubWith = (values: Values = {}, namespace = HUB_NAMESPACE): Release => ({
  chart: 'fso-hub',
  namespace,
  values: { replicas: 1, git: { url: 'https://git.example.com/policies.git' }, access: { apiTokenSecret: { name: 'api' } }, ...values },
});
/** Role of a team that sees only a part of the fleet. */
export const EU_TEAM = { groups: ['eu-team'], role: 'operator', clusters: { clusterRegions: ['group:eu'] } };

export const KEYS = { keys: { existingSecret: 'own-keys' } };
export const FULL_HUB = hubWith({
  ...REGISTRY,
  ...PLACE,
  ...KEYS,
  replicas: 2,
  git: { url: 'https://git.example.com:8443/policies.git', tokenSecret: { name: 'git' }, webhookSecret: { name: 'git', key: 'webhook' } },
  database: { urlSecret: { name: 'database' } },
  ca: 'a CA',
  signers: { ssh: signer() },
  access: {
    oidc: {
      issuer: 'https://login.example.com',
      clientId: 'fso',
      clientSecret: { name: 'login' },
      roleMap: 'admin=fso-admins',
      grants: [EU_TEAM],
    },
    trustedProxies: ['10.0.0.0/8'],
  },
  agents: {
    hostnames: ['hub.example.com', '192.0.2.10'],
    ingress: { enabled: true, className: 'haproxy', annotations: { 'haproxy.org/ssl-passthrough': 'true' } },
    service: { type: 'LoadBalancer', annotations: { internal: 'true' } },
  },
  ingress: {
    enabled: true,
    className: 'haproxy',
    host: 'fso.example.com',
    tlsSecret: 'fso-tls',
    issuerRef: { name: 'letsencrypt', kind: 'ClusterIssuer' },
    annotations: { affinity: 'address' },
  },
  storage: { className: 'local' },
  alerts: {
    config: {
      receivers: [{ name: 'alertmanager', alertmanager: { url: 'http://alertmanager.monitoring:9093' } }],
      route: { receiver: 'alertmanager' },
    },
    secret: 'alerts',
    ports: [443, 9093],
  },
  telemetry: TELEMETRY,
  settings: { FSO_HISTORY_DAYS: '90', OTEL_TRACES_SAMPLER: 'traceidratio', OTEL_TRACES_SAMPLER_ARG: '0.1' },
  networkPolicy: { apiFrom: [PEER], git: [PEER], database: [PEER], identityProvider: [PEER], receivers: [PEER], telemetry: [PEER] },
});

/** Hub with everything for Prometheus and Grafana. */
export const MONITORED_HUB = hubWith({
  ...KEYS,
  monitoring: {
    serviceMonitor: { enabled: true, labels: { release: 'prometheus' } },
    rules: { enabled: true, labels: { release: 'prometheus' }, runbookUrl: 'https://docs.example.com/runbooks' },
    dashboards: { enabled: true, annotations: { folder: 'FSO' } },
  },
  networkPolicy: { apiFrom: [PEER] },
});
export const MONITORED_AGENT = agentWith({
  monitoring: {
    podMonitor: { enabled: true, labels: { release: 'prometheus' } },
    rules: { enabled: true, labels: { release: 'prometheus' }, runbookUrl: 'https://docs.example.com/runbooks' },
    dashboards: { enabled: true, annotations: { folder: 'FSO' } },
  },
  networkPolicy: { metricsFrom: [PEER] },
});

const LISTENER = { name: 'public', namespace: 'gateways' };
/** Hub behind the Gateway API instead of ingresses. */
export const GATEWAY_HUB = hubWith({
  ...KEYS,
  gateway: { enabled: true, host: 'fso.example.com', parentRefs: [{ ...LISTENER, sectionName: 'https' }] },
  agents: { hostnames: ['hub.example.com', '192.0.2.10', '2001:db8::1'], gatewayRefs: [{ ...LISTENER, sectionName: 'agents' }] },
  networkPolicy: { apiFrom: [PEER] },
});
const olderGatewayHub = (tlsRouteVersion: string): Release =>
  hubWith({ ...GATEWAY_HUB.values, agents: { ...(GATEWAY_HUB.values['agents'] as Values), tlsRouteVersion } });

/** Several hubs, whose keys a Job creates. */
export const SEVERAL_HUBS = hubWith({ replicas: 2, database: { urlSecret: { name: 'database' } } });
/** Values that let the namespace choose the users of pods. */
export const OPENSHIFT: Values = { podSecurityContext: { runAsUser: null, runAsGroup: null, fsGroup: null } };

const VOLUME = { name: 'bundle', configMap: { name: 'corporate-ca' } };
/** The values that most charts have. */
const STANDARD: Values = {
  global: { environment: 'production' },
  nameOverride: 'governance',
  fullnameOverride: 'governance',
  podLabels: { mesh: 'on' },
  affinity: { nodeAffinity: { preferredDuringSchedulingIgnoredDuringExecution: [] } },
  topologySpreadConstraints: [
    { maxSkew: 1, topologyKey: 'rack', whenUnsatisfiable: 'ScheduleAnyway', labelSelector: { matchLabels: { mesh: 'on' } } },
  ],
  serviceAccount: { name: 'own', annotations: { 'eks.amazonaws.com/role-arn': 'arn:aws:iam::1:role/fso' } },
  securityContext: { runAsNonRoot: true },
  podDisruptionBudget: { enabled: false },
  proxy: { urlSecret: { name: 'proxy' }, noProxy: ['.corp.example'], ca: 'a CA' },
  extraEnv: [{ name: 'NODE_OPTIONS', value: '--max-old-space-size=400' }],
  extraEnvFrom: [{ configMapRef: { name: 'more', optional: true } }],
  extraVolumes: [VOLUME],
  extraVolumeMounts: [{ name: VOLUME.name, mountPath: '/etc/bundle', readOnly: true }],
};
const dualStack = (type: string, nodePort: number): Values => ({
  type,
  nodePort,
  ipFamilyPolicy: 'PreferDualStack',
  ipFamilies: ['IPv4'],
  ...(type === 'LoadBalancer' && {
    loadBalancerClass: 'example.com/internal',
    loadBalancerSourceRanges: ['192.0.2.0/24', '2001:db8::/32'],
  }),
});

const BACKUP: Values = { backup: { enabled: true, keep: 3, tokenSecret: { name: 'backups' }, storage: { existingClaim: 'nfs' } } };

export const RELEASES: readonly (readonly [string, Release])[] = [
  ['the agent, alone', agentWith()],
  ['the agent, with everything', FULL_AGENT],
  ['the agent, without network policy', agentWith({ networkPolicy: { enabled: false } })],
  ['the agent, with the values of most charts', agentWith(STANDARD)],
  ['the agent, with labelers of nodes of its own', agentWith({ platform: 'aks', trustedNodeLabelers: ['system:serviceaccount:x:y'] })],
  ['the agent, through a proxy', agentWith({ hub: { url: 'wss://hub:8443' }, proxy: { url: 'https://proxy:3129', noProxy: ['.corp'] } })],
  ['the hub, alone', hubWith()],
  ['the hub, with keys that are there', hubWith(KEYS)],
  ['the hub, with backups', hubWith({ backup: { enabled: true } })],
  ['several hubs, with backups elsewhere', hubWith({ ...SEVERAL_HUBS.values, ...BACKUP })],
  ['several hubs', SEVERAL_HUBS],
  [
    'the hub, with the values of most charts',
    hubWith({
      ...STANDARD,
      storage: { existingClaim: 'old' },
      service: dualStack('NodePort', 30_080),
      agents: { service: dualStack('LoadBalancer', 30_443) },
    }),
  ],
  ['the hub, with everything', FULL_HUB],
  ['the hub, by gateways', GATEWAY_HUB],
  ['the hub, by gateways of Gateway API 1.4', olderGatewayHub('v1alpha3')],
  ['the hub, by gateways before that', olderGatewayHub('v1alpha2')],
  [
    'the hub, without network policy',
    hubWith({ ...KEYS, networkPolicy: { enabled: false }, ingress: { enabled: true, host: 'fso.example.com' } }),
  ],
];

/** Release of the hub alone, as a dependency of another chart. @param chart folder of that chart */
export const umbrellaOf = (chart: string): Release => ({
  chart,
  namespace: HUB_NAMESPACE,
  values: {
    global: { environment: 'production', imageRegistry: 'registry.example.com', imagePullSecrets: [{ name: 'registry' }] },
    'fso-hub': { enabled: true, ...hubWith().values },
    'fso-agent': { enabled: false, cluster: 'eu' },
  },
});

/** Releases as in {@link RELEASES}, in which the namespace chooses the users of pods. */
export const OPENSHIFT_RELEASES: typeof RELEASES = [
  ['the agent on OpenShift', agentWith(OPENSHIFT)],
  ['the hub on OpenShift', hubWith(OPENSHIFT)],
];
